"""The table of `faults.py`: its rows, its printing, its place in both READMEs.

It measures nothing. The rule that must not break: a row that was not measured is not ticked.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

JSON_FILE = Path("build/faults.json")
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


def save_rows(name: str, rows: Iterable[Row], file: Path = JSON_FILE) -> None:
    """What was measured in other calls stays, so faults may be measured one by one."""
    file.parent.mkdir(exist_ok=True)
    kept = json.loads(file.read_text()) if file.exists() else {}
    kept[name] = [asdict(row) for row in rows]
    file.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")


def load_rows(file: Path = JSON_FILE) -> Mapping[str, list[Row]]:
    kept = json.loads(file.read_text()) if file.exists() else {}
    return {name: [Row(**row) for row in rows] for name, rows in kept.items()}
