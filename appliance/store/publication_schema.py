"""The table of what was published into the shop's knowledge: one step of the main schema.

It holds no query. The rule that must not break: a step that was released is never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

M013 = (
    """
    CREATE TABLE publications (
        number INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        account TEXT NOT NULL,
        text_hash TEXT NOT NULL DEFAULT '',
        asked INTEGER NOT NULL,
        answered_before INTEGER NOT NULL,
        answered_after INTEGER NOT NULL,
        undone_ms INTEGER,
        undone_by TEXT NOT NULL DEFAULT ''
    ) STRICT
    """,
)


def m013_publications(database: Database) -> None:
    for statement in M013:
        database.execute(statement)
