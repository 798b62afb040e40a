"""The tables of `engine.py`: rows with bars, the servers side by side, JSON, both READMEs.

It measures nothing. The rule that must not break: a row that was not measured, or has no peer to
be compared with, is not ticked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.fault_report import READMES, find_percentile
from benchmarks.ladder_report import Comparison, Part, Row, format_parts, load_part

MARKS = re.compile(r"(<!-- engine:begin -->\n).*?(<!-- engine:end -->)", re.DOTALL)
JSON_FILE = Path("build") / "engine.json"
NO_PEER = "not measured: no llama-server"
# What the bars are about, told under the table.
FIRST_TOKEN = (
    "First token: the request until the first piece of text, and for the appliance the moment at "
    "which that piece left the engine plus the way from there to the client. Its literal lock "
    'then shows whole clauses, so a customer sees the first words later; where it says "words" '
    "it is that moment. The bars are about the engine and are held against the first token; "
    "llama-server and llama_cpp.server show every token at once and unjudged."
)


@dataclass(frozen=True, slots=True)
class Measured:
    """A part of the table and, for the JSON, the figures it was made from."""

    part: Part
    raw: Mapping[str, object] = field(default_factory=dict)


def bound(what: str, value: float | None, most: float, figure: str, bar: str) -> Row:
    """A row that holds where `value` is at most `most`; without a value nothing was measured."""
    return Row(what, figure, bar, None if value is None else value <= most)


def show_ms(values_ms: Sequence[float]) -> str:
    return (
        f"{find_percentile([*values_ms], 50):.0f} / {find_percentile([*values_ms], 95):.0f} ms"
        if values_ms
        else "-"
    )


def compare_ways(rows: Mapping[str, Mapping[str, str]], ways: Sequence[str]) -> Comparison:
    """`rows` from what to way to figure; a way that has none shows "-"."""
    return Comparison(
        tuple(ways),
        tuple((what, *(told.get(way, "-") for way in ways)) for what, told in rows.items()),
    )


def format_report(measured: Mapping[str, Measured], where: Sequence[str]) -> str:
    return format_parts([one.part for one in measured.values()], [*where])


def save_json(
    measured: Mapping[str, Measured], where: Sequence[str], file: Path = JSON_FILE
) -> None:
    """What was measured in other calls stays, so parts may be measured one by one."""
    file.parent.mkdir(exist_ok=True)
    kept = json.loads(file.read_text()) if file.exists() else {}
    for name, one in measured.items():
        kept[name] = {"where": [*where], "part": asdict(one.part), "raw": one.raw}
    file.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")


def load_json(file: Path = JSON_FILE) -> dict[str, Measured]:
    kept = json.loads(file.read_text()) if file.exists() else {}
    return {name: Measured(load_part(one["part"]), one["raw"]) for name, one in kept.items()}


def keep_report(text: str) -> None:
    for name in READMES:
        path = Path(name)
        path.write_text(MARKS.sub(lambda found: found[1] + text + found[2], path.read_text()))
