"""The desk where messages arrive: sessions are opened, turns begun, stopped and looked up.

It tells no story of a turn (`turn.py` does) and knows no HTTP. Turns are tasks of their own, so
a customer who leaves ends nothing. The rule that must not break: `say` returns only when the
customer's message is on disk, and then the turn is answered whoever watches.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from appliance.config import Settings
from appliance.dialogue.turn import Answering, Turn
from appliance.engine.engine import Engine
from appliance.errors import Busy, ModelUnavailable
from appliance.store.sessions import Forgotten, Sessions, StoredMessage, key_of


@dataclass(frozen=True, slots=True)
class Transcript:
    """A session's stored messages, and the turn that is being answered, if one is."""

    messages: tuple[StoredMessage, ...]
    running: Turn | None


class Conversations:
    def __init__(self, engine: Engine, sessions: Sessions, settings: Settings) -> None:
        self._engine = engine
        self._sessions = sessions
        self._settings = settings
        self._answering = Answering(engine, sessions, settings)
        self._turns: dict[str, Turn] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> str:
        """A new session's id."""
        return await self._sessions.create()

    async def say(self, message: str, session_id: str | None) -> Turn:
        """Accept `message`; a missing session is opened.

        Raises SessionNotFound, TurnRunning, Busy, ModelUnavailable, StoreUnavailable; after any
        of them nothing of the message is kept.
        """
        self._check_room()
        session_id = session_id or await self.open()
        accepted = await self._sessions.accept(session_id, message)
        turn = Turn(accepted.run_id, session_id, accepted.session_key, message)
        self._turns[turn.session_key] = turn
        self._tasks[turn.session_key] = asyncio.create_task(self._lead(turn))
        return turn

    async def read(self, session_id: str) -> Transcript:
        """Raises SessionNotFound."""
        running = self._turns.get(key_of(session_id))
        messages = await self._sessions.read_messages(session_id)
        if running is not None and running.is_ended:
            running = None
        if running is not None:
            # Its answer may be on disk already, in the moment before `done` is published.
            messages = tuple(
                message
                for message in messages
                if message.run_id != running.run_id or message.role == "customer"
            )
        return Transcript(messages, running)

    async def stop(self, session_id: str) -> bool:
        """End the running answer, if there is one, and return once it has ended."""
        await self._sessions.check(session_id)
        return await self._stop(key_of(session_id))

    async def forget(self, session_id: str) -> Forgotten:
        """Delete the session from disk and from the engine's cache."""
        await self._stop(key_of(session_id))
        forgotten = await self._sessions.forget(session_id)
        await self._engine.forget(key_of(session_id))
        return forgotten

    async def close(self) -> None:
        """End every turn; what was said so far is kept."""
        await asyncio.gather(*[self._stop(session_key) for session_key in list(self._turns)])

    async def _lead(self, turn: Turn) -> None:
        try:
            await self._answering.run(turn)
        finally:
            del self._turns[turn.session_key]
            del self._tasks[turn.session_key]

    async def _stop(self, session_key: str) -> bool:
        turn, task = self._turns.get(session_key), self._tasks.get(session_key)
        if turn is None or task is None:
            return False
        turn.stop_asked.set()
        await asyncio.wait((task,))
        return True

    def _check_room(self) -> None:
        """Refuse at once what could not be answered, before anything is stored."""
        status = self._engine.status
        if status.phase in ("unavailable", "stopped"):
            raise ModelUnavailable(status.reason or "The assistant is shutting down.")
        room = self._settings.parallel + self._settings.queue
        if len(self._turns) >= room:
            wait_s = self._engine.estimate_wait_s()
            raise Busy(
                f"All {room} places are taken; please ask again in {wait_s} seconds.", wait_s
            )
