"""The event log: every event gets its number here and is kept before anybody sees it.

    append   number → live.db (no wait for the disk) → shown        each token
    move     pending events of all sessions → main file             at most twice a second
    end      what is pending, the event, a change → main file       acknowledgements and ends
    keep     the same in mid-turn, or for a session without one     who owns the session

It knows nothing of turns and watchers. The rule that must not break: an event that was returned
from here survives the process, and its number never stands for another one, not after a power
cut either.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import structlog

from appliance.errors import SessionNotFound, StoreUnavailable, TurnRunning
from appliance.events import Event, Numbered
from appliance.patience import wait_at_most
from appliance.store.chunks import (
    NUMBERS_SKIPPED,
    find_last_event,
    find_running_turn,
    get_last_number,
    has_session,
    insert_events,
    read_events,
    read_events_of_run,
)
from appliance.store.database import Store
from appliance.store.live import NOT_SAVED, LiveLog
from appliance.store.recovery import Unfinished, mark_clean, settle
from appliance.store.sealing import Seals

if TYPE_CHECKING:
    import sqlite_utils

KeptChange: TypeAlias = Callable[[sqlite3.Connection, Numbered], None]
ANOTHER_TURN = "A question is being answered; please try again in a moment."
MOVE_PAUSE_S = 0.5
TRY_S = 2.0
# Fewer than the numbers that are skipped after a power cut, so that none is ever used twice.
MOST_PENDING = NUMBERS_SKIPPED - 1
# A watcher is given a page of history at a time, so that its memory does not grow with it.
CHUNKS_PER_READ = 16


@dataclass(frozen=True, slots=True)
class LogFigures:
    """Since the start: events that were numbered, and commits of the mover."""

    events_total: int = 0
    commits_total: int = 0


class EventLog:
    def __init__(self, store: Store, live: LiveLog, seals: Seals) -> None:
        self._store = store
        self._live = live
        self._seals = seals
        self._next: dict[str, int] = {}
        # Of each running turn: its events are kept one after the other, as they are numbered.
        self._orders: dict[str, asyncio.Lock] = {}
        self._pending: dict[str, list[Numbered]] = {}
        self._has_pending = asyncio.Event()
        self._moving = asyncio.Lock()
        self._closing = asyncio.Event()
        self._settled: tuple[Unfinished, ...] | None = None
        self._mover: asyncio.Task[None] | None = None
        self._tried = asyncio.Event()
        self.is_wanted = asyncio.Event()
        self._figures = LogFigures()
        self._log = structlog.get_logger(__name__)

    def measure(self) -> LogFigures:
        return self._figures

    async def open(self) -> tuple[Unfinished, ...]:
        """Settle what the last run left and begin; the turns it left unfinished.

        Raises StoreUnavailable; until it succeeds nothing can be said, and whoever wants to sets
        `is_wanted`.
        """
        self.is_wanted.clear()
        try:
            if self._settled is None:
                self._settled = await settle(self._store, self._live, self._seals)
            await self._live.begin()
            self._mover = asyncio.create_task(self._move_for_ever())
            return self._settled
        finally:
            self._tried.set()
            self._tried = asyncio.Event()

    async def close(self) -> None:
        """Carry over what is pending, and say that nothing is missing. Where that fails, `live.db`
        stays for the next start. Raises StoreUnavailable."""
        self._closing.set()
        self._has_pending.set()
        is_clean = False
        try:
            if self._mover is not None:
                await self._mover
                await self.move()
                await mark_clean(self._store)
                is_clean = True
        finally:
            await self._live.close(is_clean=is_clean)

    async def check(self) -> None:
        """Raises StoreUnavailable where no event could be kept, after one more try to open."""
        if self.is_open:
            return
        if self._store.refusal:
            raise StoreUnavailable(self._store.refusal)
        tried = self._tried
        self.is_wanted.set()
        await wait_at_most(tried, TRY_S)
        if not self.is_open:
            raise StoreUnavailable(NOT_SAVED)

    @property
    def is_open(self) -> bool:
        """Whether events can be kept and carried over."""
        return self._mover is not None and not self._mover.done()

    def begin(self, session_key: str, number: int) -> None:
        """A turn begins: the session's next event has `number`."""
        self._next[session_key] = number
        self._orders.setdefault(session_key, asyncio.Lock())

    async def append(
        self,
        session_key: str,
        run_id: str,
        event: Event,
        check: Callable[[], None] = lambda: None,
    ) -> Numbered:
        """Number `event` of a running turn, after `check`, when no other can come before it. Raises
        what that raises, StoreUnavailable, and SessionNotFound where the session was forgotten
        meanwhile; then it must not be shown."""
        async with self._ordered(session_key) as has_turn:
            if not has_turn:
                raise SessionNotFound("There is no such conversation; it may have been deleted.")
            check()
            if len(self._pending.get(session_key, ())) >= MOST_PENDING:
                raise StoreUnavailable(NOT_SAVED)
            numbered = self._number(session_key, run_id, event)
            await self._live.add(session_key, numbered)
            # Only now: an event that nobody was shown must not come to light later.
            self._pending.setdefault(session_key, []).append(numbered)
        self._has_pending.set()
        self._count(events=1)
        return numbered

    async def keep(
        self, session_key: str, run_id: str, event: Event, change: KeptChange
    ) -> Numbered:
        """Number `event` and keep it with `change` in one transaction: of turn `run_id` and with
        all before it, or, where none is named or it has ended, of no turn, with an empty run id.

        Raises StoreUnavailable, TurnRunning where another turn runs, and what `change` raises.
        """
        async with self._ordered(session_key) as has_turn:
            if has_turn and run_id:
                numbered = await self._keep_in_turn(session_key, run_id, event, change)
            else:
                numbered = await self._keep_apart(session_key, event, change)
        self._count(events=1)
        return numbered

    async def mark_handed_over(self, run_id: str, deaths: int) -> None:
        """The turn goes into the engine: a death of the process may now be its doing."""
        await self._live.mark_handed_over(run_id, deaths)

    async def end(
        self,
        session_key: str,
        run_id: str,
        event: Event,
        change: Callable[[sqlite_utils.Database], None],
    ) -> Numbered:
        """Keep the turn's last event with all before it and with `change`, in one transaction.
        Nothing is kept, and it has no number, where the session was forgotten meanwhile."""
        async with self._ordered(session_key) as has_turn:
            if not has_turn:
                return Numbered(0, run_id, event)
            numbered = Numbered(self._next[session_key], run_id, event)
            await self._write_with_pending(session_key, numbered, change)
            self._drop(session_key)
        with suppress(StoreUnavailable):
            await self._live.drop_turn(session_key, run_id)
        self._count(events=1)
        return numbered

    @asynccontextmanager
    async def _ordered(self, session_key: str) -> AsyncIterator[bool]:
        """Alone with the session's numbers; whether a turn of it runs."""
        order = self._orders.get(session_key)
        if order is None:
            yield False
            return
        async with order:
            # It may have ended, and even another begun, while this waited.
            yield self._orders.get(session_key) is order

    def _number(self, session_key: str, run_id: str, event: Event) -> Numbered:
        number = self._next[session_key]
        self._next[session_key] = number + 1
        return Numbered(number, run_id, event)

    async def _write_with_pending(
        self,
        session_key: str,
        numbered: Numbered,
        change: Callable[[sqlite_utils.Database], None],
    ) -> None:
        def write(database: sqlite_utils.Database) -> None:
            change(database)
            events = [*self._pending.get(session_key, ()), numbered]
            insert_events(database.conn, self._seals, session_key, events)

        # No batch is under way meanwhile, so what is pending is whole.
        async with self._moving:
            await self._store.write(write)
            # In live.db they stand on until the turn ends; a recovery knows them by their numbers.
            self._pending.pop(session_key, None)

    async def _keep_in_turn(
        self, session_key: str, run_id: str, event: Event, change: KeptChange
    ) -> Numbered:
        def check_and_change(database: sqlite_utils.Database) -> None:
            if find_running_turn(database.conn, session_key) != run_id:
                raise TurnRunning(ANOTHER_TURN)
            change(database.conn, numbered)

        numbered = self._number(session_key, run_id, event)
        try:
            await self._write_with_pending(session_key, numbered, check_and_change)
        except StoreUnavailable:
            # Nobody knows what the disk has of it: the number is not used again.
            raise
        except Exception:
            self._next[session_key] = numbered.number
            raise
        return numbered

    async def _keep_apart(self, session_key: str, event: Event, change: KeptChange) -> Numbered:
        def write(database: sqlite_utils.Database) -> Numbered:
            if find_running_turn(database.conn, session_key) is not None:
                raise TurnRunning(ANOTHER_TURN)
            numbered = Numbered(get_last_number(database.conn, session_key) + 1, "", event)
            change(database.conn, numbered)
            insert_events(database.conn, self._seals, session_key, [numbered])
            return numbered

        return await self._store.write(write)

    def _drop(self, session_key: str) -> None:
        self._next.pop(session_key, None)
        self._pending.pop(session_key, None)
        self._orders.pop(session_key, None)

    async def forget(self, session_key: str) -> None:
        """Nothing of the session stays here."""
        async with self._moving:
            self._drop(session_key)
        await self._live.drop_session(session_key)

    async def read(self, session_key: str, after: int) -> list[Numbered]:
        """The next events above `after` that the main file has, a page at a time."""

        def query(connection: sqlite3.Connection) -> list[Numbered]:
            return read_events(connection, self._seals, session_key, after, CHUNKS_PER_READ)

        return await self._store.read(query)

    async def read_run(self, session_key: str, run_id: str) -> list[Numbered]:
        """What the main file has of a turn, up to the first that cannot be read."""
        return await self._store.read(
            lambda connection: read_events_of_run(connection, self._seals, session_key, run_id)
        )

    async def find_last_number(self, session_key: str, upto: int) -> int | None:
        """Of the last event in the main file that is not above `upto`; None where the session
        is gone."""

        def query(connection: sqlite3.Connection) -> int | None:
            if not has_session(connection, session_key):
                return None
            return find_last_event(connection, session_key, upto)

        return await self._store.read(query)

    async def move(self) -> None:
        """Carry all that is pending to the main file, in one transaction."""
        async with self._moving:
            losses = self._live.losses
            batch = {key: tuple(events) for key, events in self._pending.items() if events}
            self._has_pending.clear()
            if not batch:
                return
            await self._store.write(lambda database: self._insert(database.conn, batch))
            for session_key, events in batch.items():
                if session_key in self._pending:
                    del self._pending[session_key][: len(events)]
        self._count(commits=1)
        with suppress(StoreUnavailable):
            await self._live.drop_moved(
                [(session_key, events[-1].number) for session_key, events in batch.items()],
                losses,
            )

    def _insert(
        self, connection: sqlite3.Connection, batch: Mapping[str, Sequence[Numbered]]
    ) -> None:
        for session_key, events in batch.items():
            insert_events(connection, self._seals, session_key, events)

    async def _move_for_ever(self) -> None:
        is_failing = False
        while not self._closing.is_set():
            await self._has_pending.wait()
            await wait_at_most(self._closing, MOVE_PAUSE_S)
            try:
                await self.move()
                is_failing = False
            except StoreUnavailable as error:
                # The events stay pending and in live.db; the next round tries again.
                if not is_failing:
                    self._log.error("events not carried over", reason=str(error))
                is_failing = True
                self._has_pending.set()

    def _count(self, *, events: int = 0, commits: int = 0) -> None:
        self._figures = replace(
            self._figures,
            events_total=self._figures.events_total + events,
            commits_total=self._figures.commits_total + commits,
        )
