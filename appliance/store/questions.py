"""What customers asked of late and how each question ended, across all sessions, read in pages.

It judges nothing and writes nothing. The rule that must not break: a page is short, so that nobody
who reads a conversation waits for it, and what its days or its customer took away is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from appliance.store.database import Store
from appliance.store.messages import MessageRows
from appliance.store.sealing import Seals

Read = TypeVar("Read")

PAGE_ROWS = 500
ASKED = """
SELECT turns.rowid AS place, turns.run_id, turns.session_key, turns.accepted_ms, turns.source,
    turns.rule, turns.score, turns.feedback, turns.sources, turns.state, question.position,
    question.text
FROM turns JOIN messages AS question
    ON question.run_id = turns.run_id AND question.role = 'customer'
WHERE turns.accepted_ms >= ? AND turns.state <> 'running' AND turns.rowid < ?
ORDER BY turns.rowid DESC LIMIT ?
"""
WISHES = """
SELECT session_key, at_ms FROM handoffs WHERE state = 'waiting' AND run_id = '' AND at_ms >= ?
"""
SPOKEN = """
SELECT rowid AS place, session_key, position, text, created_ms FROM messages
WHERE role = 'operator' AND created_ms >= ? AND rowid < ? ORDER BY rowid DESC LIMIT ?
"""
NEWEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class AskedTurn:
    """A customer's message and what became of it; `cited` are the ids of what its answer rests on.
    `source` is empty where the turn failed."""

    session_key: str
    run_id: str
    position: int
    text: str
    at_ms: int
    source: str
    rule: str
    score: float | None
    is_disliked: bool
    cited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an operator said to a customer."""

    session_key: str
    position: int
    text: str
    at_ms: int


class Questions:
    def __init__(self, store: Store, seals: Seals) -> None:
        self._store = store
        self._rows = MessageRows(seals, lambda: 0)

    async def read_asked(self, since_ms: int, most: int) -> tuple[AskedTurn, ...]:
        """The latest `most`, the latest first. Raises StoreUnavailable, as all here do."""
        turns = await self._read_pages(ASKED, since_ms, most, self._read_turn)
        return tuple(turn for turn in turns if turn.text)

    async def read_spoken(self, since_ms: int, most: int) -> tuple[Spoken, ...]:
        """What operators said, the latest first."""
        spoken = await self._read_pages(SPOKEN, since_ms, most, self._read_spoken)
        return tuple(one for one in spoken if one.text)

    async def read_wishes(self, since_ms: int) -> tuple[tuple[str, int], ...]:
        """Sessions in which a button called a person, and when."""
        rows = await self._store.read(lambda db: db.execute(WISHES, (since_ms,)).fetchall())
        return tuple((row[0], row[1]) for row in rows)

    async def _read_pages(
        self, query: str, since_ms: int, most: int, read: Callable[[sqlite3.Row], Read]
    ) -> list[Read]:
        found: list[Read] = []
        before: int | None = NEWEST
        while before is not None and len(found) < most:
            values = (since_ms, before, min(PAGE_ROWS, most - len(found)))
            before, page = await self._store.read(partial(_read_page, query, values, read))
            found += page
        return found

    def _read_turn(self, row: sqlite3.Row) -> AskedTurn:
        key = row["session_key"]
        cited = self._rows.open_sources(row["sources"], row["run_id"], key)
        return AskedTurn(
            key,
            row["run_id"],
            row["position"],
            self._rows.open_text(row["text"], row["position"], key),
            row["accepted_ms"],
            row["source"] or "",
            row["rule"],
            row["score"],
            row["feedback"] == "down",
            tuple(one.id for one in cited),
        )

    def _read_spoken(self, row: sqlite3.Row) -> Spoken:
        key, position = row["session_key"], row["position"]
        text = self._rows.open_text(row["text"], position, key)
        return Spoken(key, position, text, row["created_ms"])


def _read_page(
    query: str,
    values: tuple[int, int, int],
    read: Callable[[sqlite3.Row], Read],
    connection: sqlite3.Connection,
) -> tuple[int | None, list[Read]]:
    """With the place to go on before; None at the end."""
    rows = connection.execute(query, values).fetchall()
    return rows[-1]["place"] if len(rows) == values[-1] else None, [read(row) for row in rows]
