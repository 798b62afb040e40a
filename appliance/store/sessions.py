"""Sessions, turns and messages as they are kept: the only place that writes them.

It decides nothing about a conversation. A session's id is its capability and is never stored;
rows are keyed by its hash. The rule that must not break: what a method reports as kept was
committed in one transaction before it returned.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.errors import SessionNotFound, TurnRunning
from appliance.events import Done, Ending, Failed, Message, Numbered
from appliance.store.accounting import Accounting, Receipt
from appliance.store.asked import Accepted as Accepted
from appliance.store.asked import find_asked, name_call
from appliance.store.calls import Calls, StoredCall, insert_calls
from appliance.store.chunks import find_last_event, get_last_number, insert_events
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.exchanges import StoredExchange, find_exchanges, open_exchanges
from appliance.store.facts import Facts
from appliance.store.feedback import Feedback, keep_feedback
from appliance.store.guests import Guests
from appliance.store.messages import (
    MESSAGES,
    Answer,
    MessageRows,
    StoredMessage,
)
from appliance.store.sealing import Seals
from appliance.store.verdicts import StoredVerdict, insert_verdicts, read_verdicts

if TYPE_CHECKING:
    import sqlite_utils

SESSION_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was deleted, and what proves it: the row of the audit log that says so."""

    messages: int
    turns: int
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """Since the start: answers by the rung that gave them, verdicts by their category."""

    answers_total: Mapping[str, int]
    verdicts_total: Mapping[str, int]


def key_of(session_id: str) -> str:
    """The session's name on disk, in the engine and in logs: it does not give access."""
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()


