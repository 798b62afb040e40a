"""One signed call to another system's address that the owner gave: a webhook.

    X-Appliance-Signature: v1=<hex of HMAC-SHA256( secret, "<timestamp>.<body>" )>

It decides neither what is told nor when it is tried again. The rules that must not break: the host
is the owner's and no answer leads to another (no redirect, no proxy of the environment), and of an
answer only its status is read.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from appliance.tools.failures import ToolFailed
from appliance.tools.trust import find_trust

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S = 10.0
MAX_URL_CHARS = 1000


async def send_hook(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    transport: httpx2.AsyncBaseTransport | None = None,
    timeout_s: float = TIMEOUT_S,
) -> int:
    """The status of the answer. Raises ToolFailed, TimeoutError."""
    # Imported here: where nobody is told anything, no start waits for it.
    import httpx2

    check_hook_address(url)
    trust = await find_trust()
    async with (
        asyncio.timeout(timeout_s),
        httpx2.AsyncClient(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
            verify=trust,
        ) as client,
    ):
        try:
            sent = {"Content-Type": "application/json", **headers}
            async with client.stream("POST", url, content=body, headers=sent) as answer:
                return int(answer.status_code)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ToolFailed(f"The request failed: {type(error).__name__}.") from None


def sign_hook(secret: str, timestamp_s: int, body: bytes) -> str:
    told = hmac.digest(secret.encode(), f"{timestamp_s}.".encode() + body, "sha256")
    return f"v1={told.hex()}"


def check_hook_address(url: str) -> None:
    """The rules of a declared tool's address. Raises ToolFailed."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ToolFailed("It is no address; write https://host/path.") from None
    if parts.scheme not in ("http", "https") or not host or len(url) > MAX_URL_CHARS:
        raise ToolFailed("It must begin with https:// or http:// and a host.")
    if parts.username is not None or parts.password is not None:
        raise ToolFailed("It holds a name or a password; leave them out.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ToolFailed("It holds characters that no address has.")
