"""Who owns which session, as it is kept: the bot, nobody yet, a person, nobody any more.

It knows the rows and not which change is allowed; that is asked of a function which is handed in,
inside the transaction. The rule that must not break: the owner, the row that tells when and why,
and the numbered event are on disk together or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from appliance.errors import SessionNotFound
from appliance.events import Handoff, HandoffState, Numbered
from appliance.store.database import Store
from appliance.store.events import EventLog

OWNER = "SELECT owner FROM sessions WHERE session_key = ?"
OWNED = "SELECT session_key, owner, owner_since_ms FROM sessions WHERE owner <> 'bot'"
SET_OWNER = "UPDATE sessions SET owner = ?, owner_since_ms = ? WHERE session_key = ?"
INSERT = "INSERT INTO handoffs VALUES (?, ?, ?, ?, ?, ?)"
CHANGES = """
SELECT number, run_id, state, reason, at_ms FROM handoffs WHERE session_key = ? ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Owner:
    state: HandoffState
    since_ms: int


@dataclass(frozen=True, slots=True)
class OwnerChange:
    """A session went over to `state` in event `number`; `run_id` is the turn that ran then, empty
    where none did. `reason` is a rule or who asked, never a customer's words."""

    number: int
    run_id: str
    state: HandoffState
    reason: str
    at_ms: int


class Owners:
    def __init__(self, store: Store, log: EventLog, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970."""
        self._store = store
        self._log = log
        self._clock = clock

    async def read_owned(self) -> dict[str, Owner]:
        """By session key, every session that is not the bot's. Raises StoreUnavailable, as all
        here do."""
        rows = await self._store.read(lambda connection: connection.execute(OWNED).fetchall())
        return {row[0]: Owner(row[1], row[2]) for row in rows}

    async def read_changes(self, session_key: str) -> tuple[OwnerChange, ...]:
        """Oldest first."""
        rows = await self._store.read(
            lambda connection: connection.execute(CHANGES, (session_key,)).fetchall()
        )
        return tuple(OwnerChange(*row) for row in rows)

    async def change(
        self,
        session_key: str,
        run_id: str,
        state: HandoffState,
        reason: str,
        check: Callable[[HandoffState], None],
    ) -> OwnerChange:
        """Give the session to `state`, in turn `run_id` or outside of turns where it is empty or
        has ended. Raises what `check` raises for the state before, SessionNotFound, and
        TurnRunning where another turn runs; then nothing is kept."""
        at_ms = self._clock()

        def keep(connection: sqlite3.Connection, numbered: Numbered) -> None:
            row = connection.execute(OWNER, (session_key,)).fetchone()
            if row is None:
                raise SessionNotFound("There is no such conversation; it may have been deleted.")
            check(row[0])
            connection.execute(SET_OWNER, (state, at_ms, session_key))
            values = (session_key, numbered.number, numbered.run_id, state, reason, at_ms)
            connection.execute(INSERT, values)

        await self._log.check()
        numbered = await self._log.keep(session_key, run_id, Handoff(state), keep)
        return OwnerChange(numbered.number, numbered.run_id, state, reason, at_ms)
