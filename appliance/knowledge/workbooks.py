"""A workbook becomes rows of texts, with what is wrong with a cell that says nothing by itself.

It runs in the process of `foreign_reader.py` alone. The rule that must not break: an error, a
formula without a value and the rest of a merged cell are told apart from an empty cell.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TypeAlias
from xml.etree import ElementTree

from appliance.knowledge.archives import DAMAGED, check_archive
from appliance.knowledge.faq_tables import FORMULA, MERGED
from appliance.knowledge.readings import FileRefused
from appliance.knowledge.shown_cells import show_cell

MAX_COLUMNS = 64
MAX_ROWS = 200_000
# Empty rows in a run that end a sheet: a format painted down to row 1,048,576 is no content.
MAX_EMPTY_ROWS = 1000
# Cells of one sheet that are remembered as merged.
MAX_MERGED = 100_000
HAS_FLAWS = re.compile(rb"<(?:\w+:)?(?:f[\s/>]|mergeCell\s)")
RANGE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})(?::\$?([A-Z]{1,3})\$?(\d{1,7}))?")
# By row and cell, the first row 1 and the first cell 0.
Flaws: TypeAlias = dict[tuple[int, int], str]


def read_xlsx(data: bytes) -> Iterator[dict[str, object]]:
    """All sheets that are shown, values only; what a formula gave is what was saved last."""
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    check_archive(data)
    source: BinaryIO = io.BytesIO(data)
    try:
        book = load_workbook(source, read_only=True, data_only=True, keep_links=False)
        for sheet in book.worksheets:
            if sheet.sheet_state != "visible":
                yield {"warning": f'The sheet "{sheet.title[:40]}" is hidden; it was left out.'}
                continue
            with sheet._get_source() as xml:
                hollow = find_hollow(xml.read())
            yield {"sheet": sheet.title} | _read_rows(
                sheet.iter_rows(max_col=MAX_COLUMNS, max_row=MAX_ROWS), hollow
            )
    except (InvalidFileException, BadZipFile, SyntaxError, ValueError, LookupError, TypeError):
        raise FileRefused(DAMAGED) from None
    except (AttributeError, OSError):
        raise FileRefused(DAMAGED) from None


def _read_rows(found: Iterable[Iterable[object]], hollow: Flaws) -> dict[str, object]:
    rows, flaws = [], []
    empty = 0
    for number, row in enumerate(found, start=1):
        cells, wrong = _read_row(number, row, hollow)
        empty = 0 if cells else empty + 1
        if empty > MAX_EMPTY_ROWS:
            break
        if cells:
            rows.append([number, cells])
            flaws += wrong
    return {"rows": rows, "flaws": flaws}


def _read_row(
    number: int, row: Iterable[object], hollow: Flaws
) -> tuple[list[str], list[tuple[int, int, str]]]:
    cells: list[str] = []
    flaws = []
    filled = 0
    for place, cell in enumerate(row):
        value = getattr(cell, "value", None)
        text = "" if value is None else show_cell(value, getattr(cell, "number_format", "General"))
        cells.append(text)
        flaw = "" if text else hollow.get((number, place), "")
        if getattr(cell, "data_type", "") == "e":
            flaw = text
        if flaw:
            flaws.append((number, place, flaw))
        if text or flaw == FORMULA:
            filled = place + 1
    return cells[:filled], flaws


def find_hollow(xml: bytes) -> Flaws:
    """Cells that are empty for a reason, which a reader of values is not told."""
    hollow: Flaws = {}
    if not HAS_FLAWS.search(xml):
        return hollow
    for _, element in ElementTree.iterparse(io.BytesIO(xml)):
        name = element.tag.rpartition("}")[2]
        if name == "c" and _is_unsaved(element):
            for place in _list_cells(element.get("r", "")):
                hollow[place] = FORMULA
        elif name == "mergeCell" and len(hollow) < MAX_MERGED:
            # Beside its first cell it is one cell of the same entry.
            hollow |= dict.fromkeys(_list_cells(element.get("ref", ""), below=1), MERGED)
        elif name == "row":
            element.clear()
    return hollow


def _is_unsaved(cell: ElementTree.Element) -> bool:
    children = {child.tag.rpartition("}")[2]: child for child in cell}
    if "f" not in children:
        return False
    saved = children.get("v")
    # A formula that gave an empty text is saved.
    return saved is None or not (saved.text or cell.get("t") == "str")


def _list_cells(reference: str, below: int = 0) -> Iterator[tuple[int, int]]:
    """Those `below` the first row or more; none of a reference that is none."""
    found = RANGE.fullmatch(reference)
    if found is None:
        return
    left, top = _count_letters(found[1]), int(found[2])
    right, bottom = (_count_letters(found[3]), int(found[4])) if found[3] else (left, top)
    width = min(right, MAX_COLUMNS) - left + 1
    for row in range(top + below, min(bottom, MAX_ROWS, top + MAX_MERGED // max(width, 1)) + 1):
        yield from ((row, left - 1 + place) for place in range(width))


def _count_letters(column: str) -> int:
    number = 0
    for letter in column:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
