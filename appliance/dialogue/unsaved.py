"""Ends of turns that the disk refused, and what is done until it takes them.

On disk such a turn still counts as running, and its session takes no new message. The rule that
must not break: an end is kept here until it is on disk or its session is gone, and nobody is
shown it without its number once it has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from appliance.dialogue.turn import Turn
from appliance.errors import StoreUnavailable
from appliance.patience import wait_at_most
from appliance.store.messages import Answer
from appliance.store.sessions import Sessions

PAUSE_S = 5.0


class UnsavedEnds:
    def __init__(self, sessions: Sessions, tell: Callable[[str], None]) -> None:
        """`tell` wakes the watchers of a session whose end was saved."""
        self._sessions = sessions
        self._tell = tell
        self._turns: dict[str, Turn] = {}
        self._savers: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def find(self, session_key: str) -> Turn | None:
        return self._turns.get(session_key)

    def keep(self, turn: Turn) -> None:
        """Try until the disk takes it."""
        self._turns[turn.session_key] = turn
        saver = asyncio.create_task(self._save_until_kept(turn.session_key))
        self._savers.add(saver)
        saver.add_done_callback(self._savers.discard)

    def forget(self, session_key: str) -> None:
        self._turns.pop(session_key, None)

    async def save(self, session_key: str) -> None:
        """Try now. Raises StoreUnavailable."""
        turn = self._turns.pop(session_key, None)
        if turn is None or turn.unsaved is None:
            return
        try:
            said = Answer(turn.text)
            ending = await self._sessions.finish(session_key, turn.run_id, said, turn.unsaved)
        except BaseException:
            self._turns[session_key] = turn
            raise
        if ending.number:
            self._tell(session_key)

    async def close(self) -> None:
        self._closing.set()
        await asyncio.gather(*self._savers, return_exceptions=True)

    async def _save_until_kept(self, session_key: str) -> None:
        while session_key in self._turns and not self._closing.is_set():
            await wait_at_most(self._closing, PAUSE_S)
            with suppress(StoreUnavailable):
                await self.save(session_key)
