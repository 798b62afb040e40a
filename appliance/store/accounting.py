"""What the appliance can account for: a row for every turn, and a receipt for what it destroyed.

It joins the keys with the audit log and runs in its callers' transactions. The rule that must not
break: the keys are destroyed before the rows go, so that what a cut leaves behind is unreadable.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.events import Ending
from appliance.store.audit import AuditLog
from appliance.store.calls import StoredCall
from appliance.store.keyring import Keyring
from appliance.store.sealed_values import LEAST_BYTES, is_sealed, read_place
from appliance.store.turn_record import describe_turn
from appliance.store.verdicts import StoredVerdict

HEADS = f"""
SELECT DISTINCT substr(text, 1, {LEAST_BYTES}) FROM messages
WHERE session_key = :key AND length(text) > 0
UNION SELECT DISTINCT substr(body, 1, {LEAST_BYTES}) FROM events WHERE session_key = :key
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a conversation can be read by nobody any more: `mac` is the sign of row `audit_row` of
    the audit log, which says so too."""

    session: str
    keys_destroyed: int
    audit_row: int
    at_ms: int
    mac: str


class Accounting:
    def __init__(self, keyring: Keyring, log: AuditLog, settings_hash: str) -> None:
        self._keyring = keyring
        self._log = log
        self._settings_hash = settings_hash

    def keep_start(self, connection: sqlite3.Connection, version: str) -> None:
        """With what the turns from here on were answered."""
        self._log.append(connection, "start", {"version": version, "settings": self._settings_hash})

    def keep_turn(
        self,
        connection: sqlite3.Connection,
        session_key: str,
        run_id: str,
        ending: Ending,
        model_id: str,
        verdicts: Sequence[StoredVerdict],
        calls: Sequence[StoredCall],
    ) -> None:
        said = describe_turn(run_id, ending, model_id, self._settings_hash, verdicts, calls)
        self._log.append(connection, "turn", said, session_key)

    def keep_act(
        self, connection: sqlite3.Connection, account: str, act: str, session_key: str = ""
    ) -> None:
        """What an operator looked at or did; `act` is one of a few words and nothing that was
        said."""
        self._log.append(connection, "act", {"account": account, "act": act}, session_key)

    def destroy(self, connection: sqlite3.Connection, session_key: str) -> Receipt:
        """Destroy the keys of a session. Raises OSError where that cannot be."""
        rows = connection.execute(HEADS, {"key": session_key}).fetchall()
        known = [read_place(row[0]) for row in rows if is_sealed(row[0])]
        destroyed = self._keyring.destroy_session(session_key, known)
        # Sealed for the house and not for the session, whose keys shall stay destroyed.
        entry = self._log.forget(connection, session_key, {"keys_destroyed": destroyed})
        return Receipt(session_key, destroyed, entry.seq, entry.at_ms, entry.mac.hex())
