"""Who asks, where a trusted proxy stands before the appliance: its word for address and scheme.

It trusts nobody unless the owner named the proxy's own address. The rule that must not break: from
anybody else, and for what no address can be, `X-Forwarded-For` changes nothing; of several
addresses the last one that is no trusted proxy's counts, for what stands before it was written by
anybody.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from appliance.http.addresses import read_address

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
MAX_PASSED = 16
SECURE = {"http": "https", "ws": "wss"}


class Proxies:
    """The networks whose word for an address is taken, with blanks between."""

    def __init__(self, networks: str) -> None:
        self._networks: tuple[Network, ...] = tuple(map(ipaddress.ip_network, networks.split()))

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trust(self, address: str) -> bool:
        read = read_address(address)
        return read is not None and any(read in network for network in self._networks)

    def find_client(self, peer: str, passed: Sequence[str]) -> str:
        """The one who asks: `peer` connected, `passed` is what the proxies say, as it came."""
        client = peer
        chain = ",".join(passed).split(",") if passed else []
        for text in reversed(chain[-MAX_PASSED:]):
            address = read_address(text.strip())
            if not self.trust(client) or address is None:
                break
            client = str(address)
        return client


class Forwarded:
    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer, port = scope.get("client") or ("", 0)
        if self._proxies.trust(peer):
            headers = Headers(scope=scope)
            client = self._proxies.find_client(peer, headers.getlist("x-forwarded-for"))
            scope = {**scope, "client": (client, port if client == peer else 0)}
            if headers.getlist("x-forwarded-proto")[-1:] == ["https"]:
                scope["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])
        await self._app(scope, receive, send)


def build_forwarded(networks: str) -> list[Middleware]:
    """Before everything that asks who a client is; nothing where no proxy is trusted."""
    proxies = Proxies(networks)
    return [Middleware(Forwarded, proxies=proxies)] if proxies else []
