"""The figures of a span as a table for a spreadsheet program.

It sums nothing. The rule that must not break: whatever a customer wrote, a cell is a text or a
number and never a formula, and a line break in it ends no row.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from datetime import datetime

from appliance.http.insight_shapes import Group, ShownFigures, Step

# Spreadsheet programs, the Chinese ones among them, take these for the beginning of a formula.
FORMULA_SIGNS = frozenset("=+-@|%\t\r\n")
SOURCES = ("rule", "faq", "near", "tool", "knowledge", "model", "fallback", "human")
NUMBERS = ("questions", "misses", "failed", "waiting", "up", "down")
TIMES = ("ttft_ms", "total_ms", "waiting_ms")
HEADER = ("table", "from", "text", *NUMBERS, *SOURCES, *TIMES)
# By it Excel knows that the file is UTF-8.
BYTE_ORDER_MARK = "\ufeff"


def write_csv(figures: ShownFigures) -> str:
    """The steps, then the most asked questions and the misses, in one table."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerows(_list_step(step) for step in figures["steps"])
    writer.writerows(_list_group("question", one) for one in figures["questions"])
    writer.writerows(_list_group("miss", one) for one in figures["misses"])
    return BYTE_ORDER_MARK + out.getvalue()


def guard_cell(text: str) -> str:
    """`text` on one line, with an apostrophe before what could be read as a formula."""
    line = " ".join(text.split())
    # A sign of full width is one too, for programs that fold it.
    first = unicodedata.normalize("NFKC", text[:1] or " ")[0]
    folded = unicodedata.normalize("NFKC", line[:1] or " ")[0]
    return f"'{line}" if first in FORMULA_SIGNS or folded in FORMULA_SIGNS else line


def _list_step(step: Step) -> list[str]:
    at = datetime.fromtimestamp(step["at_ms"] / 1000).isoformat(" ", "minutes")
    counts = [step["questions"], step["misses"], step["failed"]]
    counts += [step["waiting"], step["up"], step["down"]]
    counts += [step["rungs"].get(source, 0) for source in SOURCES]
    times = (step["ttft_ms"], step["total_ms"], step["waiting_ms"])
    shown = ["" if time is None else str(round(time)) for time in times]
    return ["time", at, "", *map(str, counts), *shown]


def _list_group(table: str, one: Group) -> list[str]:
    blanks = [""] * (len(NUMBERS) - 1)
    by_source = [str(one["sources"].get(source, 0)) for source in SOURCES]
    return [table, "", guard_cell(one["text"]), str(one["count"]), *blanks, *by_source, "", "", ""]
