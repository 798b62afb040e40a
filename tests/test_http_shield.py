"""The shield: foreign hosts, forged pages, endless headers, bad bytes, too much of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from appliance.engine.scripted import ScriptedEngine
from appliance.http.addresses import HostNames, group_address
from appliance.http.shield import SECURITY_HEADERS
from appliance.settings import Settings
from tests.scripted_house import HouseServer, answer, choose_settings, serving
from tests.shield_attacks import (
    FOREIGN_HOSTS,
    JSON_TYPE,
    OWN_HOSTS,
    answer_is_clean,
    ask_with_host,
    build_bad_requests,
    count_rows,
    forge_all,
    pry,
    read_status,
    send_head,
    send_raw,
    trickle,
)

House = HouseServer[ScriptedEngine]
READY_S = 60.0


def get_port(house: House) -> int:
    return int(house.listener.getsockname()[1])


@pytest.fixture
def client(scripted_server: House) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=scripted_server.url, timeout=30) as client:
        yield client


def open_limited(folder: Path, **limits: object) -> Settings:
    return choose_settings(folder).model_copy(update=limits)


def test_a_foreign_host_is_refused_and_an_own_one_is_not(scripted_server: House) -> None:
    port = get_port(scripted_server)
    assert len(FOREIGN_HOSTS) >= 40
    accepted = [host for host in FOREIGN_HOSTS if ask_with_host(port, host) not in (400, 421)]
    assert not accepted
    refused = [host for host in OWN_HOSTS if ask_with_host(port, host) != 200]
    assert not refused


def test_a_configured_name_is_known_and_its_neighbours_are_not() -> None:
    names = HostNames("shop.lan kasse")
    assert names.know("shop.lan", "") and names.know("Kasse:8000", "")
    assert not names.know("www.shop.lan", "") and not names.know("shop.lan.evil.com", "")


def test_a_public_address_is_known_where_it_is_the_own_one() -> None:
    assert HostNames("").know("203.0.113.9:8000", "203.0.113.9")
    assert not HostNames("").know("203.0.113.9:8000", "203.0.113.8")


def test_one_network_of_ipv6_counts_as_one_client() -> None:
    assert group_address("2001:db8::1") == group_address("2001:db8::ffff:1")
    assert group_address("2001:db8::1") != group_address("2001:db8:0:1::1")
    assert group_address("192.168.1.2") == "192.168.1.2"


def test_customers_of_a_dual_stack_listener_are_counted_apart() -> None:
    assert group_address("::ffff:192.168.1.2") == "192.168.1.2"
    assert group_address("::ffff:192.168.1.3") != group_address("::ffff:192.168.1.2")


def test_no_forged_page_changes_anything(
    scripted_server: House, client: httpx2.Client, tmp_path: Path
) -> None:
    session_id = client.post("/sessions").json()["session_id"]
    before = count_rows(tmp_path / "data")
    told = forge_all(client, scripted_server.house.application.routes, session_id)
    assert told.asked > 300
    assert not told.leaks
    assert count_rows(tmp_path / "data") == before


def test_what_curl_and_the_own_page_send_is_taken(
    scripted_server: House, client: httpx2.Client
) -> None:
    body = {"message": "你好"}
    assert client.post("/chat", json=body).status_code == 200
    assert client.post("/sessions").status_code == 201
    own = {"Origin": scripted_server.url, "Sec-Fetch-Site": "same-origin"}
    assert client.post("/chat", json=body, headers=own).status_code == 200
    assert client.post("/chat", json=body, headers={"Sec-Fetch-Site": "same-origin"}).is_success


def test_a_console_call_always_names_its_page(
    scripted_server: House, client: httpx2.Client
) -> None:
    body = {"name": "a", "password": "b"}
    bare = client.post("/console/login", json=body)
    assert (bare.status_code, bare.json()["error"]["code"]) == (403, "foreign_origin")
    named = client.post("/console/login", json=body, headers={"Origin": scripted_server.url})
    assert named.status_code == 401


def test_bad_requests_end_in_a_clean_4xx(scripted_server: House) -> None:
    port = get_port(scripted_server)
    faults = []
    for name, sent in build_bad_requests().items():
        received = send_raw(port, sent, timeout_s=2.0)
        if not answer_is_clean(received):
            faults.append((name, received[:200]))
    assert not faults


def test_an_answer_below_the_application_has_the_headers_and_the_shape(
    scripted_server: House,
) -> None:
    received = send_raw(get_port(scripted_server), b"\x16\x03\x01hello\r\n\r\n", 2.0)
    head, _, body = received.partition(b"\r\n\r\n")
    assert read_status(received) == 400
    assert b'"error"' in body
    for name, value in SECURITY_HEADERS.items():
        assert f"{name}: {value}".encode() in head


def test_a_header_of_17_kb_is_431(scripted_server: House) -> None:
    port = get_port(scripted_server)
    for size in (16_385, 60_000):
        lines = ["GET /healthz HTTP/1.1", "Host: localhost", f"X: {'a' * size}"]
        assert read_status(send_head(port, lines)) == 431


def test_own_session_opens_nothing_of_another(
    scripted_server: House, client: httpx2.Client
) -> None:
    """Every route with an id of another conversation in every place where an id can stand."""
    told = pry(client, scripted_server.house.application.routes, step=10)
    assert told.asked > 150
    assert not told.leaks


def test_too_many_changes_of_one_address_are_429_and_reading_goes_on(tmp_path: Path) -> None:
    settings = open_limited(tmp_path, address_per_minute=5)
    with serving(settings, ScriptedEngine(answer)) as house:
        house.wait_ready(READY_S)
        with httpx2.Client(base_url=house.url) as client:
            replies = [client.post("/sessions") for _ in range(8)]
            assert [reply.status_code for reply in replies] == [201] * 5 + [429] * 3
            assert replies[-1].json()["error"]["code"] == "too_many_requests"
            assert 1 <= int(replies[-1].headers["retry-after"]) <= 60
            assert client.get("/healthz").status_code == 200
        other = httpx2.HTTPTransport(local_address="127.0.0.2")
        with httpx2.Client(base_url=house.url, transport=other) as client:
            assert client.post("/sessions").status_code == 201


def test_one_conversation_and_one_address_have_their_measure(tmp_path: Path) -> None:
    settings = open_limited(tmp_path, session_per_minute=2, address_answers=1)
    with serving(settings, ScriptedEngine(answer)) as house:
        house.wait_ready(READY_S)
        with httpx2.Client(base_url=house.url, timeout=30) as client:
            first = client.post(
                "/chat", json={"message": "好"}, headers={"Accept": JSON_TYPE}
            ).json()
            again = {"message": "好", "session_id": first["session_id"]}
            whole = {"Accept": JSON_TYPE}
            statuses = [
                client.post("/chat", json=again, headers=whole).status_code for _ in range(3)
            ]
            assert statuses == [200, 200, 429]
            with client.stream("POST", "/chat", json={"message": "长"}) as running:
                assert running.status_code == 200
                second = client.post("/chat", json={"message": "好"})
                assert (second.status_code, second.headers["retry-after"]) == (429, "5")
                running.read()
            assert client.post("/chat", json={"message": "好"}).status_code == 200


def test_trickling_connections_are_closed_while_others_are_served(tmp_path: Path) -> None:
    settings = open_limited(tmp_path, receive_deadline_s=1.0)
    with serving(settings, ScriptedEngine(answer)) as house:
        story = trickle(get_port(house), 30, longest_s=5.0, pause_s=0.05)
    assert len(story.closed_after_s) == story.opened == 30
    assert max(story.closed_after_s) <= 1.5
    assert story.served > 5 and not story.unserved


def test_an_open_stream_outlives_the_deadline(tmp_path: Path) -> None:
    settings = open_limited(tmp_path, receive_deadline_s=0.2)
    with serving(settings, ScriptedEngine(answer)) as house:
        house.wait_ready(READY_S)
        with httpx2.Client(base_url=house.url, timeout=30) as client:
            reply = client.post("/chat", json={"message": "长"})
            assert '"done": true' in reply.text and '"error"' not in reply.text


def test_an_address_holds_so_many_connections_and_no_more(tmp_path: Path) -> None:
    settings = open_limited(tmp_path, address_connections=3, receive_deadline_s=1.0)
    with serving(settings, ScriptedEngine(answer)) as house:
        story = trickle(get_port(house), 10, longest_s=0.3, pause_s=0.05)
        assert story.opened == 10 and len(story.closed_after_s) == 7
        assert not story.unserved
        refused = send_raw(get_port(house), b"", timeout_s=0.2)
        assert refused == b"" or read_status(refused) == 408
