"""A route together with its policy: nothing reaches its handler that was not checked.

It decides nothing: the check is handed in, and the body's limit with it. The rule that must not
break: the check stands between the router and the handler, so no route can be reached around it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from appliance.http.openapi import Operation
from appliance.http.policies import Access, Policy

Check: TypeAlias = Callable[[Scope, Policy], Awaitable[Access]]
"""Returns what the request is, or raises the ApplianceError that refuses it."""


async def let_everybody_in(_scope: Scope, policy: Policy) -> Access:
    return Access(policy)


class GuardedRoute(Route):
    """`operation` as a route that is checked first."""

    def __init__(self, operation: Operation, check: Check) -> None:
        super().__init__(operation.path, operation.handler, methods=[operation.method])
        self.policy = operation.policy
        self.app = Gate(self.app, operation.policy, check)


class GuardedSocket(WebSocketRoute):
    """A WebSocket's route that is checked first."""

    def __init__(
        self,
        path: str,
        handler: Callable[[WebSocket], Awaitable[None]],
        policy: Policy,
        check: Check,
    ) -> None:
        super().__init__(path, handler)
        self.policy = policy
        self.app = Gate(self.app, policy, check)


class Gate:
    def __init__(self, app: ASGIApp, policy: Policy, check: Check) -> None:
        self._app = app
        self._policy = policy
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        access = await self._check(scope, self._policy)
        scope.setdefault("state", {})["access"] = access
        await self._app(scope, receive, send)
