"""The surface of the appliance: one table from which the routes and their contract are made.

It answers nothing itself. The rule that must not break: what is not in this table does not
exist, what is in it is described in `/openapi.json`, and who may use it is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.types import Lifespan

from appliance.dialogue.conversations import Conversations
from appliance.dialogue.identity import Identities
from appliance.http.answers import JsonAnswer
from appliance.http.chat import Chat
from appliance.http.chat_routes import list_acts, list_chat, list_events, list_sessions, list_visit
from appliance.http.errors import build_exception_handlers
from appliance.http.events import Events
from appliance.http.forwarded import build_forwarded
from appliance.http.guarded import Check, GuardedRoute, GuardedSocket, let_everybody_in
from appliance.http.metrics import Figures, Metrics
from appliance.http.openapi import Operation, Reply, Schema, describe
from appliance.http.ops import Ops, Readiness
from appliance.http.page_routes import list_ops, list_pages, list_widget
from appliance.http.pages import Pages
from appliance.http.policies import Policy, check_policies
from appliance.http.rates import Rates
from appliance.http.sessions import Sessions
from appliance.http.shield import build_shield
from appliance.http.socket import Sockets
from appliance.http.widget import Widget
from appliance.settings import Settings


def build_http(
    conversations: Conversations,
    identities: Identities,
    report: Callable[[], Readiness],
    measure: Callable[[], Figures],
    web_folder: Path,
    settings: Settings,
    lifespan: Lifespan[Starlette] | None = None,
    more: Sequence[Operation] = (),
    check: Check = let_everybody_in,
    rates: Rates | None = None,
    layers: Sequence[Middleware] = (),
) -> Starlette:
    """The whole room as one ASGI application; `more` are operations of other modules. `layers`
    stand before the shield, and also behind a proxy they see who asks."""
    rates = rates or Rates(settings)
    operations = list_operations(
        conversations, identities, report, measure, web_folder, settings, rates
    )
    sockets = Sockets(conversations, rates, settings.max_message_chars)
    application = Starlette(
        routes=[
            *build_routes([*operations, *more], check),
            GuardedSocket("/ws", sockets.talk, Policy.CHAT, check),
        ],
        middleware=[
            *build_forwarded(settings.trusted_proxies),
            *layers,
            *build_shield(settings, rates),
        ],
        exception_handlers=build_exception_handlers(),
        lifespan=lifespan,
    )
    application.state.sockets = sockets
    application.router.redirect_slashes = False  # it would build an address from the Host header
    check_policies(application.routes)
    return application


def list_operations(
    conversations: Conversations,
    identities: Identities,
    report: Callable[[], Readiness],
    measure: Callable[[], Figures],
    web_folder: Path,
    settings: Settings,
    rates: Rates,
) -> list[Operation]:
    sessions = Sessions(conversations, identities, settings.max_message_chars, rates)
    pages = Pages(web_folder)
    return [
        list_chat(Chat(conversations, settings.max_message_chars, rates)),
        *list_sessions(sessions),
        *list_acts(sessions),
        *list_visit(sessions),
        list_events(Events(conversations)),
        *list_ops(Ops(report), Metrics(measure)),
        *list_pages(pages),
        *list_widget(Widget(pages, settings.widget_origins)),
    ]


def build_routes(operations: Sequence[Operation], check: Check) -> list[GuardedRoute]:
    """`operations`, and the contract of them all."""
    contract = Contract()
    reply = Reply(200, "OpenAPI 3.2")
    whole = [
        *operations,
        Operation(
            "GET", "/openapi.json", contract.show, "This document.", (reply,), policy=Policy.OPEN
        ),
    ]
    contract.operations = whole
    return [GuardedRoute(operation, check) for operation in whole]


class Contract:
    """What every operation is, written down when somebody first asks: 0.2 s that no start needs."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._described: Schema | None = None

    async def show(self, _request: Request) -> JsonAnswer:
        if self._described is None:
            self._described = await to_thread.run_sync(describe, self.operations)
        return JsonAnswer(self._described)
