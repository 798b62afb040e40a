"""The standard library's `sqlite3`, as far as the appliance uses it, on apsw underneath.

It is no whole DB-API. Rows are fetched at once, errors are those of `sqlite3` with SQLite's own
code. The rule that must not break: an error that SQLite itself passes over (a checkpoint after a
commit) does not make that commit look failed.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import apsw

CHANGES_ROWS = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
SETS_CHECKPOINT = re.compile(r"\bPRAGMA\s+wal_autocheckpoint\s*=\s*(\d+)", re.IGNORECASE)
AUTOCHECKPOINT_PAGES = 1000
# By SQLite's primary result code, as CPython sorts them; all others are OperationalError.
CLASSES: dict[int, type[sqlite3.Error]] = {
    apsw.SQLITE_INTERNAL: sqlite3.InternalError,
    apsw.SQLITE_NOTFOUND: sqlite3.InternalError,
    apsw.SQLITE_TOOBIG: sqlite3.DataError,
    apsw.SQLITE_CONSTRAINT: sqlite3.IntegrityError,
    apsw.SQLITE_MISMATCH: sqlite3.IntegrityError,
    apsw.SQLITE_MISUSE: sqlite3.InterfaceError,
    apsw.SQLITE_RANGE: sqlite3.InterfaceError,
    apsw.SQLITE_CORRUPT: sqlite3.DatabaseError,
    apsw.SQLITE_NOTADB: sqlite3.DatabaseError,
}


class Row:
    """What `sqlite3.Row` is to a `sqlite3.Cursor`."""

    def __init__(self, names: Sequence[str], values: tuple[Any, ...]) -> None:
        self._names = tuple(names)
        self._values = values

    def keys(self) -> list[str]:
        return list(self._names)

    def __getitem__(self, key: int | slice | str) -> Any:
        if isinstance(key, str):
            names = [name.lower() for name in self._names]
            if key.lower() not in names:
                raise IndexError("No item with that key")
            return self._values[names.index(key.lower())]
        return self._values[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Cursor:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: tuple[tuple[Any, ...], ...] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1
        self._rows: Iterator[Any] = iter(())

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        rows, self.description = self.connection.run(sql, parameters)
        if CHANGES_ROWS.match(sql):
            self.rowcount = self.connection.below.changes()
            self.lastrowid = self.connection.below.last_insert_rowid()
        self._rows = iter([self._make_row(row) for row in rows])
        return self

    def executemany(self, sql: str, parameters: Any) -> Cursor:
        counts = [self.execute(sql, one).rowcount for one in parameters]
        self.rowcount = sum(counts)
        return self

    def fetchone(self) -> Any:
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        return list(self._rows)

    def fetchmany(self, size: int = 1) -> list[Any]:
        return [row for row, _ in zip(self._rows, range(size), strict=False)]

    def close(self) -> None:
        self._rows = iter(())

    def __iter__(self) -> Iterator[Any]:
        return self._rows

    def _make_row(self, values: tuple[Any, ...]) -> Any:
        factory = self.connection.row_factory
        if factory is None:
            return values
        names = [column[0] for column in self.description or ()]
        return Row(names, values) if factory is sqlite3.Row else factory(self, values)


class Connection:
    """`below` is apsw's connection; errors of the methods here are those of `sqlite3`."""

    def __init__(
        self, below: apsw.Connection, timeout_s: float = 5.0, isolation_level: str | None = ""
    ) -> None:
        self.below = below
        self.row_factory: Any = None
        self.isolation_level = isolation_level
        self._checkpoint_pages = AUTOCHECKPOINT_PAGES
        below.set_busy_timeout(int(timeout_s * 1000))
        below.set_wal_hook(self._checkpoint)

    @property
    def in_transaction(self) -> bool:
        return self.below.in_transaction

    @property
    def total_changes(self) -> int:
        return self.below.total_changes()

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(self, sql: str, parameters: Any = ()) -> Cursor:
        cursor = Cursor(self).execute(sql, parameters)
        if found := SETS_CHECKPOINT.search(sql):
            # SQLite has put its own hook in the place of ours.
            self._checkpoint_pages = int(found[1])
            self.below.set_wal_hook(self._checkpoint)
        return cursor

    def executemany(self, sql: str, parameters: Any) -> Cursor:
        return Cursor(self).executemany(sql, parameters)

    def executescript(self, script: str) -> Cursor:
        self.commit()
        return self.execute(script)

    def commit(self) -> None:
        if self.in_transaction:
            self.run("COMMIT", ())

    def rollback(self) -> None:
        if self.in_transaction:
            self.run("ROLLBACK", ())

    def close(self) -> None:
        try:
            self.below.close()
        except apsw.Error as error:
            raise translate(error) from error

    def interrupt(self) -> None:
        self.below.interrupt()

    def set_progress_handler(self, handler: Callable[[], Any] | None, steps: int) -> None:
        if handler is None:
            self.below.set_progress_handler(None)
        else:
            self.below.set_progress_handler(lambda: bool(handler()), steps)

    def create_function(self, name: str, count: int, function: Any, **options: Any) -> None:
        self.below.create_scalar_function(name, function, count, **options)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.commit()
        else:
            self.rollback()

    def run(
        self, sql: str, parameters: Any
    ) -> tuple[list[tuple[Any, ...]], tuple[tuple[Any, ...], ...] | None]:
        """Rows and description of the last statement in `sql`."""
        columns: list[tuple[str, ...]] = []
        cursor = self.below.cursor()

        def look(looked_at: apsw.Cursor, *_: object) -> bool:
            columns.append(tuple(column[0] for column in looked_at.get_description()))
            return True

        cursor.exec_trace = look
        try:
            rows = cursor.execute(sql, parameters or None).fetchall()
        except apsw.Error as error:
            raise translate(error) from error
        finally:
            cursor.close(True)
        names = columns[-1] if columns else ()
        return rows, tuple((name, *[None] * 6) for name in names) or None

    def _checkpoint(self, _: apsw.Connection, name: str, pages: int) -> int:
        """SQLite's own hook, which passes over every error: the commit has happened."""
        if 0 < self._checkpoint_pages <= pages:
            try:
                self.below.wal_checkpoint(name, apsw.SQLITE_CHECKPOINT_PASSIVE)
            except apsw.Error:
                return apsw.SQLITE_OK
        return apsw.SQLITE_OK


def translate(error: apsw.Error) -> sqlite3.Error:
    code: int = getattr(error, "extendedresult", apsw.SQLITE_MISUSE)
    result = CLASSES.get(code & 0xFF, sqlite3.OperationalError)(str(error) or "disk I/O error")
    result.sqlite_errorcode = code
    result.sqlite_errorname = str(apsw.mapping_extended_result_codes.get(code, "")) or str(
        apsw.mapping_result_codes.get(code, "")
    )
    return result
