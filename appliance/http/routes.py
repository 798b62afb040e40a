"""The surface of the appliance: one table from which the routes and their contract are made.

It answers nothing itself. The rule that must not break: what is not in this table does not
exist, and what is in it is described in `/openapi.json`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Lifespan

from appliance.dialogue.conversations import Conversations
from appliance.dialogue.identity import Identities
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
from appliance.http.answers import JsonAnswer
from appliance.http.chat import Chat
from appliance.http.errors import build_exception_handlers
from appliance.http.events import Events
from appliance.http.forwarded import build_forwarded
from appliance.http.metrics import Figures, Metrics
from appliance.http.openapi import EVENT_STREAM, Operation, Parameter, Reply, describe
from appliance.http.ops import Ops, Readiness
from appliance.http.pages import Pages
from appliance.http.sessions import Sessions
from appliance.http.shapes import (
    Accepted,
    Deleted,
    EventData,
    FeedbackWish,
    Frame,
    HandedOver,
    HandoffWish,
    Health,
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
from appliance.http.shield import build_shield
from appliance.http.widget import Widget
from appliance.settings import Settings

HTML = "text/html"


def build_http(
    conversations: Conversations,
    identities: Identities,
    report: Callable[[], Readiness],
    measure: Callable[[], Figures],
    web_folder: Path,
    settings: Settings,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """The whole room as one ASGI application."""
    application = Starlette(
        routes=build_routes(conversations, identities, report, measure, web_folder, settings),
        middleware=[
            *build_forwarded(settings.trusted_proxies),
            *build_shield(settings.max_message_chars),
        ],
        exception_handlers=build_exception_handlers(),
        lifespan=lifespan,
    )
    application.router.redirect_slashes = False  # it would build an address from the Host header
    return application


def build_routes(
    conversations: Conversations,
    identities: Identities,
    report: Callable[[], Readiness],
    measure: Callable[[], Figures],
    web_folder: Path,
    settings: Settings,
) -> list[Route]:
    async def show_contract(_request: Request) -> JsonAnswer:
        return JsonAnswer(contract)

    sessions = Sessions(conversations, identities, settings.max_message_chars)
    pages = Pages(web_folder)
    operations = [
        _list_chat(Chat(conversations, settings.max_message_chars)),
        *_list_sessions(sessions),
        *_list_acts(sessions),
        *_list_visit(sessions),
        _list_events(Events(conversations)),
        *_list_ops(Ops(report), Metrics(measure)),
        Operation(
            "GET", "/openapi.json", show_contract, "This document.", (Reply(200, "OpenAPI 3.2"),)
        ),
        *_list_pages(pages),
        *_list_widget(Widget(pages, settings.widget_origins)),
    ]
    contract = describe(operations)
    return [
        Route(operation.path, operation.handler, methods=[operation.method])
        for operation in operations
    ]


def _list_chat(chat: Chat) -> Operation:
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
    )


def _list_sessions(sessions: Sessions) -> list[Operation]:
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
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/messages",
            sessions.say,
            "Say one message; the answer comes as events.",
            (Reply(202, "The message is kept and will be answered", Accepted),),
            body=SayLater,
            errors=(*gone, TurnRunning, Busy, Restarting, ModelUnavailable),
        ),
        Operation(
            "GET",
            "/sessions/{session_id}/messages",
            sessions.read,
            "What was said, and the answer that is under way.",
            (Reply(200, "The conversation", History),),
            errors=gone,
        ),
    ]


def _list_acts(sessions: Sessions) -> list[Operation]:
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
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/feedback",
            sessions.judge,
            "Say whether an answer helped, and why not.",
            (Reply(200, "What stands with the answer now", Judged),),
            body=FeedbackWish,
            errors=(*gone, InvalidField),
        ),
    ]


def _list_visit(sessions: Sessions) -> list[Operation]:
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
        ),
        Operation(
            "DELETE",
            "/sessions/{session_id}",
            sessions.forget,
            "Delete the conversation and everything kept for it.",
            (Reply(200, "What was deleted", Deleted),),
            errors=gone,
        ),
    ]


def _list_events(events: Events) -> Operation:
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
    )


def _list_ops(ops: Ops, metrics: Metrics) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/healthz",
            ops.show_health,
            "Whether the process lives.",
            (Reply(200, "It does", Health),),
        ),
        Operation(
            "GET",
            "/readyz",
            ops.show_readiness,
            "Which rungs can answer, and why others cannot.",
            (Reply(200, "The model answers", Readiness), Reply(503, "It does not", Readiness)),
        ),
        Operation(
            "GET",
            "/metrics",
            metrics.show,
            "Every number, in Prometheus's text format.",
            (Reply(200, "Text", None, "text/plain"),),
        ),
    ]


def _list_pages(pages: Pages) -> list[Operation]:
    html = (Reply(200, "HTML", None, HTML),)
    return [
        Operation("GET", "/", pages.show_index, "The page.", html),
        Operation("GET", "/kiosk", pages.show_kiosk, "The page of a screen at the counter.", html),
        Operation(
            "GET",
            "/web/{path:path}",
            pages.show_file,
            "A file of the page.",
            (Reply(200, "The file", None, "*/*"),),
        ),
    ]


def _list_widget(widget: Widget) -> list[Operation]:
    script, html = Reply(200, "JavaScript", None, "text/javascript"), Reply(200, "HTML", None, HTML)
    return [
        Operation("GET", "/widget.js", widget.show_loader, "The widget's loader.", (script,)),
        Operation(
            "GET",
            "/widget",
            widget.show_frame,
            "The widget's frame, to a site named in ?origin= only if it is on the list.",
            (html, Reply(403, "A page that says that the site is not on the list", None, HTML)),
        ),
    ]
