"""What a customer can do, as lines of the surface: chat, conversations, their events.

It answers nothing itself. The rule that must not break: every line here asks for nothing but the
id of the conversation, which is the key to it.
"""

from __future__ import annotations

from appliance.errors import (
    Busy,
    EngineFailure,
    HandoffRefused,
    IdentityRefused,
    InvalidField,
    ModelUnavailable,
    Restarting,
    SessionNotFound,
    StoreUnavailable,
    TurnRunning,
)
from appliance.http.chat import Chat
from appliance.http.event_shapes import EventData
from appliance.http.events import Events
from appliance.http.openapi import EVENT_STREAM, Operation, Parameter, Reply
from appliance.http.policies import Policy
from appliance.http.sessions import Sessions
from appliance.http.shapes import (
    Accepted,
    Deleted,
    FeedbackWish,
    Frame,
    HandedOver,
    HandoffWish,
    History,
    Judged,
    Nothing,
    ProvedIdentity,
    Revoked,
    Say,
    SayLater,
    SessionOpened,
    SignedIdentity,
    Stopped,
    WholeAnswer,
)


def list_chat(chat: Chat) -> Operation:
    return Operation(
        "POST",
        "/chat",
        chat.answer,
        "Say one message; the answer streams, or comes whole where Accept asks for JSON alone.",
        (
            Reply(200, "The answer", Frame, EVENT_STREAM),
            Reply(200, "The answer", WholeAnswer),
        ),
        body=Say,
        errors=(
            SessionNotFound,
            TurnRunning,
            Busy,
            Restarting,
            StoreUnavailable,
            ModelUnavailable,
            EngineFailure,
        ),
        policy=Policy.CHAT,
    )


def list_sessions(sessions: Sessions) -> list[Operation]:
    gone = (SessionNotFound, StoreUnavailable)
    return [
        Operation(
            "POST",
            "/sessions",
            sessions.open,
            "Open a conversation. Its id is the key to it: keep it out of addresses.",
            (Reply(201, "Opened", SessionOpened),),
            body=Nothing,
            is_body_required=False,
            errors=(Busy, StoreUnavailable),
            policy=Policy.CHAT,
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/messages",
            sessions.say,
            "Say one message; the answer comes as events.",
            (Reply(202, "The message is kept and will be answered", Accepted),),
            body=SayLater,
            errors=(*gone, TurnRunning, Busy, Restarting, ModelUnavailable),
            policy=Policy.CHAT,
        ),
        Operation(
            "GET",
            "/sessions/{session_id}/messages",
            sessions.read,
            "What was said, and the answer that is under way.",
            (Reply(200, "The conversation", History),),
            errors=gone,
            policy=Policy.CHAT,
        ),
    ]


def list_acts(sessions: Sessions) -> list[Operation]:
    """What is done to a conversation besides talking."""
    gone = (SessionNotFound, StoreUnavailable)
    return [
        Operation(
            "POST",
            "/sessions/{session_id}/stop",
            sessions.stop,
            "End the answer that is under way; what was said of it is kept.",
            (Reply(200, "Whether one was under way", Stopped),),
            body=Nothing,
            is_body_required=False,
            errors=gone,
            policy=Policy.CHAT,
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/handoff",
            sessions.hand_over,
            "Ask for a person, or say that none is needed any more.",
            (Reply(200, "Who the conversation belongs to now", HandedOver),),
            body=HandoffWish,
            is_body_required=False,
            errors=(*gone, HandoffRefused, TurnRunning),
            policy=Policy.CHAT,
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/feedback",
            sessions.judge,
            "Say whether an answer helped, and why not.",
            (Reply(200, "What stands with the answer now", Judged),),
            body=FeedbackWish,
            errors=(*gone, InvalidField),
            policy=Policy.CHAT,
        ),
    ]


def list_visit(sessions: Sessions) -> list[Operation]:
    """Who it is that talks, and the end of it."""
    gone = (SessionNotFound, StoreUnavailable)
    return [
        Operation(
            "POST",
            "/sessions/{session_id}/identity",
            sessions.identify,
            "Tell who the visitor is, by the signed word of the site that shows the widget.",
            (Reply(200, "Who that is", ProvedIdentity),),
            body=SignedIdentity,
            errors=(*gone, IdentityRefused),
            policy=Policy.CHAT,
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/revoke",
            sessions.revoke,
            "Close the conversation: its id opens nothing any more; what was said stays its days.",
            (Reply(200, "It is closed", Revoked),),
            body=Nothing,
            is_body_required=False,
            errors=(*gone, TurnRunning),
            policy=Policy.CHAT,
        ),
        Operation(
            "DELETE",
            "/sessions/{session_id}",
            sessions.forget,
            "Delete the conversation and everything kept for it.",
            (Reply(200, "What was deleted", Deleted),),
            errors=gone,
            policy=Policy.CHAT,
        ),
    ]


def list_events(events: Events) -> Operation:
    return Operation(
        "GET",
        "/sessions/{session_id}/events",
        events.stream,
        "All that happened in the conversation and then all that happens, as server-sent events. "
        "A client that comes back sends the last id it saw, as Last-Event-ID or as ?after=.",
        (Reply(200, "Events for as long as the client stays", EventData, EVENT_STREAM),),
        errors=(SessionNotFound, InvalidField, StoreUnavailable),
        parameters=(
            Parameter("after", "query", "Number of the last event that was seen."),
            Parameter("Last-Event-ID", "header", "The same; goes before it."),
        ),
        policy=Policy.CHAT,
    )
