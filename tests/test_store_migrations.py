"""The schema of the main database, written out, against the one the steps make."""

from __future__ import annotations

from pathlib import Path

import sqlite_utils
from sqlite_utils import Migrations
from sqlite_utils.db import Column

from appliance.store.database import Store
from appliance.store.migrations import build_migrations, m001_sessions_turns_messages

TABLES = {
    "sessions": {
        "session_key": "TEXT NOT NULL",
        "created_ms": "INTEGER NOT NULL",
        "touched_ms": "INTEGER NOT NULL",
        "number_floor": "INTEGER NOT NULL",
        "owner": "TEXT NOT NULL",
        "owner_since_ms": "INTEGER NOT NULL",
        "is_trim_told": "INTEGER NOT NULL",
        "is_revoked": "INTEGER NOT NULL",
        "identity": "BLOB",
        "assigned_to": "TEXT NOT NULL",
        "owner_reason": "TEXT NOT NULL",
        "is_held": "INTEGER NOT NULL",
        "contact": "BLOB",
        "is_guest": "INTEGER NOT NULL",
    },
    "turns": {
        "run_id": "TEXT NOT NULL",
        "session_key": "TEXT NOT NULL",
        "state": "TEXT NOT NULL",
        "accepted_ms": "INTEGER NOT NULL",
        "ended_ms": "INTEGER",
        "model_id": "TEXT",
        "source": "TEXT",
        "finish_reason": "TEXT",
        "usage": "TEXT",
        "timings": "TEXT",
        "error_code": "TEXT",
        "error_message": "TEXT",
        "client_id": "TEXT",
        "event_id": "INTEGER NOT NULL",
        "deaths": "INTEGER NOT NULL",
        "score": "REAL",
        "rule": "TEXT NOT NULL",
        "is_cached": "INTEGER NOT NULL",
        "sources": "BLOB",
        "suggestions": "BLOB",
        "feedback": "TEXT",
        "feedback_reason": "TEXT NOT NULL",
        "decision": "BLOB",
    },
    "messages": {
        "session_key": "TEXT NOT NULL",
        "position": "INTEGER NOT NULL",
        "run_id": "TEXT NOT NULL",
        "role": "TEXT NOT NULL",
        "text": "BLOB NOT NULL",
        "token_ids": "BLOB",
        "created_ms": "INTEGER NOT NULL",
        "account": "TEXT NOT NULL",
    },
    "events": {
        "session_key": "TEXT NOT NULL",
        "first_number": "INTEGER NOT NULL",
        "last_number": "INTEGER NOT NULL",
        "run_id": "TEXT NOT NULL",
        "body": "BLOB NOT NULL",
    },
    "boots": {
        "id": "INTEGER",
        "boot_id": "TEXT NOT NULL",
        "is_clean": "INTEGER NOT NULL",
    },
    "house_time": {
        "id": "INTEGER",
        "house_ms": "INTEGER NOT NULL",
        "wall_ms": "INTEGER NOT NULL",
        "boot_id": "TEXT NOT NULL",
        "uptime_ms": "INTEGER NOT NULL",
        "sure_house_ms": "INTEGER NOT NULL",
        "sure_wall_ms": "INTEGER NOT NULL",
        "sure_boot_id": "TEXT NOT NULL",
    },
    "verdicts": {
        "session_key": "TEXT NOT NULL",
        "run_id": "TEXT NOT NULL",
        "place": "INTEGER NOT NULL",
        "stage": "TEXT NOT NULL",
        "rule": "TEXT NOT NULL",
        "category": "TEXT NOT NULL",
        "action": "TEXT NOT NULL",
        "at_ms": "INTEGER NOT NULL",
    },
    "handoffs": {
        "session_key": "TEXT NOT NULL",
        "number": "INTEGER NOT NULL",
        "run_id": "TEXT NOT NULL",
        "state": "TEXT NOT NULL",
        "reason": "TEXT NOT NULL",
        "at_ms": "INTEGER NOT NULL",
        "account": "TEXT NOT NULL",
    },
    "facts": {
        "session_key": "TEXT NOT NULL",
        "run_id": "TEXT NOT NULL",
        "place": "INTEGER NOT NULL",
        "kind": "TEXT NOT NULL",
        "value": "BLOB NOT NULL",
        "at_ms": "INTEGER NOT NULL",
    },
    "summaries": {
        "session_key": "TEXT NOT NULL",
        "exchanges": "INTEGER NOT NULL",
        "author": "TEXT NOT NULL",
        "text": "BLOB NOT NULL",
        "at_ms": "INTEGER NOT NULL",
    },
    "calls": {
        "session_key": "TEXT NOT NULL",
        "run_id": "TEXT NOT NULL",
        "place": "INTEGER NOT NULL",
        "tool": "TEXT NOT NULL",
        "state": "TEXT NOT NULL",
        "chosen_by": "TEXT NOT NULL",
        "detail": "TEXT NOT NULL",
        "arguments": "BLOB NOT NULL",
        "at_ms": "INTEGER NOT NULL",
    },
    "sealing": {
        "id": "INTEGER",
        "is_done": "INTEGER NOT NULL",
        "purged_day": "INTEGER NOT NULL",
    },
    "audit": {
        "seq": "INTEGER",
        "day": "INTEGER NOT NULL",
        "at_ms": "INTEGER NOT NULL",
        "kind": "TEXT NOT NULL",
        "session_key": "TEXT NOT NULL",
        "body": "BLOB",
        "body_hash": "BLOB NOT NULL",
        "mac": "BLOB NOT NULL",
    },
    "audit_anchors": {
        "seq": "INTEGER",
        "mac": "BLOB NOT NULL",
        "signature": "BLOB NOT NULL",
    },
    "audit_head": {
        "id": "INTEGER",
        "seq": "INTEGER NOT NULL",
        "mac": "BLOB NOT NULL",
        "signature": "BLOB NOT NULL",
    },
    "publications": {
        "number": "INTEGER",
        "at_ms": "INTEGER NOT NULL",
        "account": "TEXT NOT NULL",
        "text_hash": "TEXT NOT NULL",
        "asked": "INTEGER NOT NULL",
        "answered_before": "INTEGER NOT NULL",
        "answered_after": "INTEGER NOT NULL",
        "undone_ms": "INTEGER",
        "undone_by": "TEXT NOT NULL",
    },
    "notes": {
        "session_key": "TEXT NOT NULL",
        "at_ms": "INTEGER NOT NULL",
        "text": "BLOB NOT NULL",
        "account": "TEXT NOT NULL",
        "place": "INTEGER NOT NULL",
    },
    "ratings": {
        "session_key": "TEXT NOT NULL",
        "stars": "INTEGER NOT NULL",
        "comment": "BLOB",
        "at_ms": "INTEGER NOT NULL",
    },
    "replies": {
        "shortcut": "TEXT NOT NULL",
        "text": "TEXT NOT NULL",
        "place": "INTEGER NOT NULL",
    },
    "desk": {
        "id": "INTEGER",
        "is_held": "INTEGER NOT NULL",
    },
    "webhooks": {
        "id": "INTEGER",
        "name": "TEXT NOT NULL",
        "kind": "TEXT NOT NULL",
        "events": "TEXT NOT NULL",
        "target": "BLOB NOT NULL",
        "account": "TEXT NOT NULL",
        "created_ms": "INTEGER NOT NULL",
    },
    "deliveries": {
        "id": "INTEGER",
        "webhook_id": "INTEGER NOT NULL",
        "session_key": "TEXT",
        "event_id": "TEXT NOT NULL",
        "event": "TEXT NOT NULL",
        "detail": "TEXT NOT NULL",
        "at_ms": "INTEGER NOT NULL",
        "state": "TEXT NOT NULL",
        "attempts": "INTEGER NOT NULL",
        "next_ms": "INTEGER NOT NULL",
        "status": "INTEGER",
        "fault": "TEXT NOT NULL",
        "ended_ms": "INTEGER",
    },
    "changes": {
        "number": "INTEGER",
        "at_ms": "INTEGER NOT NULL",
        "account": "TEXT NOT NULL",
        "kind": "TEXT NOT NULL",
        "act": "TEXT NOT NULL",
        "content": "BLOB NOT NULL",
    },
    "versions": {
        "file": "TEXT NOT NULL",
        "number": "INTEGER NOT NULL",
        "text": "TEXT NOT NULL",
        "account": "TEXT NOT NULL",
        "note": "TEXT NOT NULL",
        "at_ms": "INTEGER NOT NULL",
    },
}
KEYS = {
    "sessions": ["session_key"],
    "turns": ["run_id"],
    "messages": ["session_key", "position"],
    "events": ["session_key", "first_number"],
    "boots": ["id"],
    "house_time": ["id"],
    "verdicts": ["run_id", "place"],
    "handoffs": ["session_key", "number"],
    "facts": ["run_id", "place"],
    "summaries": ["session_key", "exchanges"],
    "calls": ["run_id", "place"],
    "sealing": ["id"],
    "audit": ["seq"],
    "audit_anchors": ["seq"],
    "audit_head": ["id"],
    "notes": ["session_key", "place"],
    "ratings": ["session_key"],
    "replies": ["shortcut"],
    "desk": ["id"],
    "publications": ["number"],
    "webhooks": ["id"],
    "deliveries": ["id"],
    "versions": ["file", "number"],
    "changes": ["number"],
}
FOREIGN_KEYS = {
    ("turns", "session_key", "sessions", "CASCADE"),
    ("messages", "session_key", "sessions", "CASCADE"),
    ("messages", "run_id", "turns", "CASCADE"),
    ("events", "session_key", "sessions", "CASCADE"),
    ("verdicts", "session_key", "sessions", "CASCADE"),
    ("verdicts", "run_id", "turns", "CASCADE"),
    ("handoffs", "session_key", "sessions", "CASCADE"),
    ("facts", "session_key", "sessions", "CASCADE"),
    ("facts", "run_id", "turns", "CASCADE"),
    ("summaries", "session_key", "sessions", "CASCADE"),
    ("calls", "session_key", "sessions", "CASCADE"),
    ("calls", "run_id", "turns", "CASCADE"),
    ("notes", "session_key", "sessions", "CASCADE"),
    ("ratings", "session_key", "sessions", "CASCADE"),
    ("deliveries", "webhook_id", "webhooks", "CASCADE"),
    ("deliveries", "session_key", "sessions", "CASCADE"),
}
INDEXES = {
    "one_running_turn": "CREATE UNIQUE INDEX one_running_turn ON turns (session_key) "
    "WHERE state = 'running'",
    "turns_of_session": "CREATE INDEX turns_of_session ON turns (session_key, accepted_ms)",
    "messages_of_run": "CREATE INDEX messages_of_run ON messages (run_id)",
    "asked_once": "CREATE UNIQUE INDEX asked_once ON turns (session_key, client_id)",
    "not_the_bots": "CREATE INDEX not_the_bots ON sessions (owner) WHERE owner <> 'bot'",
    "guests": "CREATE INDEX guests ON sessions (session_key) WHERE is_guest",
    "audit_of_session": "CREATE INDEX audit_of_session ON audit (session_key)",
    "calls_of_session": "CREATE INDEX calls_of_session ON calls (session_key)",
    "sessions_by_touch": "CREATE INDEX sessions_by_touch ON sessions (touched_ms)",
    "deliveries_of_session": "CREATE INDEX deliveries_of_session ON deliveries (session_key)",
    "deliveries_to_make": "CREATE INDEX deliveries_to_make ON deliveries (webhook_id, id) "
    "WHERE state = 'pending'",
    "turns_by_time": "CREATE INDEX turns_by_time ON turns (accepted_ms)",
    "facts_of_session": "CREATE INDEX facts_of_session ON facts (session_key)",
    "verdicts_of_session": "CREATE INDEX verdicts_of_session ON verdicts (session_key)",
}


