"""Tables of questions: .csv, .xlsx and .toml become drafts, texts by column.

It checks the table's shape and not what the cells say. The rule that must not break: a broken row
costs that row, not those below it.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from types import MappingProxyType
from typing import TypeAlias

from appliance.knowledge.entries import Fault
from appliance.knowledge.faq_entries import (
    Draft,
    RowRefused,
    explain_unknown,
    find_close,
    find_column,
    find_head,
    quote_header,
)
from appliance.knowledge.readings import FileRefused, make_error, make_warning

DELIMITERS = ",;\t，；"
NEEDED = ("question", "answer")
# More than any field that is read on, so that a cell of 1 MB is told and not stumbled over.
MAX_FIELD_CHARS = 33 << 20
# So many times all lines may be read while the ends of quotes are looked for.
MAX_READS = 20
TWICE = "This column stands there twice; left out."
# Names of columns in one sentence.
MOST_TOLD = 8
UNCLOSED = "unexpected end of data"
ENTRY_LINE = re.compile(r"^\s*\[\[\s*entry\s*\]\]", re.MULTILINE)
TOML_ERROR_LINE = re.compile(r"at line (\d+)")

# A row's number as a spreadsheet counts, and its cells.
Row: TypeAlias = tuple[int, Sequence[str]]
# What is wrong with a cell, by its row and place: one of these two, or the error it shows.
Flaws: TypeAlias = Mapping[tuple[int, int], str]
FORMULA, MERGED = "formula", "merged"
NO_FLAWS: Flaws = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sheet:
    """One of a workbook."""

    title: str
    rows: Sequence[Row]
    flaws: Flaws


def read_csv(file: str, text: str) -> tuple[list[Draft], list[Fault]]:
    """Raises FileRefused."""
    faults: list[Fault] = []
    lines = text.splitlines(keepends=True)
    skipped = 1 if lines and re.fullmatch(r"sep=.\n?", lines[0]) else 0
    first = next((line for line in lines[skipped:] if line.strip() and not _is_remark([line])), "")
    if not first:
        return [], [make_warning("The file is empty.", file)]
    delimiter = max(DELIMITERS, key=lambda sign: _count_known(first, sign))
    rows = list(_parse(file, lines[skipped:], delimiter, skipped, faults))
    return read_rows(file, rows, faults), faults


def _count_known(line: str, delimiter: str) -> tuple[int, int]:
    header = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return sum(find_head(cell) is not None for cell in header), len(header)


def _parse(
    file: str, lines: list[str], delimiter: str, number: int, faults: list[Fault]
) -> Iterator[Row]:
    """A quote that is not closed would swallow what follows: its line is left out instead. One
    behind a blank may as well be part of the text: `, "Plus" costs 5`."""
    # The limit is the whole process's; nothing else in it reads CSV.
    csv.field_size_limit(MAX_FIELD_CHARS)
    begin = 0
    left = MAX_READS * len(lines)
    while left >= 0:
        rest = (lines[place] for place in range(begin, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, strict=True, skipinitialspace=True)
        while True:
            number += 1
            row_begin = begin + reader.line_num
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if plain := _read_plainly(lines[row_begin], delimiter):
                    yield number, plain
                    left -= reader.line_num
                    begin = row_begin + 1
                    break
                if str(error) == UNCLOSED or begin + reader.line_num > row_begin + 1:
                    sentence = "A quote is opened here and never closed. The line was left out."
                    faults.append(make_error(sentence, file, number))
                    left -= reader.line_num
                    begin = row_begin + 1
                    break
                sentence = f'A " stands inside a cell ({error}); write it twice. Left out.'
                faults.append(make_error(sentence, file, number))
                continue
            if cells is None:
                return
            yield number, cells
    faults.append(make_error("Too many quotes are not closed; the rest was left out.", file))


def _read_plainly(line: str, delimiter: str) -> list[str]:
    """The line's cells where it can be read with its blanks, else none."""
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def read_rows(
    file: str, rows: Iterable[Row], faults: list[Fault], flaws: Flaws = NO_FLAWS
) -> list[Draft]:
    """The first row that is no remark is the header. Raises FileRefused."""
    unsaved = {row for (row, _), flaw in flaws.items() if flaw == FORMULA}
    found = ((row, cells) for row, cells in rows if any(map(str.strip, cells)) or row in unsaved)
    found = ((row, cells) for row, cells in found if not _is_remark(cells))
    header_row, header = next(found, (0, ()))
    columns = _read_header(file, header_row, header, faults)
    drafts = []
    for row, cells in found:
        extra = [cell for cell in cells[len(columns) :] if cell.strip()]
        if extra:
            sentence = (
                f"The row has {len(cells)} cells and the header {len(columns)}; a cell with a "
                "comma or a new line stands in quotes. This entry was left out."
            )
            faults.append(make_error(sentence, file, row))
            continue
        try:
            _check_flaws(file, row, columns, flaws, faults)
        except RowRefused as refused:
            sentence = f"{refused} This entry was left out."
            faults.append(make_error(sentence, file, row, refused.column))
            continue
        named = zip(columns, cells, strict=False)
        drafts.append(Draft(row, {column: cell for column, cell in named if column}))
    return drafts


