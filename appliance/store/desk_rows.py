"""What operators see: conversations as rows of a list, one of them whole, and words found in them.

It changes nothing; `desk.py` keeps what operators do. The rule that must not break: words are
opened one by one where they are shown or looked through, and are written nowhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from appliance.errors import SessionNotFound
from appliance.events import HandoffState, Role, Source
from appliance.store.chunks import find_last_event
from appliance.store.database import Store
from appliance.store.messages import MESSAGES, MessageRows, StoredMessage
from appliance.store.sealing import Label, Seals

ROW = """
SELECT sessions.session_key, owner, owner_since_ms, created_ms, touched_ms, assigned_to, is_held,
    contact, owner_reason,
    (SELECT max(position) FROM messages
        WHERE messages.session_key = sessions.session_key AND length(text) > 0) AS last,
    (SELECT max(position) FROM messages WHERE messages.session_key = sessions.session_key
        AND role = 'customer') AS asked,
    (SELECT source FROM turns WHERE turns.session_key = sessions.session_key
        AND state = 'done' ORDER BY accepted_ms DESC LIMIT 1) AS rung
FROM sessions
"""
ONE = f"{ROW} WHERE session_key = ?"
# Whoever waits comes first, then who is talked to, all of them; then who left word how to be
# reached, the latest first.
FIRST = f"""
{ROW} WHERE owner IN ('waiting', 'human') OR (owner = 'closed' AND contact IS NOT NULL)
ORDER BY owner = 'waiting' DESC, owner = 'human' DESC,
    CASE owner WHEN 'closed' THEN -owner_since_ms ELSE owner_since_ms END
LIMIT (SELECT count(*) FROM sessions WHERE owner IN ('waiting', 'human')) + ?
"""
OTHERS = f"""
{ROW} WHERE touched_ms < ? AND (owner = 'bot' OR (owner = 'closed' AND contact IS NULL))
AND EXISTS (SELECT 1 FROM messages WHERE messages.session_key = sessions.session_key)
ORDER BY touched_ms DESC LIMIT ?
"""
MESSAGE = (
    "SELECT role, text, created_ms, position FROM messages WHERE session_key = ? AND position = ?"
)
COUNTS = "SELECT owner, count(*) FROM sessions WHERE owner <> 'bot' GROUP BY owner"
ALL = "SELECT count(*) FROM sessions"
NOTES = "SELECT place, text, account, at_ms FROM notes WHERE session_key = ? ORDER BY place"
RATING = "SELECT stars, comment, at_ms FROM ratings WHERE session_key = ?"
VERDICTS = "SELECT run_id, stage, rule, category, action FROM verdicts WHERE session_key = ?"
CALLS = "SELECT run_id, tool, state FROM calls WHERE session_key = ? ORDER BY place"
SAID = """
SELECT rowid, session_key, position, role, text, created_ms FROM messages
WHERE created_ms BETWEEN ? AND ? AND rowid < ? ORDER BY rowid DESC LIMIT ?
"""
HIGHEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation in the list. `asked` is what the customer said last."""

    session_key: str
    state: HandoffState
    since_ms: int
    touched_ms: int
    account: str
    is_held: bool
    contact: str
    reason: str
    rung: Source | None
    last_text: str = ""
    last_role: Role | None = None
    last_at_ms: int = 0
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    text: str
    account: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Rating:
    stars: int
    comment: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a guard said in a turn; `tool` where it is a call of a tool."""

    run_id: str
    rule: str
    action: str
    is_tool: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation as an operator sees it."""

    row: Row
    messages: tuple[StoredMessage, ...]
    last_number: int
    notes: tuple[Note, ...]
    rating: Rating | None
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True, slots=True)
class FoundWords:
    session_key: str
    at_ms: int
    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Listed:
    """`next` is where the next page begins, None at the end."""

    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    next: int | None