class Sessions:
    def __init__(
        self,
        store: Store,
        log: EventLog,
        seals: Seals,
        clock: Callable[[], int],
        house_clock: Callable[[], int] | None = None,
        accounts: Accounting | None = None,
    ) -> None:
        """`clock` gives milliseconds since 1970, to show; `house_clock` those to count age by,
        which a wrong clock does not move. Without `accounts` nothing is audited and no key is
        destroyed."""
        self._store = store
        self._log = log
        self._seals = seals
        self._clock = clock
        self._house_clock = house_clock or clock
        self._accounts = accounts
        self._rows = MessageRows(seals, clock)
        self._guests = Guests()
        self.facts = Facts(store, seals, clock)
        self.calls = Calls(store, seals)
        self._sources: Counter[str] = Counter()
        self._categories: Counter[str] = Counter()

    def measure(self) -> SessionFigures:
        return SessionFigures(dict(self._sources), dict(self._categories))

    async def create(self, *, is_guest: bool = False) -> str:
        """A new session; its id is 128 random bits. That of a guest is for one answer. Raises
        StoreUnavailable, as all here do."""
        session_id = secrets.token_urlsafe(SESSION_ID_BYTES)
        self._store.check_room()
        if is_guest:
            self._guests.add(key_of(session_id))
        await self._store.write(
            lambda database: database.conn.execute(
                # House time is known once the store is open, and then this runs.
                NEW_SESSION,
                (key_of(session_id), self._clock(), self._house_clock(), is_guest),
            )
        )
        return session_id

    async def check(self, session_id: str) -> None:
        """Raises SessionNotFound."""
        await self._store.read(lambda connection: check_access(connection, key_of(session_id)))

    async def accept(self, session_id: str, text: str, client_id: str | None = None) -> Accepted:
        """Keep the customer's message and begin its turn, or find what `client_id` began before.

        Raises SessionNotFound, TurnRunning.
        """
        session_key, run_id, now_ms = key_of(session_id), secrets.token_hex(8), self._clock()

        def change(database: sqlite_utils.Database) -> Accepted:
            connection = database.conn
            check_access(connection, session_key)
            if found := find_asked(connection, session_key, client_id):
                return found
            number = get_last_number(connection, session_key) + 1
            try:
                called = name_call(session_key, client_id)
                connection.execute(NEW_TURN, (run_id, session_key, now_ms, called, number))
            except sqlite3.IntegrityError:
                raise TurnRunning("The last question is still being answered.") from None
            connection.execute(
                "UPDATE sessions SET touched_ms = ? WHERE session_key = ?",
                (self._house_clock(), session_key),
            )
            self._rows.append(connection, session_key, run_id, "customer", Answer(text))
            asked = Numbered(number, run_id, Message("customer", text))
            insert_events(connection, self._seals, session_key, [asked])
            return Accepted(run_id, session_key, number)

        self._store.check_room()
        await self._log.check()
        accepted = await self._store.write(change)
        if not accepted.is_repeat:
            self._log.begin(session_key, accepted.number + 1)
        return accepted

    async def find_asked(self, session_id: str, client_id: str) -> Accepted | None:
        """What the same call began before. Raises SessionNotFound."""
        session_key = key_of(session_id)

        def query(connection: sqlite3.Connection) -> Accepted | None:
            check_access(connection, session_key)
            return find_asked(connection, session_key, client_id)

        return await self._store.read(query)

    async def finish(
        self,
        session_key: str,
        run_id: str,
        answer: Answer,
        ending: Ending,
        verdicts: Sequence[StoredVerdict] = (),
        calls: Sequence[StoredCall] = (),
    ) -> Numbered:
        """Keep the answer, or what was said before an error, with the turn's last event, what
        the guards said and what tools were called for.

        Nothing is kept where the session was forgotten.
        """
        ended_ms = self._clock()

        def change(database: sqlite_utils.Database) -> None:
            described = (
                _describe_failure(ending)
                if isinstance(ending, Failed)
                else self._rows.describe_done(session_key, run_id, ending)
            )
            columns = {**described, "ended_ms": ended_ms, "model_id": answer.model_id}
            # What an operator decided on it is said now, or never.
            columns["decision"] = None
            assignments = ", ".join(f"{column} = :{column}" for column in columns)
            turn = database.conn.execute(
                f"UPDATE turns SET {assignments} WHERE run_id = :run_id AND state = 'running' "
                "RETURNING session_key",
                {**columns, "run_id": run_id},
            ).fetchone()
            if turn is not None:
                self._rows.append(database.conn, session_key, run_id, "assistant", answer)
                insert_verdicts(database.conn, session_key, run_id, verdicts, ended_ms)
                insert_calls(database.conn, self._seals, session_key, run_id, calls, ended_ms)
                if self._accounts is not None:
                    said = (answer.model_id, verdicts, calls)
                    self._accounts.keep_turn(database.conn, session_key, run_id, ending, *said)

        kept = await self._log.end(session_key, run_id, ending, change)
        if kept.number:
            self._sources.update([ending.source] if isinstance(ending, Done) else [])
            self._categories.update(verdict.category for verdict in verdicts)
        return kept

    async def read_question(self, session_key: str, run_id: str) -> str:
        """What the turn answers; empty where it is lost."""

        def query(connection: sqlite3.Connection) -> str:
            row = connection.execute(ASKED, (run_id,)).fetchone()
            return self._rows.open_text(row["text"], row["position"], session_key) if row else ""

        return await self._store.read(query)

    async def read_messages(self, session_id: str) -> tuple[tuple[StoredMessage, ...], int]:
        """All of a session, oldest first, and the number of its last stored event.
        Raises SessionNotFound."""
        session_key = key_of(session_id)

        def query(connection: sqlite3.Connection) -> tuple[tuple[StoredMessage, ...], int]:
            check_access(connection, session_key)
            rows = connection.execute(MESSAGES, (session_key,))
            messages = tuple(self._rows.read_message(row, session_key) for row in rows)
            return messages, find_last_event(connection, session_key)

        return await self._store.read(query)

    async def read_verdicts(self, session_id: str) -> tuple[StoredVerdict, ...]:
        """What the guards said in a session, oldest first. Raises SessionNotFound."""
        session_key = key_of(session_id)

        def query(connection: sqlite3.Connection) -> tuple[StoredVerdict, ...]:
            check_access(connection, session_key)
            return read_verdicts(connection, session_key)

        return await self._store.read(query)

    async def count_exchanges(self, session_key: str) -> int:
        """How many questions of the session were answered, by whomever."""
        return await self._store.read(
            lambda connection: len(find_exchanges(connection, session_key))
        )

    async def read_exchanges(
        self, session_key: str, choose_start: Callable[[int], int]
    ) -> tuple[StoredExchange, ...]:
        """The answered exchanges, oldest first, from the one that `choose_start` names when it
        is told how many there are."""

        def query(connection: sqlite3.Connection) -> tuple[StoredExchange, ...]:
            found = find_exchanges(connection, session_key)
            wanted = found[choose_start(len(found)) :]
            return open_exchanges(connection, self._rows, session_key, wanted)

        return await self._store.read(query)

    async def read_recent(self, limit: int, within_ms: int) -> tuple[str, ...]:
        """Keys of the sessions that last had a message no longer ago than `within_ms` and are not
        being answered now, the latest first."""

        def query(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            after_ms = self._house_clock() - within_ms
            return connection.execute(RECENT, (after_ms, limit)).fetchall()

        return tuple(row[0] for row in await self._store.read(query))

    async def revoke(self, session_id: str) -> None:
        """From here on the id opens nothing; what was said stays. Raises SessionNotFound."""
        session_key = key_of(session_id)

        def change(database: sqlite_utils.Database) -> None:
            check_access(database.conn, session_key)
            database.conn.execute(
                "UPDATE sessions SET is_revoked = 1 WHERE session_key = ?", (session_key,)
            )

        await self._store.write(change)

    async def judge(self, session_id: str, run_id: str, feedback: Feedback | None) -> None:
        """Keep what the customer says of an answer. Raises SessionNotFound, InvalidField."""
        session_key = key_of(session_id)

        def change(database: sqlite_utils.Database) -> None:
            check_access(database.conn, session_key)
            keep_feedback(database.conn, session_key, run_id, feedback)

        self._store.check_room()
        await self._store.write(change)

    async def forget(self, session_id: str) -> Forgotten:
        """Delete a session with all it holds. Raises SessionNotFound."""
        session_key = key_of(session_id)

        def change(database: sqlite_utils.Database) -> Forgotten:
            check_access(database.conn, session_key)
            return self._delete(database.conn, session_key)

        forgotten = await self._store.write(change)
        self._guests.drop(session_key)
        await self._log.forget(session_key)
        return forgotten

    async def forget_guests(self) -> tuple[str, ...]:
        """Delete those that an earlier process left, once the log is open; their keys."""

        def change(database: sqlite_utils.Database) -> tuple[str, ...]:
            for session_key in (left := self._guests.find_left(database.conn)):
                self._delete(database.conn, session_key)
            return left

        left = await self._store.write(change)
        for session_key in left:
            await self._log.forget(session_key)
        return left

    def _delete(self, connection: sqlite3.Connection, session_key: str) -> Forgotten:
        receipt = self._accounts.destroy(connection, session_key) if self._accounts else None
        # Facts, summaries and calls go with their session.
        counts = [
            connection.execute(f"DELETE FROM {table} WHERE session_key = ?", (session_key,))
            for table in ("messages", "turns", "verdicts", "handoffs", "events", "sessions")
        ]
        return Forgotten(counts[0].rowcount, counts[1].rowcount, receipt)


NEW_SESSION = "INSERT INTO sessions (session_key, created_ms, touched_ms, is_guest) VALUES(?,?,?,?)"
NEW_TURN = """
INSERT INTO turns (run_id, session_key, state, accepted_ms, client_id, event_id)
VALUES (?, ?, 'running', ?, ?, ?)
"""
ASKED = "SELECT text, position FROM messages WHERE run_id = ? AND role = 'customer'"
RECENT = """
SELECT session_key FROM sessions
WHERE touched_ms > ? AND NOT is_revoked
AND session_key NOT IN (SELECT session_key FROM turns WHERE state = 'running')
ORDER BY touched_ms DESC, session_key LIMIT ?
"""


def check_access(connection: sqlite3.Connection, session_key: str) -> None:
    """Raises SessionNotFound, also for a session that was closed to its visitor."""
    row = connection.execute(
        "SELECT is_revoked FROM sessions WHERE session_key = ?", (session_key,)
    ).fetchone()
    if row is None or row[0]:
        raise SessionNotFound("There is no such conversation; it may have been deleted.")


def _describe_failure(failed: Failed) -> dict[str, str | int | float | bytes | None]:
    return {"state": "failed", "error_code": failed.code, "error_message": failed.message}
