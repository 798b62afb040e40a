"""The schema of the main database, step by step; each step is applied once, in one transaction.

It holds no query, and the statements stand in `schema.py`. The rule that must not break: a step
that was released is never changed, a further one is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.store.asked import name_call
from appliance.store.guests import m018_guests
from appliance.store.outbox_schema import m014_outbox
from appliance.store.schema import (
    M001,
    M002,
    M003,
    M004,
    M005,
    M006,
    M007,
    M009,
    M010,
    M012,
    M013,
    M015,
    M016,
    M017,
)

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations


def m001_sessions_turns_messages(database: Database) -> None:
    for statement in M001:
        database.execute(statement)


def m002_events(database: Database) -> None:
    for statement in M002:
        database.execute(statement)


def m003_answers_verdicts_handoffs(database: Database) -> None:
    for statement in M003:
        database.execute(statement)


def m004_facts_summaries(database: Database) -> None:
    for statement in M004:
        database.execute(statement)


def m005_calls(database: Database) -> None:
    for statement in M005:
        database.execute(statement)


def m006_access_and_identity(database: Database) -> None:
    for statement in M006:
        database.execute(statement)


def m007_feedback(database: Database) -> None:
    for statement in M007:
        database.execute(statement)


def m009_sealing(database: Database) -> None:
    for statement in M009:
        database.execute(statement)
    called = database.execute(
        "SELECT run_id, session_key, client_id FROM turns WHERE client_id IS NOT NULL"
    ).fetchall()
    for run_id, session_key, client_id in called:
        database.execute(
            "UPDATE turns SET client_id = ? WHERE run_id = ?",
            (name_call(session_key, client_id), run_id),
        )


def m010_audit(database: Database) -> None:
    for statement in M010:
        database.execute(statement)


def m012_desk(database: Database) -> None:
    for statement in M012:
        database.execute(statement)


def m013_publications(database: Database) -> None:
    for statement in M013:
        database.execute(statement)


def m015_decisions(database: Database) -> None:
    for statement in M015:
        database.execute(statement)


def m016_operators_words(database: Database) -> None:
    for statement in M016:
        database.execute(statement)


def m017_changes(database: Database) -> None:
    for statement in M017:
        database.execute(statement)


STEPS = (
    m001_sessions_turns_messages,
    m002_events,
    m003_answers_verdicts_handoffs,
    m004_facts_summaries,
    m005_calls,
    m006_access_and_identity,
    m007_feedback,
    m009_sealing,
    m010_audit,
    m012_desk,
    m013_publications,
    m014_outbox,
    m015_decisions,
    m016_operators_words,
    m017_changes,
    m018_guests,
)


def build_migrations() -> Migrations:
    from sqlite_utils import Migrations

    migrations = Migrations("appliance")
    for step in STEPS:
        migrations()(step)
    return migrations


def find_unknown_step(database: Database) -> str:
    """A step that only a newer appliance knows; empty where there is none."""
    known = {step.__name__ for step in STEPS}
    applied = [step.name for step in build_migrations().applied(database)]
    return next((name for name in applied if name not in known), "")
