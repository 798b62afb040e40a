"""A customer's message as it is known again: which turn a call began, and under what name.

It begins no transaction and keeps no text. The rule that must not break: a client's own id of a
call, which may say anything, stands on disk only as a hash, and one id never begins two turns.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass

ASKED = "SELECT run_id, event_id FROM turns WHERE session_key = ? AND client_id = ?"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A customer's message that is on disk as event `number`, and the turn that answers it.

    `is_repeat`: it was there before, under the same client id; nothing was begun.
    """

    run_id: str
    session_key: str
    number: int
    is_repeat: bool = False


def name_call(session_key: str, client_id: str | None) -> str | None:
    """What stands on disk for the id of a client's call."""
    if client_id is None:
        return None
    named = f"{session_key}/{client_id}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(named).hexdigest()


def find_asked(
    connection: sqlite3.Connection, session_key: str, client_id: str | None
) -> Accepted | None:
    row = connection.execute(ASKED, (session_key, name_call(session_key, client_id))).fetchone()
    return Accepted(row[0], session_key, row[1], is_repeat=True) if row else None
