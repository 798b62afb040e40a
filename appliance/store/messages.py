"""Messages as rows, and what their turns say of them: how they are sealed and read back.

It begins no transaction and knows no turn's story; every function works on the connection or the
row it is given. The rule that must not break: a customer's words pass the seals in both
directions, bound to the place where they stand.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from appliance.events import Cited, Done, FinishReason, Role, Source
from appliance.store.feedback import Feedback
from appliance.store.sealing import Label, Seals, Unreadable


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant said; `token_ids` are the very ids of model `model_id`."""

    text: str
    token_ids: tuple[int, ...] = ()
    model_id: str = ""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as history shows it. Every ended turn has one of role "assistant": with the
    error where it failed, and then perhaps with an empty text. `account` is an operator's."""

    position: int
    role: Role
    text: str
    created_ms: int
    run_id: str
    source: Source | None = None
    finish_reason: FinishReason | None = None
    error_code: str | None = None
    error_message: str | None = None
    total_ms: float | None = None
    score: float | None = None
    rule: str = ""
    is_cached: bool = False
    sources: tuple[Cited, ...] = ()
    suggestions: tuple[str, ...] = ()
    feedback: Feedback | None = None
    account: str = ""


MESSAGES = """
SELECT messages.*, turns.source, turns.finish_reason, turns.error_code, turns.error_message,
    turns.timings, turns.score, turns.rule, turns.is_cached, turns.sources, turns.suggestions,
    turns.feedback, turns.feedback_reason
FROM messages JOIN turns USING (run_id)
WHERE messages.session_key = ? ORDER BY messages.position
"""


class MessageRows:
    def __init__(self, seals: Seals, clock: Callable[[], int]) -> None:
        self._seals = seals
        self._clock = clock

    def append(
        self,
        connection: sqlite3.Connection,
        session_key: str,
        run_id: str,
        role: Role,
        said: Answer,
        account: str = "",
    ) -> None:
        """Add a message at the session's end."""
        position: int = connection.execute(
            "SELECT coalesce(max(position), 0) + 1 FROM messages WHERE session_key = ?",
            (session_key,),
        ).fetchone()[0]
        packed = struct.pack(f"<{len(said.token_ids)}I", *said.token_ids)
        connection.execute(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                session_key,
                position,
                run_id,
                role,
                # Sealed, an empty text would no longer be seen to be empty.
                self._seal(said.text.encode(), position, "text", session_key) if said.text else b"",
                self._seal(packed, position, "token_ids", session_key) if packed else None,
                self._clock(),
                account,
            ),
        )

    def describe_done(
        self, session_key: str, run_id: str, done: Done
    ) -> dict[str, str | int | float | bytes | None]:
        """The columns of a turn that tell how it ended and what its answer rests on."""
        sources = [asdict(cited) for cited in done.sources]
        return {
            "state": "done",
            "source": done.source,
            "finish_reason": done.finish_reason,
            "usage": json.dumps(asdict(done.usage)),
            "timings": json.dumps(asdict(done.timings)),
            "score": done.score,
            "rule": done.rule,
            "is_cached": int(done.is_cached),
            "sources": self._seal_list(sources, run_id, "sources", session_key),
            "suggestions": self._seal_list(done.suggestions, run_id, "suggestions", session_key),
        }

    def read_message(self, row: sqlite3.Row, session_key: str) -> StoredMessage:
        text = self.open_text(row["text"], row["position"], session_key)
        place = (row["position"], row["role"], text, row["created_ms"], row["run_id"])
        if row["role"] != "assistant":
            return StoredMessage(*place, account=row["account"])
        return StoredMessage(
            *place,
            source=row["source"],
            finish_reason=row["finish_reason"],
            error_code=row["error_code"],
            error_message=row["error_message"],
            total_ms=_read_timings(row["timings"]).get("total_ms") if row["timings"] else None,
            score=row["score"],
            rule=row["rule"],
            is_cached=bool(row["is_cached"]),
            sources=self.open_sources(row["sources"], row["run_id"], session_key),
            suggestions=self._open_suggestions(row["suggestions"], row["run_id"], session_key),
            feedback=Feedback(row["feedback"], row["feedback_reason"]) if row["feedback"] else None,
        )

    def open_text(self, sealed: bytes, position: int, session_key: str) -> str:
        """Empty where it can no longer be read: one message is lost then, not the history."""
        return self._seals.read(sealed, _label(position, "text", session_key))

    def open_ids(self, sealed: bytes | None, position: int, session_key: str) -> tuple[int, ...]:
        """None where they cannot be read, for then the text is read by the model."""
        try:
            label = _label(position, "token_ids", session_key)
            packed = self._seals.open(sealed, label) if sealed else b""
        except Unreadable:
            return ()
        count = len(packed) // 4
        return struct.unpack(f"<{count}I", packed[: count * 4])

    def _seal_list(
        self, values: Sequence[object], run_id: str, column: str, session_key: str
    ) -> bytes | None:
        if not values:
            return None
        label = Label("turns", run_id, column, session_key)
        return self._seals.seal(json.dumps(values, ensure_ascii=False).encode(), label)

    def open_sources(
        self, sealed: bytes | None, run_id: str, session_key: str
    ) -> tuple[Cited, ...]:
        """Empty where a flipped bit made them illegible: the answer itself still stands."""
        try:
            return tuple(
                Cited(**one) for one in self._open_list(sealed, run_id, "sources", session_key)
            )
        except (ValueError, TypeError):
            return ()

    def _open_suggestions(
        self, sealed: bytes | None, run_id: str, session_key: str
    ) -> tuple[str, ...]:
        try:
            return tuple(self._open_list(sealed, run_id, "suggestions", session_key))
        except (ValueError, TypeError):
            return ()

    def _open_list(self, sealed: bytes | None, run_id: str, column: str, session_key: str) -> Any:
        if not sealed:
            return ()
        return json.loads(self._seals.open(sealed, Label("turns", run_id, column, session_key)))

    def _seal(self, value: bytes, position: int, column: str, session_key: str) -> bytes:
        return self._seals.seal(value, _label(position, column, session_key))


def _label(position: int, column: str, session_key: str) -> Label:
    return Label("messages", str(position), column, session_key)


def _read_timings(text: str) -> dict[str, float]:
    try:
        return dict(json.loads(text))
    except (ValueError, TypeError):
        return {}