async def test_the_steps_make_the_schema_that_is_written_here(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.open()
    await store.close()

    database = sqlite_utils.Database(store.path)
    names = {name for name in database.table_names() if not name.startswith("_")}
    assert names == set(TABLES)
    for name, columns in TABLES.items():
        table = database.table(name)
        assert table.strict, name
        assert {column.name: _describe(column) for column in table.columns} == columns
        assert table.pks == KEYS[name]
    assert _read_foreign_keys(database) == FOREIGN_KEYS
    assert _read_indexes(database) == INDEXES
    database.close()


async def test_a_database_of_the_first_release_keeps_what_it_holds(tmp_path: Path) -> None:
    database = sqlite_utils.Database(tmp_path / "appliance.db")
    first = Migrations("appliance")
    first()(m001_sessions_turns_messages)
    first.apply(database)
    database.execute("INSERT INTO sessions VALUES ('key', 1, 2)")
    for run_id, state in (("a", "done"), ("b", "running")):
        database.execute(
            "INSERT INTO turns (run_id, session_key, state, accepted_ms) VALUES (?, 'key', ?, 3)",
            [run_id, state],
        )
    database.conn.commit()
    database.close()
    store = Store(tmp_path)
    await store.open()
    rows = await store.read(
        lambda connection: connection.execute(
            "SELECT run_id, state, client_id, event_id, deaths, number_floor, touched_ms "
            "FROM turns JOIN sessions USING (session_key) ORDER BY run_id"
        ).fetchall()
    )
    await store.close()
    assert [tuple(row) for row in rows] == [
        ("a", "done", None, 0, 0, 0, 2),
        ("b", "running", None, 0, 0, 0, 2),
    ]


async def test_a_second_start_applies_no_step_twice(tmp_path: Path) -> None:
    for _ in range(2):
        store = Store(tmp_path)
        await store.open()
        await store.close()

    database = sqlite_utils.Database(store.path)
    migrations = build_migrations()
    assert [step.name for step in migrations.applied(database)] == [
        "m001_sessions_turns_messages",
        "m002_events",
        "m003_answers_verdicts_handoffs",
        "m004_facts_summaries",
        "m005_calls",
        "m006_access_and_identity",
        "m007_feedback",
        "m009_sealing",
        "m010_audit",
        "m012_desk",
        "m013_publications",
        "m014_outbox",
        "m015_decisions",
        "m016_operators_words",
        "m017_changes",
        "m018_guests",
    ]
    assert migrations.pending(database) == []
    database.close()


def _describe(column: Column) -> str:
    return f"{column.type} NOT NULL" if column.notnull else str(column.type)


def _read_foreign_keys(database: sqlite_utils.Database) -> set[tuple[str, str, str, str]]:
    return {
        (table, row[3], row[2], row[6])
        for table in TABLES
        for row in database.conn.execute(f"PRAGMA foreign_key_list({table})")
    }


def _read_indexes(database: sqlite_utils.Database) -> dict[str, str]:
    rows = database.conn.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL "
        "AND tbl_name NOT LIKE '\\_%' ESCAPE '\\'"
    )
    return {name: " ".join(sql.split()) for name, sql in rows}
