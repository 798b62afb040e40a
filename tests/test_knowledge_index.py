"""The file that holds the knowledge: written whole, read back to the letter, found again.

The rule that must not break: nothing a customer types reaches SQLite as anything but words.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.knowledge.entries import Entry, Origin, Passage
from appliance.knowledge.index import Index, write_index

TODAY = date(2026, 11, 21)
ENTRIES = (
    Entry(
        "a", "怎么申请退货？", "收到后 7 天内。\n<b>原样</b>", Origin("faq.csv", 2, "答案"),
        ("我想退货", "东西不想要了"), ("退货",), ("https://shop.example/r",), language="zh",
    ),
    Entry("b", "How much is shipping?", "Free from ¥99.", Origin("faq.csv", 3), language="en"),
    Entry("c", "双十一有活动吗", "全场九折", Origin("faq.csv", 4), valid_from=date(2026, 11, 1),
          valid_to=date(2026, 11, 11)),
    Entry("d", "我想退货", "second", Origin("faq.csv", 5)),
)  # fmt: skip
PASSAGES = (
    Passage("p", "退货说明", "七天无理由退货，运费由买家承担。", Origin("r.md"), ("时间",), "zh"),
    Passage("q", "Care", "Wash the mug by hand.", Origin("c.md"), ("Mugs",), "en"),
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path = tmp_path_factory.mktemp("index") / "knowledge.db"
    write_index(path, ENTRIES, PASSAGES)
    opened = Index(path)
    yield opened
    opened.close()


def test_the_first_entries_of_each_language_stand_in_the_owner_s_order(index: Index) -> None:
    assert index.first_entries == ENTRIES


def test_of_each_entry_one_phrasing_is_listed_before_the_second_of_any(index: Index) -> None:
    first = tuple(entry.question for entry in ENTRIES)
    assert index.list_questions(4) == first
    assert index.list_questions(9) == (*first, "我想退货", "东西不想要了")


@pytest.mark.parametrize("question", ["請問怎麼申請退貨", "我想退货！", "怎么申请退货呢，谢谢"])
def test_an_exact_question_is_answered_with_the_entry_to_the_letter(
    index: Index, question: str
) -> None:
    match = index.match(question, TODAY)
    assert match.outcome == "sure"
    assert match.hits[0].entry == ENTRIES[0]
    assert match.hits[0].score == 1.0


@pytest.mark.parametrize(("day", "outcome"), [(11, "sure"), (12, "none"), (1, "sure")])
def test_an_entry_answers_on_the_days_it_is_valid_and_on_no_other(
    index: Index, day: int, outcome: str
) -> None:
    match = index.match("双十一有活动吗", date(2026, 11, day))
    assert (match.outcome == "sure") == (outcome == "sure")
    assert outcome == "sure" or "c" not in {hit.entry.id for hit in match.hits}


@pytest.mark.parametrize(
    "question", ["", "？？？", "\u200b", '"', "NEAR(", "zz* OR yy", "\0", "🙂"]
)
def test_a_question_without_words_or_full_of_operators_finds_nothing(
    index: Index, question: str
) -> None:
    assert index.match(question, TODAY).outcome == "none"
    assert index.find_passages(question) == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(question=st.text(max_size=80))
def test_any_text_may_be_asked(index: Index, question: str) -> None:
    assert len(index.match(question, TODAY).hits) <= 3
    assert all(0 <= found.score <= 1 for found in index.find_passages(question))


def test_a_very_long_question_is_taken(index: Index) -> None:
    assert (
        index.match("退货" + "".join(map(chr, range(0x4E00, 0x4E00 + 2000))), TODAY).hits
        is not None
    )


def test_passages_are_found_by_text_and_headings_and_only_where_words_are_shared(
    index: Index,
) -> None:
    assert index.find_passages("退货运费谁承担")[0].passage == PASSAGES[0]
    assert index.find_passages("how do I wash mugs")[0].passage == PASSAGES[1]
    assert index.find_passages("今天天气怎么样") == ()


def test_an_empty_knowledge_is_a_file_that_answers_nothing(tmp_path: Path) -> None:
    write_index(tmp_path / "k.db", (), ())
    index = Index(tmp_path / "k.db")
    assert index.match("退货", TODAY).outcome == "none"
    assert index.texts_to_embed() == ()
    assert index.find_passages("退货") == ()
    index.close()


def test_a_file_that_is_cut_off_is_refused_with_its_name(tmp_path: Path) -> None:
    whole = tmp_path / "whole.db"
    write_index(whole, ENTRIES, PASSAGES)
    content = whole.read_bytes()
    for size in range(0, len(content) // 2, 4096 * 3):
        (tmp_path / "cut.db").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"cut\.db"):
            Index(tmp_path / "cut.db")


def test_the_same_values_give_the_same_answers(tmp_path: Path) -> None:
    answers = []
    for name in ("one.db", "two.db"):
        write_index(tmp_path / name, ENTRIES, PASSAGES)
        index = Index(tmp_path / name)
        answers.append(index.match("退货怎么弄", TODAY))
        index.close()
    assert answers[0] == answers[1]
