"""Who may use which route: every route says it, and one that does not stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.http.guarded import Gate
from appliance.http.policies import Policy, check_policies
from appliance.settings import Settings

CUSTOMERS = ("/chat", "/sessions", "/ws")


async def answer(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(Settings(data=tmp_path), ScriptedEngine(lambda question: []))


def test_every_route_of_the_house_says_who_may_use_it_and_is_gated(house: House) -> None:
    check_policies(house.application.routes)
    assert len(house.application.routes) > 15
    for route in house.application.routes:
        assert isinstance(getattr(route, "app", None), Gate), route


def test_what_customers_do_is_a_policy_of_its_own(house: House) -> None:
    for route in house.application.routes:
        is_customers = getattr(route, "path", "").startswith(CUSTOMERS)
        assert (getattr(route, "policy", None) is Policy.CHAT) == is_customers, route


def test_a_route_without_a_policy_stops_the_start() -> None:
    with pytest.raises(RuntimeError, match="/new"):
        check_policies([Route("/new", answer)])
