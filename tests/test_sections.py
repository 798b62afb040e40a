"""Two stores in one guide: what is said of the one is no answer about the other."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from appliance.knowledge.entries import Origin, Passage
from appliance.knowledge.evidence import OTHER_SECTION, TOO_LITTLE
from appliance.knowledge.index import Index, write_index
from appliance.knowledge.sections import names_another, tell_apart


def make(*headings: str, text: str = "", file: str = "guide.md") -> Passage:
    return Passage("/".join(headings), "Guide", text, Origin(file), headings)


HANGZHOU = make("Stores", "Hangzhou store", text="Small dogs on a lead are welcome")
SUZHOU = make("Stores", "Suzhou store", text="Pets are not allowed")
QINGHE = make("杭州青禾路店", text="牵绳的小型犬可以进店")
ZHUYING = make("苏州竹影街店", text="老地板怕抓，宠物不进店")
COSTS = make("Delivery costs", text="8 yuan below 99")
TIMES = make("Delivery times", text="2 days in the city")
RETURNS = make("Return costs", text="We pay for the delivery back")


@pytest.mark.parametrize(
    ("question", "own", "other", "is_another"),
    [
        ("may my dog come into the Suzhou shop", HANGZHOU, SUZHOU, True),
        ("may my dog come into the Suzhou shop", SUZHOU, HANGZHOU, False),
        ("may my dog come into the shop", HANGZHOU, SUZHOU, False),
        ("dogs in Hangzhou or Suzhou?", HANGZHOU, SUZHOU, False),
        ("苏州店能带狗吗", QINGHE, ZHUYING, True),
        ("苏州店能带狗吗", ZHUYING, QINGHE, False),
        ("店里能带狗吗", QINGHE, ZHUYING, False),
        ("青禾路店能带狗吗", ZHUYING, QINGHE, True),
        # Their headings do not end alike, so they are not two of one kind.
        ("how many times do I pay", COSTS, TIMES, False),
        # It speaks of the other one's name itself.
        ("what does the delivery of it cost", RETURNS, COSTS, False),
    ],
)
def test_a_question_that_has_another_sections_name_is_not_about_this_one(
    question: str, own: Passage, other: Passage, is_another: bool
) -> None:
    assert names_another(question, own, [own, other]) is is_another


@pytest.mark.parametrize(
    "other",
    [
        make("Stores", "Suzhou store", file="other.md"),
        make("Stores"),
        make("Stores", "Hangzhou store"),
        make("Stores", "？"),
    ],
)
def test_only_sections_that_stand_side_by_side_are_told_apart(other: Passage) -> None:
    assert not any(tell_apart(HANGZHOU, other))


def test_what_differs_is_the_first_heading_that_does() -> None:
    parking = make("Stores", "Suzhou store", "Parking")
    assert tell_apart(HANGZHOU, parking) == (frozenset(["hangzhou"]), frozenset(["suzhou"]))


@pytest.mark.parametrize(
    ("question", "line"),
    [
        ("are small dogs allowed in the Suzhou store", SUZHOU.text),
        ("are small dogs welcome in the Hangzhou store", HANGZHOU.text),
        ("苏州店小型犬可以进店吗", ZHUYING.text),
    ],
)
def test_the_line_below_the_name_that_was_asked_for_is_taken(
    tmp_path: Path, question: str, line: str
) -> None:
    write_index(tmp_path / "stores.db", [], [HANGZHOU, SUZHOU, QINGHE, ZHUYING])
    with closing(Index(tmp_path / "stores.db")) as index:
        assert index.find_evidence(question).lines[0] == line


def test_where_only_the_other_section_speaks_of_it_nothing_answers(tmp_path: Path) -> None:
    silent = make("Stores", "Suzhou store", text="Bus: line 55")
    write_index(tmp_path / "stores.db", [], [HANGZHOU, silent])
    with closing(Index(tmp_path / "stores.db")) as index:
        assert index.find_evidence("are small dogs on a lead welcome").can_answer
        found = index.find_evidence("are small dogs on a lead welcome in the Suzhou store")
    assert not found.can_answer
    assert found.reason in (OTHER_SECTION, TOO_LITTLE)


def test_the_other_section_need_not_be_among_those_that_are_read(tmp_path: Path) -> None:
    """By words alone a few are read, and the one that is meant may say it in other words."""
    write_index(tmp_path / "stores.db", [], [HANGZHOU, SUZHOU])
    with closing(Index(tmp_path / "stores.db")) as index:
        found = index.find_evidence("can I bring small dogs on a lead to the Suzhou shop", limit=1)
        assert (found.can_answer, found.reason) == (False, OTHER_SECTION)
        assert index.find_evidence("can I bring small dogs on a lead", limit=1).can_answer
