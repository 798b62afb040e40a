"""The HTTP room around a scripted conversation, and what holds for every one of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from appliance.dialogue.identity import Identities
from appliance.errors import HandoffRefused, SessionNotFound
from appliance.events import (
    Cited,
    Done,
    Event,
    Failed,
    Handoff,
    HandoffState,
    Message,
    Numbered,
    Queued,
    Started,
    Timings,
    Token,
    Usage,
)
from appliance.http.metrics import Figures
from appliance.http.ops import ModelReadiness, Readiness, StoreReadiness
from appliance.http.routes import build_http
from appliance.http.shield import DOCUMENT_HEADERS, SECURITY_HEADERS, build_policy
from appliance.settings import Settings

if TYPE_CHECKING:
    from appliance.dialogue.conversations import Conversations
    from appliance.store.feedback import Feedback
from appliance.store.identities import Identity, IdentityRows

THE_BOTS = Handoff("bot")
SECRET = "a secret of a test, long enough to be one"
HELLO: tuple[Event, ...] = (
    Queued(2, 3400),
    Started("model"),
    Token("你好"),
    Token("，👋"),
    Done("stop", "model", Usage(12, 8, 2), Timings(1.0, 2.0, 3.0, 4.0, 10.0)),
)

READY = Readiness(
    ready=True,
    rungs={"model": "ready"},
    store=StoreReadiness("ready"),
    model=ModelReadiness("ready", "tiny", "Tiny 0.1B", "", "", 1.0, 2, 2048),
    notes=("A sibling stands in for the default model.",),
    version="0.1.0",
    questions={"zh": ("怎么退货？",), "en": ()},
)


class FakeTurn:
    """Ends with its last event, or where it is parked; the customer's message stands first."""

    def __init__(self, events: tuple[Event, ...]) -> None:
        self.run_id = "run-1"
        self.queued: Queued | None = None
        self.watchers = 0
        self.events = [Numbered(1, self.run_id, Message("customer", "hi"))]
        self.is_parked = False
        self._changed = asyncio.Event()
        self.feed(*events)

    @property
    def text(self) -> str:
        return "".join(one.event.text for one in self.events if isinstance(one.event, Token))

    @property
    def is_ended(self) -> bool:
        return isinstance(self.events[-1].event, Done | Failed)

    @property
    def started(self) -> Started | None:
        begun = (one.event for one in self.events if isinstance(one.event, Started))
        return next(begun, None)

    def feed(self, *events: Event) -> None:
        for event in events:
            self.events.append(Numbered(len(self.events) + 1, self.run_id, event))
        self._changed.set()
        self._changed = asyncio.Event()

    def park(self) -> None:
        self.is_parked = True
        self.feed()

    async def watch(self) -> AsyncIterator[Numbered]:
        self.watchers += 1
        try:
            position = 0
            while True:
                for one in self.events[position:]:
                    position += 1
                    yield one
                    if isinstance(one.event, Done | Failed):
                        return
                if self.is_parked:
                    return
                await self._changed.wait()
        finally:
            self.watchers -= 1


@dataclass(frozen=True, slots=True)
class FakeMessage:
    position: int
    role: str
    text: str
    created_ms: int = 1_700_000_000_000
    run_id: str = "run-1"
    source: str | None = None
    finish_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    total_ms: float | None = None
    score: float | None = None
    rule: str = ""
    is_cached: bool = False
    sources: tuple[Cited, ...] = ()
    suggestions: tuple[str, ...] = ()
    feedback: Feedback | None = None
    account: str = ""


@dataclass(frozen=True, slots=True)
class FakeTranscript:
    messages: tuple[FakeMessage, ...] = ()
    running: FakeTurn | None = None
    last_number: int = 0
    handoff: Handoff = THE_BOTS


@dataclass(frozen=True, slots=True)
class FakeForgotten:
    messages: int
    turns: int
    receipt: None = None


@dataclass(frozen=True, slots=True)
class FakeAsked:
    session_id: str
    run_id: str
    number: int
    turn: FakeTurn | None