def _check_flaws(
    file: str, row: int, columns: Sequence[str | None], flaws: Flaws, faults: list[Fault]
) -> None:
    """Raises RowRefused."""
    for place, column in enumerate(columns):
        flaw = flaws.get((row, place))
        if column is None or flaw is None:
            continue
        if flaw == FORMULA:
            raise RowRefused(
                f"The {column} is a formula without a saved value; open the file in its program "
                "and save it.",
                column,
            )
        if flaw != MERGED:
            raise RowRefused(f"The cell shows an error, {flaw[:40]}.", column)
        sentence = "The cell is empty: it is part of a merged one."
        if column in NEEDED:
            raise RowRefused(sentence, column)
        faults.append(make_warning(sentence, file, row, column))


def _is_remark(cells: Sequence[str]) -> bool:
    """A line of the owner's own, as in our templates: `#` and nothing in other cells."""
    return cells[0].lstrip().startswith("#") and not any(map(str.strip, cells[1:]))


def _read_header(
    file: str, row: int, header: Sequence[str], faults: list[Fault]
) -> list[str | None]:
    """The column of each cell, None for those that are left out."""
    columns: list[str | None] = []
    while header and not header[-1].strip():
        header = header[:-1]
    unknown = []
    named = set(map(find_column, header))
    for cell in header:
        # Of 问题 and 问题（英文） it is the first.
        column = find_column(cell) or find_head(cell)
        column = None if column in named and not find_column(cell) else column
        if column is None and cell.strip():
            unknown.append(
                make_warning(explain_unknown(cell.strip()), file, row, cell.strip()[:40])
            )
        elif column in columns and column is not None:
            faults.append(make_warning(TWICE, file, row, column))
            column = None
        columns.append(column)
    missing = [column for column in NEEDED if column not in columns]
    if missing:
        raise FileRefused(
            f"There is no column {' and no column '.join(missing)}. {_tell_header(header)}"
            "The first row names the columns: question, answer (问题, 答案), and others as you "
            "need them.",
            row,
        )
    faults += unknown
    return columns


def _tell_header(header: Sequence[str]) -> str:
    told = []
    for cell in filter(None, map(str.strip, header[:MOST_TOLD])):
        close = "" if find_head(cell) else find_close(cell)
        told.append(quote_header(cell) + (f" (did you mean {close}?)" if close else ""))
    return f"What was read is {', '.join(told)}. " if told else ""


def read_sheets(file: str, sheets: Sequence[Sheet]) -> tuple[list[Draft], list[Fault]]:
    """Every sheet that has the columns; others are passed over unless there is none. Of several
    each is named in its faults."""
    drafts: list[Draft] = []
    faults: list[Fault] = []
    refusals = []
    if not sheets:
        raise FileRefused("The file has no sheet that is shown; hidden ones are not read.")
    for one in sheets:
        sheet = one.title[:40] if len(sheets) > 1 else ""
        found: list[Fault] = []
        try:
            rows = read_rows(file, one.rows, found, one.flaws)
            drafts += [replace(draft, sheet=sheet) for draft in rows]
        except FileRefused as refused:
            refusals.append((sheet, refused))
        faults += [replace(fault, origin=replace(fault.origin, sheet=sheet)) for fault in found]
    if len(refusals) == len(sheets):
        sheet, first = refusals[0]
        named = f'Sheet "{sheet}": {first}' if sheet else str(first)
        raise FileRefused(named, first.row, first.column)
    for sheet, _ in refusals:
        faults.append(make_warning(f'The sheet "{sheet}" has no questions; left out.', file))
    return drafts, faults


def read_toml(file: str, text: str) -> tuple[list[Draft], list[Fault]]:
    """Tables `[[entry]]`, keys as the columns. Raises FileRefused."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = TOML_ERROR_LINE.search(str(error))
        row = int(place[1]) if place else text.count("\n") + 1
        raise FileRefused(f"This is no TOML: {error}.", row) from None
    tables = document.pop("entry", None)
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise FileRefused("There is no [[entry]]; each question begins with such a line.")
    faults = [make_warning(f'"{key[:40]}" is not known; left out.', file) for key in document]
    places = [text.count("\n", 0, found.end()) + 1 for found in ENTRY_LINE.finditer(text)]
    if len(places) != len(tables):
        # Written in another way: counted instead.
        places = list(range(1, len(tables) + 1))
    drafts = []
    for row, table in zip(places, tables, strict=True):
        try:
            drafts.append(_read_table(file, row, table, faults))
        except RowRefused as refused:
            sentence = f"{refused} This entry was left out."
            faults.append(make_error(sentence, file, row, refused.column))
    return drafts, faults


def _read_table(file: str, row: int, table: Mapping[str, object], faults: list[Fault]) -> Draft:
    """Raises RowRefused."""
    cells = {}
    for key, value in table.items():
        column = find_column(key)
        if column is None:
            faults.append(make_warning(explain_unknown(key), file, row, key[:40]))
            continue
        if column in cells:
            faults.append(make_warning(TWICE, file, row, key[:40]))
            continue
        values = value if isinstance(value, list) else [value]
        if any(isinstance(one, dict | list) for one in values):
            raise RowRefused('A table stands here; write a text in quotes, "like this".', column)
        cells[column] = "\n".join(map(write_cell, values))
    return Draft(row, cells)


def write_cell(value: object) -> str:
    """A value of a workbook or of TOML as its author would write it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)
