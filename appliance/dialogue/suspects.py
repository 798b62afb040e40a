"""Turns that were in the engine when the process died: each goes on alone, the others after them.

It knows no engine; it only says who may go. The rule that must not break: while one suspect is
under way nobody else is in the engine, so that another death names its cause and nobody else
pays for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from appliance.dialogue.turn import Turn
from appliance.events import Queued


class Suspects:
    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._count = 0
        self._is_clear = asyncio.Event()
        self._is_clear.set()

    @contextmanager
    def counted(self, turn: Turn) -> Iterator[None]:
        """Until a turn that is a suspect has ended."""
        if not turn.deaths:
            yield
            return
        self._count += 1
        self._is_clear.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._is_clear.set()

    @asynccontextmanager
    async def apart(self, turn: Turn) -> AsyncIterator[None]:
        """Wait for the turn's own time, or until it is stopped."""
        if not turn.deaths:
            if not self._is_clear.is_set():
                turn.pass_by(Queued(self._count, 0))
                await turn.wait_unless_stopped(self._is_clear.wait())
            yield
            return
        if self._one.locked():
            turn.pass_by(Queued(self._count - 1, 0))
        is_mine = await turn.wait_unless_stopped(self._one.acquire())
        try:
            yield
        finally:
            if is_mine:
                self._one.release()
