"""What operators decided on answers that were held back, kept until their turn has ended.

It decides nothing and says nothing. The rule that must not break: a decision is on disk, sealed,
with the row of the audit log that tells it, before anybody is told that it counts; and of one
answer only the first one is kept.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

import structlog

from appliance.errors import HandoffRefused
from appliance.events import Ending, Event, Token
from appliance.store.calls import StoredCall
from appliance.store.chunks import decode_event, encode_event
from appliance.store.database import Store
from appliance.store.handoffs import Also
from appliance.store.sealing import Label, Seals, Unreadable
from appliance.store.verdicts import StoredVerdict

Action: TypeAlias = Literal["send", "edit", "drop"]
NOT_HELD = "This answer is not held back any more."
KEEP = """
UPDATE turns SET decision = ? WHERE run_id = ? AND session_key = ? AND state = 'running'
AND decision IS NULL
"""
KEPT = """
SELECT run_id, session_key, decision FROM turns WHERE state = 'running' AND decision IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """What the customer is to get: `events` behind number `after`, then `ending`, with what the
    guards and tools said of it."""

    action: Action
    after: int
    events: tuple[Event, ...]
    ending: Ending
    verdicts: tuple[StoredVerdict, ...] = ()
    calls: tuple[StoredCall, ...] = ()


class Decisions:
    """Every call may raise StoreUnavailable."""

    def __init__(self, store: Store, seals: Seals) -> None:
        self._store = store
        self._seals = seals

    async def keep(self, session_key: str, run_id: str, decided: Decided, also: Also) -> None:
        """Raises HandoffRefused where the turn has ended or was decided on."""

        def change(connection: sqlite3.Connection) -> None:
            sealed = self._seals.seal(encode(decided), _label(session_key, run_id))
            if not connection.execute(KEEP, (sealed, run_id, session_key)).rowcount:
                raise HandoffRefused(NOT_HELD)
            also(connection)

        self._store.check_room()
        await self._store.write(lambda database: change(database.conn))

    async def read_open(self) -> Mapping[str, Decided]:
        """By run: those that a process left which could not carry them out."""
        rows = await self._store.read(lambda connection: connection.execute(KEPT).fetchall())
        found: dict[str, Decided] = {}
        for run_id, session_key, sealed in rows:
            try:
                found[run_id] = decode(self._seals.open(sealed, _label(session_key, run_id)))
            except (Unreadable, ValueError, TypeError, KeyError):
                # Then the answer is made anew and held as before.
                log = structlog.get_logger(__name__)
                log.error("decision not legible", session=session_key[:12], run=run_id)
        return found


def encode(decided: Decided) -> bytes:
    """Without token ids: another model may be there when it is read."""
    events = [
        encode_event(replace(event, token_ids=()) if isinstance(event, Token) else event).decode()
        for event in decided.events
    ]
    plain = {
        "action": decided.action,
        "after": decided.after,
        "events": events,
        "ending": encode_event(decided.ending).decode(),
        "verdicts": [asdict(verdict) for verdict in decided.verdicts],
        "calls": [asdict(call) for call in decided.calls],
    }
    return json.dumps(plain, ensure_ascii=False).encode()


def decode(plain: bytes) -> Decided:
    """Raises ValueError, TypeError or KeyError for what `encode` did not write."""
    told: dict[str, Any] = json.loads(plain)
    ending: Any = decode_event(told["ending"].encode())
    return Decided(
        told["action"],
        told["after"],
        tuple(decode_event(event.encode()) for event in told["events"]),
        ending,
        tuple(StoredVerdict(**verdict) for verdict in told["verdicts"]),
        tuple(StoredCall(**call) for call in told["calls"]),
    )


def _label(session_key: str, run_id: str) -> Label:
    return Label("turns", run_id, "decision", session_key)
