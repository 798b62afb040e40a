"""`access.db`: who may do what, in a small database beside that of the conversations.

It is a file of its own because a command writes it while the appliance runs, and because no
damage to conversations may open or shut a door. Every call opens it, does one transaction and
closes it; its journal is rolled back, which several processes may share. The rule that must not
break: what cannot be read lets nobody in.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from appliance.errors import StoreUnavailable
from appliance.store.folder import make_private

T = TypeVar("T")

FILE_NAME = "access.db"
WAIT_S = 2.0
VERSION = 1
SCHEMA = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        hash BLOB NOT NULL,
        scopes TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER,
        used_ms INTEGER,
        revoked_ms INTEGER
    ) STRICT
    """,
    """
    CREATE TABLE accounts (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL CHECK (role IN ('owner', 'operator', 'viewer')),
        password TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE operator_sessions (
        hash BLOB PRIMARY KEY,
        account TEXT NOT NULL REFERENCES accounts ON DELETE CASCADE,
        began_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT
    """,
)


class AccessFile:
    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    async def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """`do`, beside the event loop."""
        return await asyncio.to_thread(self.do, work)

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction. Raises StoreUnavailable."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            make_private(self._path)
            with closing(sqlite3.connect(self._path, WAIT_S, isolation_level=None)) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("BEGIN IMMEDIATE")
                with connection:
                    _bring_up(connection)
                    return work(connection)
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(
                f"The file of keys and accounts, {self._path.name}, cannot be used: {error}."
            ) from error


def _bring_up(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise sqlite3.DatabaseError("a newer appliance has written it")
    if version < VERSION:
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
