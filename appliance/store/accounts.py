"""Operators' accounts and their sessions: who there is, and who is logged in.

It hashes no password and sets no cookie; what a role may do is said in `http/access.py`. The rule
that must not break: a session's token is kept only as its hash, and what is ended here is ended
for every tab at the next request.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from appliance.store.access_file import AccessFile

TOKEN_BYTES = 32
IDLE_MS = 30 * 60_000
LONGEST_MS = 12 * 3_600_000
SEEN_STEP_MS = 60_000
FIND = """
SELECT accounts.name, accounts.role, began_ms, seen_ms
FROM operator_sessions JOIN accounts ON accounts.name = operator_sessions.account
WHERE hash = ?
"""
FIND_OWNER = "SELECT 1 FROM accounts WHERE role = 'owner' LIMIT 1"
DROP_OLD = "DELETE FROM operator_sessions WHERE began_ms < ? OR seen_ms < ?"


class Role(StrEnum):
    OWNER = "owner"
    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    role: Role


class First(StrEnum):
    """What came of making the first owner."""

    KEPT = "kept"
    IS_OWNED = "there is an owner"
    IS_TAKEN = "the name is another account's"


class Accounts:
    def __init__(self, file: AccessFile, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970. Every call may raise StoreUnavailable."""
        self._file = file
        self._clock = clock

    def has_owner(self) -> bool:
        return bool(self._file.do(lambda connection: connection.execute(FIND_OWNER).fetchone()))

    def list_all(self) -> list[Account]:
        query = "SELECT name, role FROM accounts ORDER BY name"
        rows = self._file.do(lambda connection: connection.execute(query).fetchall())
        return [Account(row["name"], Role(row["role"])) for row in rows]

    async def read_all(self) -> list[Account]:
        """The same beside the event loop."""
        return await asyncio.to_thread(self.list_all)

    def keep(self, account: Account, password_hash: str) -> None:
        """A new account, or another password and role for one: its sessions are ended then."""
        values = (account.name, str(account.role), password_hash, self._clock())

        def change(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM accounts WHERE name = ?", (account.name,))
            connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?)", values)

        self._file.do(change)

    def keep_first(self, account: Account, password_hash: str) -> First:
        """The same for the first owner only, and no account's that is there."""
        values = (account.name, str(account.role), password_hash, self._clock())

        def change(connection: sqlite3.Connection) -> First:
            if connection.execute(FIND_OWNER).fetchone():
                return First.IS_OWNED
            query = "SELECT 1 FROM accounts WHERE name = ?"
            if connection.execute(query, (account.name,)).fetchone():
                return First.IS_TAKEN
            connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?)", values)
            return First.KEPT

        return self._file.do(change)

    def find_role(self, name: str) -> Role | None:
        """None where there is no such account."""
        query = "SELECT role FROM accounts WHERE name = ?"
        row = self._file.do(lambda connection: connection.execute(query, (name,)).fetchone())
        return Role(row[0]) if row else None

    def remove(self, name: str) -> bool:
        """Whether there was one; its sessions go with it."""
        change = "DELETE FROM accounts WHERE name = ?"
        return bool(self._file.do(lambda connection: connection.execute(change, (name,)).rowcount))

    async def find_password(self, name: str) -> str | None:
        """The hash of the password of `name`."""
        query = "SELECT password FROM accounts WHERE name = ?"
        row = await self._file.ask(lambda connection: connection.execute(query, (name,)).fetchone())
        return row[0] if row else None

    async def begin_session(self, name: str) -> str | None:
        """The token of a new session; None where the account is gone meanwhile."""
        token, now_ms = secrets.token_urlsafe(TOKEN_BYTES), self._clock()

        def change(connection: sqlite3.Connection) -> str | None:
            connection.execute(DROP_OLD, (now_ms - LONGEST_MS, now_ms - IDLE_MS))
            query = "SELECT 1 FROM accounts WHERE name = ?"
            if connection.execute(query, (name,)).fetchone() is None:
                return None
            values = (_hash(token), name, now_ms, now_ms)
            connection.execute("INSERT INTO operator_sessions VALUES (?, ?, ?, ?)", values)
            return token

        return await self._file.ask(change)

    async def find_session(self, token: str) -> Account | None:
        """Whose session it is, if it goes on."""
        now_ms = self._clock()

        def look(connection: sqlite3.Connection) -> Account | None:
            row = connection.execute(FIND, (_hash(token),)).fetchone()
            if row is None:
                return None
            # A clock that was set back must not make a session last.
            age_ms, idle_ms = abs(now_ms - row["began_ms"]), abs(now_ms - row["seen_ms"])
            if age_ms > LONGEST_MS or idle_ms > IDLE_MS:
                return None
            if idle_ms > SEEN_STEP_MS:
                change = "UPDATE operator_sessions SET seen_ms = ? WHERE hash = ?"
                connection.execute(change, (now_ms, _hash(token)))
            return Account(row["name"], Role(row["role"]))

        return await self._file.ask(look)

    async def end_session(self, token: str) -> None:
        change = "DELETE FROM operator_sessions WHERE hash = ?"
        await self._file.ask(lambda connection: connection.execute(change, (_hash(token),)))


def _hash(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
