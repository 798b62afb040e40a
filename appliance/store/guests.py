"""Sessions that are opened for one answer: step M018 of the schema, and how they are found again.

They are deleted with their answer; one that is still there was left by a process that died. The
rules that must not break: no other system is told of such a session, and what this process opened
is not taken for what an earlier one left.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

M018 = (
    "ALTER TABLE sessions ADD COLUMN is_guest INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX guests ON sessions (session_key) WHERE is_guest",
    # Whatever notes it, and goes on behind it.
    """
    CREATE TRIGGER tell_nothing_of_guests BEFORE INSERT ON deliveries
    WHEN EXISTS (SELECT 1 FROM sessions WHERE session_key = NEW.session_key AND is_guest)
    BEGIN SELECT RAISE(IGNORE); END
    """,
)
GUESTS = "SELECT session_key FROM sessions WHERE is_guest"


def m018_guests(database: Database) -> None:
    for statement in M018:
        database.execute(statement)


class Guests:
    """Keys of those that this process opened."""

    def __init__(self) -> None:
        self._keys: set[str] = set()

    def add(self, session_key: str) -> None:
        self._keys.add(session_key)

    def drop(self, session_key: str) -> None:
        self._keys.discard(session_key)

    def find_left(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        """Keys of those that an earlier process opened."""
        found = (str(key) for (key,) in connection.execute(GUESTS))
        return tuple(key for key in found if key not in self._keys)
