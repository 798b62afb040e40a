"""Rows of the store written straight into its tables, for tests of the file and not of the story.

It is no test itself and knows nothing of turns that run. The rule that must not break: what is
written here obeys the schema as it stands, so a row that is missing later was lost by the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import sqlite_utils

from appliance.store.database import Store


def insert_session(key: str, touched_ms: int = 1) -> Callable[[sqlite_utils.Database], None]:
    def change(database: sqlite_utils.Database) -> None:
        database.conn.execute(
            "INSERT INTO sessions (session_key, created_ms, touched_ms) VALUES (?, 1, ?)",
            (key, touched_ms),
        )

    return change


def insert_exchange(
    session_key: str, number: int, text: str, state: str = "done"
) -> Callable[[sqlite_utils.Database], None]:
    """A turn with its question and its answer at positions 2n+1 and 2n+2, and one event each."""

    def change(database: sqlite_utils.Database) -> None:
        run_id = f"run-{session_key}-{number}"
        database.conn.execute(
            "INSERT INTO turns (run_id, session_key, state, accepted_ms) VALUES (?, ?, ?, 1)",
            (run_id, session_key, state),
        )
        for place, role in enumerate(("customer", "assistant"), start=2 * number + 1):
            database.conn.execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?, ?, NULL, 1, '')",
                (session_key, place, run_id, role, f"{text} {place}".encode()),
            )
            database.conn.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (session_key, place, place, run_id, f"{text} {place}".encode()),
            )

    return change


async def make_database(folder: Path, sessions: int = 1, exchanges: int = 1) -> None:
    """A database that was closed in order."""
    store = Store(folder)
    await store.open()
    await fill(store, sessions, exchanges)
    await store.close()


async def fill(store: Store, sessions: int, exchanges: int) -> None:
    def change(database: sqlite_utils.Database) -> None:
        for session in range(sessions):
            key = f"session-{session}"
            insert_session(key)(database)
            for number in range(exchanges):
                insert_exchange(key, number, f"问题 {key} " * 20)(database)

    await store.write(change)


def read_texts(connection: sqlite3.Connection) -> list[tuple[str, int, str]]:
    """Every message: session, position, text."""
    rows = connection.execute(
        "SELECT session_key, position, text FROM messages ORDER BY session_key, position"
    )
    return [(row[0], row[1], row[2].decode(errors="replace")) for row in rows]
