"""What a start does with the log that the last run left, before anything new is numbered.

    stopped in order          everything is in the main file
    process died              live.db holds the rest; it is carried over
    power failed, or live.db  the rest is lost: each unfinished turn's numbers jump and a `rewind`
    is damaged or has a gap   tells its watchers what still stands

It continues no turn. The rule that must not break: doing it twice, because the first time was cut
off, gives the same as doing it once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from appliance.events import Numbered, Rewind, Token
from appliance.store.chunks import (
    NUMBERS_SKIPPED,
    find_last_event,
    get_last_number,
    insert_events,
    read_events_of_run,
)
from appliance.store.database import Store
from appliance.store.live import Leftover, LiveLog, read_boot_id
from appliance.store.sealing import Seals

if TYPE_CHECKING:
    import sqlite_utils

UNFINISHED = """
SELECT run_id, session_key, deaths FROM turns WHERE state = 'running' ORDER BY turns.rowid
"""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A turn that a process left running; `events` are all it has said, its question first.

    `deaths` counts the processes that died while it was in the engine.
    """

    run_id: str
    session_key: str
    deaths: int
    events: tuple[Numbered, ...]
    next_number: int


async def settle(store: Store, live: LiveLog, seals: Seals) -> tuple[Unfinished, ...]:
    """Bring the main file up to date; from here on `live.db` is needed no more. Raises
    StoreUnavailable."""
    boot_id = read_boot_id()
    boot = await store.read(_read_boot)
    was_clean = boot is not None and boot["is_clean"] == 1
    is_same_run = boot is not None and boot["boot_id"] == boot_id != ""
    leftover = await live.read_leftover() if is_same_run and not was_clean else None
    is_lost = not was_clean and (leftover is None or not leftover.is_whole)

    def change(database: sqlite_utils.Database) -> tuple[Unfinished, ...]:
        _Recovery(database.conn, seals).carry_over(leftover, is_lost=is_lost)
        database.conn.execute("INSERT OR REPLACE INTO boots VALUES (1, ?, 0)", (boot_id,))
        return _Recovery(database.conn, seals).read_unfinished()

    return await store.write(change)


async def mark_clean(store: Store) -> None:
    """The last word of an orderly stop: the main file holds everything."""
    await store.write(lambda database: database.conn.execute("UPDATE boots SET is_clean = 1"))


def _read_boot(connection: sqlite3.Connection) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute("SELECT * FROM boots").fetchone()
    return row


class _Recovery:
    def __init__(self, connection: sqlite3.Connection, seals: Seals) -> None:
        self._connection = connection
        self._seals = seals
        self._log = structlog.get_logger(__name__)

    def carry_over(self, leftover: Leftover | None, *, is_lost: bool) -> None:
        for run_id, session_key, _ in self._connection.execute(UNFINISHED).fetchall():
            found = leftover.events.get(session_key, []) if leftover else []
            events, is_whole = self._choose_new(session_key, run_id, found)
            insert_events(self._connection, self._seals, session_key, events)
            is_legible = self._cut_illegible(session_key, run_id)
            is_torn = leftover is not None and session_key in leftover.torn
            if is_lost or is_torn or not is_whole or not is_legible:
                self._rewind(session_key, run_id)
        for run_id, deaths in (leftover.handed_over if leftover else {}).items():
            # What was decided on was with an operator and no more with the engine.
            self._connection.execute(
                "UPDATE turns SET deaths = ? WHERE run_id = ? AND state = 'running' "
                "AND decision IS NULL",
                (deaths + 1, run_id),
            )

    def read_unfinished(self) -> tuple[Unfinished, ...]:
        return tuple(
            Unfinished(
                run_id,
                session_key,
                deaths,
                tuple(read_events_of_run(self._connection, self._seals, session_key, run_id)),
                get_last_number(self._connection, session_key) + 1,
            )
            for run_id, session_key, deaths in self._connection.execute(UNFINISHED).fetchall()
        )

    def _choose_new(
        self, session_key: str, run_id: str, found: Sequence[Numbered]
    ) -> tuple[list[Numbered], bool]:
        """What of `found` the main file has not, up to the first gap; whether that is all."""
        last = get_last_number(self._connection, session_key)
        new = [numbered for numbered in found if numbered.number > last]
        follows = [
            numbered
            for number, numbered in enumerate(new, start=last + 1)
            if numbered.number == number and numbered.run_id == run_id
        ]
        return follows, len(follows) == len(new)

    def _cut_illegible(self, session_key: str, run_id: str) -> bool:
        """Drop what stands behind a chunk that cannot be read; whether all of them can."""
        said = read_events_of_run(self._connection, self._seals, session_key, run_id)
        last = said[-1].number if said else 0
        dropped = self._connection.execute(
            "DELETE FROM events WHERE session_key = ? AND run_id = ? AND first_number > ?",
            (session_key, run_id, last),
        )
        if dropped.rowcount:
            self._log.error("events not legible", session=session_key[:12], chunks=dropped.rowcount)
        return not dropped.rowcount

    def _rewind(self, session_key: str, run_id: str) -> None:
        last = get_last_number(self._connection, session_key)
        said = read_events_of_run(self._connection, self._seals, session_key, run_id)
        chars = sum(len(one.event.text) for one in said if isinstance(one.event, Token))
        after = find_last_event(self._connection, session_key)
        rewind = Numbered(last + NUMBERS_SKIPPED, run_id, Rewind(after, chars))
        insert_events(self._connection, self._seals, session_key, [rewind])
        self._log.warning("events lost with the power", session=session_key[:12], kept_chars=chars)
