"""The tables of what is told to other systems, and the triggers that note it; and of the versions
of the shop's files. Together they are step M014.

It holds no query. A trigger notes what happened in the very transaction in which it happened, so
nothing is told that was not kept, and nothing kept goes untold. The rule that must not break: no
customer's word stands here; what a receiver may read is opened when it is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

# `events` has a blank before and behind each name. `target` is sealed for good: addresses and
# secrets outlive the days of customers' words.
TABLES = (
    """
    CREATE TABLE webhooks (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('events', 'chat', 'mail')),
        events TEXT NOT NULL,
        target BLOB NOT NULL,
        account TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY,
        webhook_id INTEGER NOT NULL REFERENCES webhooks ON DELETE CASCADE,
        session_key TEXT REFERENCES sessions ON DELETE CASCADE,
        event_id TEXT NOT NULL,
        event TEXT NOT NULL,
        detail TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
        attempts INTEGER NOT NULL DEFAULT 0,
        next_ms INTEGER NOT NULL DEFAULT 0,
        status INTEGER,
        fault TEXT NOT NULL DEFAULT '',
        ended_ms INTEGER
    ) STRICT
    """,
    "CREATE INDEX deliveries_to_make ON deliveries (webhook_id, id) WHERE state = 'pending'",
    "CREATE INDEX deliveries_of_session ON deliveries (session_key)",
    """
    CREATE TABLE versions (
        file TEXT NOT NULL,
        number INTEGER NOT NULL,
        at_ms INTEGER NOT NULL,
        account TEXT NOT NULL,
        note TEXT NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (file, number)
    ) STRICT
    """,
    "CREATE INDEX turns_by_time ON turns (accepted_ms)",
)
# Of the parts of `detail`; no rule, reason or id holds it.
SEPARATOR = 31
NOTE = """
INSERT INTO deliveries (webhook_id, session_key, event_id, event, detail, at_ms)
SELECT id, NEW.session_key, lower(hex(randomblob(16))), {event}, {detail}, {at}
FROM webhooks WHERE instr(events, ' ' || {event} || ' ')
"""
STATE_NAMES = """
CASE NEW.state WHEN 'waiting' THEN 'conversation.waiting'
    WHEN 'human' THEN 'conversation.handed_over' ELSE 'conversation.closed' END
"""
NOW = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"


def _join(*parts: tuple[str, str]) -> str:
    """Names and values in turn, a separator after each: JSON's functions are closed to triggers."""
    return " || ".join(
        f"'{name}' || char({SEPARATOR}) || {value} || char({SEPARATOR})" for name, value in parts
    )


def _write_trigger(name: str, on: str, event: str, detail: str, at: str) -> str:
    note = NOTE.format(event=event, detail=detail, at=at)
    return f"CREATE TRIGGER {name} {on} BEGIN {note}; END"


TRIGGERS = (
    _write_trigger(
        "tell_of_beginnings",
        # Of an operator's message too: `rule` says whose it is, and one that begins is none.
        "AFTER INSERT ON turns WHEN NEW.rule <> 'operator' AND NOT EXISTS "
        "(SELECT 1 FROM turns WHERE session_key = NEW.session_key AND run_id <> NEW.run_id)",
        "'conversation.started'",
        "''",
        "NEW.accepted_ms",
    ),
    _write_trigger(
        "tell_of_owners",
        "AFTER INSERT ON handoffs WHEN NEW.state <> 'bot'",
        STATE_NAMES.strip(),
        _join(("reason", "NEW.reason")),
        "NEW.at_ms",
    ),
    _write_trigger(
        "tell_of_feedback",
        "AFTER UPDATE OF feedback, feedback_reason ON turns WHEN NEW.feedback IS NOT NULL",
        "'feedback'",
        _join(
            ("verdict", "NEW.feedback"),
            ("reason", "NEW.feedback_reason"),
            ("run_id", "NEW.run_id"),
            ("source", "coalesce(NEW.source, '')"),
        ),
        NOW,
    ),
    _write_trigger(
        "tell_of_stars",
        "AFTER INSERT ON ratings",
        "'feedback'",
        _join(("stars", "NEW.stars")),
        "NEW.at_ms",
    ),
    _write_trigger(
        "tell_of_contacts",
        "AFTER UPDATE OF contact ON sessions WHEN NEW.contact IS NOT NULL",
        "'ticket'",
        "''",
        NOW,
    ),
)


def m014_outbox(database: Database) -> None:
    for statement in (*TABLES, *TRIGGERS):
        database.execute(statement)
