"""A turn's events as server-sent frames, and the response that carries them.

It does no work of the turn: it only tails `turn.watch()`, so a client that leaves ends nothing.
The rules that must not break: only `data:` lines and comments, LF only, each frame on one line,
and the last frame is the one whose `done` is true.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse

from appliance.dialogue.turn import Turn
from appliance.events import Done, Event, Failed, Notice, Queued, Started, Token
from appliance.http.answers import dump
from appliance.http.errors import report_unexpected
from appliance.http.shapes import DoneFrame, ErrorFrame, ErrorText, TokenFrame

PING_S = 15
SEND_TIMEOUT_S = 10
SEPARATOR = "\n"

# no-store because the last frame carries the session's id, no-transform against proxies that
# would compress, and so hold back, the stream.
HEADERS = {"Cache-Control": "no-store, no-transform"}


def stream_turn(turn: Turn) -> EventSourceResponse:
    return EventSourceResponse(
        tail(turn),
        headers=HEADERS,
        sep=SEPARATOR,
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep=SEPARATOR),
        send_timeout=SEND_TIMEOUT_S,
    )


async def tail(turn: Turn) -> AsyncIterator[dict[str, str]]:
    """Frames from the first event to the last; whatever happens here, one last frame is sent."""
    try:
        async for event in turn.watch():
            yield encode(event, turn)
            if isinstance(event, Done | Failed):
                return
        raise RuntimeError("the events of a turn ended without done or error")
    except Exception as error:
        yield _end_with_error(report_unexpected(error), turn)


def encode(event: Event, turn: Turn) -> dict[str, str]:
    """The frame of one event, as arguments of `ServerSentEvent`."""
    match event:
        case Token(text):
            token: TokenFrame = {"token": text, "done": False}
            return {"data": dump(token)}
        case Queued():
            return {"comment": f"queued {dump(event)}"}
        case Started():
            return {"comment": f"started {dump(event)}"}
        case Notice():
            return {"comment": f"notice {dump(event)}"}
        case Done():
            return _end_with_done(event, turn)
        case Failed(code, message):
            return _end_with_error({"code": code, "message": message}, turn)


def _end_with_done(event: Done, turn: Turn) -> dict[str, str]:
    frame: DoneFrame = {
        "token": "",
        "done": True,
        "session_id": turn.session_id,
        "run_id": turn.run_id,
        "source": event.source,
        "finish_reason": event.finish_reason,
        "usage": event.usage,
        "timings": event.timings,
    }
    return {"data": dump(frame)}


def _end_with_error(error: ErrorText, turn: Turn) -> dict[str, str]:
    frame: ErrorFrame = {
        "token": "",
        "done": True,
        "session_id": turn.session_id,
        "run_id": turn.run_id,
        "error": error,
    }
    return {"data": dump(frame)}
