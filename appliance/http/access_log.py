"""One log line for each request, a number for it that the answer carries, and a count by status.

It answers nothing and changes no body. A line names the route's template and never the path that
was asked, for a path holds the id of a conversation. The rule that must not break: nothing that a
client may choose freely stands in a line: no path, no query, no header, no body.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Mapping

import structlog
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from appliance.http.policies import Access
from appliance.store.sessions import key_of

# Its client went away before there was an answer; the number is the one that proxies log for it.
CLIENT_LEFT = 499
# What a socket that was let in is answered with.
SWITCHED = 101
SOCKET = "WS"
METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
OTHER = "other"
# Asked every few seconds by machines, whatever the answer; and dozens at once by a page, of which
# only those are told that went wrong.
PROBES = ("/healthz", "/readyz", "/metrics")
FILES = ("/web/{path:path}",)
SESSION_CHARS = 12


class RequestLog:
    """What was answered since the start, by status."""

    def __init__(self) -> None:
        self._answers: Counter[str] = Counter()
        self._log = structlog.get_logger("appliance.request")

    def measure(self) -> Mapping[str, int]:
        return dict(self._answers)

    def tell(self, scope: Scope, status: int, sent_bytes: int, took_s: float) -> None:
        self._answers[str(status)] += 1
        route = getattr(scope.get("route"), "path", OTHER)
        if route in PROBES or (route in FILES and status < 400):
            return
        tell = self._log.info if status < 500 else self._log.warning
        tell(
            "request",
            method=_tell_method(scope),
            route=route,
            status=status,
            ms=round(took_s * 1000, 1),
            bytes=sent_bytes,
            **_tell_access(scope),
            **_tell_session(scope),
        )


def _tell_method(scope: Scope) -> str:
    if scope["type"] == "websocket":
        return SOCKET
    method: str = scope["method"]
    return method if method in METHODS else OTHER


def _tell_access(scope: Scope) -> dict[str, str]:
    """By which right it was asked: the route's policy, and the key's id or the account."""
    access = scope.get("state", {}).get("access")
    if not isinstance(access, Access):
        return {}
    return {"scope": access.policy.value} | ({"who": access.who} if access.who else {})


def _tell_session(scope: Scope) -> dict[str, str]:
    """As all other lines name a conversation: the beginning of the hash of its id."""
    session_id = scope.get("path_params", {}).get("session_id")
    return {"session": key_of(session_id)[:SESSION_CHARS]} if session_id else {}


class AccessLog:
    """The outermost layer: what the layers below refuse is counted and told too."""

    def __init__(self, app: ASGIApp, log: RequestLog) -> None:
        self._app = app
        self._requests = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        status, sent_bytes, began_s = CLIENT_LEFT, 0, time.perf_counter()
        request_id = secrets.token_hex(8)
        # Every line of this task, and of the turn that it begins, carries the number.
        clear_contextvars()
        bind_contextvars(request=request_id)

        async def send_and_count(message: Message) -> None:
            nonlocal status, sent_bytes
            match message["type"]:
                case "http.response.start" | "websocket.http.response.start":
                    status = message["status"]
                    MutableHeaders(scope=message)["X-Request-Id"] = request_id
                case "websocket.accept":
                    status = SWITCHED
            sent_bytes += _measure(message)
            await send(message)

        try:
            await self._app(scope, receive, send_and_count)
        finally:
            self._requests.tell(scope, status, sent_bytes, time.perf_counter() - began_s)


def watch_requests(application: Starlette) -> RequestLog:
    """Put the layer around all others, and return what it counts."""
    log = RequestLog()
    application.add_middleware(AccessLog, log=log)
    return log


def _measure(message: Message) -> int:
    """The bytes of a body or of a socket's message."""
    told = message.get("body") or message.get("bytes") or b""
    text = message.get("text") or ""
    return len(told) + len(text.encode("utf-8", "replace"))
