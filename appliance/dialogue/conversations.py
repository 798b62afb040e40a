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
from appliance.store.sessions import Answer, Forgotten, Sessions, StoredMessage, key_of


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
        self._unsaved: dict[str, Turn] = {}
        self._arriving = 0
        self._recovered = asyncio.Event()
        self._is_closing = False

    async def recover(self) -> int:
        """End what a dead process left open and let messages in; how many turns that were."""
        try:
            return await self._sessions.end_interrupted()
        finally:
            self._recovered.set()

    async def open(self) -> str:
        """A new session's id."""
        return await self._sessions.create()

    async def say(self, message: str, session_id: str | None) -> Turn:
        """Accept `message`; a missing session is opened.

        Raises SessionNotFound, TurnRunning, Busy, ModelUnavailable, StoreUnavailable; after any
        of them nothing of the message is kept.
        """
        self._check_room()
        self._arriving += 1
        # A caller that is cancelled in between must not leave an accepted turn unanswered.
        return await asyncio.shield(asyncio.create_task(self._begin(message, session_id)))

    async def read(self, session_id: str) -> Transcript:
        """Raises SessionNotFound."""
        session_key = key_of(session_id)
        while True:
            running = self._turns.get(session_key)
            messages = await self._sessions.read_messages(session_id)
            # Else a turn began or ended meanwhile, and its answer might be in neither place.
            if running is self._turns.get(session_key):
                break
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
        if await self._stop(key_of(session_id)):
            return True
        await self._sessions.check(session_id)
        return False

    async def forget(self, session_id: str) -> Forgotten:
        """Delete the session from disk and from the engine's cache."""
        session_key = key_of(session_id)
        await self._stop(session_key)
        forgotten = await self._sessions.forget(session_id)
        # One more may have begun before the session was gone.
        await self._stop(session_key)
        self._unsaved.pop(session_key, None)
        await self._engine.forget(session_key)
        return forgotten

    async def close(self) -> None:
        """Take no more messages and end every turn; what was said so far is kept."""
        self._is_closing = True
        await asyncio.gather(*[self._stop(session_key) for session_key in list(self._turns)])

    async def _begin(self, message: str, session_id: str | None) -> Turn:
        try:
            turn = await self._accept(message, session_id)
        finally:
            self._arriving -= 1
        if self._is_closing:
            turn.stop_asked.set()
        self._turns[turn.session_key] = turn
        self._tasks[turn.session_key] = asyncio.create_task(self._lead(turn))
        return turn

    async def _accept(self, message: str, session_id: str | None) -> Turn:
        await self._recovered.wait()
        session_id = session_id or await self.open()
        await self._save_late(key_of(session_id))
        accepted = await self._sessions.accept(session_id, message)
        return Turn(accepted.run_id, session_id, accepted.session_key, message)

    async def _save_late(self, session_key: str) -> None:
        """Keep the end that the disk refused: until then its turn counts as running there."""
        turn = self._unsaved.get(session_key)
        if turn is not None and turn.unsaved is not None:
            await self._sessions.fail(turn.run_id, Answer(turn.text), turn.unsaved)
            self._unsaved.pop(session_key, None)

    async def _lead(self, turn: Turn) -> None:
        try:
            await self._answering.run(turn)
        finally:
            del self._turns[turn.session_key]
            del self._tasks[turn.session_key]
            if turn.unsaved is not None:
                self._unsaved[turn.session_key] = turn

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
        if self._is_closing or status.phase in ("unavailable", "stopped"):
            raise ModelUnavailable(status.reason or "The assistant is shutting down.")
        room = self._settings.parallel + self._settings.queue
        if len(self._turns) + self._arriving >= room:
            wait_s = self._engine.estimate_wait_s()
            raise Busy(
                f"All {room} places are taken; please ask again in {wait_s} seconds.", wait_s
            )