class FakeConversations:
    """Says `events` on every message; `refusal` is raised instead, where there is one."""

    def __init__(self, events: tuple[Event, ...] = HELLO) -> None:
        self.events = events
        self.refusal: Exception | None = None
        self.said: list[tuple[str, str | None]] = []
        self.client_ids: list[str | None] = []
        self.watched: list[tuple[str, int]] = []
        self.turns: list[FakeTurn] = []
        self.transcripts: dict[str, FakeTranscript] = {"known": FakeTranscript()}
        self.calls: list[str] = []

    async def open(self) -> str:
        self.calls.append("open")
        return "fresh"

    async def say(
        self, message: str, session_id: str | None, client_id: str | None = None
    ) -> FakeAsked:
        if self.refusal is not None:
            raise self.refusal
        if session_id is not None:
            self._find(session_id)
        self.said.append((message, session_id))
        self.client_ids.append(client_id)
        turn = FakeTurn(self.events)
        self.turns.append(turn)
        return FakeAsked(session_id or "fresh", turn.run_id, turn.events[0].number, turn)

    async def watch(self, session_id: str, after: int) -> AsyncIterator[Numbered]:
        self._find(session_id)
        self.watched.append((session_id, after))
        numbered = [
            Numbered(at, "run-1", event)
            for at, event in enumerate(self.events, start=1)
            if at > after
        ]

        async def follow() -> AsyncIterator[Numbered]:
            for one in numbered:
                yield one

        return follow()

    async def read(self, session_id: str) -> FakeTranscript:
        return self._find(session_id)

    async def stop(self, session_id: str) -> bool:
        self.calls.append("stop")
        return self._find(session_id).running is not None

    async def hand_over(self, session_id: str, state: HandoffState, language: str) -> Handoff:
        self.calls.append(f"handoff {state}")
        now = self._find(session_id).handoff.state
        if (now, state) == ("bot", "closed"):
            raise HandoffRefused("This conversation is in state bot; it cannot go to closed.")
        event = Handoff(state, 2, "Soon.") if state == "waiting" else Handoff(state)
        self.transcripts[session_id] = replace(self.transcripts[session_id], handoff=event)
        return event

    def tell(self, key: str, language: str) -> str:
        return f"{key} in {language}"

    async def judge(self, session_id: str, run_id: str, feedback: Feedback | None) -> None:
        self.calls.append(f"judge {run_id} {feedback}")
        self._find(session_id)

    async def revoke(self, session_id: str) -> None:
        self.calls.append("revoke")
        self._find(session_id)
        del self.transcripts[session_id]

    async def forget(self, session_id: str) -> FakeForgotten:
        messages = len(self._find(session_id).messages)
        del self.transcripts[session_id]
        return FakeForgotten(messages, messages // 2)

    def _find(self, session_id: str) -> FakeTranscript:
        if session_id not in self.transcripts:
            raise SessionNotFound("There is no such session.")
        return self.transcripts[session_id]


class FakeIdentityRows:
    """Of a house whose session "known" is the only one."""

    def __init__(self) -> None:
        self.kept: Identity | None = None

    async def keep(self, session_id: str, identity: Identity) -> None:
        if session_id != "known":
            raise SessionNotFound("There is no such session.")
        self.kept = identity

    async def find(self, session_id: str) -> Identity | None:
        return self.kept


def write_web(folder: Path) -> Path:
    web = folder / "web"
    (web / "vendor").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html><title>小助</title>", "utf-8")
    (web / "chat.js").write_text("export {};", "utf-8")
    (web / "chat.css").write_text("body {}", "utf-8")
    (web / "vendor" / "mark.svg").write_text("<svg/>", "utf-8")
    for name in ("widget.js", "widget.html", "widget_refused.html", "kiosk.html"):
        (web / name).write_text(name, "utf-8")
    (web / "notes.bak").write_text("not for the shop", "utf-8")
    (folder / "secret.txt").write_text("secret", "utf-8")
    return web


def refuse_to_measure() -> Figures:
    raise AssertionError("nobody asks for numbers here")


@contextmanager
def open_house(
    folder: Path,
    conversations: FakeConversations | None = None,
    readiness: Readiness = READY,
    **settings: object,
) -> Iterator[TestClient]:
    application = build_http(
        cast("Conversations", conversations or FakeConversations()),
        Identities(cast("IdentityRows", FakeIdentityRows()), SECRET),
        lambda: readiness,
        refuse_to_measure,
        write_web(folder),
        Settings.model_validate(settings),
    )
    with TestClient(application, "http://localhost") as client:
        yield client


JSON_TYPE = {"Content-Type": "application/json"}

REQUESTS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "page": (200, "GET", "/", {}),
    "file": (200, "GET", "/web/chat.js", {}),
    "health": (200, "GET", "/healthz", {}),
    "health head": (200, "HEAD", "/healthz", {}),
    "contract": (200, "GET", "/openapi.json", {}),
    "opened": (201, "POST", "/sessions", {}),
    "stream": (200, "POST", "/chat", {"json": {"message": "你好"}}),
    "said": (202, "POST", "/sessions/known/messages", {"json": {"message": "你好"}}),
    "events": (200, "GET", "/sessions/known/events", {}),
    "handed over": (200, "POST", "/sessions/known/handoff", {}),
    "handed over and back": (409, "POST", "/sessions/known/handoff", {"json": {"state": "closed"}}),
    "malformed": (400, "POST", "/chat", {"content": "{", "headers": JSON_TYPE}),
    "unknown address": (404, "GET", "/nothing", {}),
    "unknown file": (404, "GET", "/web/nothing.js", {}),
    "unknown session": (404, "GET", "/sessions/other/messages", {}),
    "events of an unknown session": (404, "GET", "/sessions/other/events", {}),
    "wrong method": (405, "GET", "/chat", {}),
    "options": (405, "OPTIONS", "/chat", {}),
    "head of a post": (405, "HEAD", "/chat", {}),
    "invented method": (405, "BREW", "/healthz", {}),
    "declared too large": (413, "POST", "/chat", {"content": b"x" * 10_000_000}),
    "wrong type": (415, "POST", "/chat", {"content": "{}"}),
    "wrong field": (422, "POST", "/chat", {"json": {"message": 1}}),
    "wrong number": (422, "GET", "/sessions/known/events?after=-1", {}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_answer_carries_the_security_headers(tmp_path: Path, name: str) -> None:
    status, method, path, arguments = REQUESTS[name]
    with open_house(tmp_path) as client:
        answer = client.request(method, path, **arguments)
    assert answer.status_code == status
    expected = dict(SECURITY_HEADERS)
    if answer.headers.get("content-type", "").startswith("text/html"):
        expected |= DOCUMENT_HEADERS | {"Content-Security-Policy": build_policy()}
    for header, value in expected.items():
        assert answer.headers.get_list(header) == [value]
    if status >= 400 and method != "HEAD":
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json()) == {"error"}
        assert set(answer.json()["error"]) <= {"code", "message", "detail"}


def test_the_page_allows_nothing_from_outside() -> None:
    policy = build_policy()
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy.replace("https", "http")


def test_what_is_no_page_may_load_nothing_and_stands_in_no_frame() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert set(policy.split("; ")) == {"default-src 'none'", "frame-ancestors 'none'"}


def test_an_unexpected_error_is_an_opaque_500_and_one_log_line(tmp_path: Path) -> None:
    conversations = FakeConversations()
    conversations.refusal = KeyError("the customer's own words")
    with capture_logs() as lines, open_house(tmp_path, conversations) as client:
        answer = client.post("/chat", json={"message": "hi"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert all(answer.headers[header] == value for header, value in SECURITY_HEADERS.items())
    [line] = lines
    assert line["error_id"] in answer.json()["error"]["message"]
    assert line["kind"] == "KeyError"
    assert any(place.startswith("chat.py:") for place in line["places"])
    assert "words" not in answer.text + str(line)


def test_a_wrong_method_says_which_is_right(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        assert client.get("/chat").headers["allow"] == "POST"
        assert client.post("/healthz").headers["allow"] == "GET, HEAD"
        assert "GET, HEAD" in client.post("/healthz").json()["error"]["message"]


def test_a_trailing_slash_is_no_redirect(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        answer = client.post("/chat/", json={"message": "hi"}, follow_redirects=False)
    assert answer.status_code == 404


def test_the_lifespan_handed_in_is_run(tmp_path: Path) -> None:
    story: list[str] = []

    @asynccontextmanager
    async def lifespan(_application: Starlette) -> AsyncIterator[None]:
        story.append("open")
        yield
        story.append("closed")

    application = build_http(
        cast("Conversations", FakeConversations()),
        Identities(cast("IdentityRows", FakeIdentityRows()), SECRET),
        lambda: READY,
        refuse_to_measure,
        write_web(tmp_path),
        Settings.model_validate({}),
        lifespan,
    )
    with TestClient(application):
        assert story == ["open"]
    assert story == ["open", "closed"]
