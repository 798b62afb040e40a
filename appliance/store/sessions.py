"""Sessions, turns and messages as they are kept: the only place that writes them.

It decides nothing about a conversation. A session's id is its capability and is never stored;
rows are keyed by its hash. The rule that must not break: what a method reports as kept was
committed in one transaction before it returned.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass

import sqlite_utils

from appliance.errors import SessionNotFound, TurnRunning
from appliance.events import Done, Failed, FinishReason, Role, Source
from appliance.store.database import Store
from appliance.store.sealing import Label, Seals

SESSION_ID_BYTES = 16
INTERRUPTED = Failed("interrupted", "The answer was interrupted by a restart; please ask again.")


@dataclass(frozen=True, slots=True)
class Accepted:
    """A customer's message that is on disk, and the turn that will answer it."""

    run_id: str
    session_key: str
    position: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant said; `token_ids` are the very ids of model `model_id`."""

    text: str
    token_ids: tuple[int, ...] = ()
    model_id: str = ""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as history shows it. Every ended turn has one of role "assistant": with the
    error where it failed, and then perhaps with an empty text."""

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


@dataclass(frozen=True, slots=True)
class StoredExchange:
    question: str
    answer: str
    answer_token_ids: tuple[int, ...]
    model_id: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was deleted."""

    messages: int
    turns: int


def key_of(session_id: str) -> str:
    """The session's name on disk, in the engine and in logs: it does not give access."""
    return hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()


