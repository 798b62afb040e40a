"""A branch in a city of which nothing is written, and all that is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from appliance.dialogue.doubts import doubt
from appliance.knowledge.branches import find_places, names_unknown_branch
from appliance.knowledge.entries import Entry, Hit, Match, Origin, Passage
from appliance.knowledge.evidence import UNKNOWN_BRANCH
from appliance.knowledge.index import Index, write_index

WRITTEN = (
    "杭州市拱墅区青禾路 88 号：10:00–21:00",
    "The Suzhou store opens at ten.",
    "上海、江苏、浙江 8 元，北京 12 元；也可以到店自提。",
    "88 Grafton Street, Dublin",
)
PLACES = find_places(WRITTEN)
TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    "question",
    [
        "你们上海那家店营业到几点",
        "北京分店电话多少",
        "深圳市的门店周末几点关门",
        "What time does your Shanghai shop close?",
        "phone number of the branch in New York",
        "hours of the Hong Kong branches",
        "杭州店和上海店几点开门",
    ],
)
def test_a_branch_of_which_nothing_is_written_is_unknown(question: str) -> None:
    assert names_unknown_branch(question, PLACES)


@pytest.mark.parametrize(
    "question",
    [
        "杭州店几点开门",
        "苏州那家店几点关门",
        "When does the Hangzhou store open?",
        "上海有店吗",
        "上海店在哪里",
        "Is there a store in London?",
        "where is your Berlin branch",
        "寄到上海要几天",
        "I live in London, when do you open?",
        "南京路店几点开门",
        "when does the Dublin shop close",
    ],
)
def test_what_is_written_of_and_what_is_no_branch_are_not(question: str) -> None:
    assert not names_unknown_branch(question, PLACES)


def test_a_shop_that_names_no_city_may_be_in_any() -> None:
    places = find_places(("几点开门？每天 9 点。", "上海、浙江 8 元"))
    assert not places and sorted(PLACES) == ["杭州", "苏州", "都柏林"]
    assert not names_unknown_branch("杭州店几点关门", places)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    path: Path = tmp_path_factory.mktemp("branches") / "shop.db"
    hours = Entry(
        "1", "门店几点开门？", "每天 10:00–21:00。", Origin("faq.csv", 2), ("店里几点关门",)
    )
    passage = Passage("p", "门店", "营业时间：每天 10:00–21:00", Origin("a.md"), ("杭州店",))
    write_index(path, [hours], [passage])
    with closing(Index(path)) as index:
        yield index


def test_neither_an_entry_nor_a_line_tells_its_hours(index: Index) -> None:
    for question, outcome in (("上海店几点开门", "near"), ("几点开门", "sure")):
        entry = index.match(question, TODAY).hits[0].entry
        evidence = index.find_evidence(question)
        assert (evidence.reason == UNKNOWN_BRANCH) == (outcome == "near")
        assert evidence.can_answer == (outcome == "sure")
        assert doubt(question, Match("sure", (Hit(entry, 0.99),)), evidence).outcome == outcome
