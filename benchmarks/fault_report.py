"""The table of `faults.py`: its rows, its printing, its place in both READMEs.

It measures nothing. The rule that must not break: a row that was not measured is not ticked.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

READMES = ("README.md", "README.zh-CN.md")
MARKS = re.compile(r"(<!-- faults:begin -->\n).*?(<!-- faults:end -->)", re.DOTALL)
SHOWN_FAULTS = 5


@dataclass(frozen=True, slots=True)
class Row:
    fault: str
    figure: str
    bar: str
    holds: bool


def tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def tell_faults(faults: list[str]) -> None:
    for fault in faults[:SHOWN_FAULTS]:
        tell(f"  ✗ {fault}")
    if len(faults) > SHOWN_FAULTS:
        tell(f"  … and {len(faults) - SHOWN_FAULTS} more")


def find_percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0.0


def format_table(rows: list[Row], where: list[str]) -> str:
    lines = ["| fault | measured | bar | |", "|---|---|---|---|"]
    lines += [
        f"| {row.fault} | {row.figure} | {row.bar} | {'✓' if row.holds else '✗'} |" for row in rows
    ]
    return "\n".join([*lines, "", *where]) + "\n"


def keep_table(table: str) -> None:
    for name in READMES:
        path = Path(name)
        path.write_text(MARKS.sub(lambda found: found[1] + table + found[2], path.read_text()))
