"""What stands before every route, as a list from the outside in.

Each layer is a small pure ASGI class with one duty; it knows no session and no route. What stands
before it, below ASGI, is `connections.py`; what comes after it is `guarded.py`. The rule
that must not break: no answer leaves without the security headers, errors included, so the
headers are the outermost layer.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.errors import BodyTooLarge
from appliance.http.api_errors import ApiErrors, find_kind
from appliance.http.checkpoint import (
    Checkpoint,
    build_host_check,
    check_content_type,
    check_headers,
    check_origin,
    check_path,
)
from appliance.http.errors import ErrorBoundary, answer_appliance_error
from appliance.http.rates import Rates
from appliance.settings import Settings


def build_policy(
    ancestors: str = "'none'",
    *more: str,
    scripts: Iterable[str] = (),
    styles: Iterable[str] = (),
) -> str:
    """What a page may load, and `ancestors` that may show it in a frame. `scripts` and `styles`
    are the hashes of what stands in the page itself."""
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(("script-src 'self'", *scripts)),
            " ".join(("style-src 'self'", *styles)),
            "img-src 'self' data:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            f"frame-ancestors {ancestors}",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
            *more,
        )
    )


# On every answer. One that is no page may load nothing, wherever somebody opens it.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# On a page, which brings a policy of its own: what they rule only a document can do.
DOCUMENT_HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
}

# One character of a message takes at most 12 bytes of JSON: an escaped surrogate pair.
BYTES_PER_CHAR = 12
BODY_OVERHEAD_BYTES = 1024
# A client of the open interface sends the whole conversation each time, and an operator's page a
# whole list of replies or a whole file of the knowledge.
API_BODY_BYTES = 1 << 20
CONSOLE_CALLS = "/console/"

# Python refuses to read a number of thousands of digits; these are already too many bytes.
MAX_LENGTH_DIGITS = 18


def build_shield(settings: Settings, rates: Rates) -> list[Middleware]:
    max_body_bytes = BYTES_PER_CHAR * settings.max_message_chars + BODY_OVERHEAD_BYTES
    check_host = build_host_check(settings.hosts)
    return [
        Middleware(SecurityHeaders),
        Middleware(ApiErrors),
        Middleware(ErrorBoundary),
        Middleware(Checkpoint, checks=(check_host, check_headers, check_path)),
        Middleware(BodyLimit, max_body_bytes=max_body_bytes),
        Middleware(Checkpoint, checks=(check_origin, check_content_type, rates.check_address)),
    ]


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class BodyLimit:
    """Refuses a body by its declared length before reading it, any other while it arrives.

    Starlette's own limit answers a declared length in plain text, whatever a handler says.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_large = find_kind(scope) or scope["path"].startswith(CONSOLE_CALLS)
        most_bytes = API_BODY_BYTES if is_large else self._max_body_bytes
        if _get_declared_bytes(scope) > most_bytes:
            await answer_appliance_error(_make_error(most_bytes))(scope, receive, send)
            return
        received_bytes = 0

        async def receive_counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > most_bytes:
                raise _make_error(most_bytes)
            return message

        await self._app(scope, receive_counted, send)


def _make_error(most_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is longer than {most_bytes} bytes; send less.")


def _get_declared_bytes(scope: Scope) -> int:
    declared = Headers(scope=scope).get("content-length", "0")
    return int(declared[:MAX_LENGTH_DIGITS]) if declared.isdecimal() else 0
