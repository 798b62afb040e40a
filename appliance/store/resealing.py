"""Seals what older versions of the appliance wrote in clear, once, before anything new is said.

It goes in batches that each stand on their own, so a start that is cut off is gone on with. The
rule that must not break: a value is sealed exactly once, and when it says that it is done no byte
of what was in clear is left in the file.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from appliance.store.database import Store
from appliance.store.keyring import Keyring
from appliance.store.sealed_values import MAGIC
from appliance.store.sealing import Label

if TYPE_CHECKING:
    import sqlite_utils

BATCH = 500
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """`row` is the expression that a value's label names its row by."""

    table: str
    column: str
    row: str

    @property
    def plain(self) -> str:
        """By the day on which its session was last touched: that is of the house's own time."""
        return (
            f"SELECT t.rowid, {self.row}, t.session_key, t.{self.column}, sessions.touched_ms "
            f"FROM {self.table} AS t JOIN sessions USING (session_key) "
            f"WHERE t.rowid > ? AND length(t.{self.column}) > 0 "
            f"AND substr(t.{self.column}, 1, {len(MAGIC)}) <> ? ORDER BY t.rowid LIMIT {BATCH}"
        )


SEALED_COLUMNS = (
    SealedColumn("messages", "text", "t.position"),
    SealedColumn("messages", "token_ids", "t.position"),
    SealedColumn("turns", "sources", "t.run_id"),
    SealedColumn("turns", "suggestions", "t.run_id"),
    SealedColumn("events", "body", "t.first_number"),
    SealedColumn("facts", "value", "t.run_id || '/' || t.place"),
    SealedColumn("summaries", "text", "t.exchanges"),
    SealedColumn("calls", "arguments", "t.run_id || '/' || t.place"),
    SealedColumn("sessions", "identity", "t.session_key"),
)


async def reseal(store: Store, keyring: Keyring) -> int:
    """How many values were in clear. Raises StoreUnavailable."""
    if await store.read(is_done):
        return 0
    found = 0
    for sealed in SEALED_COLUMNS:
        last_rowid = 0
        while last_rowid >= 0:
            batch = _Batch(sealed, keyring, last_rowid)
            last_rowid = await store.write(batch.seal)
            found += batch.count
    if found:
        await store.compact()
        structlog.get_logger(__name__).warning("older conversations sealed", values=found)
    await store.write(lambda database: database.conn.execute("UPDATE sealing SET is_done = 1"))
    return found


def is_done(connection: sqlite3.Connection) -> bool:
    row = connection.execute("SELECT is_done FROM sealing").fetchone()
    return row is not None and bool(row[0])


class _Batch:
    def __init__(self, sealed: SealedColumn, keyring: Keyring, after_rowid: int) -> None:
        self._sealed = sealed
        self._keyring = keyring
        self._after_rowid = after_rowid
        self.count = 0

    def seal(self, database: sqlite_utils.Database) -> int:
        """The last rowid of the batch; -1 where nothing is left."""
        found = database.conn.execute(self._sealed.plain, (self._after_rowid, MAGIC)).fetchall()
        table, column = self._sealed.table, self._sealed.column
        for rowid, row, session_key, value, touched_ms in found:
            label = Label(table, str(row), column, session_key)
            sealed = self._keyring.seal(value, label, touched_ms // DAY_MS)
            database.conn.execute(
                f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (sealed, rowid)
            )
        self.count = len(found)
        return int(found[-1][0]) if found else -1
