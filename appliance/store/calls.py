"""The calls of tools, as rows: what was asked for, with which arguments, and what came of it.

They are written with their turn's end, in its transaction, and go with their session; a question
that is still open is the last of them. The rule that must not break: arguments are a customer's
words and pass the seals in both directions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from appliance.store.database import Store
from appliance.store.sealing import Label, Seals

INSERT = "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
# A turn without calls answers something else: then no question of a tool is open.
LAST = """
SELECT calls.* FROM calls WHERE run_id = (
    SELECT run_id FROM turns WHERE session_key = ? AND state = 'done' ORDER BY rowid DESC LIMIT 1
) ORDER BY place
"""
ALL = """
SELECT calls.* FROM calls JOIN turns USING (run_id) WHERE calls.session_key = ?
ORDER BY turns.rowid, calls.place
"""
SAID = """
SELECT messages.text, messages.position, turns.rule
FROM messages JOIN turns USING (run_id)
WHERE messages.session_key = ? AND messages.role = 'customer' AND turns.state = 'done'
ORDER BY messages.position DESC LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class StoredCall:
    """`state` says what came of it: "asking" for argument `detail`, "confirming", or an outcome.

    `chosen_by` is "rule", "likeness", "model", or "question" where the customer answered one;
    `key` is that of a call that writes; `language` is the one it was asked in."""

    tool: str
    state: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    chosen_by: str = "rule"
    detail: str = ""
    key: str = ""
    language: str = "zh"


def insert_calls(
    connection: sqlite3.Connection,
    seals: Seals,
    session_key: str,
    run_id: str,
    calls: Sequence[StoredCall],
    at_ms: int,
) -> None:
    connection.executemany(
        INSERT,
        [
            (
                session_key,
                run_id,
                place,
                call.tool,
                call.state,
                call.chosen_by,
                call.detail,
                _seal(seals, session_key, run_id, place, call),
                at_ms,
            )
            for place, call in enumerate(calls, start=1)
        ],
    )


class Calls:
    def __init__(self, store: Store, seals: Seals) -> None:
        self._store = store
        self._seals = seals

    async def read_last(self, session_key: str) -> tuple[StoredCall, ...]:
        """Those of the last turn that ended well. Raises StoreUnavailable, as all here do."""
        return await self._read(LAST, session_key)

    async def read_all(self, session_key: str) -> tuple[StoredCall, ...]:
        return await self._read(ALL, session_key)

    async def read_said(self, session_key: str, until_rule: str, most: int) -> tuple[str, ...]:
        """What the customer wrote in turns that ended, the latest first, back to a turn of
        `until_rule`."""

        def query(connection: sqlite3.Connection) -> tuple[str, ...]:
            said: list[str] = []
            for row in connection.execute(SAID, (session_key, most)):
                if row["rule"] == until_rule:
                    break
                label = Label("messages", str(row["position"]), "text", session_key)
                said.append(self._seals.read(row["text"], label))
            return tuple(said)

        return await self._store.read(query)

    async def _read(self, query: str, session_key: str) -> tuple[StoredCall, ...]:
        return await self._store.read(
            lambda connection: tuple(
                self._open(row, session_key) for row in connection.execute(query, (session_key,))
            )
        )

    def _open(self, row: sqlite3.Row, session_key: str) -> StoredCall:
        """Without arguments where a flipped bit made them illegible: then they are asked for."""
        label = _label(session_key, row["run_id"], row["place"])
        try:
            sealed = json.loads(self._seals.open(row["arguments"], label))
            arguments = {str(name): str(value) for name, value in sealed["arguments"].items()}
            key, language = str(sealed["key"]), str(sealed["language"])
        except (ValueError, TypeError, KeyError, AttributeError):
            arguments, key, language = {}, "", "zh"
        return StoredCall(
            row["tool"], row["state"], arguments, row["chosen_by"], row["detail"], key, language
        )


def _seal(seals: Seals, session_key: str, run_id: str, place: int, call: StoredCall) -> bytes:
    plain = {"arguments": dict(call.arguments), "key": call.key, "language": call.language}
    sealed = json.dumps(plain, ensure_ascii=False).encode()
    return seals.seal(sealed, _label(session_key, run_id, place))


def _label(session_key: str, run_id: str, place: int) -> Label:
    return Label("calls", f"{run_id}/{place}", "arguments", session_key)
