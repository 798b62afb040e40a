"""What can still be read of a damaged database, put into the tables of an empty one.

It takes rows from `leaves.py`, which knows no tables; which file stands where is `renewal.py`'s.
The rules that must not break: a row that can be read is never given up because another one
cannot, and what is put in obeys every constraint of the schema.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from appliance.store.leaves import Row, read_leaf_rows

TYPES: dict[str, type] = {"TEXT": str, "INTEGER": int, "BLOB": bytes, "REAL": float}
TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
INTERRUPTED = ("failed", "interrupted", "The answer was lost with a damaged database.")


@dataclass(frozen=True, slots=True)
class _Column:
    """`default` stands in where a row is older than the column."""

    kind: type
    default: object
    is_optional: bool
    is_rowid: bool

    def read(self, rowid: object, value: object) -> object:
        """Raises ValueError for what cannot stand in this column."""
        if value is None:
            value = rowid if self.is_rowid else self.default
        if self.kind is float and isinstance(value, int):
            # On disk SQLite keeps a whole number as one.
            value = float(value)
        if isinstance(value, self.kind) or (value is None and self.is_optional):
            return value
        raise ValueError(value)


@dataclass(frozen=True, slots=True)
class Shape:
    """A table as its rows look: by that alone a row is told to be one of it."""

    table: str
    names: tuple[str, ...]
    columns: tuple[_Column, ...]

    @property
    def insertion(self) -> str:
        names = ", ".join(("rowid", *self.names))
        return f"INSERT INTO {self.table} ({names}) VALUES (?{', ?' * len(self.names)})"

    def read(self, row: Row) -> Row:
        """Rowid and columns. Raises ValueError for a row of another table."""
        rowid, *values = row
        if any(value is not None for value in values[len(self.columns) :]):
            raise ValueError(row)
        pairs = zip(self.columns, values, strict=False)
        return (rowid, *[column.read(rowid, value) for column, value in pairs])


def salvage(path: Path, fresh: sqlite3.Connection) -> dict[str, int]:
    """Put all rows that can be read at `path` into `fresh`; how many each table has then.

    Raises sqlite3.Error and OSError only for what goes wrong with `fresh` or for want of room.
    """
    shapes = list_shapes(fresh)
    fresh.execute("PRAGMA foreign_keys = 0")
    fresh.execute("BEGIN")
    # What is put back happened long ago: nobody is told of it again.
    triggers = fresh.execute(TRIGGERS).fetchall()
    for name, _ in triggers:
        fresh.execute(f"DROP TRIGGER {name}")
    for row in read_leaf_rows(path, max(len(shape.columns) for shape in shapes) + 1):
        _insert(fresh, shapes, row)
    _adopt_orphans(fresh)
    _end_turns_without_question(fresh)
    for _, statement in triggers:
        fresh.execute(statement)
    fresh.execute("COMMIT")
    fresh.execute("PRAGMA foreign_keys = 1")
    return count_rows(fresh)


def list_tables(connection: sqlite3.Connection) -> list[str]:
    """Those with content of ours; the list of migrations comes with the schema."""
    rows = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_%' ESCAPE '\\'"
    )
    return [row[0] for row in rows]


def count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    return {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in list_tables(connection)
    }


def list_shapes(connection: sqlite3.Connection) -> list[Shape]:
    shapes = []
    for table in list_tables(connection):
        rows = connection.execute(f"PRAGMA table_info({table})").fetchall()
        keys = [row for row in rows if row[5]]
        columns = [
            _Column(
                kind=TYPES[kind],
                default=connection.execute(f"SELECT {default or 'NULL'}").fetchone()[0],
                is_optional=not (is_required or key_place),
                is_rowid=len(keys) == 1 and bool(key_place) and kind == "INTEGER",
            )
            for _, _, kind, is_required, default, key_place in rows
        ]
        shapes.append(Shape(table, tuple(row[1] for row in rows), tuple(columns)))
    return shapes


def _insert(fresh: sqlite3.Connection, shapes: list[Shape], row: Row) -> None:
    """A row that fits no table, or breaks a constraint, was damaged where SQLite does not look."""
    for place, shape in enumerate(shapes):
        try:
            fresh.execute(shape.insertion, shape.read(row))
        except (ValueError, sqlite3.IntegrityError):
            continue
        # Rows of one table lie together: the next one is likely to be of it too.
        shapes.insert(0, shapes.pop(place))
        return


def _adopt_orphans(fresh: sqlite3.Connection) -> None:
    """Give rows the turn and the session they name where those were lost; turns first, for they
    need a session too."""
    for parent in ("turns", "sessions"):
        orphans = fresh.execute("PRAGMA foreign_key_check").fetchall()
        for table, rowid in {(row[0], row[1]) for row in orphans if row[2] == parent}:
            _make_parent(fresh, parent, table, rowid)
    for table, rowid, *_ in fresh.execute("PRAGMA foreign_key_check").fetchall():
        fresh.execute(f"DELETE FROM {table} WHERE rowid = ?", (rowid,))


def _make_parent(fresh: sqlite3.Connection, parent: str, table: str, rowid: int) -> None:
    """Times come from the rows that are left, the latest of all for the touch: what was saved
    with trouble shall not be the first to be forgotten."""
    columns = [row[1] for row in fresh.execute(f"PRAGMA table_info({table})")]
    time_ms = next(
        (name for name in ("created_ms", "accepted_ms", "at_ms") if name in columns), "0"
    )
    if parent == "sessions":
        fresh.execute(
            f"INSERT OR IGNORE INTO sessions (session_key, created_ms, touched_ms) "
            f"SELECT session_key, {time_ms}, "
            f"max({time_ms}, (SELECT coalesce(max(touched_ms), 0) FROM sessions)) "
            f"FROM {table} WHERE rowid = ?",
            (rowid,),
        )
    else:
        fresh.execute(
            f"INSERT OR IGNORE INTO turns (run_id, session_key, state, error_code, "
            f"error_message, accepted_ms, ended_ms) "
            f"SELECT run_id, session_key, ?, ?, ?, {time_ms}, {time_ms} "
            f"FROM {table} WHERE rowid = ?",
            (*INTERRUPTED, rowid),
        )


def _end_turns_without_question(fresh: sqlite3.Connection) -> None:
    fresh.execute(
        "UPDATE turns SET state = ?, error_code = ?, error_message = ? WHERE state = 'running' "
        "AND run_id NOT IN (SELECT run_id FROM messages WHERE role = 'customer')",
        INTERRUPTED,
    )
