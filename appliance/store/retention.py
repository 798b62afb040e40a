"""What is kept how long: conversations that nobody touched for the days of the setting are deleted,
and of the others what was said before; the log of requests has days of its own.

It asks the house's own time and never the wall clock, and leaves a conversation alone while it is
answered. The rule that must not break: a clock that jumps deletes nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from appliance.errors import StoreUnavailable
from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.clock import HouseClock
from appliance.store.database import Store
from appliance.store.expiry import Expiry

if TYPE_CHECKING:
    import sqlite_utils

DAY_MS = 86_400_000
PAUSE_S = 3600.0
# Sessions in one transaction: a customer's message does not wait for a whole month's.
BATCH = 50
UNTOUCHED = """
SELECT session_key FROM sessions
WHERE touched_ms < ? AND session_key NOT IN (SELECT session_key FROM turns WHERE state = 'running')
ORDER BY touched_ms LIMIT ?
"""
# Whatever of them is younger stays.
OLDER = "SELECT count(DISTINCT session_key) FROM turns WHERE accepted_ms < ?"


async def count_before(store: Store, until_ms: int) -> int:
    """Conversations in which something was asked before that time. Raises StoreUnavailable."""
    row = await store.read(lambda connection: connection.execute(OLDER, (until_ms,)).fetchone())
    return int(row[0])


class Retention:
    """Of one store, before it is opened; `days` 0 keeps everything for good."""

    def __init__(
        self,
        store: Store,
        clock: HouseClock,
        days: int,
        on_purge: Callable[[tuple[str, ...]], Awaitable[None]] | None = None,
        expiry: Expiry | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._days = days
        self._on_purge = on_purge
        self._expiry = expiry
        self._purged: deque[str] = deque()
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger(__name__)
        store.on_open.append(clock.load)
        store.on_full.append(self._purge_batch)

    async def run_forever(self) -> None:
        """Once the store is open and then every hour, until `stop`."""
        while not self._stopping.is_set():
            # Tried again in an hour; the store has said why.
            with suppress(StoreUnavailable):
                await self._run_and_tell()
            await wait_at_most(self._stopping, PAUSE_S)

    async def _run_and_tell(self) -> None:
        try:
            await self.run()
            if self._on_purge is not None:
                await self._on_purge(self._take_purged())
        except OSError as error:
            self._log.error("old conversations not all forgotten", reason=str(error))

    def adopt(self, settings: Settings) -> None:
        self._days = settings.retention_days
        if self._expiry is not None:
            self._expiry.adopt(settings)

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> int:
        """Delete what is old enough, and write down the time; how many conversations that were.
        Raises StoreUnavailable."""
        deleted = 0
        while not self._stopping.is_set():
            batch = await self._store.write(self._keep_time_and_purge)
            deleted += batch
            if batch < BATCH:
                break
        if self._expiry is not None:
            await self._expiry.run(self._store, self._clock.read_house_ms() // DAY_MS)
        if deleted:
            self._log.info("old conversations deleted", sessions=deleted, after_days=self._days)
        return deleted

    def _keep_time_and_purge(self, database: sqlite_utils.Database) -> int:
        self._clock.keep(database.conn)
        return self._purge_batch(database.conn)

    def _purge_batch(self, connection: sqlite3.Connection) -> int:
        if not self._days or not self._clock.is_loaded:
            return 0
        before_ms = self._clock.read_house_ms() - self._days * DAY_MS
        keys = connection.execute(UNTOUCHED, (before_ms, BATCH)).fetchall()
        # Turns, messages and events go with their session.
        connection.executemany("DELETE FROM sessions WHERE session_key = ?", [*map(tuple, keys)])
        self._purged.extend(key for (key,) in keys)
        return len(keys)

    def _take_purged(self) -> tuple[str, ...]:
        """Deleted since it was last asked, also where a full disk asked for it."""
        return tuple(self._purged.popleft() for _ in range(len(self._purged)))
