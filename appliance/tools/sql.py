"""Statements of a shop's own text, run with named values on SQLite, within time and rows.

It is no query builder: a text comes from `tools.toml` alone and values are bound, never written
in. The rules that must not break: what reads is on a read-only connection whose authorizer lets
nothing else pass, what writes may insert and update rows of the tool's own tables and nothing
more, and no statement outlives its deadline.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from appliance.tools.declared import Database, Row, Statement, Value
from appliance.tools.failures import ToolFailed

DEADLINE_S = 1.0
# SQLite asks for the time after so many of its instructions.
STEPS = 1000
BUSY_MS = 500
READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
)
WRITING = frozenset(
    {*READING, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_TRANSACTION}
)
# Functions that reach outside of the rows, or make more of them than a shop needs.
REFUSED_FUNCTIONS = frozenset({"load_extension", "randomblob", "zeroblob", "readfile", "writefile"})
MAX_BLOB_BYTES = 1 << 20
MAX_SQL_BYTES = 20_000
MEMORY = "file::memory:"
END = re.compile(r"(?<=;)")
BeginWriting: TypeAlias = "Callable[[Database], AbstractContextManager[sqlite3.Connection]]"


@contextmanager
def reading(database: Database) -> Iterator[sqlite3.Connection]:
    """A connection that can read and nothing else. Raises ToolFailed."""
    address = f"{database.path.absolute().as_uri()}?mode=ro"
    with _connected(address, database.name) as connection:
        connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA trusted_schema = 0")
        connection.set_authorizer(_authorize_reading)
        yield connection


@contextmanager
def writing(database: Database) -> Iterator[sqlite3.Connection]:
    """A connection within one transaction, kept where the block ends well. Raises ToolFailed."""
    try:
        database.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolFailed(f"{database.path} cannot be made: {error.strerror}.") from None
    address = f"{database.path.absolute().as_uri()}?mode=rwc"
    with _connected(address, database.name) as connection:
        connection.execute("PRAGMA journal_mode = wal")
        connection.execute("PRAGMA synchronous = full")
        connection.executescript(database.tables)
        connection.execute("BEGIN IMMEDIATE")
        connection.set_authorizer(_authorize_writing)
        try:
            yield connection
        except BaseException:
            connection.set_authorizer(None)
            connection.execute("ROLLBACK")
            raise
        connection.set_authorizer(None)
        connection.execute("COMMIT")


@contextmanager
def rehearsing(database: Database) -> Iterator[sqlite3.Connection]:
    """As `writing`, but nothing of it stays, neither table nor file. Raises ToolFailed."""
    place = f"{database.path.absolute().as_uri()}?mode=rw"
    with _connected(place if exists(database.path) else MEMORY, database.name) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _split(database.tables):
                connection.execute(statement)
            connection.set_authorizer(_authorize_writing)
            yield connection
        finally:
            connection.set_authorizer(None)
            connection.execute("ROLLBACK")


def run(
    connection: sqlite3.Connection, statement: Statement, values: Mapping[str, Value], most: int
) -> tuple[Row, ...]:
    """The first `most` rows. Values beyond those that the text names are passed over."""
    found = connection.execute(statement.text, dict(values))
    columns = [column[0] for column in found.description or ()]
    return tuple(dict(zip(columns, map(_plain, row), strict=True)) for row in found.fetchmany(most))


def list_columns(database: Database, statement: Statement, names: Mapping[str, Value]) -> list[str]:
    """What the statement would give, without a row of it. Raises ToolFailed for a text that
    SQLite does not take, that does something else than read, or that names an unknown value."""
    with reading(database) as connection:
        found = connection.execute(f"SELECT * FROM ({statement.text}) LIMIT 0", dict(names))
        return [column[0] for column in found.description or ()]


def try_write(
    database: Database, write: Statement, receipt: Statement, names: Mapping[str, Value]
) -> list[str]:
    """The columns of the receipt, of a write that is undone. Raises ToolFailed."""

    class Undone(Exception):
        pass

    columns: list[str] = []
    try:
        with writing(database) as connection:
            connection.execute(write.text, dict(names))
            found = connection.execute(receipt.text, dict(names))
            columns = [column[0] for column in found.description or ()]
            raise Undone
    except Undone:
        return columns


def _split(script: str) -> Iterator[str]:
    """Its statements: a script run whole would begin by keeping what was done before."""
    part = ""
    for piece in END.split(script):
        part += piece
        if sqlite3.complete_statement(part):
            yield part
            part = ""
    if part.strip():
        yield part


@contextmanager
def _connected(address: str, name: str) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(address, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise ToolFailed(f"The database {name} cannot be opened: {error}.") from None
    with closing(connection):
        deadline_at = time.monotonic() + DEADLINE_S
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(lambda: time.monotonic() > deadline_at, STEPS)
        try:
            yield connection
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise ToolFailed(f"The database {name} refused the statement: {error}.") from None


def _authorize_reading(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    return _allow(action in READING and not _is_refused(action, second))


def _authorize_writing(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE):
        # The schema is a table too; SQLite keeps its own counters without asking here.
        return _allow(not (first or "").lower().startswith("sqlite_"))
    return _allow(action in WRITING and not _is_refused(action, second))


def _is_refused(action: int, name: str | None) -> bool:
    return action == sqlite3.SQLITE_FUNCTION and (name or "").lower() in REFUSED_FUNCTIONS


def _allow(is_allowed: bool) -> int:
    return sqlite3.SQLITE_OK if is_allowed else sqlite3.SQLITE_DENY


def _plain(value: object) -> Value:
    if isinstance(value, bytes):
        return ""
    return value if isinstance(value, str | int | float) or value is None else str(value)


def exists(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
