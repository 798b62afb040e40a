"""Turns that come through the open interface: the ladder answers, and what it says is a reply.

A caller without a session of its own leaves nothing behind: its turn is answered in a session that
is deleted with the answer, and what was said before is what it tells us. The rule that must not
break: a session that was opened for one answer is forgotten when that answer ends, when its caller
goes away, and when the message was refused; and at the next start, where the process died before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import structlog

from appliance.dialogue.briefs import Brief, Briefs
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.replies import Ended, Part, Reply, ReplyFinish, Text
from appliance.dialogue.turn import Turn
from appliance.engine.logprobs import TokenLogprob
from appliance.errors import ApplianceError, EngineFailure, Restarting, StoreUnavailable
from appliance.events import NEAR, Done, Failed, FinishReason, Numbered, Token
from appliance.store.sessions import Sessions, key_of

FINISHES: Mapping[FinishReason, ReplyFinish] = MappingProxyType(
    {"length": "length", "timeout": "length", "refused": "content_filter"}
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A message that is being answered."""

    session_id: str
    turn: Turn
    reply: Reply


class Callers:
    def __init__(self, conversations: Conversations, briefs: Briefs) -> None:
        self._conversations = conversations
        self._briefs = briefs
        self._tidying: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger(__name__)

    async def ask(
        self, question: str, brief: Brief, session_id: str | None = None, *, is_kept: bool = False
    ) -> Begun:
        """Say `question`, in a session of its own where none is named; `is_kept` has that outlive
        the answer. Raises what `Conversations.say` raises."""
        is_new = session_id is None
        is_guest = is_new and not is_kept
        session_id = session_id or await self._conversations.open(is_guest=is_guest)
        session_key = key_of(session_id)
        is_held = self._briefs.hold(session_key, brief)
        try:
            asked = await self._conversations.say(question, session_id)
        except BaseException:
            if is_new:
                # Nobody was told of it.
                self._begin(self._forget(session_id))
            elif is_held:
                self._briefs.drop(session_key)
            raise
        assert asked.turn is not None, "only a repeated client id begins no turn"
        if not is_guest:
            self._begin(self._drop_after(asked.turn))
        reply = self._follow(asked.turn, session_id if is_guest else None)
        return Begun(session_id, asked.turn, reply)

    async def forget_left(self, sessions: Sessions) -> Collection[str]:
        """What an earlier process left, now that the log holds what all others said; its keys.
        Where that cannot be, the start after this one does it."""
        try:
            left = await sessions.forget_guests()
        except (StoreUnavailable, OSError) as error:
            self._log.error("callers' sessions left", reason=str(error))
            return ()
        try:
            await self._conversations.drop(left)
        except (StoreUnavailable, OSError) as error:
            self._log.error("callers' sessions not dropped from memory", reason=str(error))
        return left

    async def close(self) -> None:
        await asyncio.gather(*self._tidying, return_exceptions=True)

    async def _follow(self, turn: Turn, guest_id: str | None) -> Reply:
        try:
            async for numbered in turn.watch():
                for part in read_parts(numbered, turn.logprobs.get(numbered.number, ())):
                    yield part
                if isinstance(numbered.event, Done):
                    return
            raise Restarting("The appliance restarts; please ask again in a moment.")
        finally:
            if guest_id is not None:
                # Nobody is left to answer, and nobody can come back.
                self._begin(self._forget(guest_id))

    async def _forget(self, session_id: str) -> None:
        with suppress(ApplianceError):
            await self._conversations.forget(session_id)
        self._briefs.drop(key_of(session_id))

    async def _drop_after(self, turn: Turn) -> None:
        async for _ in turn.watch():
            pass
        self._briefs.drop(turn.session_key)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that outlives its caller."""
        task = asyncio.create_task(work)
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)


def read_parts(numbered: Numbered, logprobs: tuple[TokenLogprob, ...] = ()) -> tuple[Part, ...]:
    """What a caller is told of an event. Raises EngineFailure for a turn that failed.

    Questions that are only offered are buttons on the page; whoever has none reads them."""
    match numbered.event:
        case Token(text):
            return (Text(text, logprobs),)
        case Done(rule=rule, suggestions=offered):
            listed = "".join(f"\n- {question}" for question in offered) if rule == NEAR else ""
            end = conclude(numbered.event)
            return (Text(listed), end) if listed else (end,)
        case Failed(code, message):
            failure = EngineFailure(message)
            failure.code = code
            raise failure
    return ()


def conclude(done: Done) -> Ended:
    return Ended(FINISHES.get(done.finish_reason, "stop"), done.usage, done.timings, done)
