"""Every route of the console, for every role, with no login, an old one, none any more, and from
another site: exactly what is declared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.http.desk_streams import DeskStreams
from appliance.http.guarded import GuardedRoute
from appliance.http.policies import Policy
from appliance.store.access_file import AccessFile
from appliance.store.sessions import key_of
from tests.desk_house import OPERATORS, Operator, employ
from tests.scripted_house import HouseServer, answer, choose_settings, serving
from tests.test_http_events import visiting

# What is open to whoever comes, because it is how one logs in.
DOOR = {("GET", "/console"), ("POST", "/console/login"), ("POST", "/console/setup")}
OWN = ("POST", "/console/logout")
STREAMS = {"/console/events", "/console/conversations/{id}/events"}
READING = ("GET", "HEAD")
# What every role has a part in that is not the owners' alone; a key may change the knowledge too.
OPERATORS_OWN = (Policy.CONSOLE, Policy.KNOWLEDGE)
Call = tuple[str, str]


def list_calls(house: House) -> list[Call]:
    """Method and path of every route of the console but the door's."""
    return sorted(
        (method, route.path)
        for route in house.application.routes
        if isinstance(route, GuardedRoute) and route.path.startswith("/console")
        for method in route.methods or ()
        if (method, route.path) not in DOOR and method != "HEAD"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseServer[ScriptedEngine]]:
    folder = tmp_path_factory.mktemp("roles")
    with serving(choose_settings(folder), ScriptedEngine(answer)) as server:
        server.wait_ready(60.0)
        employ(folder / "data")
        yield server


@pytest.fixture(scope="module")
def key(server: HouseServer[ScriptedEngine]) -> str:
    with visiting(server.url) as customer:
        customer.say("我的订单在哪里？")
        return key_of(customer.path.rsplit("/", 1)[1])


def request(client: httpx2.Client, call: Call, key: str, **headers: str) -> int:
    """The status alone; of a stream nothing is read."""
    path = call[1].replace("{id}", key).replace("{run_id}", "none").replace("{name}", "none")
    with client.stream(call[0], path, headers=headers) as answered:
        return answered.status_code


def test_the_table_of_routes_holds_what_the_door_does_not(
    server: HouseServer[ScriptedEngine],
) -> None:
    calls = list_calls(server.house)
    assert len(calls) >= 20 and OWN in calls and {path for _, path in calls} > STREAMS
    for route in server.house.application.routes:
        if isinstance(route, GuardedRoute) and route.path.startswith("/console"):
            is_door = {(method, route.path) for method in route.methods or ()} & DOOR
            allowed = (Policy.LOGIN,) if is_door else (*OPERATORS_OWN, Policy.ADMIN)
            assert route.policy in allowed, route.path


def test_without_a_login_nothing_of_it_is_answered(
    server: HouseServer[ScriptedEngine], key: str
) -> None:
    with httpx2.Client(base_url=server.url, headers={"Origin": server.url}) as client:
        assert {request(client, call, key) for call in list_calls(server.house)} == {401}
        for cookie in ("wrong", "x" * 43, ""):
            client.cookies.set("appliance_console", cookie)
            assert {request(client, call, key) for call in list_calls(server.house)} == {401}


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_each_role_may_what_is_declared_and_no_more(
    server: HouseServer[ScriptedEngine], key: str, name: str
) -> None:
    """A viewer reads. What changes something is refused without the session's token, from
    another site and without a site, whoever asks."""
    with Operator(server.url, name) as operator:
        client, csrf = operator.client, operator.client.headers["X-CSRF-Token"]
        for call in list_calls(server.house):
            policy = find_policy(server.house, call)
            if call == OWN:
                continue
            may = policy in OPERATORS_OWN or name == "chef"
            if call[0] in READING:
                assert (request(client, call, key) not in (401, 403)) == may, call
                assert (request(client, call, key, **{"X-CSRF-Token": ""}) != 403) == may, call
                continue
            # Refused for its empty body or its conversation, but not for who asks.
            status = request(client, call, key, **{"Content-Type": "application/json"})
            assert (status in (401, 403)) == (name == "gast" or not may), (call, status)
            for foreign in (
                {"X-CSRF-Token": ""},
                {"X-CSRF-Token": csrf[:-1] + ("0" if csrf[-1] != "0" else "1")},
                {"Origin": "http://elsewhere.example"},
                {"Origin": "null"},
                {"Sec-Fetch-Site": "cross-site"},
            ):
                assert request(client, call, key, **foreign) == 403, (call, foreign)
            del client.headers["Origin"]
            assert request(client, call, key) == 403, call
            client.headers["Origin"] = server.url


def find_policy(house: House, call: Call) -> Policy:
    return next(
        route.policy
        for route in house.application.routes
        if isinstance(route, GuardedRoute)
        and route.path == call[1]
        and call[0] in (route.methods or ())
    )


@pytest.mark.parametrize("name", sorted(OPERATORS))
@pytest.mark.parametrize("how", ["logged out", "expired", "idle", "removed"])
def test_a_session_that_is_over_opens_nothing(
    server: HouseServer[ScriptedEngine], key: str, name: str, how: str, tmp_path: Path
) -> None:
    data = server.house.store.path.parent
    with Operator(server.url, name) as operator:
        cookie = operator.client.cookies["appliance_console"]
        assert operator.client.get("/console/me").status_code == 200
        if how == "logged out":
            operator.client.post("/console/logout")
        else:
            AccessFile(data).do(
                lambda connection: connection.execute(
                    {
                        "expired": "UPDATE operator_sessions SET began_ms = began_ms - 43300000",
                        "idle": "UPDATE operator_sessions SET seen_ms = seen_ms - 1900000",
                        "removed": "DELETE FROM operator_sessions",
                    }[how]
                )
            )
        operator.client.cookies.set("appliance_console", cookie)
        statuses = {request(operator.client, call, key) for call in list_calls(server.house)}
    assert statuses == {401}


def test_a_stream_ends_when_its_operator_logs_out(server: HouseServer[ScriptedEngine]) -> None:
    with Operator(server.url, "wang") as operator:
        streams = find_streams(server.house)
        assert streams._check_s > 1
        streams._check_s = 0.05
        with operator.stream("events") as events:
            assert next(events)[0] == "operators"
            operator.client.post("/console/logout")
            assert "conversation" not in {name for name, _ in events}
        streams._check_s = 15.0


def find_streams(house: House) -> DeskStreams:
    route = next(
        route
        for route in house.application.routes
        if isinstance(route, GuardedRoute) and route.path == "/console/events"
    )
    streams = getattr(route.endpoint, "__self__", None)
    assert isinstance(streams, DeskStreams)
    return streams
