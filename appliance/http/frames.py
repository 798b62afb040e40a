"""The answer of `POST /chat` as server-sent frames, and the response that carries them.

It does no work of the turn: it only tails `turn.watch()`, so a client that leaves ends nothing.
The rules that must not break: only `data:` lines and comments, LF only, each frame on one line,
and the last frame is the one whose `done` is true.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse

from appliance.dialogue.turn import Turn
from appliance.errors import Restarting
from appliance.events import Done, Event, Failed, Handoff, Notice, Queued, Started, Token, Tool
from appliance.http.answers import dump, show_end, show_handoff
from appliance.http.errors import report_unexpected
from appliance.http.shapes import DoneFrame, ErrorFrame, ErrorText, TokenFrame

PING_S = 15
SEND_TIMEOUT_S = 10
SEPARATOR = "\n"
PARKED: ErrorText = {
    "code": Restarting.code,
    "message": "The appliance restarts; the answer goes on in this conversation.",
}

# no-store because the last frame carries the session's id, no-transform against proxies that
# would compress, and so hold back, the stream.
HEADERS = {"Cache-Control": "no-store, no-transform"}


def stream(frames: AsyncIterator[dict[str, str | int]]) -> EventSourceResponse:
    """Any frames, with the pings and headers that all streams have."""
    return EventSourceResponse(
        frames,
        headers=HEADERS,
        sep=SEPARATOR,
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep=SEPARATOR),
        send_timeout=SEND_TIMEOUT_S,
    )


def stream_turn(turn: Turn, session_id: str) -> EventSourceResponse:
    return stream(TurnFrames(turn, session_id).tail())


class TurnFrames:
    def __init__(self, turn: Turn, session_id: str) -> None:
        self._turn = turn
        self._session_id = session_id

    async def tail(self) -> AsyncIterator[dict[str, str | int]]:
        """Frames from the first event to the last; whatever happens here, one last frame comes."""
        yield self._begin()
        try:
            async for numbered in self._turn.watch():
                if frame := self.encode(numbered.event):
                    yield frame
                if isinstance(numbered.event, Done | Failed):
                    return
            yield self._end_with_error(PARKED)
        except Exception as error:
            yield self._end_with_error(report_unexpected(error))

    def encode(self, event: Event) -> dict[str, str | int] | None:
        """The frame of one event, as arguments of `ServerSentEvent`; None for the customer's own
        message and what else a plain client need not know."""
        match event:
            case Token(text):
                token: TokenFrame = {"token": text, "done": False}
                return {"data": dump(token)}
            case Queued():
                return {"comment": f"queued {dump(event)}"}
            case Started(source):
                return {"comment": f"started {dump({'source': source})}"}
            case Notice():
                return {"comment": f"notice {dump(event)}"}
            case Tool():
                return {"comment": f"tool {dump(event)}"}
            case Handoff():
                return {"comment": f"handoff {dump(show_handoff(event))}"}
            case Done():
                return self._end_with_done(event)
            case Failed(code, message):
                return self._end_with_error({"code": code, "message": message})
            case _:
                return None

    def _begin(self) -> dict[str, str | int]:
        """What a client needs to find the answer again in the session's events, should this
        stream break."""
        accepted = {
            "session_id": self._session_id,
            "run_id": self._turn.run_id,
            "event_id": self._turn.events[0].number,
        }
        return {"comment": f"accepted {dump(accepted)}"}

    def _end_with_done(self, event: Done) -> dict[str, str | int]:
        frame: DoneFrame = {
            "token": "",
            "done": True,
            "session_id": self._session_id,
            "run_id": self._turn.run_id,
            **show_end(event),
        }
        return {"data": dump(frame)}

    def _end_with_error(self, error: ErrorText) -> dict[str, str | int]:
        frame: ErrorFrame = {
            "token": "",
            "done": True,
            "session_id": self._session_id,
            "run_id": self._turn.run_id,
            "error": error,
        }
        return {"data": dump(frame)}
