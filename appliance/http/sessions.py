"""The calls on a conversation: open, read, stop, forget.

It keeps nothing itself. The rule that must not break: the id stands in the path or the body and
nowhere else, so no log and no address bar ever holds it.
"""

from __future__ import annotations

from starlette.requests import Request

from appliance.dialogue.conversations import Conversations
from appliance.dialogue.turn import Turn
from appliance.http.answers import JsonAnswer
from appliance.http.body import check_session_id, read_optional_body
from appliance.http.shapes import (
    Deleted,
    History,
    HistoryMessage,
    Nothing,
    RunningTurn,
    SessionOpened,
    Stopped,
)
from appliance.store.sessions import StoredMessage


class Sessions:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def open(self, request: Request) -> JsonAnswer:
        await read_optional_body(request, Nothing)
        opened: SessionOpened = {"session_id": await self._conversations.open()}
        return JsonAnswer(opened, 201)

    async def read(self, request: Request) -> JsonAnswer:
        transcript = await self._conversations.read(_get_session_id(request))
        history: History = {
            "messages": [_show_message(message) for message in transcript.messages],
            "running": _show_running(transcript.running),
        }
        return JsonAnswer(history)

    async def stop(self, request: Request) -> JsonAnswer:
        session_id = _get_session_id(request)
        await read_optional_body(request, Nothing)
        stopped: Stopped = {"stopped": await self._conversations.stop(session_id)}
        return JsonAnswer(stopped)

    async def forget(self, request: Request) -> JsonAnswer:
        forgotten = await self._conversations.forget(_get_session_id(request))
        counts: Deleted = {"deleted": {"messages": forgotten.messages, "turns": forgotten.turns}}
        return JsonAnswer(counts)


def _get_session_id(request: Request) -> str:
    return check_session_id(request.path_params["session_id"])


def _show_message(message: StoredMessage) -> HistoryMessage:
    shown: HistoryMessage = {
        "id": message.position,
        "role": message.role,
        "text": message.text,
        "created_ms": message.created_ms,
        "run_id": message.run_id,
    }
    if message.source is not None:
        shown["source"] = message.source
    if message.finish_reason is not None:
        shown["finish_reason"] = message.finish_reason
    if message.total_ms is not None:
        shown["total_ms"] = message.total_ms
    if message.error_code is not None:
        shown["error"] = {"code": message.error_code, "message": message.error_message or ""}
    return shown


def _show_running(turn: Turn | None) -> RunningTurn | None:
    if turn is None:
        return None
    return {"run_id": turn.run_id, "text": turn.text, "queued": turn.queued}
