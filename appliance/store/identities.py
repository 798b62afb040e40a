"""Who a session's visitor was proved to be, as it is kept: one sealed value beside the session.

It checks no signature. The rule that must not break: it is kept sealed as messages are, and goes
with its session.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from appliance.store.database import Store
from appliance.store.sealing import Label, Seals
from appliance.store.sessions import check_access, key_of

if TYPE_CHECKING:
    import sqlite_utils


@dataclass(frozen=True, slots=True)
class Identity:
    """A site's own id of its visitor, and the name to show, which may be empty."""

    id: str
    name: str


class IdentityRows:
    def __init__(self, store: Store, seals: Seals) -> None:
        self._store = store
        self._seals = seals

    async def keep(self, session_id: str, identity: Identity) -> None:
        """The last one counts. Raises SessionNotFound, StoreUnavailable."""
        session_key = key_of(session_id)
        plain = json.dumps(asdict(identity), ensure_ascii=False).encode()
        sealed = self._seals.seal(plain, _label(session_key))

        def change(database: sqlite_utils.Database) -> None:
            check_access(database.conn, session_key)
            database.conn.execute(
                "UPDATE sessions SET identity = ? WHERE session_key = ?", (sealed, session_key)
            )

        self._store.check_room()
        await self._store.write(change)

    async def find(self, session_id: str) -> Identity | None:
        """Raises StoreUnavailable."""
        return await self.find_by_key(key_of(session_id))

    async def find_by_key(self, session_key: str) -> Identity | None:
        """Raises StoreUnavailable."""

        def query(connection: sqlite3.Connection) -> bytes | None:
            row = connection.execute(
                "SELECT identity FROM sessions WHERE session_key = ?", (session_key,)
            ).fetchone()
            return row[0] if row else None

        sealed = await self._store.read(query)
        if sealed is None:
            return None
        return Identity(**json.loads(self._seals.open(sealed, _label(session_key))))


def _label(session_key: str) -> Label:
    return Label("sessions", session_key, "identity", session_key)
