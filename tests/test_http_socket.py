"""`/ws` over a real socket: the same events, the same refusals, no foreign page."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from appliance.engine.scripted import ScriptedEngine
from tests.scripted_house import HouseServer, choose_settings, serving


def call(server: HouseServer[Any], **options: Any) -> ClientConnection:
    socket: ClientConnection = connect(server.url.replace("http://", "ws://") + "/ws", **options)
    return socket


def send(socket: ClientConnection, **message: object) -> None:
    socket.send(json.dumps(message))


def hear(socket: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(socket.recv(timeout=10))
    return told


def hear_until(socket: ClientConnection, event: str) -> list[dict[str, Any]]:
    heard = [hear(socket)]
    while heard[-1]["event"] != event:
        heard.append(hear(socket))
    return heard


def test_a_conversation_is_opened_and_talked(lasting_server: HouseServer[ScriptedEngine]) -> None:
    with call(lasting_server) as socket:
        send(socket)
        session_id = hear(socket)["data"]["session_id"]
        send(socket, message="说说天空")
        heard = hear_until(socket, "done")
    text = "".join(one["data"]["text"] for one in heard if one["event"] == "token")
    assert text == "你说：说说天空" and {"accepted", "message", "started"} < {
        one["event"] for one in heard
    }
    ids = [one["id"] for one in heard if "id" in one]
    assert ids == list(range(1, len(ids) + 1))
    history = httpx2.get(f"{lasting_server.url}/sessions/{session_id}/messages").json()
    assert [one["text"] for one in history["messages"]] == ["说说天空", "你说：说说天空"]


def test_the_events_are_those_of_the_session_from_any_number_on(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with call(lasting_server) as socket:
        send(socket)
        session_id = hear(socket)["data"]["session_id"]
        send(socket, message="说说天空")
        whole = [one for one in hear_until(socket, "done") if "id" in one]
    for after in range(len(whole)):
        with call(lasting_server) as socket:
            send(socket, session_id=session_id, after=after)
            assert hear(socket)["event"] == "session"
            assert hear_until(socket, "done") == whole[after:]


def test_an_answer_is_ended_by_a_wish_and_not_by_leaving(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with call(lasting_server) as socket:
        send(socket)
        hear(socket)
        send(socket, stop=True)
        assert hear(socket) == {"event": "stopped", "data": {"stopped": False}}
        send(socket, message="说得长一点")
        hear_until(socket, "token")
        send(socket, message="还有")
        refused = hear_until(socket, "refused")[-1]
        assert refused["data"]["code"] == "turn_running"
        send(socket, stop=True)
        heard = [*hear_until(socket, "stopped"), hear(socket)]
        ends = [one for one in heard if one["event"] == "done"]
        assert [one["data"]["finish_reason"] for one in ends] == ["cancelled"]
        session_id = open_session(lasting_server)
    with call(lasting_server) as socket:
        send(socket, session_id=session_id)
        hear(socket)
        send(socket, message="说说天空")
        hear_until(socket, "accepted")
    events = f"{lasting_server.url}/sessions/{session_id}/events"
    with httpx2.stream("GET", events) as told:
        assert any(line == "event: done" for line in told.iter_lines())


def open_session(server: HouseServer[Any]) -> str:
    return str(httpx2.post(f"{server.url}/sessions").json()["session_id"])


def test_the_same_client_id_says_nothing_twice(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with call(lasting_server) as socket:
        send(socket)
        hear(socket)
        send(socket, message="说说天空", client_id="c1")
        first = hear_until(socket, "done")
        send(socket, message="说说天空", client_id="c1")
        again = hear_until(socket, "accepted")[-1]
    assert again == next(one for one in first if one["event"] == "accepted")


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "null",
        '{"message": ""}',
        '{"message": "  "}',
        '{"message": "\\ud800"}',
        '{"message": "\\u0000"}',
        '{"message": 4}',
        '{"message": "' + "长" * 3000 + '"}',
        '{"stop": false}',
        '{"stop": "yes"}',
        '{"other": 1}',
        '{"message": "a", "client_id": "!"}',
        "[" * 1000,
        "{}",
        b"bytes",
    ],
)
def test_a_wrong_message_is_refused_and_the_line_stays_open(
    lasting_server: HouseServer[ScriptedEngine], frame: str | bytes
) -> None:
    with call(lasting_server) as socket:
        send(socket)
        hear(socket)
        socket.send(frame)
        assert hear(socket)["event"] == "refused"
        send(socket, message="说说天空")
        assert hear_until(socket, "done")


@pytest.mark.parametrize(
    "frame", ["x", "{", '{"session_id": "nobody"}', '{"session_id": 4}', '{"after": -1}', b"\0"]
)
def test_who_does_not_begin_rightly_is_shown_out(
    lasting_server: HouseServer[ScriptedEngine], frame: str | bytes
) -> None:
    with call(lasting_server) as socket:
        socket.send(frame)
        assert hear(socket)["event"] == "refused"
        with pytest.raises(ConnectionClosed) as closed:
            hear(socket)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


def test_a_frame_without_measure_ends_the_line(
    lasting_server: HouseServer[ScriptedEngine],
) -> None:
    with call(lasting_server) as socket:
        send(socket)
        hear(socket)
        socket.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as closed:
            hear(socket)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"]
)
def test_a_page_of_a_foreign_site_opens_none(
    lasting_server: HouseServer[ScriptedEngine], origin: str
) -> None:
    with pytest.raises(InvalidStatus) as refused, call(lasting_server, origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_our_own_page_opens_one(lasting_server: HouseServer[ScriptedEngine]) -> None:
    with call(lasting_server, origin=lasting_server.url) as socket:
        send(socket)
        assert hear(socket)["event"] == "session"


def test_a_line_ends_with_its_session_and_with_the_appliance(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda _: ["好"])
    with ExitStack() as lines, serving(choose_settings(tmp_path), engine) as server:
        session_id = open_session(server)
        with call(server) as socket:
            send(socket, session_id=session_id)
            hear(socket)
            httpx2.delete(f"{server.url}/sessions/{session_id}")
            with pytest.raises(ConnectionClosed) as gone:
                hear(socket)
            assert gone.value.rcvd is not None and gone.value.rcvd.code == 1000
        last = lines.enter_context(call(server))
        send(last)
        hear(last)
        server.should_exit = True
        assert hear(last)["event"] == "bye"
        with pytest.raises(ConnectionClosed) as closed:
            hear(last)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