class DeskRows:
    def __init__(self, store: Store, seals: Seals, rows: MessageRows) -> None:
        self._store = store
        self._seals = seals
        self._messages = rows

    async def list_page(self, before: int | None, limit: int) -> Listed:
        """`limit` of those that nobody waits in, and with the first page all that do. Raises
        StoreUnavailable, as all here do."""

        def query(connection: sqlite3.Connection) -> Listed:
            first = connection.execute(FIRST, (limit,)).fetchall() if before is None else []
            last = HIGHEST if before is None else before
            others = connection.execute(OTHERS, (last, limit)).fetchall()
            counts = dict(connection.execute(COUNTS).fetchall())
            total = connection.execute(ALL).fetchone()[0]
            counts["bot"] = total - sum(counts.values())
            rows = tuple(self._read_row(connection, row) for row in (*first, *others))
            more = others[-1]["touched_ms"] if len(others) == limit else None
            return Listed(rows, counts, more)

        return await self._store.read(query)

    async def find(self, session_key: str) -> Row:
        """Raises SessionNotFound."""
        return await self._store.read(lambda connection: self._find(connection, session_key))

    async def open(self, session_key: str) -> Opened:
        """Raises SessionNotFound."""

        def query(connection: sqlite3.Connection) -> Opened:
            row = self._find(connection, session_key)
            messages = tuple(
                self._messages.read_message(message, session_key)
                for message in connection.execute(MESSAGES, (session_key,))
            )
            said = connection.execute(VERDICTS, (session_key,)).fetchall()
            called = connection.execute(CALLS, (session_key,)).fetchall()
            judgements = (
                *(Judgement(one["run_id"], one["rule"], one["action"]) for one in said),
                *(Judgement(one["run_id"], one["tool"], one["state"], True) for one in called),
            )
            last = find_last_event(connection, session_key)
            notes, rating = (
                self._read_notes(connection, session_key),
                self._read_rating(connection, session_key),
            )
            return Opened(row, messages, last, notes, rating, judgements)

        return await self._store.read(query)

    async def search(
        self, span_ms: tuple[int, int], below: int, limit: int, is_wanted: Callable[[str], bool]
    ) -> tuple[tuple[FoundWords, ...], int]:
        """Of `limit` messages below place `below`, the latest first, those with words that are
        wanted, and the place of the last; 0 where there are no more."""

        def query(connection: sqlite3.Connection) -> tuple[tuple[FoundWords, ...], int]:
            rows = connection.execute(SAID, (*span_ms, below, limit)).fetchall()
            found = []
            for row in rows:
                key = row["session_key"]
                text = self._messages.open_text(row["text"], row["position"], key)
                if text and is_wanted(text):
                    found.append(FoundWords(key, row["created_ms"], row["role"], text))
            return tuple(found), rows[-1]["rowid"] if len(rows) == limit else 0

        return await self._store.read(query)

    def _find(self, connection: sqlite3.Connection, session_key: str) -> Row:
        row = connection.execute(ONE, (session_key,)).fetchone()
        if row is None:
            raise SessionNotFound("There is no such conversation; it may have been deleted.")
        return self._read_row(connection, row)

    def _read_row(self, connection: sqlite3.Connection, row: sqlite3.Row) -> Row:
        key = row["session_key"]
        told = Row(
            key,
            row["owner"],
            row["owner_since_ms"] or row["created_ms"],
            row["touched_ms"],
            row["assigned_to"],
            bool(row["is_held"]),
            self._seals.read(row["contact"], label_contact(key)) if row["contact"] else "",
            row["owner_reason"],
            row["rung"],
        )
        for place in sorted({row["last"], row["asked"]} - {None}):
            message = connection.execute(MESSAGE, (key, place)).fetchone()
            text = self._messages.open_text(message["text"], place, key)
            if place == row["last"]:
                at_ms = message["created_ms"]
                told = replace(told, last_text=text, last_role=message["role"], last_at_ms=at_ms)
            if place == row["asked"]:
                told = replace(told, asked=text)
        return told

    def _read_notes(self, connection: sqlite3.Connection, session_key: str) -> tuple[Note, ...]:
        found = []
        for place, sealed, account, at_ms in connection.execute(NOTES, (session_key,)):
            if text := self._seals.read(sealed, label_note(session_key, place)):
                found.append(Note(text, account, at_ms))
        return tuple(found)

    def _read_rating(self, connection: sqlite3.Connection, session_key: str) -> Rating | None:
        row = connection.execute(RATING, (session_key,)).fetchone()
        if row is None:
            return None
        sealed = row["comment"]
        comment = self._seals.read(sealed, label_comment(session_key)) if sealed else ""
        return Rating(row["stars"], comment, row["at_ms"])


def label_contact(session_key: str) -> Label:
    return Label("sessions", session_key, "contact", session_key)


def label_note(session_key: str, place: int) -> Label:
    return Label("notes", str(place), "text", session_key)


def label_comment(session_key: str) -> Label:
    return Label("ratings", session_key, "comment", session_key)
