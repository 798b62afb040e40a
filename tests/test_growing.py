"""The page about growing: its tables are computed, and its figures stand in their sources.

It opens no connection: what was published elsewhere is named by its address. The rule that must not
break: no figure of the page is only written down.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.growing import (
    BETWEEN,
    CARD_ANSWERS_PER_S,
    CUSTOMERS,
    FIGURES,
    PAGE,
    ROOT,
    Assumed,
    Figure,
    build_table,
    compute,
    count_box_answers_per_s,
    find_limit,
    name_step,
)


def test_the_tables_of_the_page_are_the_computed_ones() -> None:
    found = BETWEEN.search(PAGE.read_text("utf-8"))
    assert found is not None
    assert found[0] == f"{found[1]}{build_table()}{found[2]}"


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.written)
def test_a_figure_stands_in_its_source(figure: Figure) -> None:
    page = PAGE.read_text("utf-8")
    if figure.source.startswith("https://"):
        assert figure.source in page and figure.written in page
    else:
        assert figure.written in (ROOT / figure.source).read_text("utf-8")


def test_what_one_machine_carries_is_where_a_second_one_is_needed() -> None:
    for assumed in (Assumed(), Assumed(by_model=0.5), Assumed(questions=1, busiest_hour=0.3)):
        limit = find_limit(count_box_answers_per_s(), assumed)
        assert compute(limit, assumed).boxes_alone == 1
        assert compute(limit + 1, assumed).boxes_alone == 2
        limit = find_limit(CARD_ANSWERS_PER_S.value, assumed)
        assert (compute(limit, assumed).cards, compute(limit + 1, assumed).cards) == (1, 2)


def test_more_customers_never_need_less() -> None:
    needs = [compute(customers, Assumed()) for customers in CUSTOMERS]
    for less, more in pairwise(needs):
        assert less.boxes_alone <= more.boxes_alone
        assert less.cards <= more.cards
        assert less.boxes_before_cards <= more.boxes_before_cards
    assert name_step(needs[0]) == "one box"
    assert name_step(needs[-1]).startswith("a fleet of")
