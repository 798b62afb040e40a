"""Past exchanges as the customer saw them: a question, its answer, what a person said behind it.

It writes nothing and begins no transaction. The rule that must not break: whatever operators said
to the customer is in them, and of their words only what is asked for is opened.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.store.messages import MessageRows

ROWS = """
SELECT messages.position, messages.role, messages.run_id, turns.state,
    length(messages.text) > 0 AS has_text
FROM messages JOIN turns USING (run_id)
WHERE messages.session_key = ? AND turns.state <> 'running' ORDER BY messages.position
"""
TEXTS = """
SELECT messages.position, messages.text, messages.token_ids, turns.model_id
FROM messages JOIN turns USING (run_id)
WHERE messages.session_key = ? AND messages.position >= ?
"""


@dataclass(frozen=True, slots=True)
class StoredExchange:
    """`answer` is the assistant's and may be empty; `by_person` is what operators said then."""

    question: str
    answer: str
    answer_token_ids: tuple[int, ...]
    model_id: str
    by_person: str = ""

    @property
    def rest(self) -> str:
        """What stands behind the assistant's words."""
        return f"\n\n{self.by_person}" if self.answer and self.by_person else self.by_person

    @property
    def said(self) -> str:
        return self.answer + self.rest


@dataclass(slots=True)
class Places:
    """Where the messages of one exchange stand; `answer` is 0 where the assistant said nothing."""

    asked: tuple[int, ...]
    answer: int
    by_person: list[int] = field(default_factory=list)

    @property
    def first(self) -> int:
        return min((*self.asked, *self.by_person))


def find_exchanges(connection: sqlite3.Connection, session_key: str) -> list[Places]:
    """Oldest first. A question that nobody answered is in none, unless a person spoke then."""
    rows = connection.execute(ROWS, (session_key,)).fetchall()
    answers = {
        row["run_id"]: row["position"]
        for row in rows
        if row["role"] == "assistant" and row["state"] == "done" and row["has_text"]
    }
    found: list[Places] = []
    asked: list[int] = []
    for row in rows:
        if row["role"] == "customer":
            asked.append(row["position"])
            if answer := answers.get(row["run_id"]):
                found.append(Places((row["position"],), answer))
                asked = []
        elif row["role"] == "operator":
            if asked or not found:
                found.append(Places(tuple(asked), 0))
                asked = []
            found[-1].by_person.append(row["position"])
    return found


def open_exchanges(
    connection: sqlite3.Connection, rows: MessageRows, session_key: str, found: Sequence[Places]
) -> tuple[StoredExchange, ...]:
    if not found:
        return ()
    texts = {
        row["position"]: row for row in connection.execute(TEXTS, (session_key, found[0].first))
    }

    def read(places: Sequence[int]) -> str:
        opened = (rows.open_text(texts[at]["text"], at, session_key) for at in places)
        return "\n".join(opened)

    def build(places: Places) -> StoredExchange:
        at = places.answer
        ids = rows.open_ids(texts[at]["token_ids"], at, session_key) if at else ()
        model_id = (texts[at]["model_id"] or "") if at else ""
        answer = read((at,)) if at else ""
        return StoredExchange(read(places.asked), answer, ids, model_id, read(places.by_person))

    return tuple(build(places) for places in found)
