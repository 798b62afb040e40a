"""Between two questions: the next prompt's head is built and given to the engine to read.

It answers nothing and nobody waits for it; when the engine reads is the engine's affair. The rules
that must not break: what is prepared is what the next prompt begins with, nothing is prepared for
a conversation that was forgotten or is being answered, and no fault here reaches a customer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from appliance.dialogue.prompting import Prompting
from appliance.engine.engine import Engine
from appliance.errors import ApplianceError
from appliance.store.sessions import Sessions

DAY_MS = 86_400_000
# What is prepared at the start must not push itself out of the engine's cells again.
RECENT_PER_ANSWER = 2
MOST_RECENT = 8


class Prewarming:
    """One head at a time, so that a burst of ends takes no more than one thread of the store."""

    def __init__(
        self, engine: Engine, sessions: Sessions, prompting: Prompting, parallel: int
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._prompting = prompting
        self._most_recent = min(MOST_RECENT, RECENT_PER_ANSWER * parallel)
        # Each wish is its own object: one that was dropped and wished for again is another.
        self._wishes: dict[str, object] = {}
        self._answered: set[str] = set()
        self._work: asyncio.Task[None] | None = None
        self._is_closing = False
        self._log = structlog.get_logger(__name__)

    def begin(self, session_key: str) -> None:
        """Have the next prompt of this conversation prepared, after those that came before."""
        is_wanted = not self._is_closing and session_key not in self._answered
        if not is_wanted or self._engine.status.phase != "ready":
            return
        self._wishes[session_key] = object()
        if self._work is None:
            self._work = asyncio.create_task(self._prepare_all())
            self._work.add_done_callback(self._end_work)

    async def begin_recent(self) -> None:
        """The conversations of the last day that had a message last, the latest first."""
        try:
            for session_key in await self._sessions.read_recent(self._most_recent, DAY_MS):
                self.begin(session_key)
        except ApplianceError as error:
            self._log.warning("recent conversations not prepared", reason=str(error))

    @contextmanager
    def giving_way(self, session_key: str) -> Iterator[None]:
        """While the conversation is answered nothing is prepared for it."""
        self.drop(session_key)
        self._answered.add(session_key)
        try:
            yield
        finally:
            self._answered.discard(session_key)

    def drop(self, session_key: str) -> None:
        """What was to be prepared is given to the engine no more, even if it is being built."""
        self._wishes.pop(session_key, None)

    async def close(self) -> None:
        self._is_closing = True
        self._wishes.clear()
        if self._work is not None:
            await asyncio.wait((self._work,))

    async def _prepare_all(self) -> None:
        while self._wishes:
            session_key = next(iter(self._wishes))
            wish = self._wishes[session_key]
            try:
                head = await self._prompting.build_head(session_key)
                if head is not None and self._wishes.get(session_key) is wish:
                    self._engine.prepare(session_key, head)
            except ApplianceError as error:
                self._log.warning("next prompt not prepared", reason=str(error))
            finally:
                if self._wishes.get(session_key) is wish:
                    del self._wishes[session_key]

    def _end_work(self, work: asyncio.Task[None]) -> None:
        """A fault of ours costs one head; the others still want theirs."""
        self._work = None
        if not work.cancelled() and (error := work.exception()):
            # Not its repr: that of a UnicodeDecodeError holds customers' words.
            name = type(error).__name__
            self._log.error("next prompt not prepared", error=name, exc_info=error)
        for session_key in [*self._wishes][:1]:
            self.begin(session_key)
