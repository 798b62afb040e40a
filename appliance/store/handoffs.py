"""Who owns which session, as it is kept: the bot, nobody yet, a person, nobody any more.

It knows the rows and not which change is allowed; that is asked of a function which is handed in,
inside the transaction. The rule that must not break: the owner, the row that tells when and why,
and the numbered event are on disk together or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from appliance.errors import SessionNotFound
from appliance.events import Handoff, HandoffState, Numbered
from appliance.store.database import Store
from appliance.store.events import EventLog

Also: TypeAlias = Callable[[sqlite3.Connection], None]
"""What is kept in the same transaction."""

OWNER = """
SELECT owner, owner_since_ms, assigned_to, owner_reason FROM sessions WHERE session_key = ?
"""
OWNED = """
SELECT session_key, owner, owner_since_ms, assigned_to, owner_reason FROM sessions
WHERE owner <> 'bot'
"""
SET_OWNER = """
UPDATE sessions SET owner = ?, owner_since_ms = ?, assigned_to = ?, owner_reason = ?
WHERE session_key = ?
"""
ASSIGN = "UPDATE sessions SET assigned_to = ? WHERE session_key = ?"
INSERT = """
INSERT INTO handoffs (session_key, number, run_id, state, reason, at_ms, account)
VALUES (?, ?, ?, ?, ?, ?, ?)
"""
CHANGES = """
SELECT number, run_id, state, reason, at_ms, account FROM handoffs
WHERE session_key = ? ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """`account` is the operator whose the session is; empty where it is nobody's."""

    state: HandoffState
    since_ms: int
    account: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OwnerChange:
    """A session went over to `state` in event `number`; `run_id` is the turn that ran then, empty
    where none did. `reason` is a rule or who asked, never a customer's words; `account` is the
    operator whose it is then."""

    number: int
    run_id: str
    state: HandoffState
    reason: str
    at_ms: int
    account: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What is wanted: the event, why, and whose the session is then."""

    event: Handoff
    reason: str
    account: str = ""


def also_nothing(_: sqlite3.Connection) -> None:
    """For a change that nothing else is kept with."""


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
        return {row[0]: Owner(*row[1:]) for row in rows}

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
        wanted: Change,
        check: Callable[[Owner], None],
        also: Also = also_nothing,
    ) -> OwnerChange:
        """Give the session to another owner, in turn `run_id` or outside of turns where it is
        empty or has ended; `also` is kept with it. Raises what `check` raises for the owner
        before, SessionNotFound, and TurnRunning where another turn runs; then nothing is kept."""
        at_ms, state = self._clock(), wanted.event.state

        def keep(connection: sqlite3.Connection, numbered: Numbered) -> None:
            check(read_owner(connection, session_key))
            told = (wanted.account, wanted.reason)
            connection.execute(SET_OWNER, (state, at_ms, *told, session_key))
            values = (session_key, numbered.number, numbered.run_id, state, wanted.reason, at_ms)
            connection.execute(INSERT, (*values, wanted.account))
            also(connection)

        await self._log.check()
        numbered = await self._log.keep(session_key, run_id, wanted.event, keep)
        place = (numbered.number, numbered.run_id)
        return OwnerChange(*place, state, wanted.reason, at_ms, wanted.account)

    async def assign(
        self,
        session_key: str,
        account: str,
        check: Callable[[Owner], None],
        also: Also = also_nothing,
    ) -> Owner:
        """Make the session `account`'s without a change of hands; the owner as he is then. Raises
        what `check` raises, and SessionNotFound."""

        def change(connection: sqlite3.Connection) -> Owner:
            owner = read_owner(connection, session_key)
            check(owner)
            connection.execute(ASSIGN, (account, session_key))
            also(connection)
            return Owner(owner.state, owner.since_ms, account, owner.reason)

        return await self._store.write(lambda database: change(database.conn))


def read_owner(connection: sqlite3.Connection, session_key: str) -> Owner:
    """Raises SessionNotFound."""
    row = connection.execute(OWNER, (session_key,)).fetchone()
    if row is None:
        raise SessionNotFound("There is no such conversation; it may have been deleted.")
    return Owner(*row)
