"""The log lines of requests and turns, in JSON, as a program that reads them finds them.

The server is a real one with scripted answers. The rule that must not break: no word of a
customer and no id of a conversation stands in any line.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator

import httpx2
import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from appliance.engine.scripted import ScriptedEngine
from appliance.http.access_log import AccessLog, RequestLog
from appliance.server import configure_logging
from appliance.store.sessions import key_of
from tests.scripted_house import HouseServer

HANG_S = 30.0
CANARY = "金丝雀七四一"


class Lines(io.StringIO):
    """What is written, for a reader who waits: a line may come after the answer."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def write(self, text: str) -> int:
        with self._changed:
            written = super().write(text)
            self._changed.notify_all()
        return written

    def read_events(self, event: str, count: int) -> list[dict[str, object]]:
        """The lines of one kind, once there are `count` of them or more."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._find(event)) >= count, HANG_S)
            return self._find(event)

    def _find(self, event: str) -> list[dict[str, object]]:
        whole = self.getvalue().rpartition("\n")[0]
        told = [json.loads(line) for line in whole.splitlines()]
        return [line for line in told if line["event"] == event]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """What is written to stderr, with the server's own configuration of its log."""
    written = Lines()
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    level = logging.getLogger().level
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging("json")
    structlog.configure(cache_logger_on_first_use=False)
    try:
        yield written
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)


@pytest.fixture
def server(
    lines: Lines, scripted_server: HouseServer[ScriptedEngine]
) -> HouseServer[ScriptedEngine]:
    """The house is built once the log is configured."""
    return scripted_server


def test_a_turn_is_found_by_the_request_that_began_it(
    lines: Lines, server: HouseServer[ScriptedEngine]
) -> None:
    answer = httpx2.post(
        f"{server.url}/chat", json={"message": CANARY}, headers={"Accept": "application/json"}
    )
    (turn,) = lines.read_events("turn ended", 1)
    (request,) = lines.read_events("request", 1)
    said = answer.json()
    assert request["request"] == turn["request"] == answer.headers["x-request-id"]
    assert turn["run"] == said["run_id"] and turn["session"] == key_of(said["session_id"])[:12]
    assert (turn["source"], turn["finish_reason"]) == ("model", "stop")
    assert (request["method"], request["route"], request["status"]) == ("POST", "/chat", 200)
    assert request["bytes"] == len(answer.content)
    assert isinstance(request["ms"], float) and request["ms"] > 0


def test_neither_words_nor_ids_of_conversations_are_logged(
    lines: Lines, server: HouseServer[ScriptedEngine]
) -> None:
    session_id = httpx2.post(f"{server.url}/sessions").json()["session_id"]
    here = f"{server.url}/sessions/{session_id}"
    for message in (CANARY, f"坏{CANARY}"):
        httpx2.post(f"{here}/messages", json={"message": message})
        httpx2.post(f"{here}/stop")
    httpx2.get(f"{here}/messages?{CANARY}")
    httpx2.get(f"{server.url}/{CANARY}/{session_id}")
    httpx2.request(CANARY.encode("utf-8").hex().upper(), f"{server.url}/{session_id}")
    httpx2.delete(here)
    requests = lines.read_events("request", 9)
    written = lines.getvalue()
    assert CANARY not in written and session_id not in written
    routes = {str(line["route"]) for line in requests}
    assert {"/sessions/{session_id}/messages", "/sessions/{session_id}", "other"} <= routes
    assert {line["method"] for line in requests} == {"POST", "GET", "DELETE", "other"}
    named = {line["session"] for line in requests if "{session_id}" in str(line["route"])}
    assert named == {key_of(session_id)[:12]}


def test_neither_probes_nor_whole_files_of_a_page_are_told(
    lines: Lines, server: HouseServer[ScriptedEngine]
) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/web/base.css", "/web/nothing.css"):
        httpx2.get(f"{server.url}{path}")
    told = [(line["route"], line["status"]) for line in lines.read_events("request", 1)]
    assert told == [("/web/{path:path}", 404)]
    answered = server.house.measure().http_requests_total
    assert answered == {"200": 4, "404": 1}


def test_a_terminal_shows_no_line_for_what_went_well(
    lines: Lines, server: HouseServer[ScriptedEngine]
) -> None:
    configure_logging("text")
    structlog.configure(cache_logger_on_first_use=False)
    httpx2.post(f"{server.url}/chat", json={"message": "早"})
    # The loop of the house has told all of it before it answers once more.
    httpx2.get(f"{server.url}/healthz")
    assert "request" not in lines.getvalue() and "turn ended" not in lines.getvalue()


def test_a_socket_has_one_line_too(lines: Lines) -> None:
    """Told once it is closed, with all that was sent over it."""

    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "早"})
        await send({"type": "websocket.close", "code": 1000})

    async def ignore(message: Message) -> None:
        pass

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    log = RequestLog()
    asyncio.run(AccessLog(talk, log)({"type": "websocket", "path": CANARY}, receive, ignore))
    (line,) = lines.read_events("request", 1)
    assert (line["method"], line["status"], line["bytes"]) == ("WS", 101, 3)
    assert log.measure() == {"101": 1} and CANARY not in lines.getvalue()
