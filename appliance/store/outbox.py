"""What other systems are to be told, and what came of it: receivers and deliveries as rows.

It sends nothing. Triggers write a delivery with what it tells of (`outbox_schema.py`); here it is
read, marked and shown. The rule that must not break: a delivery is pending until an answer of its
receiver, or the end of all tries, is on disk.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from appliance.errors import NotOffered, PublishRefused
from appliance.store.accounting import Accounting
from appliance.store.changes import Change, Changes
from appliance.store.database import Store
from appliance.store.desk_rows import label_contact
from appliance.store.messages import MessageRows
from appliance.store.outbox_schema import SEPARATOR
from appliance.store.sealing import Label, Seals, Unreadable

if TYPE_CHECKING:
    import sqlite_utils

Kind: TypeAlias = Literal["events", "chat", "mail"]

EVENTS = (
    "conversation.started",
    "conversation.waiting",
    "conversation.handed_over",
    "conversation.closed",
    "feedback",
    "ticket",
)
TICKET = "ticket"
TEST = "test"
MOST_RECEIVERS = 20
RECEIVER_KINDS: Mapping[str, Kind] = {"events": "events", "chat": "chat", "mail": "mail"}
# What is over is kept for the log, but no more of it than this.
MOST_ENDED = 5000
ALL = "SELECT id, name, kind, events, target, account, created_ms FROM webhooks ORDER BY id"
ADD = """
INSERT INTO webhooks (name, kind, events, target, account, created_ms) VALUES (?, ?, ?, x'', ?, ?)
"""
ONE = """
SELECT id, name, kind, events, target, account, created_ms FROM webhooks WHERE id = ?
"""
SEAL = "UPDATE webhooks SET target = ? WHERE id = ?"
REMOVE = "DELETE FROM webhooks WHERE id = ?"
# One whose time lies further ahead than any pause was set by a clock that was wrong.
DUE = """
SELECT id, webhook_id, session_key, event_id, event, detail, at_ms, attempts FROM deliveries
WHERE state = 'pending' AND webhook_id = ? AND (next_ms <= ? OR next_ms > ?) ORDER BY id LIMIT ?
"""
MARK = """
UPDATE deliveries SET state = ?, attempts = attempts + 1, next_ms = ?, status = ?, fault = ?,
    ended_ms = ?
WHERE id = ? AND state = 'pending'
"""
DROP_OLD = """
DELETE FROM deliveries WHERE state <> 'pending' AND id <= (
    SELECT id FROM deliveries WHERE state <> 'pending' ORDER BY id DESC LIMIT 1 OFFSET ?
)
"""
LOG = """
SELECT deliveries.id, webhook_id, webhooks.name, session_key, event_id, event, at_ms, state,
    attempts, status, fault, ended_ms
