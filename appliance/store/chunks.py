"""Numbered events as rows of the main file: a chunk holds consecutive events of one turn.

It opens no file and begins no transaction; every function works on the connection it is given.
The rule that must not break: what is read is what was written, and a number once given out is
never given to another event.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from appliance.events import (
    Cited,
    Done,
    Event,
    Failed,
    Handoff,
    Message,
    Notice,
    Numbered,
    Rewind,
    Started,
    Timings,
    Token,
    Tool,
    Usage,
)
from appliance.store.sealing import Label, Seals

# Further than any answer is long, so that a lost number is never given out again.
NUMBERS_SKIPPED = 1000
# A copy from a backup or of a damaged file may be older than what was shown by any amount.
NUMBERS_SKIPPED_BY_COPY = 1_000_000
HIGHEST_NUMBER = (1 << 63) - 1

KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "message": Message,
        "started": Started,
        "token": Token,
        "notice": Notice,
        "tool": Tool,
        "rewind": Rewind,
        "done": Done,
        "error": Failed,
        "handoff": Handoff,
    }
)
NAMES: Mapping[type[Any], str] = MappingProxyType({kind: name for name, kind in KINDS.items()})

LAST_EVENT_UP_TO = """
SELECT min(last_number, ?) FROM events WHERE session_key = ? AND first_number <= ?
ORDER BY first_number DESC LIMIT 1
"""
LAST_NUMBER = """
SELECT max(number_floor, coalesce(
    (SELECT max(last_number) FROM events WHERE events.session_key = sessions.session_key), 0))
FROM sessions WHERE session_key = ?
"""


def encode_event(event: Event) -> bytes:
    return json.dumps(_describe(event), ensure_ascii=False).encode()


def _describe(event: Event) -> tuple[str, dict[str, Any]]:
    # Written out for the one kind that comes by the hundred: `asdict` takes ten times as long.
    if isinstance(event, Token):
        return "token", {"text": event.text, "token_ids": event.token_ids}
    return NAMES[type(event)], asdict(event)


def decode_event(body: bytes) -> Event:
    """Raises ValueError, TypeError or KeyError for what `encode_event` did not write."""
    return _build(*json.loads(body))


def _build(kind: str, fields: dict[str, Any]) -> Event:
    match kind:
        case "token":
            return Token(fields["text"], tuple(fields["token_ids"]))
        case "done":
            usage, timings = Usage(**fields.pop("usage")), Timings(**fields.pop("timings"))
            sources = tuple(Cited(**cited) for cited in fields.pop("sources", ()))
            suggestions = tuple(fields.pop("suggestions", ()))
            return Done(
                **fields,
                usage=usage,
                timings=timings,
                sources=sources,
                suggestions=suggestions,
            )
        case _:
            built: Event = KINDS[kind](**fields)
            return built


def get_last_number(connection: sqlite3.Connection, session_key: str) -> int:
    """The highest number that may have been given out; 0 in a new or an unknown session."""
    row = connection.execute(LAST_NUMBER, (session_key,)).fetchone()
    return int(row[0]) if row else 0


def find_last_event(
    connection: sqlite3.Connection, session_key: str, upto: int = HIGHEST_NUMBER
) -> int:
    """The highest number that is kept and not above `upto`; 0 where there is none."""
    row = connection.execute(LAST_EVENT_UP_TO, (upto, session_key, upto)).fetchone()
    return int(row[0]) if row else 0


def find_running_turn(connection: sqlite3.Connection, session_key: str) -> str | None:
    row = connection.execute(
        "SELECT run_id FROM turns WHERE session_key = ? AND state = 'running'", (session_key,)
    ).fetchone()
    return str(row[0]) if row else None


def has_session(connection: sqlite3.Connection, session_key: str) -> bool:
    found = connection.execute("SELECT 1 FROM sessions WHERE session_key = ?", (session_key,))
    return found.fetchone() is not None


def insert_events(
    connection: sqlite3.Connection, seals: Seals, session_key: str, events: Sequence[Numbered]
) -> None:
    """Keep `events`, ascending; nothing where the session is gone."""
    for chunk in _cut_into_chunks(events):
        first, last = chunk[0], chunk[-1]
        described = [_describe(numbered.event) for numbered in chunk]
        body = json.dumps(described, ensure_ascii=False).encode()
        sealed = seals.seal(body, _label(session_key, first.number))
        connection.execute(
            "INSERT INTO events SELECT session_key, ?, ?, ?, ? FROM sessions WHERE session_key = ?",
            (first.number, last.number, first.run_id, sealed, session_key),
        )


def _cut_into_chunks(events: Sequence[Numbered]) -> Iterator[Sequence[Numbered]]:
    """At every gap in the numbers and at every change of the turn."""
    cuts = [
        at
        for at, (left, right) in enumerate(pairwise(events), start=1)
        if right.number != left.number + 1 or right.run_id != left.run_id
    ]
    for start, end in pairwise([0, *cuts, len(events)]):
        if start < end:
            yield events[start:end]


def read_events(
    connection: sqlite3.Connection, seals: Seals, session_key: str, after: int, chunks: int
) -> list[Numbered]:
    """The events above number `after`, oldest first, from at most `chunks` chunks."""
    rows = connection.execute(
        "SELECT first_number, run_id, body FROM events "
        "WHERE session_key = ? AND last_number > ? ORDER BY first_number LIMIT ?",
        (session_key, after, chunks),
    )
    return [
        numbered
        for first, run_id, body in rows
        for numbered in _open_chunk(seals, session_key, first, run_id, body)
        if numbered.number > after
    ]


def read_events_of_run(
    connection: sqlite3.Connection, seals: Seals, session_key: str, run_id: str
) -> list[Numbered]:
    """Up to the first that cannot be read."""
    rows = connection.execute(
        "SELECT first_number, body FROM events WHERE session_key = ? AND run_id = ? "
        "ORDER BY first_number",
        (session_key, run_id),
    )
    found: list[Numbered] = []
    for first, body in rows:
        chunk = _open_chunk(seals, session_key, first, run_id, body)
        if not chunk:
            break
        found += chunk
    return found


def _open_chunk(
    seals: Seals, session_key: str, first_number: int, run_id: str, body: bytes
) -> list[Numbered]:
    """Empty for one that cannot be read: a worn card may flip a bit that no check of SQLite's
    sees, and one half second is lost then and not the whole session."""
    try:
        events = json.loads(seals.open(body, _label(session_key, first_number)))
        return [
            Numbered(number, run_id, _build(*event))
            for number, event in enumerate(events, start=first_number)
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def skip_numbers(connection: sqlite3.Connection) -> None:
    """For a database that may be older than what was shown of it: no number is used twice."""
    connection.execute(
        "UPDATE sessions SET number_floor = ? + max(number_floor, coalesce((SELECT "
        "max(last_number) FROM events WHERE events.session_key = sessions.session_key), 0))",
        (NUMBERS_SKIPPED_BY_COPY,),
    )


def _label(session_key: str, first_number: int) -> Label:
    return Label("events", str(first_number), "body", session_key)
