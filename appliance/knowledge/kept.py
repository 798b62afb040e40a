"""What reading each file gave, kept inside the index that was made of it.

So a restart knows the faults without reading anew, a document that did not change is not opened
again, and a file that was spoiled goes on with what it said before. The rule that must not break:
it is written before the index gets its name, and an index without it is no index.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from appliance.knowledge.entries import Fault
from appliance.knowledge.readings import FileRead, Reading

SCHEMA = """
create table files_read (name text primary key, body text not null);
create table report (body text not null);
"""


@dataclass(frozen=True, slots=True)
class Report:
    """Of one index; `folder` is where it was read from."""

    folder: str
    hash: str
    entries: int
    passages: int
    faults: tuple[Fault, ...] = ()


FILE_READ = TypeAdapter(FileRead)
REPORT = TypeAdapter(Report)


def make_report(folder: Path, reading: Reading) -> Report:
    return Report(
        str(folder.resolve()),
        reading.hash,
        len(reading.entries),
        len(reading.passages),
        reading.faults,
    )


def write_kept(path: Path, report: Report, reading: Reading) -> None:
    """Into an index that nobody reads yet. Raises sqlite3.Error."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(SCHEMA)
        database.execute("insert into report values (?)", (REPORT.dump_json(report),))
        database.executemany(
            "insert into files_read values (?, ?)",
            ((file.name, FILE_READ.dump_json(file)) for file in reading.files),
        )


def read_report(path: Path) -> Report | None:
    """None where the file is no whole index."""
    try:
        with closing(_open(path)) as database:
            (body,) = database.execute("select body from report").fetchone()
        return REPORT.validate_json(body)
    except (sqlite3.Error, ValidationError, TypeError):
        return None


def read_kept(path: Path | None) -> dict[str, FileRead]:
    """By name; empty where there is nothing that can be used."""
    if path is None:
        return {}
    try:
        with closing(_open(path)) as database:
            rows = database.execute("select name, body from files_read").fetchall()
        return {name: FILE_READ.validate_json(body) for name, body in rows}
    except (sqlite3.Error, ValidationError):
        return {}


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
