"""What operators do, as it is kept: their messages, notes, canned replies, whose answers are held.

It decides nothing; who may is asked inside the transaction, by a function that is handed in. The
rule that must not break: an act and its row of the audit log are on disk together or not at all,
and words pass the seals.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from appliance.errors import SessionNotFound
from appliance.events import Message, Numbered
from appliance.store.accounting import Accounting
from appliance.store.asked import Accepted, find_asked, name_call
from appliance.store.changes import Change, Changes
from appliance.store.chunks import has_session
from appliance.store.database import Store
from appliance.store.decisions import Decisions
from appliance.store.desk_rows import label_comment, label_contact, label_note
from appliance.store.events import EventLog
from appliance.store.handoffs import Also, Owner, read_owner
from appliance.store.messages import Answer, MessageRows
from appliance.store.sealing import Label, Seals

# The rule of a turn that is an operator's message and answers no question.
BY_OPERATOR = "operator"
NEW_TURN = """
INSERT INTO turns (run_id, session_key, state, accepted_ms, ended_ms, source, finish_reason, rule,
    client_id, event_id)
VALUES (?, ?, 'done', ?, ?, 'human', 'stop', ?, ?, ?)
"""
TOUCH = "UPDATE sessions SET touched_ms = ? WHERE session_key = ?"
NOTE = "INSERT INTO notes (session_key, at_ms, text, account, place) VALUES (?, ?, ?, ?, ?)"
LAST_NOTE = "SELECT coalesce(max(place), 0) + 1 FROM notes WHERE session_key = ?"
# Replaced and not updated: a trigger tells of what is inserted.
RATE = "INSERT OR REPLACE INTO ratings (session_key, stars, comment, at_ms) VALUES (?, ?, ?, ?)"
SAID = "SELECT comment FROM ratings WHERE session_key = ?"
CONTACT = "UPDATE sessions SET contact = ? WHERE session_key = ?"
HOLD = "UPDATE sessions SET is_held = ? WHERE session_key = ?"
HELD = "SELECT session_key FROM sessions WHERE is_held"
HOLD_ALL = "UPDATE desk SET is_held = ?"
HELD_ALL = "SELECT is_held FROM desk"
REPLIES = "SELECT shortcut, text FROM replies ORDER BY place"
REPLY = "INSERT INTO replies (shortcut, text, place) VALUES (?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Reply:
    """Words that an operator has ready under a short name."""

    shortcut: str
    text: str


class DeskBook:
    """Every call may raise StoreUnavailable, and SessionNotFound where it names a session."""

    def __init__(
        self,
        store: Store,
        log: EventLog,
        seals: Seals,
        rows: MessageRows,
        clocks: tuple[Callable[[], int], Callable[[], int]],
        accounts: Accounting,
        changes: Changes,
    ) -> None:
        """`clocks`: milliseconds since 1970 to show, and those of the house to count age by."""
        self._store = store
        self._log = log
        self._seals = seals
        self._rows = rows
        self._clock, self._house_clock = clocks
        self._accounts = accounts
        self.decisions = Decisions(store, seals)
        self._changes = changes

    def audit(self, account: str, act: str, session_key: str = "") -> Also:
        """The row of the audit log, for the transaction of what it tells."""
        return lambda connection: self._accounts.keep_act(connection, account, act, session_key)

    async def note_act(self, account: str, act: str, session_key: str = "") -> None:
        """Of what changes nothing else: a view."""
        also = self.audit(account, act, session_key)
        await self._store.write(lambda database: also(database.conn))

    async def say(
        self,
        session_key: str,
        running_run: str,
        said: Message,
        client_id: str | None,
        check: Callable[[Owner], None],
    ) -> Numbered | None:
        """Keep an operator's message, as an event of the turn `running_run` or of none; None
        where the same `client_id` said it before. Raises what `check` raises, and TurnRunning."""
        run_id, now_ms = secrets.token_hex(8), self._clock()

        def keep(connection: sqlite3.Connection, numbered: Numbered) -> None:
            if find_asked(connection, session_key, client_id):
                raise _Known
            check(read_owner(connection, session_key))
            called = name_call(session_key, client_id)
            values = (run_id, session_key, now_ms, now_ms, BY_OPERATOR, called, numbered.number)
            connection.execute(NEW_TURN, values)
            connection.execute(TOUCH, (self._house_clock(), session_key))
            self._rows.append(
                connection, session_key, run_id, "operator", Answer(said.text), said.name
            )
            self._accounts.keep_act(connection, said.name, "message", session_key)

        self._store.check_room()
        await self._log.check()
        try:
            return await self._log.keep(session_key, running_run, said, keep)
        except _Known:
            return None

    async def find_said(self, session_key: str, client_id: str) -> Accepted | None:
        return await self._store.read(
            lambda connection: find_asked(connection, session_key, client_id)
        )

    async def note(self, session_key: str, account: str, text: str) -> None:
        def keep(connection: sqlite3.Connection) -> None:
            place = connection.execute(LAST_NOTE, (session_key,)).fetchone()[0]
            sealed = self._seals.seal(text.encode(), label_note(session_key, place))
            connection.execute(NOTE, (session_key, self._clock(), sealed, account, place))
            self._accounts.keep_act(connection, account, "note", session_key)

        await self._change(session_key, keep)

    async def rate(self, session_key: str, stars: int, comment: str | None) -> None:
        """What the customer says of the whole conversation; the last word counts. None leaves the
        comment that was given before, "" takes it away."""

        def keep(connection: sqlite3.Connection) -> None:
            if comment is None:
                before = connection.execute(SAID, (session_key,)).fetchone()
                sealed = before and before[0]
            else:
                sealed = self._seal(comment, label_comment(session_key))
            connection.execute(RATE, (session_key, stars, sealed, self._clock()))

        await self._change(session_key, keep)

    async def leave_contact(self, session_key: str, text: str) -> None:
        def keep(connection: sqlite3.Connection) -> None:
            sealed = self._seal(text, label_contact(session_key))
            connection.execute(CONTACT, (sealed, session_key))

        await self._change(session_key, keep)

    async def hold(self, session_key: str, account: str, *, is_on: bool) -> None:
        def keep(connection: sqlite3.Connection) -> None:
            connection.execute(HOLD, (int(is_on), session_key))
            act = "hold" if is_on else "hold ended"
            self._accounts.keep_act(connection, account, act, session_key)

        await self._change(session_key, keep)

    async def hold_all(self, account: str, *, is_on: bool) -> None:
        def keep(connection: sqlite3.Connection) -> None:
            connection.execute(HOLD_ALL, (int(is_on),))
            act = "hold of all" if is_on else "hold of all ended"
            self._accounts.keep_act(connection, account, act)

        await self._store.write(lambda database: keep(database.conn))

    async def read_held(self) -> tuple[bool, frozenset[str]]:
        """Whether all answers are held, and in which sessions they are anyway."""

        def query(connection: sqlite3.Connection) -> tuple[bool, frozenset[str]]:
            row = connection.execute(HELD_ALL).fetchone()
            return bool(row and row[0]), frozenset(one[0] for one in connection.execute(HELD))

        return await self._store.read(query)

    async def read_replies(self) -> tuple[Reply, ...]:
        rows = await self._store.read(lambda connection: connection.execute(REPLIES).fetchall())
        return tuple(Reply(*row) for row in rows)

    async def keep_replies(self, account: str, replies: Sequence[Reply]) -> None:
        """These instead of all that there were."""

        def keep(connection: sqlite3.Connection) -> None:
            before = {one[0]: one[1] for one in connection.execute(REPLIES)}
            after = {one.shortcut: one.text for one in replies}
            connection.execute("DELETE FROM replies")
            for place, reply in enumerate(replies):
                connection.execute(REPLY, (reply.shortcut, reply.text, place))
            self._accounts.keep_act(connection, account, "replies")
            if [*before.items()] != [*after.items()]:
                change = Change("replies", "changed", before=before, after=after)
                self._changes.note(connection, account, change)

        await self._store.write(lambda database: keep(database.conn))

    async def _change(self, session_key: str, keep: Also) -> None:
        def change(connection: sqlite3.Connection) -> None:
            if not has_session(connection, session_key):
                raise SessionNotFound("There is no such conversation; it may have been deleted.")
            keep(connection)

        self._store.check_room()
        await self._store.write(lambda database: change(database.conn))

    def _seal(self, text: str, label: Label) -> bytes | None:
        return self._seals.seal(text.encode(), label) if text else None


class _Known(Exception):
    """The same call has said it before."""
