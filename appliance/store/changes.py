"""What owners and operators changed beside the files: roles, keys, receivers, canned replies.

It changes none of these. Each row has who, when, what was before and what came, and what it takes
to put it back; all of it is sealed for good, for nothing of it is a customer's. The rule that must
not break: no password or key has a place here, and a password's hash or a receiver's secret, which
it takes to put them back, is never shown.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from appliance.errors import NotOffered
from appliance.store.database import Store
from appliance.store.sealing import Label, Seals, Unreadable

Kind: TypeAlias = Literal["account", "key", "webhook", "replies"]
Act: TypeAlias = Literal["made", "changed", "removed"]

MOST_KEPT = 200
INSERT = "INSERT INTO changes (at_ms, account, kind, act, content) VALUES (?, ?, ?, ?, x'')"
SEAL = "UPDATE changes SET content = ? WHERE number = ?"
DROP = "DELETE FROM changes WHERE number <= ?"
COLUMNS = "number, at_ms, account, kind, act, content"
LIST = f"SELECT {COLUMNS} FROM changes ORDER BY number DESC LIMIT ?"
ONE = f"SELECT {COLUMNS} FROM changes WHERE number = ?"


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` are shown; `kept` is what else it takes to put it back, and is not."""

    kind: Kind
    act: Act
    name: str = ""
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Noted:
    """A change as it stands here. Not `is_readable`: the keys it was sealed by are gone."""

    number: int
    at_ms: int
    account: str
    change: Change
    is_readable: bool = True


class Changes:
    """Every call may raise StoreUnavailable."""

    def __init__(self, store: Store, lasting: Seals, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970."""
        self._store = store
        self._seals = lasting
        self._clock = clock

    def note(self, connection: sqlite3.Connection, account: str, change: Change) -> None:
        """In the transaction of the change itself."""
        told = (self._clock(), account, change.kind, change.act)
        number = connection.execute(INSERT, told).lastrowid
        assert number is not None
        content = {
            "name": change.name,
            "before": dict(change.before),
            "after": dict(change.after),
            "kept": dict(change.kept),
        }
        sealed = self._seals.seal(json.dumps(content).encode(), _label(number))
        connection.execute(SEAL, (sealed, number))
        connection.execute(DROP, (number - MOST_KEPT,))

    async def keep(self, account: str, change: Change) -> None:
        """Of what was changed in another file."""
        await self._store.write(lambda database: self.note(database.conn, account, change))

    async def read(self, most: int = MOST_KEPT) -> tuple[Noted, ...]:
        """The latest first."""

        def query(connection: sqlite3.Connection) -> tuple[Noted, ...]:
            return tuple(self._open(row) for row in connection.execute(LIST, (most,)))

        return await self._store.read(query)

    async def find(self, number: int) -> Noted:
        """Raises NotOffered."""

        def query(connection: sqlite3.Connection) -> Noted | None:
            row = connection.execute(ONE, (number,)).fetchone()
            return self._open(row) if row else None

        noted = await self._store.read(query)
        if noted is None or not noted.is_readable:
            raise NotOffered("There is no such change any more.")
        return noted

    def _open(self, row: sqlite3.Row) -> Noted:
        number, at_ms, account, kind, act, sealed = row
        try:
            told = json.loads(self._seals.open(sealed, _label(number)))
        except (Unreadable, ValueError):
            return Noted(number, at_ms, account, Change(kind, act), is_readable=False)
        change = Change(kind, act, told["name"], told["before"], told["after"], told["kept"])
        return Noted(number, at_ms, account, change)


def _label(number: int) -> Label:
    return Label("changes", str(number), "content", "")
