"""The calls on a conversation: open, say, read, stop, hand over, judge, identify, close, forget.

It keeps nothing itself. The rule that must not break: the id stands in the path or the body and
nowhere else, so no log and no address bar ever holds it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from starlette.requests import Request

from appliance.dialogue.conversations import Conversations
from appliance.dialogue.identity import Identities
from appliance.dialogue.turn import Turn
from appliance.errors import InvalidField
from appliance.events import label_of
from appliance.http.answers import JsonAnswer, dump, show_handoff
from appliance.http.body import clean_text, get_session_id, read_body, read_optional_body
from appliance.http.rates import Rates
from appliance.http.shapes import (
    Accepted,
    Deleted,
    FeedbackWish,
    HandedOver,
    HandoffWish,
    History,
    HistoryMessage,
    Judged,
    Nothing,
    ProvedIdentity,
    Revoked,
    RunningTurn,
    SayLater,
    SessionOpened,
    ShownFeedback,
    ShownReceipt,
    SignedIdentity,
    Stopped,
)
from appliance.store.feedback import Feedback
from appliance.store.identities import Identity
from appliance.store.messages import StoredMessage

# A longer history is told beside the event loop, so many at a time.
MOST_AT_ONCE = 100
READS = 2


class Sessions:
    def __init__(
        self,
        conversations: Conversations,
        identities: Identities,
        max_message_chars: int,
        rates: Rates,
    ) -> None:
        self._conversations = conversations
        self._identities = identities
        self._max_message_chars = max_message_chars
        self._rates = rates
        self._reads = asyncio.Semaphore(READS)

    async def open(self, request: Request) -> JsonAnswer:
        await read_optional_body(request, Nothing)
        opened: SessionOpened = {"session_id": await self._conversations.open()}
        return JsonAnswer(opened, 201)

    async def say(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        message = await read_body(request, SayLater)
        text = clean_text("message", message.message, self._max_message_chars)
        with self._rates.seat(request.scope, session_id) as seat:
            asked = await self._conversations.say(text, session_id, message.client_id)
            seat.turn = asked.turn
        accepted: Accepted = {"run_id": asked.run_id, "event_id": asked.number}
        return JsonAnswer(accepted, 202)

    async def read(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        identity = await self._identities.find(session_id)
        async with self._reads:
            transcript = await self._conversations.read(session_id)
            # Taken before anything else is waited for: else the answer under way would have grown.
            empty: History = {
                "messages": [],
                "running": _show_running(transcript.running),
                "handoff": transcript.handoff.state,
                "handoff_told": show_handoff(transcript.handoff),
                "identity": _show_identity(identity) if identity else None,
                "event_id": transcript.last_number,
            }
            if len(transcript.messages) <= MOST_AT_ONCE:
                return JsonAnswer(_dump_history(empty, transcript.messages))
            told = await asyncio.to_thread(_dump_history, empty, transcript.messages)
            return JsonAnswer(told)

    async def stop(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        await read_optional_body(request, Nothing)
        stopped: Stopped = {"stopped": await self._conversations.stop(session_id)}
        return JsonAnswer(stopped)

    async def hand_over(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        wish = await read_optional_body(request, HandoffWish)
        event = await self._conversations.hand_over(session_id, wish.state, wish.language)
        is_waiting = event.state == "waiting"
        words = self._conversations.tell("contact", wish.language) if is_waiting else ""
        now: HandedOver = {"handoff": event.state, "message": words, **show_handoff(event)}
        return JsonAnswer(now)

    async def judge(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        wish = await read_body(request, FeedbackWish)
        if wish.reason and wish.verdict != "down":
            raise InvalidField("reason", 'A reason goes with the verdict "down" alone.')
        feedback = Feedback(wish.verdict, wish.reason) if wish.verdict else None
        await self._conversations.judge(session_id, wish.run_id, feedback)
        judged: Judged = {"feedback": _show_feedback(feedback) if feedback else None}
        return JsonAnswer(judged)

    async def identify(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        signed = await read_body(request, SignedIdentity)
        identity = await self._identities.prove(session_id, signed.token, int(time.time()))
        return JsonAnswer(_show_identity(identity))

    async def revoke(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        await read_optional_body(request, Nothing)
        await self._conversations.revoke(session_id)
        revoked: Revoked = {"revoked": True}
        return JsonAnswer(revoked)

    async def forget(self, request: Request) -> JsonAnswer:
        forgotten = await self._conversations.forget(get_session_id(request))
        receipt: ShownReceipt | None = None
        if kept := forgotten.receipt:
            receipt = {
                "session": kept.session,
                "keys_destroyed": kept.keys_destroyed,
                "audit_row": kept.audit_row,
                "at_ms": kept.at_ms,
                "mac": kept.mac,
            }
        counts: Deleted = {
            "deleted": {"messages": forgotten.messages, "turns": forgotten.turns},
            "receipt": receipt,
        }
        return JsonAnswer(counts)


def _dump_history(empty: History, messages: Sequence[StoredMessage]) -> bytes:
    """Message by message: whoever dumps many at once lets no other thread run meanwhile."""
    told = ", ".join(dump(_show_message(message)) for message in messages)
    head = '{"messages": ['
    return f"{head}{told}{dump(empty).removeprefix(head)}".encode()


def _show_feedback(feedback: Feedback) -> ShownFeedback:
    return {"verdict": feedback.verdict, "reason": feedback.reason}


def _show_message(message: StoredMessage) -> HistoryMessage:
    shown: HistoryMessage = {
        "id": message.position,
        "role": message.role,
        "text": message.text,
        "created_ms": message.created_ms,
        "run_id": message.run_id,
    }
    if message.account:
        shown["name"] = message.account
    if message.source is not None:
        shown["source"] = message.source
        shown["label"] = label_of(message.source, message.rule)
        shown["score"] = message.score
        shown["rule"] = message.rule
        shown["cached"] = message.is_cached
        shown["sources"] = list(message.sources)
        shown["suggestions"] = list(message.suggestions)
    if message.finish_reason is not None:
        shown["finish_reason"] = message.finish_reason
    if message.total_ms is not None:
        shown["total_ms"] = message.total_ms
    if message.error_code is not None:
        shown["error"] = {"code": message.error_code, "message": message.error_message or ""}
    if message.feedback is not None:
        shown["feedback"] = _show_feedback(message.feedback)
    return shown


def _show_identity(identity: Identity) -> ProvedIdentity:
    return {"id": identity.id, "name": identity.name}


def _show_running(turn: Turn | None) -> RunningTurn | None:
    if turn is None:
        return None
    return {
        "run_id": turn.run_id,
        "text": turn.text,
        "source": turn.started.source if turn.started else None,
        "queued": turn.queued,
    }