class Sessions:
    def __init__(self, store: Store, seals: Seals, clock: Callable[[], int]) -> None:
        """`clock` gives milliseconds since 1970."""
        self._store = store
        self._seals = seals
        self._clock = clock

    async def create(self) -> str:
        """A new session; its id is 128 random bits. Raises StoreUnavailable, as all here do."""
        session_id = secrets.token_urlsafe(SESSION_ID_BYTES)
        row = (key_of(session_id), self._clock(), self._clock())
        await self._store.write(
            lambda database: database.conn.execute("INSERT INTO sessions VALUES (?, ?, ?)", row)
        )
        return session_id

    async def check(self, session_id: str) -> None:
        """Raises SessionNotFound."""
        await self._store.read(lambda connection: _check(connection, key_of(session_id)))

    async def accept(self, session_id: str, text: str) -> Accepted:
        """Keep the customer's message and begin its turn. Raises SessionNotFound, TurnRunning."""
        session_key, run_id, now_ms = key_of(session_id), secrets.token_hex(8), self._clock()

        def change(database: sqlite_utils.Database) -> int:
            _check(database.conn, session_key)
            try:
                database.conn.execute(
                    "INSERT INTO turns (run_id, session_key, state, accepted_ms) "
                    "VALUES (?, ?, 'running', ?)",
                    (run_id, session_key, now_ms),
                )
            except sqlite3.IntegrityError:
                raise TurnRunning("The last question is still being answered.") from None
            database.conn.execute(
                "UPDATE sessions SET touched_ms = ? WHERE session_key = ?", (now_ms, session_key)
            )
            return self._append(database.conn, session_key, run_id, "customer", Answer(text))

        return Accepted(run_id, session_key, await self._store.write(change))

    async def finish(self, run_id: str, answer: Answer, done: Done) -> None:
        """Keep the answer and the turn's end; nothing where the session was forgotten."""
        ending = {
            "state": "done",
            "source": done.source,
            "finish_reason": done.finish_reason,
            "usage": json.dumps(asdict(done.usage)),
            "timings": json.dumps(asdict(done.timings)),
        }
        await self._end(run_id, answer, ending)

    async def fail(self, run_id: str, answer: Answer, failed: Failed) -> None:
        """Keep the turn's error and what was said before it."""
        await self._end(run_id, answer, _describe_failure(failed))

    async def end_interrupted(self) -> int:
        """Fail the turns that a dead process left running; their number."""
        rows = await self._store.read(
            lambda connection: connection.execute(
                "SELECT run_id FROM turns WHERE state = 'running'"
            ).fetchall()
        )
        for row in rows:
            await self.fail(row["run_id"], Answer(""), INTERRUPTED)
        return len(rows)

    async def read_messages(self, session_id: str) -> tuple[StoredMessage, ...]:
        """All of a session, oldest first. Raises SessionNotFound."""
        session_key = key_of(session_id)

        def query(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            _check(connection, session_key)
            return connection.execute(MESSAGES, (session_key,)).fetchall()

        rows = await self._store.read(query)
        return tuple(self._read_message(row, session_key) for row in rows)

    async def read_exchanges(
        self, session_key: str, choose_start: Callable[[int], int]
    ) -> tuple[StoredExchange, ...]:
        """The answered exchanges, oldest first, from the one that `choose_start` names when it
        is told how many there are."""

        def query(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            count = connection.execute(f"SELECT count(*) {ANSWERED}", (session_key,)).fetchone()[0]
            start = choose_start(count)
            return connection.execute(EXCHANGES, (session_key, start)).fetchall()

        rows = await self._store.read(query)
        return tuple(self._read_exchange(row, session_key) for row in rows)

    async def forget(self, session_id: str) -> Forgotten:
        """Delete a session with all it holds. Raises SessionNotFound."""
        session_key = key_of(session_id)

        def change(database: sqlite_utils.Database) -> Forgotten:
            connection = database.conn
            _check(connection, session_key)
            counts = [
                connection.execute(f"DELETE FROM {table} WHERE session_key = ?", (session_key,))
                for table in ("messages", "turns", "sessions")
            ]
            return Forgotten(counts[0].rowcount, counts[1].rowcount)

        return await self._store.write(change)

    async def _end(self, run_id: str, answer: Answer, ending: dict[str, str]) -> None:
        columns = ending | {"ended_ms": self._clock(), "model_id": answer.model_id}
        assignments = ", ".join(f"{column} = :{column}" for column in columns)

        def change(database: sqlite_utils.Database) -> None:
            turn = database.conn.execute(
                f"UPDATE turns SET {assignments} WHERE run_id = :run_id AND state = 'running' "
                "RETURNING session_key",
                columns | {"run_id": run_id},
            ).fetchone()
            if turn is not None:
                self._append(database.conn, turn[0], run_id, "assistant", answer)

        await self._store.write(change)

    def _append(
        self,
        connection: sqlite3.Connection,
        session_key: str,
        run_id: str,
        role: str,
        said: Answer,
    ) -> int:
        """Add a message at the session's end; its position."""
        position: int = connection.execute(
            "SELECT coalesce(max(position), 0) + 1 FROM messages WHERE session_key = ?",
            (session_key,),
        ).fetchone()[0]
        packed = struct.pack(f"<{len(said.token_ids)}I", *said.token_ids)
        connection.execute(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                session_key,
                position,
                run_id,
                role,
                # Sealed, an empty text would no longer be seen to be empty.
                self._seal(said.text.encode(), position, "text", session_key) if said.text else b"",
                self._seal(packed, position, "token_ids", session_key) if packed else None,
                self._clock(),
            ),
        )
        return position

    def _read_message(self, row: sqlite3.Row, session_key: str) -> StoredMessage:
        is_answer = row["role"] == "assistant"
        timings = json.loads(row["timings"]) if is_answer and row["timings"] else {}
        return StoredMessage(
            position=row["position"],
            role=row["role"],
            text=self._open_text(row["text"], row["position"], session_key),
            created_ms=row["created_ms"],
            run_id=row["run_id"],
            source=row["source"] if is_answer else None,
            finish_reason=row["finish_reason"] if is_answer else None,
            error_code=row["error_code"] if is_answer else None,
            error_message=row["error_message"] if is_answer else None,
            total_ms=timings.get("total_ms"),
        )

    def _read_exchange(self, row: sqlite3.Row, session_key: str) -> StoredExchange:
        packed = b""
        if row["token_ids"]:
            label = _label(row["answer_position"], "token_ids", session_key)
            packed = self._seals.open(row["token_ids"], label)
        return StoredExchange(
            question=self._open_text(row["question"], row["question_position"], session_key),
            answer=self._open_text(row["answer"], row["answer_position"], session_key),
            answer_token_ids=struct.unpack(f"<{len(packed) // 4}I", packed),
            model_id=row["model_id"] or "",
        )

    def _seal(self, value: bytes, position: int, column: str, session_key: str) -> bytes:
        return self._seals.seal(value, _label(position, column, session_key))

    def _open_text(self, sealed: bytes, position: int, session_key: str) -> str:
        """A worn card may flip a bit that no check of SQLite's sees: one sign is lost then and
        not the whole history."""
        label = _label(position, "text", session_key)
        return self._seals.open(sealed, label).decode(errors="replace") if sealed else ""


MESSAGES = """
SELECT messages.*, turns.source, turns.finish_reason, turns.error_code, turns.error_message,
    turns.timings
FROM messages JOIN turns USING (run_id)
WHERE messages.session_key = ? ORDER BY messages.position
"""

ANSWERED = """
FROM turns
JOIN messages AS question ON question.run_id = turns.run_id AND question.role = 'customer'
JOIN messages AS answer ON answer.run_id = turns.run_id AND answer.role = 'assistant'
WHERE turns.session_key = ? AND turns.state = 'done' AND length(answer.text) > 0
"""

EXCHANGES = f"""
SELECT question.position AS question_position, question.text AS question,
    answer.position AS answer_position, answer.text AS answer, answer.token_ids, turns.model_id
{ANSWERED} ORDER BY answer.position LIMIT -1 OFFSET ?
"""


def _label(position: int, column: str, session_key: str) -> Label:
    return Label("messages", str(position), column, session_key)


def _check(connection: sqlite3.Connection, session_key: str) -> None:
    found = connection.execute("SELECT 1 FROM sessions WHERE session_key = ?", (session_key,))
    if found.fetchone() is None:
        raise SessionNotFound("There is no such conversation; it may have been deleted.")


def _describe_failure(failed: Failed) -> dict[str, str]:
    return {"state": "failed", "error_code": failed.code, "error_message": failed.message}
