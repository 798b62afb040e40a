"""The arithmetic of the shield's benchmark: what is kept, what is measured anew, what holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import shield
from benchmarks.fault_report import Row
from benchmarks.shield import merge, read_rows, show
from benchmarks.shield_tokens import (
    FOUR,
    Clock,
    Pair,
    Spent,
    Told,
    compare_fours,
    find_interval,
    find_side,
    make_row,
)

OLD = [
    Row("300 trickling connections", "300 closed", "all", True),
    Row("1,474 requests with ids", "2 with foreign bytes", "0", False),
]


def test_a_part_that_is_measured_anew_takes_its_own_place_and_the_others_stay() -> None:
    anew = [Row("1,600 requests with ids", "0", "0", True), Row("51 bad ones", "0", "0", True)]
    assert merge(OLD, anew) == [OLD[0], *anew]
    assert merge([], anew) == anew


def test_what_was_shown_is_read_again() -> None:
    assert read_rows(show(OLD)) == OLD
    assert read_rows("") == []


def test_the_table_is_kept_in_both_pages_and_nothing_beside_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [tmp_path / name for name in ("README.md", "README.zh-CN.md")]
    for page in pages:
        page.write_text(f"before\n{shield.BEGIN}{show(OLD[:1])}{shield.END}\nbehind\n", "utf-8")
    monkeypatch.setattr(shield, "READMES", pages)
    shield.keep(OLD[1:])
    for page in pages:
        assert page.read_text("utf-8") == f"before\n{shield.BEGIN}{show(OLD)}{shield.END}\nbehind\n"


def pair(more_ms: float, beside: float = 100.0) -> Pair:
    return Told(100.0, 1.0), Told(beside, 1.0 + more_ms)


@pytest.mark.parametrize(
    ("pairs", "holds", "words"),
    [
        ([pair(0.05)] * 40 + [pair(0.4)] * 3, True, "0.50% of a core, 95% sure between 0.50 and"),
        ([pair(0.11)] * 40, False, "1.10% of a core"),
        ([pair(-0.1)] * 40, True, "between -1.00 and -1.00%: -0.100 ms a token at 100.0"),
        ([pair(0.05, 98.0)] * 40, True, "40 fours; by the clock between +2.0 and +2.0%"),
        # The median holds, but nobody can be sure of it.
        ([pair(0.05), pair(0.02), pair(2.0)], False, "between 0.20 and 20.00%"),
        ([], False, "not measured: no model"),
    ],
)
def test_it_holds_where_the_whole_interval_of_the_median_does(
    pairs: list[Pair], holds: bool, words: str
) -> None:
    row = make_row(pairs, "no model")
    assert (row.holds, words in row.figure) == (holds, True)


def test_the_interval_of_a_median_leaves_out_as_many_as_chance_allows() -> None:
    # Of the tables of the sign test: 20 values leave out 5 at each end, 6 none.
    assert find_interval(range(20)) == (5, 14)
    assert find_interval([3.0, 1.0, 2.0, 6.0, 5.0, 4.0]) == (1.0, 6.0)
    assert find_interval([7.0]) == (7.0, 7.0)


@pytest.mark.parametrize("is_whole_first", [False, True])
def test_only_fours_that_all_customers_went_through_are_compared(is_whole_first: bool) -> None:
    bare, whole = Spent(4, 0.4, 0.004), Spent(4, 0.8, 0.008)
    sides = [(bare, whole)[find_side(at, is_whole_first)] for at in range(2 * FOUR)]
    told = (Told(20.0, 0.5), Told(10.0, 1.0))
    assert compare_fours([sides, sides], is_whole_first) == [told, told]
    assert compare_fours([sides, sides[:7]], is_whole_first) == [told]
    assert compare_fours([sides, []], is_whole_first) == []
    # In a four both sides have as many early words as late ones.
    assert [find_side(at, False) for at in range(FOUR)] == [0, 1, 1, 0]


def test_a_block_ends_with_the_first_word_of_the_next() -> None:
    clock = Clock()
    for tokens in (1, 2, 1, 1, 4, 1):
        clock.count(tokens)
    assert [spent.tokens for spent in clock.spent] == [4, 5]
    assert all(spent.seconds > 0 and spent.processor_s > 0 for spent in clock.spent)
