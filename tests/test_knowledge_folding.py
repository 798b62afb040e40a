"""Text made comparable: one spelling, and the way back to the original.

The rule that must not break: `starts` names a place in the original for every folded character,
in rising order, whatever is folded.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.bigrams import list_words, stem
from appliance.knowledge.denials import is_denied
from appliance.knowledge.folding import fold, normalise, read_simplified
from appliance.knowledge.frames import find_essence


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("Straße", "strasse"),
        ("退\u200b货\u00ad", "退货"),
        ("\u202eabc\U000e0041", "abc"),
        ("раураl", "paypal"),
        ("a \t\n b", "a b"),
        ("請問這個商品", "请问这个商品"),
        ("Cafe\u0301", "cafe"),
        ("Zürich", "zurich"),
    ],
)
def test_many_spellings_fold_to_one(written: str, folded: str) -> None:
    assert fold(written).text == folded


@given(st.text(max_size=60))
def test_every_folded_character_has_its_place_in_the_original(text: str) -> None:
    folded = fold(text)
    assert len(folded.starts) == len(folded.text)
    assert list(folded.starts) == sorted(folded.starts)
    assert all(0 <= start < len(text) for start in folded.starts)
    assert "  " not in folded.text


@given(st.text(alphabet="aé退請货\u200b Ａｂ！。,1.5", max_size=40))
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text).text
    assert fold(once).text == once


def test_a_match_can_be_cut_out_of_the_original() -> None:
    original = "我想 退\u200b貨 了"
    folded = fold(original)
    place = folded.text.index("退")
    end = folded.starts[folded.text.index("货")] + 1
    assert original[folded.starts[place] : end] == "退\u200b貨"


@pytest.mark.parametrize(
    ("asked", "normal"),
    [
        ("请问一下，这个商品可以退货吗？", "这个商品可以退货"),
        ("亲，能不能开发票呢，谢谢", "能不能开发票"),
        ("Hi, could you please tell me the price? Thanks!", "the price"),
        ("你好", "你好"),
        ("thanks", "thanks"),
        ("1,299元", "1299元"),
        ("9:00-18:00？", "9:00-18:00"),
        ("12.5% off", "12.5% off"),
        ("有什么", "有什么"),
        ("问题", "问题"),
        ("老板电话多少", "老板电话多少"),
        ("C++", "c++"),
        ("!!!", ""),
    ],
)
def test_a_question_loses_marks_and_courtesies_and_nothing_else(asked: str, normal: str) -> None:
    assert normalise(asked) == normal


@given(st.text(max_size=60))
def test_normalising_never_fails_and_leaves_no_edges(text: str) -> None:
    assert normalise(text) == normalise(text).strip()


def test_the_simplified_table_maps_one_character_to_one() -> None:
    table = read_simplified()
    assert len(table) > 2500
    assert all(len(new) == 1 and chr(old) != new for old, new in table.items())
    assert not {ord(new) for new in table.values()} & set(table)


def test_words_are_pairs_of_chinese_characters_and_stems_of_others() -> None:
    assert list_words("我要退货 shipping 5kg") == ["我要", "要退", "退货", "ship", "5kg"]
    assert list_words("退") == ["退"]
    assert stem("bus") == "bus"


@given(st.text(max_size=60))
def test_a_word_is_never_a_search_operator(text: str) -> None:
    assert all(word.replace("\u3099", "a").replace("\u309a", "a") for word in list_words(text))
    assert not any('"' in word or "*" in word for word in list_words(text))


@pytest.mark.parametrize("text", ["没有收到货", "I can't log in", "不能用", "does not work"])
def test_a_denial_is_seen(text: str) -> None:
    assert is_denied(text)


@pytest.mark.parametrize(
    "text", ["能不能退货", "有没有发票", "收到了", "can I log in", "是不是包邮"]
)
def test_asking_whether_denies_nothing(text: str) -> None:
    assert not is_denied(text)


def test_the_frame_of_a_question_is_left_out_but_never_all_of_it() -> None:
    assert find_essence("Do you have a garage?") == "garage"
    assert find_essence("你们这里可以开发票吗") == "开发票"
    assert find_essence("怎么办") != ""
    assert find_essence("what is it") != ""


def test_a_row_of_endings_is_taken_off_whole() -> None:
    assert normalise("好用" + "吗呢" * 2000) == normalise("好用")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("附近有酒吧吗？", "附近有酒吧"),
        ("请问楼下的网吧", "楼下的网吧"),
        ("酒店里有没有水吧", "酒店里有没有水吧"),
        ("你们有书吧吗", "你们有书吧"),
        ("怎么去酒吧呢", "怎么去酒吧"),
        ("去酒吧吧", "去酒吧"),
        ("咖啡吧", "咖啡吧"),
        ("百度贴吧", "百度贴吧"),
        ("氧吧", "氧吧"),
    ],
)
def test_a_bar_is_no_particle(text: str, left: str) -> None:
    assert normalise(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("可以退吧", "可以退"),
        ("这个手表防水吧", "这个手表防水"),
        ("有说明书吧？", "有说明书"),
        ("房间里有水吧？", "房间里有水"),
        ("里面能喝酒吧", "里面能喝酒"),
        ("送啤酒吧", "送啤酒"),
        ("可以上网吧？", "可以上网"),
        ("喝咖啡吧", "喝咖啡"),
    ],
)
def test_a_particle_behind_what_could_be_a_bar_is_taken_off(text: str, left: str) -> None:
    assert normalise(text) == left
