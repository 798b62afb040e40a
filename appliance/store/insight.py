"""What was asked and what became of it, as rows of a span of time, for the figures of the console.

It sums nothing and changes nothing. Customers' words are opened only for the latest questions of
the span, and those whose day is over are left out. The rules that must not break: however long the
span, what is read is bounded, and so short at a time that no turn waits for it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from appliance.store.database import Store
from appliance.store.desk import BY_OPERATOR
from appliance.store.messages import MessageRows
from appliance.store.sealing import Seals

Place: TypeAlias = tuple[int, int]
"""When a turn was accepted, and its row."""

MOST_TURNS = 100_000
MOST_QUESTIONS = 3000
# So many rows are read at once; others read and the interpreter does other things in between.
PIECE = 1000
# Of words, each of which is opened.
PIECE_OF_QUESTIONS = 100
# Both go back in time from the last row of the piece before.
TURNS = """
SELECT accepted_ms, rowid, session_key, state, source, rule, feedback,
    CASE WHEN json_valid(timings) THEN json_extract(timings, '$.ttft_ms') END,
    CASE WHEN json_valid(timings) THEN json_extract(timings, '$.total_ms') END
FROM turns WHERE accepted_ms >= ? AND (accepted_ms, rowid) < (?, ?)
ORDER BY accepted_ms DESC, rowid DESC LIMIT ?
"""
QUESTIONS = """
SELECT turns.accepted_ms, turns.rowid AS place, turns.session_key, turns.run_id, turns.state,
    turns.source, turns.feedback, turns.sources, messages.position, messages.text
FROM turns JOIN messages ON messages.run_id = turns.run_id AND messages.role = 'customer'
WHERE turns.accepted_ms >= ? AND (turns.accepted_ms, turns.rowid) < (?, ?)
ORDER BY turns.accepted_ms DESC, turns.rowid DESC LIMIT ?
"""
CHANGES = """
SELECT session_key, number, at_ms, state FROM handoffs WHERE (session_key, number) > (?, ?)
ORDER BY session_key, number LIMIT ?
"""
STARS = """
SELECT session_key, stars, at_ms FROM ratings WHERE session_key > ? ORDER BY session_key LIMIT ?
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
        """Piece by piece, not all at one moment. Raises StoreUnavailable."""
        turns = await self._read_turns(from_ms, to_ms)
        return Span(
            turns[:MOST_TURNS],
            await self._read_changes(from_ms, to_ms),
            await self._read_questions(from_ms, to_ms),
            len(turns) > MOST_TURNS,
            await self._read_stars(from_ms, to_ms),
        )

    async def _read_turns(self, from_ms: int, to_ms: int) -> tuple[EndedTurn, ...]:
        found: list[EndedTurn] = []
        upto: Place = (to_ms, 0)
        while len(found) <= MOST_TURNS:
            rows = await self._fetch(TURNS, from_ms, *upto, PIECE)
            # An operator's message is no question.
            found += [_read_turn(row) for row in rows if is_question(row["state"], row["rule"])]
            if len(rows) < PIECE:
                break
            upto = rows[-1]["accepted_ms"], rows[-1]["rowid"]
        return tuple(found)

    async def _read_questions(self, from_ms: int, to_ms: int) -> tuple[AskedQuestion, ...]:
        found: list[AskedQuestion] = []
        upto: Place = (to_ms, 0)
        for seen in range(0, MOST_QUESTIONS, PIECE_OF_QUESTIONS):
            wanted = min(PIECE_OF_QUESTIONS, MOST_QUESTIONS - seen)
            asked, following = await self._read_some(from_ms, upto, wanted)
            found += [question for question in asked if question.text]
            if following is None:
                break
            upto = following
        return tuple(found)

    async def _read_some(
        self, from_ms: int, upto: Place, wanted: int
    ) -> tuple[list[AskedQuestion], Place | None]:
        """And where to go on; None where there are no more."""

        def query(connection: sqlite3.Connection) -> tuple[list[AskedQuestion], Place | None]:
            rows = connection.execute(QUESTIONS, (from_ms, *upto, wanted)).fetchall()
            asked = [self._read_question(row) for row in rows if row["state"] != "running"]
            if len(rows) < wanted:
                return asked, None
            return asked, (rows[-1]["accepted_ms"], rows[-1]["place"])

        return await self._store.read(query)

    async def _read_changes(self, from_ms: int, to_ms: int) -> tuple[OwnerStep, ...]:
        found: list[OwnerStep] = []
        before: sqlite3.Row | None = None
        after: tuple[str, int] = ("", 0)
        while rows := await self._fetch(CHANGES, *after, PIECE):
            for row in rows:
                if before is not None and from_ms <= before["at_ms"] < to_ms:
                    found.append(_build_step(before, row))
                before = row
            after = rows[-1]["session_key"], rows[-1]["number"]
        if before is not None and from_ms <= before["at_ms"] < to_ms:
            found.append(_build_step(before, None))
        return tuple(found)

    async def _read_stars(self, from_ms: int, to_ms: int) -> tuple[int, ...]:
        found: list[int] = []
        after = ""
        while rows := await self._fetch(STARS, after, PIECE):
            found += [row["stars"] for row in rows if from_ms <= row["at_ms"] < to_ms]
            after = rows[-1]["session_key"]
        return tuple(found)

    async def _fetch(self, query: str, *wanted: str | int) -> list[sqlite3.Row]:
        return await self._store.read(
            lambda connection: connection.execute(query, wanted).fetchall()
        )

    def _read_question(self, row: sqlite3.Row) -> AskedQuestion:
        source, feedback, key = row["source"] or "", row["feedback"] or "", row["session_key"]
        text, entry = "", ""
        if source == "faq" and row["sources"]:
            cited = self._rows.open_sources(row["sources"], row["run_id"], key)
            text, entry = (cited[0].title, cited[0].id) if cited else ("", "")
        text = text or self._rows.open_text(row["text"], row["position"], key)
        return AskedQuestion(row["accepted_ms"], text, entry, source, is_miss(source, feedback))


def is_question(state: str, rule: str) -> bool:
    """Whether it has ended, and is not an operator's message."""
    return state != "running" and rule != BY_OPERATOR


def _read_turn(row: sqlite3.Row) -> EndedTurn:
    at_ms, _, key, state, source, rule, feedback, ttft_ms, total_ms = row
    if state != "done":
        return EndedTurn(at_ms, key, "", "", "", None, None)
    return EndedTurn(at_ms, key, source or "", rule, feedback or "", ttft_ms, total_ms)


def _build_step(row: sqlite3.Row, following: sqlite3.Row | None) -> OwnerStep:
    """What came after it, if it came in the same conversation."""
    if following is None or following["session_key"] != row["session_key"]:
        return OwnerStep(row["at_ms"], row["state"], None, None)
    return OwnerStep(row["at_ms"], row["state"], following["state"], following["at_ms"])
