"""The versions of the shop's files: every text that was published here, with who and when.

It writes no file. They are the owner's words and no customer's, so they are not sealed and stay.
The rule that must not break: a version that was kept is never changed, and the oldest go first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.store.accounting import Accounting
from appliance.store.database import Store

if TYPE_CHECKING:
    import sqlite_utils

MOST_KEPT = 50
LAST = "SELECT number, text FROM versions WHERE file = ? ORDER BY number DESC LIMIT 1"
INSERT = "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?)"
DROP = "DELETE FROM versions WHERE file = ? AND number <= ?"
LIST = "SELECT number, account, note, at_ms FROM versions WHERE file = ? ORDER BY number DESC"
TEXT = "SELECT text FROM versions WHERE file = ? AND number = ?"
FOUND = "found"


@dataclass(frozen=True, slots=True)
class Version:
    """`note` is "found" for what stood there before and nobody published here, "back to 3" for one
    that was taken back to, else empty."""

    number: int
    account: str
    note: str
    at_ms: int


class Versions:
    """Every call may raise StoreUnavailable."""

    def __init__(self, store: Store, accounts: Accounting, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970."""
        self._store = store
        self._accounts = accounts
        self._clock = clock

    async def list_all(self, file: str) -> tuple[Version, ...]:
        """The latest first."""
        rows = await self._store.read(
            lambda connection: connection.execute(LIST, (file,)).fetchall()
        )
        return tuple(Version(*row) for row in rows)

    async def read(self, file: str, number: int) -> str | None:
        """Its text, if there is such a version."""
        row = await self._store.read(
            lambda connection: connection.execute(TEXT, (file, number)).fetchone()
        )
        return row[0] if row else None

    async def keep_found(self, file: str, text: str) -> None:
        """What stands there before it is changed, unless its last version says so already."""

        def change(database: sqlite_utils.Database) -> None:
            number, last = database.conn.execute(LAST, (file,)).fetchone() or (0, None)
            if last != text:
                told = (file, number + 1, self._clock(), "", FOUND, text)
                database.conn.execute(INSERT, told)

        self._store.check_room()
        await self._store.write(change)

    async def keep(self, file: str, before: str, text: str, account: str, note: str = "") -> int:
        """The number of `text`; `before`, which it took the place of, is kept too where nobody
        published it here."""
        now_ms = self._clock()

        def change(database: sqlite_utils.Database) -> int:
            connection = database.conn
            number, last = connection.execute(LAST, (file,)).fetchone() or (0, None)
            if last != before:
                number += 1
                connection.execute(INSERT, (file, number, now_ms, "", FOUND, before))
            number += 1
            connection.execute(INSERT, (file, number, now_ms, account, note, text))
            connection.execute(DROP, (file, number - MOST_KEPT))
            self._accounts.keep_act(connection, account, f"{file} published as {number}")
            return int(number)

        self._store.check_room()
        return await self._store.write(change)
