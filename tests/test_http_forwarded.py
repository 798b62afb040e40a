"""Whose word for an address is taken: only that of a named proxy, and of its words the last.

No socket is opened. The rule that must not break: whatever a visitor writes into the header, it
becomes nobody's address unless a trusted proxy put it there.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from appliance.connections import Census
from appliance.http.forwarded import Forwarded, Proxies, build_forwarded
from appliance.settings import Settings

PROXY = "10.0.0.5"


async def pass_on(peer: str, *headers: tuple[str, str], trusted: str = "10.0.0.0/24") -> Scope:
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nothing is read and nothing is sent")

    scope: Scope = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 4711),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    await Forwarded(application, Proxies(trusted))(scope, nothing, nothing)
    return seen[0]


def told(address: str) -> tuple[str, str]:
    return ("x-forwarded-for", address)


@pytest.mark.parametrize(
    ("passed", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.7", "203.0.113.9"),
        ("203.0.113.9, unknown", PROXY),
        ("203.0.113.9:4000", PROXY),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("", PROXY),
        (",,,", PROXY),
        ("10.0.0.7", "10.0.0.7"),
        ("127.0.0.1, evil", PROXY),
        ("<script>", PROXY),
        ("9" * 5000, PROXY),
    ],
)
async def test_a_trusted_proxy_tells_who_asks(passed: str, client: str) -> None:
    assert (await pass_on(PROXY, told(passed)))["client"][0] == client


async def test_several_headers_are_one_list() -> None:
    scope = await pass_on(PROXY, told("1.1.1.1"), told("203.0.113.9"))
    assert scope["client"] == ("203.0.113.9", 0)


@pytest.mark.parametrize("peer", ["10.0.1.5", "203.0.113.1", "", "not an address", "::1"])
async def test_nobody_else_is_believed(peer: str) -> None:
    scope = await pass_on(peer, told("127.0.0.1"), ("x-forwarded-proto", "https"))
    assert scope["client"] == (peer, 4711)
    assert scope["scheme"] == "http"


async def test_the_scheme_is_the_trusted_proxy_s_word_too() -> None:
    for value, scheme in (("https", "https"), ("http", "http"), ("javascript", "http")):
        assert (await pass_on(PROXY, ("x-forwarded-proto", value)))["scheme"] == scheme


async def test_what_a_visitor_put_in_front_never_counts() -> None:
    chance = random.Random(6)
    for _ in range(500):
        spoofed = [f"10.0.0.{chance.randrange(256)}" for _ in range(chance.randrange(20))]
        passed = ", ".join([*spoofed, "203.0.113.9"])
        assert (await pass_on(PROXY, told(passed)))["client"][0] == "203.0.113.9"


def test_a_trusted_proxy_may_hold_the_connections_of_many() -> None:
    census = Census(2)
    for _ in range(2):
        census.enter(PROXY)
    assert census.refuse(PROXY, is_proxy=False) == 429
    assert census.refuse(PROXY, is_proxy=True) == 0


def test_nobody_is_trusted_unless_named() -> None:
    assert build_forwarded(Settings().trusted_proxies) == []
    assert len(build_forwarded("192.168.1.5 fd00::/8")) == 1


@pytest.mark.parametrize("value", ["0.0.0.0/0", "::/0", "proxy.lan", "10.0.0.1/24", "10.0.0.0/33"])
def test_a_setting_that_trusts_everybody_or_is_no_network_stops_the_start(value: str) -> None:
    with pytest.raises(ValueError, match="addresses or networks"):
        Settings(trusted_proxies=value)
