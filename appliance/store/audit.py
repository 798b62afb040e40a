"""The audit log: what was decided in every turn, in rows that only grow and are chained.

    mac of a row = HMAC( mac of the row before, all of this one, hash of its sealed body )

A body goes when its session or its day is destroyed; its hash stays, so the chain still holds, and
a later row says why. Who changes the words of a session is not its affair. The rule that must not
break: a row that was changed, removed, exchanged or moved is found, and an honest purge never is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from appliance.store.keyring import Keyring
from appliance.store.masters import derive
from appliance.store.sealing import Label, Unreadable

Kind: TypeAlias = Literal["start", "turn", "act", "forget", "purge"]

GENESIS = bytes(32)
HEAD, ANCHOR = b"head", b"anchor"
COLUMNS = "seq, day, at_ms, kind, session_key, body, body_hash, mac"
ROWS = f"SELECT {COLUMNS} FROM audit ORDER BY seq"
LATEST = f"SELECT {COLUMNS} FROM audit ORDER BY seq DESC LIMIT ?"
LAST = "SELECT seq, mac FROM audit ORDER BY seq DESC LIMIT 1"
READ_HEAD = "SELECT seq, mac, signature FROM audit_head"
READ_ANCHOR = "SELECT seq, mac, signature FROM audit_anchors ORDER BY seq DESC LIMIT 1"
INSERT = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
WRITE_HEAD = "INSERT OR REPLACE INTO audit_head VALUES (1, ?, ?, ?)"
LAST_OLD = "SELECT coalesce(min(seq) - 1, (SELECT max(seq) FROM audit)) FROM audit WHERE day > ?"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row. `said` is None where its words were destroyed, as they are after their days."""

    seq: int
    day: int
    at_ms: int
    kind: str
    session_key: str
    mac: bytes
    said: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """`fault` is empty where the chain is whole; `head` is what the next check may be held to."""

    rows: int
    destroyed: int
    head_seq: int
    head: bytes
    fault: str = ""


class AuditLog:
    """All but the reading runs on the store's writing thread, in the caller's transaction."""

    def __init__(
        self, keyring: Keyring, read_clock_ms: Callable[[], int], read_day: Callable[[], int]
    ) -> None:
        self._keyring = keyring
        self._read_clock_ms = read_clock_ms
        self._read_day = read_day
        self._chain = b""

    def append(
        self,
        connection: sqlite3.Connection,
        kind: Kind,
        said: Mapping[str, object],
        session_key: str = "",
        day: int | None = None,
    ) -> Entry:
        """`day` is today, or the day up to which a purge destroyed."""
        chain = self._read_chain()
        last_seq, last_mac = _find_end(connection)
        seq, at_ms = last_seq + 1, self._read_clock_ms()
        day = self._read_day() if day is None else day
        plain = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
        body = self._keyring.seal(plain, _label(seq, kind, session_key))
        entry = Entry(seq, day, at_ms, kind, session_key, b"", said)
        body_hash = hashlib.sha256(body).digest()
        mac = _sign_row(chain, last_mac, entry, body_hash)
        connection.execute(INSERT, (seq, day, at_ms, kind, session_key, body, body_hash, mac))
        connection.execute(WRITE_HEAD, (seq, mac, _sign(chain, HEAD, seq, mac)))
        return Entry(seq, day, at_ms, kind, session_key, mac, said)

    def forget(
        self, connection: sqlite3.Connection, session_key: str, said: Mapping[str, object]
    ) -> Entry:
        """The session's keys are destroyed: its bodies go, and a row says so."""
        connection.execute("UPDATE audit SET body = NULL WHERE session_key = ?", (session_key,))
        return self.append(connection, "forget", said, session_key)

    def purge(self, connection: sqlite3.Connection, upto_day: int) -> Entry:
        """The keys of the days up to `upto_day` are destroyed."""
        connection.execute("UPDATE audit SET body = NULL WHERE day <= ?", (upto_day,))
        return self.append(connection, "purge", {}, day=upto_day)

    def drop_rows(self, connection: sqlite3.Connection, upto_day: int) -> int:
        """Rows of the days up to `upto_day` go whole; an anchor holds the place of their end."""
        chain = self._read_chain()
        seq = connection.execute(LAST_OLD, (upto_day,)).fetchone()[0] or 0
        row = connection.execute("SELECT mac FROM audit WHERE seq = ?", (seq,)).fetchone()
        if row is None:
            return 0
        anchor = (seq, row[0], _sign(chain, ANCHOR, seq, row[0]))
        connection.execute("INSERT INTO audit_anchors VALUES (?, ?, ?)", anchor)
        connection.execute("DELETE FROM audit_anchors WHERE seq < ?", (seq,))
        return connection.execute("DELETE FROM audit WHERE seq <= ?", (seq,)).rowcount

    def read(self, connection: sqlite3.Connection, most: int = -1) -> Iterator[Entry]:
        """The latest `most` rows, the latest first; all of them with -1."""
        for seq, day, at_ms, kind, session_key, body, _, mac in connection.execute(LATEST, (most,)):
            said = self._open(body, _label(seq, kind, session_key))
            yield Entry(seq, day, at_ms, kind, session_key, mac, said)

    def check(self, connection: sqlite3.Connection) -> Checked:
        return check_chain(connection, self._read_chain())

    def _read_chain(self) -> bytes:
        """Derived once: each turn needs it."""
        self._chain = self._chain or derive(self._keyring.chain_key, "audit chain")
        return self._chain

    def _open(self, body: bytes | None, label: Label) -> Mapping[str, object] | None:
        try:
            said: Mapping[str, object] = json.loads(self._keyring.open(body or b"", label))
            return said
        except (Unreadable, ValueError):
            return None


