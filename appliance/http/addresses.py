"""Where a request comes from and by which name it calls: addresses as text, judged.

It refuses nothing itself. The rule that must not break: a name is only our own if it is written
exactly as we would write it; whatever needs to be interpreted is foreign.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.types import Scope

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

HOST = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?",
    re.ASCII,
)
MAX_PORT = 65535
# No page of the Internet can have one of these for its own address. Behind a container or a
# router a box does not know which of them is its own.
PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
# Whoever has one IPv6 address has all of its network.
NETWORK_BITS = 64
# What a proxy adds. Its own address says nothing of who asks.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


class HostNames:
    """The names of this appliance."""

    def __init__(self, configured: str) -> None:
        machine = socket.gethostname().lower()
        self._names = frozenset({"localhost", f"{machine}.local", *configured.lower().split()})

    def know(self, host: str, own_address: str) -> bool:
        """Whether `host`, as a client wrote it, is this appliance, which was reached at
        `own_address`."""
        found = HOST.fullmatch(host.lower())
        if found is None or int(found["port"] or 1) > MAX_PORT:
            return False
        name = found["name"]
        if name in self._names:
            return True
        address = read_address(name.strip("[]"))
        # 127.1, 0x7f.1 and [::ffff:127.0.0.1] are addresses only to some.
        if address is None or name != (f"[{address}]" if address.version == 6 else str(address)):
            return False
        return name.strip("[]") == own_address or any(
            address in network for network in PRIVATE if network.version == address.version
        )


def read_address(text: str) -> Address | None:
    """An IPv4 address is one also where it comes as IPv6, as it does on a dual-stack listener."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def find_address(scope: Scope) -> str:
    """Of the client."""
    return _normalize((scope.get("client") or ("", 0))[0])


def find_own_address(scope: Scope) -> str:
    return _normalize((scope.get("server") or ("", 0))[0])


def group_address(address: str) -> str:
    """What counts as one client: an IPv4 address, or a whole network of IPv6."""
    read = read_address(address)
    if read is None or read.version == 4:
        return str(read or address)
    return str(ipaddress.ip_network((read, NETWORK_BITS), strict=False))


def find_group(scope: Scope) -> str:
    """Of the client, as limits count it."""
    return group_address(find_address(scope))


def is_local(scope: Scope) -> bool:
    """Whether the request was made on this very machine, and by no proxy that stands there."""
    address = read_address(find_address(scope))
    headers = Headers(scope=scope)
    return bool(address and address.is_loopback) and not any(name in headers for name in FORWARDED)


def is_private_to_us(scope: Scope) -> bool:
    """Whether nobody between the client and us can read along: TLS, or the machine itself."""
    return scope["scheme"] in ("https", "wss") or is_local(scope)


def _normalize(text: str) -> str:
    return str(read_address(text) or text)
