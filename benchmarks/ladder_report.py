"""The tables of `ladder.py`: rows with bars, a comparison, and their place in both READMEs.

It measures nothing. The rule that must not break: a row that was not measured is not ticked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.fault_report import READMES, find_percentile

JSON_FILE = Path("build") / "ladder.json"
MARKS = re.compile(r"(<!-- ladder:begin -->\n).*?(<!-- ladder:end -->)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured; without the model what needs it is left out."""

    is_quick: bool = False
    has_model: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """`holds` is None for a figure that is told and has no bar."""

    what: str
    figure: str
    bar: str = ""
    holds: bool | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The same figure by several ways; a way that cannot have it shows "-"."""

    ways: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    rows: tuple[Row, ...] = ()
    comparison: Comparison | None = None
    notes: tuple[str, ...] = field(default=())


def show_times(values_ms: Sequence[float]) -> str:
    return (
        f"p50 {find_percentile([*values_ms], 50):.1f} ms, "
        f"p95 {find_percentile([*values_ms], 95):.1f} ms"
    )


def bound_p95(what: str, values_ms: Sequence[float], most_ms: float) -> Row:
    p95_ms = find_percentile([*values_ms], 95)
    holds = bool(values_ms) and p95_ms <= most_ms
    return Row(what, show_times(values_ms), f"p95 ≤ {most_ms:.0f} ms", holds)


def format_parts(parts: Sequence[Part], where: Sequence[str]) -> str:
    lines = ["| what | measured | bar | |", "|---|---|---|---|"]
    marks = {True: "✓", False: "✗", None: ""}
    for row in (row for part in parts for row in part.rows):
        lines.append(f"| {row.what} | {row.figure} | {row.bar} | {marks[row.holds]} |")
    for comparison in (part.comparison for part in parts if part.comparison is not None):
        lines += [
            "",
            f"| | {' | '.join(comparison.ways)} |",
            "|---" * len(comparison.ways) + "|---|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in comparison.rows]
    notes = [note for part in parts for note in part.notes]
    return "\n".join([*lines, "", *notes, *where]) + "\n"


def save_part(name: str, part: Part, file: Path = JSON_FILE) -> None:
    """What was measured in other calls stays, so parts may be measured one by one."""
    file.parent.mkdir(exist_ok=True)
    kept = json.loads(file.read_text()) if file.exists() else {}
    kept[name] = asdict(part)
    file.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")


def load_parts(file: Path = JSON_FILE) -> dict[str, Part]:
    kept = json.loads(file.read_text()) if file.exists() else {}
    return {name: load_part(one) for name, one in kept.items()}


def load_part(kept: Mapping[str, object]) -> Part:
    rows, comparison, notes = kept["rows"], kept["comparison"], kept["notes"]
    assert isinstance(rows, list) and isinstance(notes, list)
    beside = None
    if isinstance(comparison, dict):
        beside = Comparison(
            tuple(comparison["ways"]), tuple(tuple(row) for row in comparison["rows"])
        )
    return Part(tuple(Row(**row) for row in rows), beside, tuple(notes))


def keep_parts(text: str) -> None:
    for name in READMES:
        path = Path(name)
        path.write_text(MARKS.sub(lambda found: found[1] + text + found[2], path.read_text()))
