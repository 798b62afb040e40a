"""What operators published into the shop's knowledge, and what they took back: one row each.

It holds no word of an entry, only what the published text is known again by; the text stands in
the shop's folder. The rule that must not break: a number is given once, and a row says who did it,
when, and what it was expected to bring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from appliance.store.database import Store

COLUMNS = """number, at_ms, account, text_hash, asked, answered_before, answered_after, undone_ms,
undone_by"""
ALL = f"SELECT {COLUMNS} FROM publications WHERE text_hash <> '' ORDER BY number DESC LIMIT ?"
ONE = f"SELECT {COLUMNS} FROM publications WHERE number = ?"
BEGIN = """
INSERT INTO publications (at_ms, account, asked, answered_before, answered_after)
VALUES (?, ?, ?, ?, ?)
"""
HASH = "UPDATE publications SET text_hash = ? WHERE number = ?"
UNDO = "UPDATE publications SET undone_ms = ?, undone_by = ? WHERE number = ?"


@dataclass(frozen=True, slots=True)
class Effect:
    """Of how many questions of late, how many are answered without a person and without a miss."""

    asked: int = 0
    answered_before: int = 0
    answered_after: int = 0


@dataclass(frozen=True, slots=True)
class Publication:
    number: int
    at_ms: int
    account: str
    text_hash: str
    effect: Effect
    undone_ms: int | None = None
    undone_by: str = ""


class Publications:
    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970."""
        self._store = store
        self._clock = clock

    async def begin(self, account: str, effect: Effect) -> int:
        """The number of what is about to be published. Raises StoreUnavailable, as all here do."""
        values = (
            self._clock(),
            account,
            effect.asked,
            effect.answered_before,
            effect.answered_after,
        )
        return await self._store.write(
            lambda database: int(database.conn.execute(BEGIN, values).lastrowid or 0)
        )

    async def keep_hash(self, number: int, text: str) -> None:
        """It stands in the folder as `text`."""
        values = (hash_text(text), number)
        await self._store.write(lambda database: database.conn.execute(HASH, values))

    async def keep_undone(self, number: int, account: str) -> None:
        values = (self._clock(), account, number)
        await self._store.write(lambda database: database.conn.execute(UNDO, values))

    async def read(self, most: int) -> tuple[Publication, ...]:
        """The latest first."""
        rows = await self._store.read(lambda db: db.execute(ALL, (most,)).fetchall())
        return tuple(_read(tuple(row)) for row in rows)

    async def find(self, number: int) -> Publication | None:
        row = await self._store.read(lambda db: db.execute(ONE, (number,)).fetchone())
        return _read(tuple(row)) if row and row["text_hash"] else None


def hash_text(text: str) -> str:
    """The same however an editor ends its lines."""
    return hashlib.sha256(text.replace("\r\n", "\n").strip().encode()).hexdigest()


def _read(row: tuple[int, int, str, str, int, int, int, int | None, str]) -> Publication:
    number, at_ms, account, text_hash, asked, before, after, undone_ms, undone_by = row
    effect = Effect(asked, before, after)
    return Publication(number, at_ms, account, text_hash, effect, undone_ms, undone_by)
