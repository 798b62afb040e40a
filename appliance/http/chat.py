"""`POST /chat`: one message in, one answer out, streamed or whole.

It decides nothing about the answer; the turn is a task of its own below. The rule that must not
break: what is refused is refused before `say`, and after `say` the message is kept whatever the
client does.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from appliance.dialogue.conversations import Conversations
from appliance.dialogue.turn import Turn
from appliance.events import Done, Ending, Failed
from appliance.http.answers import JsonAnswer
from appliance.http.body import check_session_id, clean_text, read_body
from appliance.http.errors import answer_error
from appliance.http.frames import stream_turn
from appliance.http.shapes import Say, WholeAnswer

FAILED_TURN_STATUS = 503


class Chat:
    def __init__(self, conversations: Conversations, max_message_chars: int) -> None:
        self._conversations = conversations
        self._max_message_chars = max_message_chars

    async def answer(self, request: Request) -> Response:
        say = await read_body(request, Say)
        message = clean_text("message", say.message, self._max_message_chars)
        session_id = None if say.session_id is None else check_session_id(say.session_id)
        turn = await self._conversations.say(message, session_id)
        return await answer_whole(turn) if wants_json(request) else stream_turn(turn)


def wants_json(request: Request) -> bool:
    """Whether Accept names application/json and neither text/event-stream nor */*."""
    ranges = ",".join(request.headers.getlist("accept")).lower().split(",")
    accepted = {one.partition(";")[0].strip() for one in ranges}
    return "application/json" in accepted and not accepted & {"text/event-stream", "*/*"}


async def answer_whole(turn: Turn) -> JsonAnswer:
    """Wait for the end of the turn; a failed one is an error that still names session and run."""
    ending = await _wait_for_end(turn)
    if isinstance(ending, Failed):
        detail: dict[str, object] = {"session_id": turn.session_id, "run_id": turn.run_id}
        return answer_error(FAILED_TURN_STATUS, ending.code, ending.message, detail=detail)
    answer: WholeAnswer = {
        "answer": turn.text,
        "done": True,
        "session_id": turn.session_id,
        "run_id": turn.run_id,
        "source": ending.source,
        "finish_reason": ending.finish_reason,
        "usage": ending.usage,
        "timings": ending.timings,
    }
    return JsonAnswer(answer)


async def _wait_for_end(turn: Turn) -> Ending:
    async for event in turn.watch():
        if isinstance(event, Done | Failed):
            return event
    raise RuntimeError("the events of a turn ended without done or error")