def check_chain(connection: sqlite3.Connection, chain: bytes) -> Checked:
    """Walk all rows from the last anchor; the first fault ends it."""
    anchor = connection.execute(READ_ANCHOR).fetchone()
    seq, mac = (anchor[0], anchor[1]) if anchor else (0, GENESIS)
    if anchor and not hmac.compare_digest(_sign(chain, ANCHOR, seq, mac), anchor[2]):
        return Checked(0, 0, seq, mac, f"the anchor at row {seq} was forged")
    rows, missing = 0, _Missing()
    for seq_found, day, at_ms, kind, session_key, body, body_hash, found in connection.execute(
        ROWS
    ):
        seq += 1
        entry = Entry(seq, day, at_ms, kind, session_key, found)
        fault = ""
        if seq_found != seq:
            fault = f"row {seq} is missing"
        elif body is not None and hashlib.sha256(body).digest() != body_hash:
            fault = f"the words of row {seq} were changed"
        elif not hmac.compare_digest(_sign_row(chain, mac, entry, body_hash), found):
            fault = f"row {seq} was changed or moved"
        if fault:
            return Checked(rows, missing.count, seq, mac, fault)
        missing.take(entry, is_gone=body is None)
        rows, mac = rows + 1, found
    head = connection.execute(READ_HEAD).fetchone()
    fault = missing.find_unexplained()
    if (seq, mac) != (head[:2] if head else (0, GENESIS)):
        fault = f"rows behind row {seq} are missing"
    elif head and not hmac.compare_digest(_sign(chain, HEAD, seq, mac), head[2]):
        fault = "the end of the chain was forged"
    return Checked(rows, missing.count, seq, mac, fault)


class _Missing:
    """Bodies that are gone, until a later row says why."""

    def __init__(self) -> None:
        self.count = 0
        self._unexplained: dict[int, Entry] = {}

    def take(self, entry: Entry, *, is_gone: bool) -> None:
        if entry.kind in ("forget", "purge"):
            self._unexplained = {
                seq: one for seq, one in self._unexplained.items() if not _explains(entry, one)
            }
        if is_gone:
            self.count += 1
            self._unexplained[entry.seq] = entry

    def find_unexplained(self) -> str:
        first = min(self._unexplained, default=0)
        return f"the words of row {first} were removed, and no row says why" if first else ""


def _explains(later: Entry, gone: Entry) -> bool:
    if later.kind == "purge":
        return gone.day <= later.day
    return gone.session_key == later.session_key


def _find_end(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Of the chain; where a damaged database lost its last rows, the gap stays to be seen."""
    ends = [connection.execute(query).fetchone() for query in (LAST, READ_HEAD, READ_ANCHOR)]
    return max(((end[0], end[1]) for end in ends if end), default=(0, GENESIS))


def _sign_row(chain: bytes, before: bytes, entry: Entry, body_hash: bytes) -> bytes:
    facts = [entry.seq, entry.day, entry.at_ms, entry.kind, entry.session_key]
    told = json.dumps(facts).encode()
    return hmac.digest(chain, before + body_hash + told, "sha256")


def _sign(chain: bytes, what: bytes, seq: int, mac: bytes) -> bytes:
    return hmac.digest(chain, what + seq.to_bytes(8, "big") + mac, "sha256")


def _label(seq: int, kind: str, session_key: str) -> Label:
    """What is not of a turn is the house's own: a destroyed session gets no new key for it."""
    return Label("audit", str(seq), "body", session_key if kind == "turn" else "")
