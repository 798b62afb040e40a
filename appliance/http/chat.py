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
from appliance.errors import Restarting
from appliance.events import Done, Ending, Failed
from appliance.http.answers import JsonAnswer, show_end
from appliance.http.body import check_session_id, clean_text, read_body
from appliance.http.errors import answer_error
from appliance.http.frames import PARKED, stream_turn
from appliance.http.rates import Rates
from appliance.http.shapes import Say, WholeAnswer

FAILED_TURN_STATUS = 503


class Chat:
    def __init__(self, conversations: Conversations, max_message_chars: int, rates: Rates) -> None:
        self._conversations = conversations
        self._max_message_chars = max_message_chars
        self._rates = rates

    async def answer(self, request: Request) -> Response:
        say = await read_body(request, Say)
        message = clean_text("message", say.message, self._max_message_chars)
        session_id = None if say.session_id is None else check_session_id(say.session_id)
        with self._rates.seat(request.scope, session_id) as seat:
            asked = await self._conversations.say(message, session_id)
            seat.turn = asked.turn
        assert asked.turn is not None, "only a repeated client id begins no turn"
        if wants_json(request):
            return await answer_whole(asked.turn, asked.session_id)
        return stream_turn(asked.turn, asked.session_id)


def wants_json(request: Request) -> bool:
    """Whether Accept names application/json and neither text/event-stream nor */*."""
    ranges = ",".join(request.headers.getlist("accept")).lower().split(",")
    accepted = {one.partition(";")[0].strip() for one in ranges}
    return "application/json" in accepted and not accepted & {"text/event-stream", "*/*"}


async def answer_whole(turn: Turn, session_id: str) -> JsonAnswer:
    """Wait for the end of the turn; a failed one is an error that still names session and run."""
    ending = await _wait_for_end(turn)
    if not isinstance(ending, Done):
        detail: dict[str, object] = {"session_id": session_id, "run_id": turn.run_id}
        error = PARKED if ending is None else {"code": ending.code, "message": ending.message}
        retry_after_s = Restarting.retry_after_s if ending is None else None
        return answer_error(
            FAILED_TURN_STATUS,
            error["code"],
            error["message"],
            detail=detail,
            retry_after_s=retry_after_s,
        )
    answer: WholeAnswer = {
        "answer": turn.text,
        "done": True,
        "session_id": session_id,
        "run_id": turn.run_id,
        **show_end(ending),
    }
    return JsonAnswer(answer)


async def _wait_for_end(turn: Turn) -> Ending | None:
    """None where the turn is parked and goes on after the restart."""
    async for numbered in turn.watch():
        if isinstance(numbered.event, Done | Failed):
            return numbered.event
    return None