FROM deliveries JOIN webhooks ON webhooks.id = webhook_id
WHERE deliveries.id < ? ORDER BY deliveries.id DESC LIMIT ?
"""
AGAIN = """
UPDATE deliveries SET state = 'pending', attempts = 0, next_ms = 0, ended_ms = NULL
WHERE id = ? AND state = 'failed'
"""
TRY = """
INSERT INTO deliveries (webhook_id, event_id, event, detail, at_ms)
SELECT id, ?, ?, '', ? FROM webhooks WHERE id = ?
"""
CONTACT = "SELECT contact FROM sessions WHERE session_key = ?"
ASKED = """
SELECT text, position FROM messages WHERE session_key = ? AND role = 'customer'
ORDER BY position DESC LIMIT 1
"""
LAST_ID = 1 << 62


@dataclass(frozen=True, slots=True)
class Receiver:
    """`target` is where and how it is told, by its kind; it holds secrets."""

    id: int
    name: str
    kind: Kind
    events: tuple[str, ...]
    target: Mapping[str, str]
    account: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One that is due; `event_id` is the same at every try."""

    id: int
    receiver_id: int
    session_key: str | None
    event_id: str
    event: str
    detail: Mapping[str, str]
    at_ms: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Logged:
    """One line of the log of deliveries."""

    id: int
    receiver_id: int
    receiver: str
    session_key: str | None
    event_id: str
    event: str
    at_ms: int
    state: str
    attempts: int
    status: int | None
    fault: str
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try. `next_ms` is when the next one is made, None where there is none."""

    is_delivered: bool
    status: int | None
    fault: str
    next_ms: int | None


class Outbox:
    """Every call may raise StoreUnavailable."""

    def __init__(
        self,
        store: Store,
        lasting: Seals,
        seals: Seals,
        accounts: Accounting,
        clock: Callable[[], int],
        changes: Changes,
    ) -> None:
        """`lasting` are for receivers, `seals` open customers' words; `clock` gives milliseconds
        since 1970."""
        self._store = store
        self._seals = lasting
        self._words = seals
        self._rows = MessageRows(seals, clock)
        self._accounts = accounts
        self._clock = clock
        self._changes = changes

    async def list_receivers(self) -> tuple[Receiver, ...]:
        """One whose target cannot be read any more has none."""

        def query(connection: sqlite3.Connection) -> tuple[Receiver, ...]:
            return tuple(self._read(row) for row in connection.execute(ALL))

        return await self._store.read(query)

    async def add(
        self, name: str, kind: Kind, events: Sequence[str], target: Mapping[str, str], account: str
    ) -> int:
        """Its id."""
        now_ms = self._clock()

        def change(database: sqlite_utils.Database) -> int:
            listed = f" {' '.join(events)} "
            added = database.conn.execute(ADD, (name, kind, listed, account, now_ms)).lastrowid
            assert added is not None
            sealed = self._seals.seal(json.dumps(dict(target)).encode(), _label(added))
            database.conn.execute(SEAL, (sealed, added))
            self._accounts.keep_act(database.conn, account, f"webhook {added} added")
            shown = describe_receiver(kind, events, target)
            self._changes.note(database.conn, account, Change("webhook", "made", name, {}, shown))
            return added

        self._store.check_room()
        return await self._store.write(change)

    async def remove(self, receiver_id: int, account: str) -> None:
        """With its deliveries. Raises NotOffered."""

        def change(database: sqlite_utils.Database) -> None:
            row = database.conn.execute(ONE, (receiver_id,)).fetchone()
            if row is not None:
                self._changes.note(database.conn, account, _describe_removal(self._read(row)))
            _require(database.conn.execute(REMOVE, (receiver_id,)))
            self._accounts.keep_act(database.conn, account, f"webhook {receiver_id} removed")

        await self._store.write(change)

    async def put_back(self, change: Change, account: str) -> None:
        """One that was removed, with its secrets; it has another id then. Raises PublishRefused."""
        kept = change.kept
        try:
            target: Mapping[str, str] = json.loads(kept["target"])
            kind, events = RECEIVER_KINDS[kept["kind"]], kept["events"].split()
        except (KeyError, ValueError):
            raise PublishRefused("Its address can be read no more; add it anew.") from None
        there = await self.list_receivers()
        if len(there) >= MOST_RECEIVERS:
            raise PublishRefused(f"There are {MOST_RECEIVERS} receivers; remove one first.")
        if not target or any((one.name, one.target) == (change.name, target) for one in there):
            raise PublishRefused("It is there, or its address was never read.")
        await self.add(change.name, kind, events, target, account)

    async def add_test(self, receiver_id: int) -> None:
        """A delivery that tells nothing, to see whether it arrives. Raises NotOffered."""
        values = (secrets.token_hex(16), TEST, self._clock(), receiver_id)
        await self._store.write(lambda database: _require(database.conn.execute(TRY, values)))

    async def retry(self, delivery_id: int) -> None:
        """One that was given up. Raises NotOffered."""
        await self._store.write(
            lambda database: _require(database.conn.execute(AGAIN, (delivery_id,)))
        )

    async def list_due(
        self, receiver_id: int, now_ms: int, longest_pause_ms: int, limit: int
    ) -> tuple[Delivery, ...]:
        """The oldest first, by the house's time."""
        values = (receiver_id, now_ms, now_ms + longest_pause_ms, limit)

        def query(connection: sqlite3.Connection) -> tuple[Delivery, ...]:
            return tuple(_read_delivery(row) for row in connection.execute(DUE, values))

        return await self._store.read(query)

    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        """What came of a try; nothing where the conversation was forgotten meanwhile."""
        state, ended_ms = "pending", None
        if outcome.is_delivered or outcome.next_ms is None:
            state = "delivered" if outcome.is_delivered else "failed"
            ended_ms = self._clock()
        told = (outcome.next_ms or 0, outcome.status, outcome.fault, ended_ms)

        def change(database: sqlite_utils.Database) -> None:
            database.conn.execute(MARK, (state, *told, delivery_id))
            database.conn.execute(DROP_OLD, (MOST_ENDED,))

        await self._store.write(change)

    async def read_ticket(self, session_key: str) -> Mapping[str, str]:
        """How the customer can be reached, and what was asked last; empty where it can no longer
        be read."""

        def query(connection: sqlite3.Connection) -> Mapping[str, str]:
            left = connection.execute(CONTACT, (session_key,)).fetchone()
            asked = connection.execute(ASKED, (session_key,)).fetchone()
            contact = (left[0] if left else None) or b""
            return {
                "contact": self._words.read(contact, label_contact(session_key)),
                "question": self._rows.open_text(asked[0], asked[1], session_key) if asked else "",
            }

        return await self._store.read(query)

    async def read_log(self, before: int = LAST_ID, limit: int = 100) -> tuple[Logged, ...]:
        """The latest first."""
        rows = await self._store.read(
            lambda connection: connection.execute(LOG, (before, limit)).fetchall()
        )
        return tuple(Logged(*row) for row in rows)

    def _read(self, row: sqlite3.Row) -> Receiver:
        receiver_id, name, kind, events, sealed, account, created_ms = row
        try:
            target = json.loads(self._seals.open(sealed, _label(receiver_id)))
        except (Unreadable, ValueError):
            target = {}
        told = tuple(events.split())
        return Receiver(receiver_id, name, kind, told, target, account, created_ms)


def describe_receiver(
    kind: Kind, events: Sequence[str], target: Mapping[str, str]
) -> dict[str, str]:
    """What may be shown of it: the path of an address is often its secret."""
    host = target.get("host") or urlsplit(target.get("url", "")).netloc
    return {"kind": kind, "events": " ".join(events), "host": host}


def _describe_removal(one: Receiver) -> Change:
    kept = {
        "kind": one.kind,
        "events": " ".join(one.events),
        "target": json.dumps(dict(one.target)),
    }
    shown = describe_receiver(one.kind, one.events, one.target)
    return Change("webhook", "removed", one.name, shown, {}, kept)


def _read_delivery(row: sqlite3.Row) -> Delivery:
    parts = row["detail"].split(chr(SEPARATOR))[:-1]
    detail = dict(zip(parts[::2], parts[1::2], strict=False))
    place = (row["id"], row["webhook_id"], row["session_key"], row["event_id"], row["event"])
    return Delivery(*place, detail, row["at_ms"], row["attempts"])


def _require(changed: sqlite3.Cursor) -> None:
    if not changed.rowcount:
        raise NotOffered("There is no such receiver or delivery; it may have been removed.")


def _label(receiver_id: int) -> Label:
    return Label("webhooks", str(receiver_id), "target", "")
