"""The calls on a conversation: open, read, stop, forget, and ids that are not ours."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest
from httpx2 import Response
from starlette.requests import Request

from appliance.dialogue.identity import Identities
from appliance.events import Cited, Queued, Started, Token
from appliance.http import sessions
from appliance.http.answers import dump
from appliance.http.rates import Rates
from appliance.http.sessions import MOST_AT_ONCE
from appliance.settings import Settings
from tests.test_http_house import (
    JSON_TYPE,
    FakeConversations,
    FakeIdentityRows,
    FakeMessage,
    FakeTranscript,
    FakeTurn,
    open_house,
)


def test_opening_gives_the_id_and_no_cache_keeps_it(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        answer = client.post("/sessions")
    assert (answer.status_code, answer.json()) == (201, {"session_id": "fresh"})
    assert answer.headers["cache-control"] == "no-store"


def test_the_history_shows_each_message_with_what_applies(tmp_path: Path) -> None:
    conversations = FakeConversations()
    messages = (
        FakeMessage(1, "customer", "你好"),
        FakeMessage(
            2,
            "assistant",
            "您好！",
            source="faq",
            finish_reason="stop",
            score=0.97,
            sources=(Cited("faq", "e1", "营业时间"),),
            suggestions=("几点关门？",),
        ),
        FakeMessage(3, "customer", "再见", run_id="run-2"),
        FakeMessage(
            4, "assistant", "", run_id="run-2", error_code="engine_failed", error_message="Broke."
        ),
    )
    conversations.transcripts["known"] = FakeTranscript(messages, last_number=4)
    with open_house(tmp_path, conversations) as client:
        answer = client.get("/sessions/known/messages")
    created_ms = 1_700_000_000_000
    assert "您好！".encode() in answer.content
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "messages": [
            {
                "id": 1,
                "role": "customer",
                "text": "你好",
                "created_ms": created_ms,
                "run_id": "run-1",
            },
            {
                "id": 2,
                "role": "assistant",
                "text": "您好！",
                "created_ms": created_ms,
                "run_id": "run-1",
                "source": "faq",
                "label": "official",
                "score": 0.97,
                "rule": "",
                "cached": False,
                "sources": [
                    {"kind": "faq", "id": "e1", "title": "营业时间", "quote": "", "href": ""}
                ],
                "suggestions": ["几点关门？"],
                "finish_reason": "stop",
            },
            {
                "id": 3,
                "role": "customer",
                "text": "再见",
                "created_ms": created_ms,
                "run_id": "run-2",
            },
            {
                "id": 4,
                "role": "assistant",
                "text": "",
                "created_ms": created_ms,
                "run_id": "run-2",
                "error": {"code": "engine_failed", "message": "Broke."},
            },
        ],
        "running": None,
        "handoff": "bot",
        "handoff_told": {"state": "bot"},
        "identity": None,
        "event_id": 4,
    }


def test_the_history_shows_the_answer_under_way(tmp_path: Path) -> None:
    conversations = FakeConversations()
    turn = FakeTurn((Started("faq"), Token("一"), Token("二")))
    conversations.transcripts["known"] = FakeTranscript((), turn)
    with open_house(tmp_path, conversations) as client:
        said = client.get("/sessions/known/messages").json()["running"]
        turn.queued = Queued(2, 3400)
        waiting = client.get("/sessions/known/messages").json()["running"]
    assert said == {"run_id": "run-1", "text": "一二", "source": "faq", "queued": None}
    assert waiting["queued"] == {"position": 2, "eta_ms": 3400, "reason": "queue"}


def test_a_long_history_looks_as_a_short_one(tmp_path: Path) -> None:
    conversations = FakeConversations()
    for count in (0, 1, MOST_AT_ONCE, MOST_AT_ONCE + 1):
        messages = tuple(FakeMessage(at, "customer", f"{at}：\u2028“") for at in range(count))
        conversations.transcripts["known"] = FakeTranscript(messages, last_number=count)
        with open_house(tmp_path / str(count), conversations) as client:
            answer = client.get("/sessions/known/messages")
        told = answer.json()
        assert answer.content == dump(told).encode()
        assert [one["text"] for one in told["messages"]] == [one.text for one in messages]


async def test_long_histories_are_told_two_at_a_time_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_free, came, told_by = threading.Event(), asyncio.Semaphore(0), list[int]()
    event_loop = asyncio.get_running_loop()

    def dump_slowly(*_: object) -> bytes:
        told_by.append(threading.get_ident())
        event_loop.call_soon_threadsafe(came.release)
        assert is_free.wait(30)
        return b"{}"

    monkeypatch.setattr(sessions, "_dump_history", dump_slowly)
    conversations = FakeConversations()
    messages = tuple(FakeMessage(at, "customer", "你好") for at in range(MOST_AT_ONCE + 1))
    conversations.transcripts["known"] = FakeTranscript(messages)
    calls = sessions.Sessions(
        conversations,  # type: ignore[arg-type]
        Identities(FakeIdentityRows(), ""),  # type: ignore[arg-type]
        100,
        Rates(Settings()),
    )
    request = Request({"type": "http", "path_params": {"session_id": "known"}})
    asked = [asyncio.create_task(calls.read(request)) for _ in range(sessions.READS + 1)]
    for _ in range(sessions.READS):
        await came.acquire()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(told_by) == sessions.READS
    is_free.set()
    await asyncio.gather(*asked)
    assert len(told_by) == len(asked) and threading.get_ident() not in told_by


def test_stop_says_whether_something_was_under_way(tmp_path: Path) -> None:
    conversations = FakeConversations()
    with open_house(tmp_path, conversations) as client:
        assert client.post("/sessions/known/stop").json() == {"stopped": False}
        conversations.transcripts["known"] = FakeTranscript((), FakeTurn(()))
        assert client.post("/sessions/known/stop").json() == {"stopped": True}


def test_forgetting_counts_what_is_gone_and_then_the_session_is_unknown(tmp_path: Path) -> None:
    conversations = FakeConversations()
    messages = (FakeMessage(1, "customer", "你好"), FakeMessage(2, "assistant", "您好"))
    conversations.transcripts["known"] = FakeTranscript(messages)
    with open_house(tmp_path, conversations) as client:
        told = client.delete("/sessions/known").json()
        assert told == {"deleted": {"messages": 2, "turns": 1}, "receipt": None}
        assert client.delete("/sessions/known").status_code == 404


@pytest.mark.parametrize(
    "session_id",
    ["other", "..%2fknown", "x" * 129, "a'--"],
)
def test_an_unknown_id_is_a_404_everywhere(tmp_path: Path, session_id: str) -> None:
    for answer in ask_everywhere(tmp_path, session_id):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] in {"session_not_found", "not_found"}


@pytest.mark.parametrize("session_id", ["%00", "known%00", "%ff%fe", "%ED%A0%80", "%F0%9F"])
def test_an_id_of_characters_that_no_id_has_is_refused_everywhere(
    tmp_path: Path, session_id: str
) -> None:
    for answer in ask_everywhere(tmp_path, session_id):
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_request"


def ask_everywhere(folder: Path, session_id: str) -> list[Response]:
    with open_house(folder) as client:
        return [
            client.get(f"/sessions/{session_id}/messages"),
            client.post(f"/sessions/{session_id}/messages", json={"message": "hi"}),
            client.get(f"/sessions/{session_id}/events"),
            client.post(f"/sessions/{session_id}/stop"),
            client.post(f"/sessions/{session_id}/handoff"),
            client.delete(f"/sessions/{session_id}"),
        ]


@pytest.mark.parametrize("session_id", ["other", "", "a\0b", "\ud800", "x" * 500])
def test_chatting_in_an_unknown_session_is_a_404(tmp_path: Path, session_id: str) -> None:
    conversations = FakeConversations()
    with open_house(tmp_path, conversations) as client:
        body = json.dumps({"message": "hi", "session_id": session_id})
        answer = client.post("/chat", content=body, headers=JSON_TYPE)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "session_not_found"
    assert conversations.said == []


def test_a_session_of_null_is_a_new_one(tmp_path: Path) -> None:
    conversations = FakeConversations()
    with open_house(tmp_path, conversations) as client:
        client.post("/chat", json={"message": "hi", "session_id": None})
        client.post("/chat", json={"message": "hi", "session_id": "known"})
    assert conversations.said == [("hi", None), ("hi", "known")]
