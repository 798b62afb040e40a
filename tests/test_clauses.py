"""An end stands where a clause ends, and it is the same end however the text came."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.dialogue.clauses import (
    CONTEXT,
    FENCE,
    LONGEST_GAP,
    find_code,
    find_context,
    find_ends,
    is_between_words,
)

# "|" marks the end of a clause and "‖" that of a sentence.
MARKED = (
    "您好，|七天内可以退货；|请放心。‖谢谢！‖真的吗？‖",
    "第一行\n‖第二行\n‖",
    "Hello,| you may return it.‖ Really?‖ Yes!‖ Fine;| bye",
    "It costs 1,299.50 yuan,| and 3.5 kg.‖",
    "见 https://shop.com/a,b;c?d=1.5 即可。‖",
    "Open 9 a.m. to 5 p.m. on weekdays.‖",
    "e.g. this,| i.e. that",
    "Dr. Li lives at No. 5 Main St. near Ave. B",
    "Mon. and Tue. only.‖",
    "1. 打开页面\n‖2. 点一下\n‖",
    "  3. third,| yes",
    "电话：\n‖10086",
    "时间：9:00-21:00，|请来。‖",
    "Wait...‖ no.‖",
    "好的！‖！‖",
    "a,b,c 1,2,3",
    "版本1.2.3。‖",
    "no mark at all",
    "",
)


def ends_of(text: str, is_last: bool = True) -> list[tuple[int, bool]]:
    return [(end.at, end.is_sentence) for end in find_ends(text, 0, is_last)]


def read_marked(marked: str) -> tuple[str, list[tuple[int, bool]]]:
    text, ends = "", []
    for char in marked:
        if char in "|‖":
            ends.append((len(text), char == "‖"))
        else:
            text += char
    return text, ends


@pytest.mark.parametrize("marked", MARKED)
def test_clauses_and_sentences_end_where_they_are_marked(marked: str) -> None:
    text, ends = read_marked(marked)
    assert ends_of(text) == ends


@pytest.mark.parametrize("marked", MARKED)
def test_what_comes_later_takes_no_end_back_and_adds_none(marked: str) -> None:
    text, _ = read_marked(marked)
    whole = ends_of(text)
    for at in range(len(text) + 1):
        known = ends_of(text[:at], is_last=False)
        assert known == whole[: len(known)]
        # All but the last character's are known at once.
        assert len(known) >= sum(end < at for end, _ in whole)


@given(st.text(alphabet="，。,.!?;；\n a1:st", max_size=30))
def test_no_end_of_any_text_is_taken_back(text: str) -> None:
    whole = ends_of(text)
    for at in range(len(text) + 1):
        known = ends_of(text[:at], is_last=False)
        assert known == whole[: len(known)]


@given(st.text(alphabet="，。,.!? a1\n", max_size=30), st.integers(0, 30))
def test_a_search_from_an_end_finds_the_ends_behind_it(text: str, at: int) -> None:
    whole = ends_of(text)
    for start, _ in whole[at : at + 1]:
        later = [(end.at, end.is_sentence) for end in find_ends(text, start, True)]
        assert later == [end for end in whole if end[0] > start]


@pytest.mark.parametrize("text", ["3.5", "1,299", "shop.com", "a.m", "9:00", "no.5"])
def test_no_end_stands_within_a_number_a_time_or_an_address(text: str) -> None:
    assert ends_of(text) == []


@pytest.mark.parametrize(
    ("before", "behind", "is_between"),
    [
        ("我们", "乐意", True),
        ("no ", "end", True),
        ("no", " end", False),
        ("ab", "cd", False),
        ("我们", "abc", False),
        ("abc", "我们", False),
        ("12", "34", False),
        ("一二", "三", True),
        ("好\n", "好", True),
        ("e ", "\u0301", False),
        ("哈", "\u200d", False),
    ],
)
def test_a_text_without_an_end_is_cut_between_words_alone(
    before: str, behind: str, is_between: bool
) -> None:
    assert is_between_words(before + behind, len(before)) is is_between


@pytest.mark.parametrize(
    ("said", "context"),
    [
        ("您好，电话：\n", "，电话：\n"),
        ("您好。", "。"),
        ("Hello. Call us at\n", ". Call us at\n"),
        ("第一行\n价格：\n\n", "\n价格：\n\n"),
        ("价格：" + "\n" * (LONGEST_GAP + 1), ""),
        ("价" * 100, "价" * CONTEXT),
        ("", ""),
    ],
)
def test_the_context_is_what_may_still_name_a_number(said: str, context: str) -> None:
    assert find_context(said) == context


@given(st.text(alphabet="a`\n", max_size=40), st.integers(0, 40))
def test_blocks_of_code_are_the_same_in_two_parts_as_in_one(text: str, at: int) -> None:
    head, tail = text[:at], text[at:]
    assume(not head.endswith("`"))
    whole = {place for first, last in find_code(text, False) for place in range(first, last)}
    is_open = head.count(FENCE) % 2 == 1
    parts = {place for first, last in find_code(head, False) for place in range(first, last)}
    for first, last in find_code(tail, is_open):
        parts |= {at + place for place in range(first, last)}
    assert parts == whole
