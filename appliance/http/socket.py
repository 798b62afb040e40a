"""`/ws`: a conversation over one WebSocket, the same events as JSON messages.

    client   {"session_id": "…", "after": 12}                  once, first; without an id: a new one
    server   {"event": "session", "data": {"session_id": "…"}}
    server   {"event": "token", "id": 13, "data": {…}}         as in `GET …/events`
    client   {"message": "…", "client_id": "…"}  {"stop": true}
    server   {"event": "accepted" | "stopped" | "refused", "data": {…}}

It keeps nothing: a client that comes back names the last id it saw; whose page it may be is the
shield's to check. The rules that must not break: whatever a client sends ends no turn but by
"stop", and every message is answered or refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal, TypeVar

from pydantic import BaseModel
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from appliance.dialogue.conversations import Conversations
from appliance.errors import ApplianceError, BodyTooLarge, InvalidRequest
from appliance.events import Bye, Numbered
from appliance.http.answers import dump
from appliance.http.body import check_session_id, clean_text, parse_body
from appliance.http.errors import report_unexpected
from appliance.http.events import name_event, show_event
from appliance.http.frames import SEND_TIMEOUT_S
from appliance.http.rates import Rates
from appliance.http.shapes import Hello, Spoken

HELLO_S = 10
# No message of a customer is longer, however it is written.
MAX_FRAME_BYTES = 65_536
OVER, RESTARTS, REFUSED, BROKEN = 1000, 1012, 1008, 1011
Told = Literal["session", "accepted", "stopped", "refused"]
Shape = TypeVar("Shape", bound=BaseModel)


class Line:
    """One socket: whole JSON messages in both directions."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    @property
    def scope(self) -> Scope:
        return self._socket.scope

    async def read(self, shape: type[Shape]) -> Shape:
        """Raises InvalidRequest, WebSocketDisconnect."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", OVER))
        text = message.get("text")
        if text is None:
            raise InvalidRequest("Send text messages; bytes are not read.")
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > MAX_FRAME_BYTES:
            raise BodyTooLarge(f"The message is longer than {MAX_FRAME_BYTES} bytes; send less.")
        return parse_body(data, shape)

    async def tell(self, event: Told, data: object) -> None:
        await self._send({"event": event, "data": data})

    async def show(self, numbered: Numbered) -> None:
        shown = {"event": name_event(numbered.event), "data": show_event(numbered)}
        await self._send({**shown, "id": numbered.number} if numbered.number else shown)

    async def refuse(self, error: ApplianceError) -> None:
        told = {"code": error.code, "message": str(error)}
        await self.tell("refused", {**told, "detail": error.detail} if error.detail else told)

    async def close(self, code: int) -> None:
        await self._socket.close(code)

    async def _send(self, message: object) -> None:
        """Raises TimeoutError for a client that takes nothing."""
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._socket.send_text(dump(message))


class Sockets:
    def __init__(self, conversations: Conversations, rates: Rates, max_message_chars: int) -> None:
        self._conversations = conversations
        self._rates = rates
        self._max_message_chars = max_message_chars
        self._talks: set[asyncio.Task[object]] = set()

    async def wait_closed(self, most_s: float) -> None:
        """Until every line was told that the appliance stops; uvicorn would cut them before."""
        if self._talks:
            await asyncio.wait(self._talks, timeout=most_s)

    async def talk(self, socket: WebSocket) -> None:
        task = asyncio.current_task()
        assert task is not None, "a handler is always run as a task"
        self._talks.add(task)
        try:
            await self._talk(socket)
        finally:
            self._talks.discard(task)

    async def _talk(self, socket: WebSocket) -> None:
        await socket.accept()
        line = Line(socket)
        try:
            await line.close(await self._serve(line))
        except (WebSocketDisconnect, TimeoutError):
            return  # nobody is left to answer
        except ApplianceError as error:
            await line.refuse(error)
            await line.close(REFUSED)
        except Exception as error:
            report_unexpected(error)
            await line.close(BROKEN)

    async def _serve(self, line: Line) -> int:
        """Returns the code to close with."""
        async with asyncio.timeout(HELLO_S):
            hello = await line.read(Hello)
        if hello.session_id is None:
            session_id = await self._conversations.open()
        else:
            session_id = check_session_id(hello.session_id)
        events = await self._conversations.watch(session_id, hello.after)
        await line.tell("session", {"session_id": session_id})
        tail = asyncio.create_task(_tail(line, events))
        hear = asyncio.create_task(self._hear(line, session_id))
        try:
            await asyncio.wait((tail, hear), return_when=asyncio.FIRST_COMPLETED)
            return tail.result() if tail.done() else hear.result()
        finally:
            for task in (tail, hear):
                task.cancel()
            await asyncio.gather(tail, hear, return_exceptions=True)

    async def _hear(self, line: Line, session_id: str) -> int:
        """Raises WebSocketDisconnect where the client leaves."""
        while True:
            try:
                await self._take(line, session_id, await line.read(Spoken))
            except ApplianceError as error:
                await line.refuse(error)

    async def _take(self, line: Line, session_id: str, spoken: Spoken) -> None:
        if spoken.stop:
            await line.tell("stopped", {"stopped": await self._conversations.stop(session_id)})
            return
        if spoken.message is None:
            raise InvalidRequest('Send {"message": "…"} or {"stop": true}.')
        text = clean_text("message", spoken.message, self._max_message_chars)
        with self._rates.seat(line.scope, session_id) as seat:
            asked = await self._conversations.say(text, session_id, spoken.client_id)
            seat.turn = asked.turn
        await line.tell("accepted", {"run_id": asked.run_id, "event_id": asked.number})


async def _tail(line: Line, events: AsyncIterator[Numbered]) -> int:
    async for numbered in events:
        await line.show(numbered)
        if isinstance(numbered.event, Bye):
            return RESTARTS
    return OVER
