"""The arithmetic of the shield's benchmark: what is kept, what is measured anew, what holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import shield
from benchmarks.fault_report import Row
from benchmarks.shield import merge, read_rows, show
from benchmarks.shield_tokens import make_row

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


@pytest.mark.parametrize(
    ("speeds", "holds", "words"),
    [
        ([(100.0, 99.5), (50.0, 49.9), (100.0, 80.0)], True, "0.50% fewer, median of 3 pairs"),
        ([(100.0, 98.9)] * 8, False, "1.10% fewer"),
        ([(100.0, 101.0)] * 8, True, "-1.00% fewer"),
        ([], False, "not measured: no model"),
    ],
)
def test_the_median_of_the_pairs_is_held_to_the_bar(
    speeds: list[tuple[float, float]], holds: bool, words: str
) -> None:
    row = make_row(speeds, "no model")
    assert (row.holds, words in row.figure) == (holds, True)
