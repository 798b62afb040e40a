"""The end of a day: its key is destroyed, then what it sealed is deleted, then the row says so.

    content, setting retention_days      unreadable within a day after its last day
    requests and rows of the audit log   deleted after network_log_days

It is told which day it is. The rule that must not break: a cut at any point leaves what is
unreadable to be deleted at the next run, and nothing that is not old enough is touched.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from appliance.settings import Settings
from appliance.store.audit import AuditLog
from appliance.store.database import Store
from appliance.store.keyring import Keyring
from appliance.store.sealed_values import DAY_AT, MAGIC

if TYPE_CHECKING:
    import sqlite_utils

BATCH = 2000
# A sealed value of day `?` or before; the day stands in it as a big-endian number.
OLD = f"substr({{0}}, 1, {len(MAGIC)}) = x'{MAGIC.hex()}' AND substr({{0}}, {DAY_AT + 1}, 4) <= ?"
# The question's day counts: an answer after midnight goes with it. Messages, facts, verdicts and
# calls go with their turn.
OLD_TURNS = f"""
SELECT run_id FROM messages JOIN turns USING (run_id)
WHERE turns.state <> 'running' AND {OLD.format("text")} LIMIT {BATCH}
"""
# Read before the events go, so that no number is given out a second time.
HOLD_NUMBERS = f"""
UPDATE sessions SET number_floor = max(number_floor, (
    SELECT max(last_number) FROM events WHERE events.session_key = sessions.session_key))
WHERE session_key IN (SELECT session_key FROM events WHERE {OLD.format("body")})
"""
# A summary stands for the first exchanges of its session, which are not all there any more.
DROP_SUMMARIES = """
DELETE FROM summaries WHERE session_key IN (SELECT session_key FROM turns WHERE run_id = ?)
"""
OF_NO_RUNNING_TURN = "run_id NOT IN (SELECT run_id FROM turns WHERE state = 'running')"
DELETIONS = (
    f"DELETE FROM events WHERE {OF_NO_RUNNING_TURN} AND {OLD.format('body')}",
    f"DELETE FROM facts WHERE {OLD.format('value')}",
    f"DELETE FROM summaries WHERE {OLD.format('text')}",
    f"UPDATE sessions SET identity = NULL WHERE {OLD.format('identity')}",
    f"UPDATE sessions SET contact = NULL WHERE {OLD.format('contact')}",
    f"UPDATE ratings SET comment = NULL WHERE {OLD.format('comment')}",
    f"DELETE FROM notes WHERE {OLD.format('text')}",
)


class Expiry:
    """`days` and `log_days` 0 keep for good and keep none. `drop_log` deletes the files of the
    requests up to a day; the files of the keys are copied beside the backups by the keyring."""

    def __init__(
        self,
        keyring: Keyring,
        audit: AuditLog,
        days: int,
        log_days: int,
        drop_log: Callable[[int], object],
    ) -> None:
        self._keyring = keyring
        self._audit = audit
        self._days = days
        self._log_days = log_days
        self._drop_log = drop_log
        self._log = structlog.get_logger(__name__)

    def adopt(self, settings: Settings) -> None:
        self._days = settings.retention_days

    async def run(self, store: Store, today: int) -> None:
        """Raises StoreUnavailable."""
        upto = today - self._days - 1 if self._days else -1
        if not (self._days and await self._end_days(store, upto)):
            # What the folder of the backups refused before.
            await asyncio.to_thread(self._keyring.clean_mirror, upto)
        old = today - self._log_days - 1
        await store.write(lambda database: self._drop_rows(database.conn, old))

    async def _end_days(self, store: Store, upto: int) -> bool:
        """Whether there were any to end; their keys beside the backups end with them."""
        if await store.read(read_purged_day) >= upto:
            return False
        ended = await store.write(lambda _: self._keyring.destroy_days(upto))
        while await store.write(lambda database: _delete_turns(database, upto)):
            continue
        await store.write(lambda database: self._end(database.conn, upto))
        if ended:
            self._log.info("old days ended", days=len(ended))
        return True

    def _end(self, connection: sqlite3.Connection, upto: int) -> None:
        connection.execute(HOLD_NUMBERS, (_pack(upto),))
        for statement in DELETIONS:
            connection.execute(statement, (_pack(upto),))
        self._audit.purge(connection, upto)
        connection.execute("UPDATE sealing SET purged_day = ?", (upto,))

    def _drop_rows(self, connection: sqlite3.Connection, upto: int) -> None:
        self._drop_log(upto)
        self._audit.drop_rows(connection, upto)


def read_purged_day(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT purged_day FROM sealing").fetchone()
    return int(row[0]) if row else -1


def _delete_turns(database: sqlite_utils.Database, upto: int) -> bool:
    """Whether there may be more."""
    runs = database.conn.execute(OLD_TURNS, (_pack(upto),)).fetchall()
    for run in runs:
        database.conn.execute(DROP_SUMMARIES, tuple(run))
        database.conn.execute("DELETE FROM turns WHERE run_id = ?", tuple(run))
    return len(runs) == BATCH


def _pack(day: int) -> bytes:
    return day.to_bytes(4, "big")
