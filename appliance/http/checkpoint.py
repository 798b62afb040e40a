"""What is refused by the head of a request alone, before its route is known and its body is read.

Each check is a function of the scope that raises the error; none looks at a session. The rule
that must not break: what another site's page can make a browser send changes nothing here, and
the path that is checked is the one that is routed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.errors import (
    ApplianceError,
    ForeignOrigin,
    HeadersTooLarge,
    InvalidRequest,
    UnknownHost,
    WrongContentType,
)
from appliance.http.addresses import HostNames, find_own_address
from appliance.http.body import JSON_TYPE
from appliance.http.errors import answer_appliance_error

HeadCheck: TypeAlias = Callable[[Scope], None]

MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 100
# ": " and the line's end.
HEADER_OVERHEAD_BYTES = 4
READING = frozenset({"GET", "HEAD", "OPTIONS"})
UNWANTED_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\\\ufffd\ud800-\udfff]")
ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9._:\[\]-]+)", re.ASCII)
CONSOLE = "/console"
# The cookie of an operator's session.
COOKIE = "appliance_console"


class Checkpoint:
    """Pure ASGI: `checks` in their order, for requests and WebSockets alike."""

    def __init__(self, app: ASGIApp, checks: Sequence[HeadCheck]) -> None:
        self._app = app
        self._checks = tuple(checks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            try:
                for check in self._checks:
                    check(scope)
            except ApplianceError as error:
                await answer_appliance_error(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def build_host_check(configured: str) -> HeadCheck:
    names = HostNames(configured)

    def check_host(scope: Scope) -> None:
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) != 1 or not names.know(hosts[0], find_own_address(scope)):
            raise UnknownHost(
                "The appliance does not go by that name; the setting `hosts` lists more names."
            )

    return check_host


def check_headers(scope: Scope) -> None:
    headers = scope["headers"]
    taken = sum(len(name) + len(value) + HEADER_OVERHEAD_BYTES for name, value in headers)
    if taken > MAX_HEADER_BYTES or len(headers) > MAX_HEADERS:
        raise HeadersTooLarge(
            f"The headers are more than {MAX_HEADERS}, or longer than {MAX_HEADER_BYTES} bytes."
        )


def check_path(scope: Scope) -> None:
    """On what the router sees, never on a path that was put together from the Host header."""
    path = scope["path"]
    if scope.get("http_version", "1.1") not in ("1.0", "1.1", "2"):
        raise InvalidRequest("This version of HTTP is not spoken here.")
    if UNWANTED_IN_A_PATH.search(path) or not path.startswith("/"):
        raise InvalidRequest("The address holds characters that no address here has.")


def check_origin(scope: Scope) -> None:
    """That no page of another site is behind a request that may change something.

    A browser names the page's origin, or says that it is the same; what says neither, and is known
    by no cookie, is no browser.
    """
    is_socket = scope["type"] == "websocket"
    if not is_socket and scope["method"] in READING:
        return
    headers = Headers(scope=scope)
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    if any(site != "same-origin" for site in sites) and not is_socket:
        raise ForeignOrigin("The page of another site may not do this.")
    if any(not _is_own(origin, headers["host"], scope["scheme"]) for origin in origins):
        raise ForeignOrigin("The page of another site may not do this.")
    if origins:
        return
    if scope["path"].startswith(CONSOLE):
        raise ForeignOrigin("The console's calls name the page that they come from: send Origin.")
    if not sites and f"{COOKIE}=" in headers.get("cookie", ""):
        raise ForeignOrigin("A call with the console's cookie has to name its page: send Origin.")


def _is_own(origin: str, host: str, scheme: str) -> bool:
    """Behind a proxy that ends TLS the page's scheme is not ours."""
    page = ORIGIN.fullmatch(origin)
    if page is None or (scheme in ("https", "wss") and page["scheme"] != "https"):
        return False
    return page["host"] == host.lower()


def check_content_type(scope: Scope) -> None:
    """A form or plain text is what another site's page may send without being asked."""
    if scope["type"] != "http" or scope["method"] in READING:
        return
    headers = Headers(scope=scope)
    kinds = headers.getlist("content-type")
    has_body = "transfer-encoding" in headers or headers.get("content-length", "0").strip("0")
    if not kinds and not has_body:
        return
    if len(kinds) != 1 or not JSON_TYPE.fullmatch(kinds[0].strip()):
        raise WrongContentType("Send the body as Content-Type: application/json, in UTF-8.")
