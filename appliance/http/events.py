"""`GET /sessions/{id}/events`: all that happens in a session, replayed and then as it happens.

It keeps nothing and numbers nothing. The rule that must not break: a stored event carries its
number as `id:`, so a client that comes back with the last one it saw misses and doubles nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request

from appliance.dialogue.conversations import Conversations
from appliance.errors import InvalidField, StoreUnavailable
from appliance.events import (
    Bye,
    Done,
    Draft,
    Event,
    Failed,
    Handoff,
    Message,
    Notice,
    Numbered,
    Queued,
    Rewind,
    Started,
    Token,
    Tool,
    Typing,
)
from appliance.http.answers import dump, show_end, show_handoff
from appliance.http.body import get_session_id
from appliance.http.errors import report_unexpected
from appliance.http.event_shapes import EventData, MessageEvent
from appliance.http.frames import stream

# What a JSON number can carry exactly.
MAX_NUMBER = (1 << 53) - 1
MAX_DIGITS = 16


class Events:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def stream(self, request: Request) -> EventSourceResponse:
        session_id = get_session_id(request)
        events = await self._conversations.watch(session_id, find_start(request))
        return stream(tail(events))


def find_start(request: Request) -> int:
    """The number after which events are sent: `Last-Event-ID`, which a browser sends when it comes
    back, else `?after=`, else 0. Raises InvalidField for an `after` that is no number."""
    last = _read_number(request.headers.get("last-event-id", ""))
    if last is not None:
        return last
    asked = request.query_params.get("after", "0")
    after = _read_number(asked)
    if after is None:
        sentence = f"after is the number of an event, from 0 to {MAX_NUMBER}."
        raise InvalidField("after", sentence)
    return after


def _read_number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        return None
    number = int(text)
    return number if number <= MAX_NUMBER else None


async def tail(events: AsyncIterator[Numbered]) -> AsyncIterator[dict[str, str | int]]:
    """Their frames. Where the store fails the stream ends; the client comes back by itself."""
    try:
        async for numbered in events:
            yield encode(numbered)
    except StoreUnavailable:
        return
    except Exception as error:
        report_unexpected(error)


def encode(numbered: Numbered) -> dict[str, str | int]:
    """The frame of one event, as arguments of `ServerSentEvent`."""
    frame: dict[str, str | int] = {
        "event": name_event(numbered.event),
        "data": dump(show_event(numbered)),
    }
    if numbered.number:
        frame["id"] = str(numbered.number)
    if isinstance(numbered.event, Bye):
        frame["retry"] = numbered.event.retry_ms
    return frame


def name_event(event: Event) -> str:
    return "error" if isinstance(event, Failed) else type(event).__name__.lower()


def show_event(numbered: Numbered) -> EventData:
    run_id = numbered.run_id
    match numbered.event:
        case Message(role, text, name):
            said: MessageEvent = {"run_id": run_id, "role": role, "text": text}
            return {**said, "name": name} if name else said
        case Queued(position, eta_ms, reason):
            return {"run_id": run_id, "position": position, "eta_ms": eta_ms, "reason": reason}
        case Started(source):
            return {"run_id": run_id, "source": source}
        case Token(text):
            return {"run_id": run_id, "text": text}
        case Notice(code, text):
            return {"run_id": run_id, "code": code, "text": text}
        case Tool(name, state):
            return {"run_id": run_id, "name": name, "state": state}
        case Rewind(after, chars):
            return {"run_id": run_id, "after": after, "chars": chars}
        case Done():
            return {"run_id": run_id, **show_end(numbered.event)}
        case Failed(code, message):
            return {"run_id": run_id, "code": code, "message": message}
        case Handoff():
            return {"run_id": run_id, **show_handoff(numbered.event)}
        case Typing(who):
            return {"who": who}
        case Draft(text, source, is_whole):
            return {"run_id": run_id, "text": text, "source": source, "is_whole": is_whole}
        case Bye(retry_ms):
            return {"retry_ms": retry_ms}
