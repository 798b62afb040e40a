"""Ends of turns that the disk refused, and what is done until it takes them.

On disk such a turn still counts as running, and its session takes no new message. The rule that
must not break: an end is kept here until it is on disk or its session is gone, and nobody is
shown it without its number once it has one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from appliance.dialogue.turn import Turn
from appliance.errors import StoreUnavailable
from appliance.patience import wait_at_most
from appliance.store.messages import Answer
from appliance.store.sessions import Sessions

PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Kept:
    turn: Turn
    # Held while the disk is asked to take it.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class UnsavedEnds:
    def __init__(self, sessions: Sessions, tell: Callable[[str], None]) -> None:
        """`tell` wakes the watchers of a session whose end was saved."""
        self._sessions = sessions
        self._tell = tell
        self._kept: dict[str, Kept] = {}
        self._savers: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def find(self, session_key: str) -> Turn | None:
        """Nothing while it is being saved: it may have its number by now."""
        kept = self._kept.get(session_key)
        return kept.turn if kept is not None and not kept.lock.locked() else None

    def keep(self, turn: Turn) -> None:
        """Try until the disk takes it."""
        self._kept[turn.session_key] = Kept(turn)
        saver = asyncio.create_task(self._save_until_kept(turn.session_key))
        self._savers.add(saver)
        saver.add_done_callback(self._savers.discard)

    def forget(self, session_key: str) -> None:
        self._kept.pop(session_key, None)

    async def save(self, session_key: str) -> None:
        """Try now, or once who tries already has failed. Raises StoreUnavailable."""
        kept = self._kept.get(session_key)
        if kept is None:
            return
        async with kept.lock:
            if self._kept.get(session_key) is not kept or kept.turn.unsaved is None:
                return
            said = Answer(kept.turn.text)
            ending = await self._sessions.finish(
                session_key, kept.turn.run_id, said, kept.turn.unsaved
            )
            # It stood here until now: its saver would have ended at a write that then failed.
            if self._kept.get(session_key) is kept:
                self.forget(session_key)
        if ending.number:
            self._tell(session_key)

    async def close(self) -> None:
        self._closing.set()
        await asyncio.gather(*self._savers, return_exceptions=True)

    async def _save_until_kept(self, session_key: str) -> None:
        while session_key in self._kept and not self._closing.is_set():
            await wait_at_most(self._closing, PAUSE_S)
            with suppress(StoreUnavailable):
                await self.save(session_key)
