"""API keys: made, listed, revoked, and recognised when one is shown.

Who may do what with a scope is not decided here. The rule that must not break: a key is given out
once, when it is made, and what is kept of it opens nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from appliance.store.access_file import AccessFile

SCOPES = ("chat", "v1", "knowledge", "admin", "metrics")
# Its id is no secret: it stands in lists and log lines.
KEY = re.compile(r"ak_(?P<id>[0-9a-f]{12})_(?P<secret>[A-Za-z0-9_-]{43})")
SECRET_BYTES = 32
ID_BYTES = 6
# The last use is written that seldom, for the sake of the card.
USE_STEP_MS = 60_000
COLUMNS = "id, name, scopes, created_ms, expires_ms, used_ms, revoked_ms"
INSERT = "INSERT INTO keys (id, name, hash, scopes, created_ms, expires_ms) VALUES (?,?,?,?,?,?)"


@dataclass(frozen=True, slots=True)
class Key:
    """What may be shown of a key. Times are milliseconds since 1970."""

    id: str
    name: str
    scopes: frozenset[str]
    created_ms: int
    expires_ms: int | None = None
    used_ms: int | None = None
    revoked_ms: int | None = None

    def is_open(self, now_ms: int) -> bool:
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)


class Keys:
    def __init__(self, file: AccessFile, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970. Every call may raise StoreUnavailable."""
        self._file = file
        self._clock = clock

    def create(self, name: str, scopes: Sequence[str], expires_ms: int | None = None) -> str:
        """The new key, which nobody can show a second time."""
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        text = f"ak_{key_id}_{secret}"
        row = (key_id, name, _hash(text), " ".join(scopes), self._clock(), expires_ms)
        self._file.do(lambda connection: connection.execute(INSERT, row))
        return text

    def list_all(self) -> list[Key]:
        """The oldest first, revoked and expired ones too."""
        query = f"SELECT {COLUMNS} FROM keys ORDER BY created_ms, id"
        rows = self._file.do(lambda connection: connection.execute(query).fetchall())
        return [_read(row) for row in rows]

    def revoke(self, key_id: str) -> bool:
        """Whether there was such a key that was not revoked yet."""
        change = "UPDATE keys SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL"
        now_ms = self._clock()
        return bool(
            self._file.do(lambda connection: connection.execute(change, (now_ms, key_id)).rowcount)
        )

    def restore(self, key_id: str) -> bool:
        """Whether there was such a key that was revoked; it opens again what it opened."""
        change = "UPDATE keys SET revoked_ms = NULL WHERE id = ? AND revoked_ms IS NOT NULL"
        return bool(
            self._file.do(lambda connection: connection.execute(change, (key_id,)).rowcount)
        )

    async def find(self, text: str) -> Key | None:
        """The key that was shown, if it still opens something; this is its last use."""
        found = KEY.fullmatch(text)
        if found is None:
            return None
        now_ms = self._clock()

        def recognise(connection: sqlite3.Connection) -> Key | None:
            row = connection.execute(
                f"SELECT {COLUMNS}, hash FROM keys WHERE id = ?", (found["id"],)
            ).fetchone()
            if row is None or not hmac.compare_digest(row["hash"], _hash(text)):
                return None
            key = _read(row)
            if not key.is_open(now_ms):
                return None
            if abs(now_ms - (key.used_ms or 0)) > USE_STEP_MS:
                change = "UPDATE keys SET used_ms = ? WHERE id = ?"
                connection.execute(change, (now_ms, key.id))
            return key

        return await self._file.ask(recognise)


def _hash(text: str) -> bytes:
    """256 random bits need no slow hash."""
    return sha256(text.encode()).digest()


def _read(row: sqlite3.Row) -> Key:
    return Key(
        row["id"],
        row["name"],
        frozenset(row["scopes"].split()),
        row["created_ms"],
        row["expires_ms"],
        row["used_ms"],
        row["revoked_ms"],
    )
