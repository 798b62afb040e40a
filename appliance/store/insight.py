"""What was asked and what became of it, as rows of a span of time, for the figures of the console.

It sums nothing and changes nothing. Customers' words are opened only for the latest questions of
the span, and those whose day is over are left out. The rule that must not break: however long the
span, what one call reads is bounded.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from appliance.store.database import Store
from appliance.store.desk import BY_OPERATOR
from appliance.store.messages import MessageRows
from appliance.store.sealing import Seals

MOST_TURNS = 100_000
MOST_QUESTIONS = 3000
TURNS = """
SELECT accepted_ms, session_key, state, source, rule, feedback,
    CASE WHEN json_valid(timings) THEN json_extract(timings, '$.ttft_ms') END,
    CASE WHEN json_valid(timings) THEN json_extract(timings, '$.total_ms') END
FROM turns WHERE accepted_ms >= ? AND accepted_ms < ? AND state <> 'running' AND rule <> ?
ORDER BY accepted_ms DESC LIMIT ?
"""
# What came after a change of owner stands in the same row.
CHANGES = """
SELECT at_ms, state, next_state, next_ms FROM (
    SELECT at_ms, state, lead(state) OVER later AS next_state, lead(at_ms) OVER later AS next_ms
    FROM handoffs WINDOW later AS (PARTITION BY session_key ORDER BY number)
) WHERE at_ms >= ? AND at_ms < ?
"""
STARS = "SELECT stars FROM ratings WHERE at_ms >= ? AND at_ms < ? LIMIT ?"
QUESTIONS = """
SELECT turns.accepted_ms, turns.session_key, turns.run_id, turns.source, turns.feedback,
    turns.sources, messages.position, messages.text
FROM turns JOIN messages ON messages.run_id = turns.run_id AND messages.role = 'customer'
WHERE turns.accepted_ms >= ? AND turns.accepted_ms < ? AND turns.state <> 'running'
ORDER BY turns.accepted_ms DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class EndedTurn:
    """One question and what answered it; `source` is empty where the turn failed."""

    at_ms: int
    session_key: str
    source: str
    rule: str
    feedback: str
    ttft_ms: float | None
    total_ms: float | None

    @property
    def is_miss(self) -> bool:
        return is_miss(self.source, self.feedback)


@dataclass(frozen=True, slots=True)
class OwnerStep:
    """A conversation went over to `state`, and to `next_state` after it, if it did."""

    at_ms: int
    state: str
    next_state: str | None
    next_ms: int | None


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """`entry` names the shop's entry that answered, where one did; `text` is then its title."""

    at_ms: int
    text: str
    entry: str
    source: str
    is_miss: bool


@dataclass(frozen=True, slots=True)
class Span:
    """Everything of one span, the latest first; `is_cut` where it held more turns than are read.
    `stars` are what customers gave at the end."""

    turns: tuple[EndedTurn, ...]
    changes: tuple[OwnerStep, ...]
    questions: tuple[AskedQuestion, ...]
    is_cut: bool
    stars: tuple[int, ...] = ()


def is_miss(source: str, feedback: str) -> bool:
    """What the shop would want to answer better: nobody knew, or the customer says so."""
    return source == "fallback" or feedback == "down"


class InsightRows:
    def __init__(self, store: Store, seals: Seals, clock: Callable[[], int]) -> None:
        self._store = store
        self._rows = MessageRows(seals, clock)

    async def read(self, from_ms: int, to_ms: int) -> Span:
        """Raises StoreUnavailable."""
        return await self._store.read(lambda connection: self._read(connection, (from_ms, to_ms)))

    def _read(self, connection: sqlite3.Connection, span: tuple[int, int]) -> Span:
        found = connection.execute(TURNS, (*span, BY_OPERATOR, MOST_TURNS + 1)).fetchall()
        changes = connection.execute(CHANGES, span).fetchall()
        asked = connection.execute(QUESTIONS, (*span, MOST_QUESTIONS))
        questions = (self._read_question(row) for row in asked)
        return Span(
            tuple(_read_turn(row) for row in found[:MOST_TURNS]),
            tuple(OwnerStep(*row) for row in changes),
            tuple(question for question in questions if question.text),
            len(found) > MOST_TURNS,
            tuple(row[0] for row in connection.execute(STARS, (*span, MOST_TURNS))),
        )

    def _read_question(self, row: sqlite3.Row) -> AskedQuestion:
        source, feedback, key = row["source"] or "", row["feedback"] or "", row["session_key"]
        text, entry = "", ""
        if source == "faq" and row["sources"]:
            cited = self._rows.open_sources(row["sources"], row["run_id"], key)
            text, entry = (cited[0].title, cited[0].id) if cited else ("", "")
        text = text or self._rows.open_text(row["text"], row["position"], key)
        return AskedQuestion(row["accepted_ms"], text, entry, source, is_miss(source, feedback))


def _read_turn(row: sqlite3.Row) -> EndedTurn:
    at_ms, key, state, source, rule, feedback, ttft_ms, total_ms = row
    if state != "done":
        return EndedTurn(at_ms, key, "", "", "", None, None)
    return EndedTurn(at_ms, key, source or "", rule, feedback or "", ttft_ms, total_ms)
