"""A layer before the shield: it notes of every request how it ended, and changes nothing.

It writes nothing itself; `note` is handed in. The rule that must not break: what it notes is the
pattern of the route and never the path, because a path holds the id of a conversation.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.store.network_log import Request

NO_ROUTE = "-"
SWITCHED = 101
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    def __init__(self, app: ASGIApp, note: Callable[[Request], None]) -> None:
        self._app = app
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        began_s, status, sent_bytes = time.monotonic(), 0, 0

        async def count(message: Message) -> None:
            nonlocal status, sent_bytes
            kind = message["type"]
            if kind.endswith(".response.start"):
                status = message["status"]
            elif kind == "websocket.accept":
                status = SWITCHED
            sent_bytes += len(message.get("body") or message.get("bytes") or b"")
            sent_bytes += len((message.get("text") or "").encode())
            await send(message)

        try:
            await self._app(scope, receive, count)
        finally:
            self._note(_describe(scope, status, sent_bytes, time.monotonic() - began_s))


def _describe(scope: Scope, status: int, sent_bytes: int, took_s: float) -> Request:
    method = scope.get("method", "GET")
    access = scope.get("state", {}).get("access")
    client = scope.get("client")
    return Request(
        at_ms=time.time_ns() // 1_000_000,
        client=client[0] if client else "",
        method=method if method in KNOWN_METHODS else "-",
        route=getattr(scope.get("route"), "path", NO_ROUTE),
        status=status,
        sent_bytes=sent_bytes,
        took_ms=round(took_s * 1000, 1),
        access=str(access.policy) if access is not None else "",
    )
