"""`/v1/responses`: an answer that is kept, told as named events, picked up again by number.

A response is one turn of a conversation that is kept here; its id names both, and is the key to
them as a session's id is. What is asked of the bare model is kept nowhere and cannot be picked up.
The rule that must not break: whoever follows a kept response, from the start or from a number on,
is told the same events, made from the same log.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from appliance.dialogue.callers import read_parts
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.replies import Ended, Part, Reply
from appliance.errors import (
    InvalidField,
    NotOffered,
    Restarting,
    SessionNotFound,
    StoreUnavailable,
)
from appliance.events import Bye, Done, Event, Failed, Numbered, Token
from appliance.http.answers import JsonAnswer, dump
from appliance.http.body import check_fields, read_open_body
from appliance.http.errors import report_unexpected
from appliance.http.frames import PARKED, stream
from appliance.http.openai import OpenAi
from appliance.http.openai_reading import NEW_SESSION, LadderPlan, plan_chat
from appliance.http.openai_shapes import ChatWish
from appliance.http.outlets import begin, gather
from appliance.http.renaming import named_by
from appliance.http.response_shapes import ResponseDeleted, ResponseWish, name_field, write_chat
from appliance.http.response_steps import Card, Step, Steps
from appliance.http.shapes import ErrorText
from appliance.store.messages import StoredMessage

# A session's id and the run's.
KEPT_ID = re.compile(r"resp_([A-Za-z0-9_-]{22})([0-9a-f]{16})")
MAX_DIGITS = 16
GONE = "There is no such response; it may have been deleted."


class Responses:
    def __init__(
        self,
        openai: OpenAi,
        conversations: Conversations,
        max_message_chars: int,
    ) -> None:
        self._openai = openai
        self._conversations = conversations
        self._max_message_chars = max_message_chars

    async def create(self, request: Request) -> Response:
        wish = await read_open_body(request, ResponseWish)
        with named_by(partial(name_field, wish)):
            return await self._create(request, wish)

    async def _create(self, request: Request, wish: ResponseWish) -> Response:
        chat = check_fields(write_chat(wish), ChatWish)
        plan = plan_chat(request, chat, self._max_message_chars)
        if isinstance(plan, LadderPlan) and wish.store is not False:
            return await self._keep(request, wish, plan)
        if wish.previous_response_id is not None or wish.background:
            field = "background" if wish.background else "previous_response_id"
            raise InvalidField(field, f"{field} goes with a response that is stored.")
        reply, _ = await self._openai.answer(request, plan)
        card = self._make_card(f"resp_{secrets.token_hex(19)}", is_stored=False)
        return await self._send(request, wish, reply, card)

    async def show(self, request: Request) -> Response:
        """Whole, as far as it is; or its events after `starting_after`, with `stream=true`."""
        card, session_id, run_id = await self._find(request)
        if request.query_params.get("stream") in ("true", "True", "1"):
            after = read_after(request)
            return stream_steps(Steps(card).tell(self._follow(session_id, run_id)), after)
        return JsonAnswer(await self._show_now(card, session_id, run_id))

    async def cancel(self, request: Request) -> JsonAnswer:
        card, session_id, run_id = await self._find(request)
        running = (await self._conversations.read(session_id)).running
        if running is not None and running.run_id == run_id:
            await self._conversations.stop(session_id)
        return JsonAnswer(await self._show_now(card, session_id, run_id))

    async def forget(self, request: Request) -> JsonAnswer:
        card, session_id, _ = await self._find(request)
        await self._conversations.forget(session_id)
        deleted: ResponseDeleted = {"id": card.id, "object": "response", "deleted": True}
        return JsonAnswer(deleted)

    async def _keep(self, request: Request, wish: ResponseWish, plan: LadderPlan) -> Response:
        session_id = plan.session_id or NEW_SESSION
        previous_id = wish.previous_response_id
        if previous_id is not None:
            session_id = await self._find_previous(previous_id)
        elif session_id != NEW_SESSION:
            messages = (await self._conversations.read(session_id)).messages
            previous_id = name_last(session_id, messages)
        begun = await self._openai.begin(request, plan, session_id)
        response_id = f"resp_{begun.session_id}{begun.turn.run_id}"
        card = self._make_card(response_id, previous_id)
        if wish.background and not wish.stream:
            return JsonAnswer(card.show("in_progress", []))
        return await self._send(request, wish, begun.reply, card)

    async def _send(
        self, request: Request, wish: ResponseWish, reply: Reply, card: Card
    ) -> Response:
        steps = Steps(card)
        if wish.stream:
            # A kept one has begun already: its id must not wait for its first word.
            parts = reply if card.is_stored else await begin(request, reply)
            return stream_steps(steps.tell(parts), -1)
        for part in await gather(request, reply):
            steps.take(part)
        return JsonAnswer(steps.show_now())

    async def _find_previous(self, previous_id: str) -> str:
        """Raises NotOffered, InvalidField."""
        session_id, run_id = read_id(previous_id)
        messages = (await self._read(session_id)).messages
        if not messages or messages[-1].run_id != run_id:
            raise InvalidField(
                "previous_response_id", "previous_response_id is not the last of its conversation."
            )
        return session_id

    async def _find(self, request: Request) -> tuple[Card, str, str]:
        """Raises NotOffered."""
        response_id = request.path_params["response_id"]
        session_id, run_id = read_id(response_id)
        messages = (await self._read(session_id)).messages
        begun_at = next((at for at, one in enumerate(messages) if one.run_id == run_id), None)
        if begun_at is None:
            raise NotOffered(GONE)
        created_s = messages[begun_at].created_ms // 1000
        previous_id = name_last(session_id, messages[:begun_at])
        card = Card(response_id, created_s, self._openai.name_model(), previous_id)
        return card, session_id, run_id

    async def _read(self, session_id: str) -> Any:
        try:
            return await self._conversations.read(session_id)
        except SessionNotFound:
            raise NotOffered(GONE) from None

    async def _show_now(self, card: Card, session_id: str, run_id: str) -> Step:
        running = (await self._conversations.read(session_id)).running
        steps = Steps(card)
        if running is not None and running.run_id == run_id:
            for numbered in tuple(running.events):
                for part in read_parts(numbered):
                    steps.take(part)
            return steps.show_now()
        async for _ in steps.tell(self._follow(session_id, run_id)):
            pass
        return steps.show_now()

    async def _follow(self, session_id: str, run_id: str) -> AsyncIterator[Part]:
        """The parts of a run, from the log and then as they come. Raises what it ended with."""
        transcript = await self._conversations.read(session_id)
        if transcript.running is None or transcript.running.run_id != run_id:
            async for part in self._recall(session_id, run_id, transcript.messages):
                yield part
            return
        events = await self._conversations.watch(session_id, 0)
        async for numbered in events:
            if isinstance(numbered.event, Bye):
                raise Restarting(PARKED["message"])
            for part in read_parts(numbered) if numbered.run_id == run_id else ():
                yield part
                if isinstance(part, Ended):
                    return
        raise NotOffered(GONE)

    async def _recall(
        self, session_id: str, run_id: str, messages: Sequence[StoredMessage]
    ) -> AsyncIterator[Part]:
        """Of a run that is over nothing more comes: where the log has no end that can be read,
        its message says what it was."""
        kept = await self._conversations.recall(session_id, run_id)
        if not any(isinstance(one.event, Done | Failed) for one in kept):
            said = [one for one in messages if (one.run_id, one.role) == (run_id, "assistant")]
            kept = [Numbered(0, run_id, event) for one in said[-1:] for event in tell(one)]
        for numbered in kept:
            for part in read_parts(numbered):
                yield part
        if not kept:
            raise StoreUnavailable("The end of this response cannot be read.")

    def _make_card(
        self, response_id: str, previous_id: str | None = None, *, is_stored: bool = True
    ) -> Card:
        model = self._openai.name_model()
        return Card(response_id, int(time.time()), model, previous_id, is_stored)


def tell(message: StoredMessage) -> Sequence[Event]:
    """An answer as events; what it cost stands in the log alone."""
    said = [Token(message.text)] if message.text else []
    if message.error_code is not None:
        return [*said, Failed(message.error_code, message.error_message or "")]
    end = Done(
        message.finish_reason or "stop",
        message.source or "model",
        sources=message.sources,
        score=message.score,
        rule=message.rule,
        is_cached=message.is_cached,
        suggestions=message.suggestions,
    )
    return [*said, end]


def name_last(session_id: str, messages: Sequence[StoredMessage]) -> str | None:
    """The response that one behind these messages goes on from."""
    return f"resp_{session_id}{messages[-1].run_id}" if messages else None


def read_id(response_id: str) -> tuple[str, str]:
    """Session and run. Raises NotOffered."""
    found = KEPT_ID.fullmatch(response_id)
    if not found:
        raise NotOffered("There is no such response; only those that are stored can be found.")
    return found[1], found[2]


def read_after(request: Request) -> int:
    """Raises InvalidField."""
    told = request.query_params.get("starting_after")
    if told is None:
        return -1
    if not (told.isascii() and told.isdigit() and len(told) <= MAX_DIGITS):
        raise InvalidField("starting_after", "starting_after is a sequence_number.")
    return int(told)


def show_error(told: ErrorText) -> dict[str, str | int]:
    return {"event": "error", "data": dump({"type": "error", "param": None, **told})}


def stream_steps(steps: AsyncIterator[Step], after: int) -> Response:
    async def frames() -> AsyncIterator[dict[str, str | int]]:
        try:
            async for step in steps:
                if step["sequence_number"] > after:
                    yield {"event": step["type"], "data": dump(step)}
        except Restarting:
            yield show_error(PARKED)
        except Exception as error:
            yield show_error(report_unexpected(error))

    return stream(frames())
