"""What customers said of themselves, and summaries of what they said: rows of a session.

It recognises nothing and writes no summary; who calls it did. Both go with their session. The rule
that must not break: every value passes the seals in both directions, bound to the place where it
stands, and what a turn has kept it does not keep a second time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from appliance.store.chunks import has_session
from appliance.store.database import Store
from appliance.store.sealing import Label, Seals

if TYPE_CHECKING:
    import sqlite_utils

Author: TypeAlias = Literal["extract", "model"]

FACTS = "SELECT run_id, place, kind, value, at_ms FROM facts WHERE session_key = ? ORDER BY rowid"
INSERT = "INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?)"
DELETE = "DELETE FROM facts WHERE session_key = ? AND run_id = ? AND place = ?"
SUMMARIES = """
SELECT exchanges, author, text FROM summaries WHERE session_key = ? ORDER BY exchanges
"""
INSERT_SUMMARY = "INSERT OR IGNORE INTO summaries VALUES (?, ?, ?, ?, ?)"
TOLD = "UPDATE sessions SET is_trim_told = 1 WHERE session_key = ?"


@dataclass(frozen=True, slots=True)
class StoredFact:
    """`run_id` is the turn in whose message it was said."""

    kind: str
    value: str
    run_id: str
    place: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class StoredSummary:
    """It stands for the first `exchanges` answered exchanges of its session."""

    exchanges: int
    author: Author
    text: str


class Facts:
    def __init__(self, store: Store, seals: Seals, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970."""
        self._store = store
        self._seals = seals
        self._clock = clock

    async def read(self, session_key: str) -> tuple[StoredFact, ...]:
        """Of one session, the oldest first. Raises StoreUnavailable, as all here do."""
        return await self._store.read(lambda connection: self._read(connection, session_key))

    def _read(self, connection: sqlite3.Connection, session_key: str) -> tuple[StoredFact, ...]:
        found = []
        for row in connection.execute(FACTS, (session_key,)):
            label = _label_fact(row["run_id"], row["place"], session_key)
            # Unreadable: its day is over, so it is forgotten.
            if value := self._seals.read(row["value"], label):
                place = (row["run_id"], row["place"], row["at_ms"])
                found.append(StoredFact(row["kind"], value, *place))
        return tuple(found)

    async def keep(
        self,
        session_key: str,
        run_id: str,
        said: Sequence[tuple[str, str]],
        dropped: Sequence[StoredFact] = (),
    ) -> None:
        """Keep `said` (kind and value) as of turn `run_id`, and delete `dropped`. Of a turn that
        has kept something already, or whose session is gone, nothing is changed."""
        now_ms = self._clock()

        def change(database: sqlite_utils.Database) -> None:
            connection = database.conn
            if not has_session(connection, session_key) or _has_facts(connection, run_id):
                return
            for fact in dropped:
                connection.execute(DELETE, (session_key, fact.run_id, fact.place))
            for place, (kind, value) in enumerate(said, start=1):
                label = _label_fact(run_id, place, session_key)
                sealed = self._seals.seal(value.encode(), label)
                connection.execute(INSERT, (session_key, run_id, place, kind, sealed, now_ms))

        await self._store.write(change)

    async def read_summaries(self, session_key: str) -> tuple[StoredSummary, ...]:
        """The one that stands for the fewest exchanges first."""

        def query(connection: sqlite3.Connection) -> tuple[StoredSummary, ...]:
            rows = connection.execute(SUMMARIES, (session_key,))
            found = [
                (*row[:2], self._seals.read(row[2], _label_summary(row[0], session_key)))
                for row in rows
            ]
            return tuple(StoredSummary(*one) for one in found if one[2])

        return await self._store.read(query)

    async def keep_summary(self, session_key: str, summary: StoredSummary) -> None:
        """Where there is one of as many exchanges, that one stays."""
        now_ms = self._clock()

        def change(database: sqlite_utils.Database) -> None:
            if has_session(database.conn, session_key):
                label = _label_summary(summary.exchanges, session_key)
                sealed = self._seals.seal(summary.text.encode(), label)
                values = (session_key, summary.exchanges, summary.author, sealed, now_ms)
                database.conn.execute(INSERT_SUMMARY, values)

        await self._store.write(change)

    async def was_trim_told(self, session_key: str) -> bool:
        """Whether the customer knows that the beginning is no longer shown to the model."""
        row = await self._store.read(
            lambda connection: connection.execute(
                "SELECT is_trim_told FROM sessions WHERE session_key = ?", (session_key,)
            ).fetchone()
        )
        return bool(row and row[0])

    async def note_trim_told(self, session_key: str) -> None:
        await self._store.write(lambda database: database.conn.execute(TOLD, (session_key,)))


def _has_facts(connection: sqlite3.Connection, run_id: str) -> bool:
    row = connection.execute("SELECT 1 FROM facts WHERE run_id = ? LIMIT 1", (run_id,)).fetchone()
    return row is not None


def _label_fact(run_id: str, place: int, session_key: str) -> Label:
    return Label("facts", f"{run_id}/{place}", "value", session_key)


def _label_summary(exchanges: int, session_key: str) -> Label:
    return Label("summaries", str(exchanges), "text", session_key)
