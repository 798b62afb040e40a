"""The wish for a person over HTTP, and where an answer says what it rests on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from appliance.engine.scripted import ScriptedEngine
from appliance.errors import TurnRunning
from appliance.events import Cited, Done, Event, Handoff, HandoffState, Source, Token
from tests.scripted_house import HouseServer
from tests.test_http_events import visiting
from tests.test_http_house import JSON_TYPE, FakeConversations, FakeTranscript, open_house

ANSWER = Done(
    "stop",
    "faq",
    sources=(Cited("faq", "e1", "几点开门？", "九点开门。", "https://shop.example/hours"),),
    score=0.97,
    rule="",
    suggestions=("几点关门？",),
)
SHOWN = {
    "source": "faq",
    "label": "official",
    "finish_reason": "stop",
    "score": 0.97,
    "rule": "",
    "cached": False,
    "sources": [
        {
            "kind": "faq",
            "id": "e1",
            "title": "几点开门？",
            "quote": "九点开门。",
            "href": "https://shop.example/hours",
        }
    ],
    "suggestions": ["几点关门？"],
}


def say(folder: Path, *events: Event, accept: str = "*/*") -> Any:
    with open_house(folder, FakeConversations(events)) as client:
        return client.post("/chat", json={"message": "hi"}, headers={"Accept": accept})


@pytest.mark.parametrize("body", [b"", b"{}", b'{"state": "waiting"}'])
def test_asking_for_a_person_says_who_has_the_conversation_now(tmp_path: Path, body: bytes) -> None:
    conversations = FakeConversations()
    with open_house(tmp_path, conversations) as client:
        answer = client.post("/sessions/known/handoff", content=body, headers=JSON_TYPE)
        history = client.get("/sessions/known/messages").json()
        closed = client.post("/sessions/known/handoff", json={"state": "closed"})
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "handoff": "waiting",
            "message": "contact in zh",
            "state": "waiting",
            "place": 2,
            "promise": "Soon.",
            "asks_contact": False,
        },
    )
    assert answer.headers["cache-control"] == "no-store"
    assert history["handoff"] == "waiting"
    assert closed.json() == {"handoff": "closed", "message": "", "state": "closed"}
    assert conversations.calls == ["handoff waiting", "handoff closed"]


def test_what_cannot_be_closed_is_a_409_with_its_own_code(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        answer = client.post("/sessions/known/handoff", json={"state": "closed"})
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "handoff_refused"


def test_a_turn_that_just_begins_is_a_409_of_its_own(tmp_path: Path) -> None:
    class Beginning(FakeConversations):
        async def hand_over(self, session_id: str, state: HandoffState, language: str) -> Handoff:
            raise TurnRunning("A question is being answered; please try again in a moment.")

    with open_house(tmp_path, Beginning()) as client:
        answer = client.post("/sessions/known/handoff")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "turn_running")


@pytest.mark.parametrize(
    "body",
    [{"state": "human"}, {"state": "bot"}, {"state": 1}, {"state": None}, {"reason": "x"}],
)
def test_a_customer_can_neither_take_a_conversation_nor_give_it_back(
    tmp_path: Path, body: dict[str, object]
) -> None:
    conversations = FakeConversations()
    with open_house(tmp_path, conversations) as client:
        answer = client.post("/sessions/known/handoff", json=body)
    assert answer.status_code == 422
    assert conversations.calls == []


def test_a_hand_over_in_mid_answer_is_a_comment_for_the_plain_client(tmp_path: Path) -> None:
    stream = say(tmp_path, Token("一"), Handoff("waiting"), Token("二"), ANSWER).text
    assert stream.count(': handoff {"state": "waiting"}\n\n') == 1
    data = [json.loads(block[5:]) for block in stream.split("\n\n") if block.startswith("data:")]
    assert [frame["token"] for frame in data] == ["一", "二", ""]


def test_the_last_frame_the_whole_answer_and_the_event_tell_the_same(tmp_path: Path) -> None:
    last = json.loads(say(tmp_path, ANSWER).text.rstrip().rsplit("data:", 1)[1])
    whole = say(tmp_path / "whole", ANSWER, accept="application/json").json()
    with open_house(tmp_path / "events", FakeConversations((ANSWER,))) as client:
        frame = client.get("/sessions/known/events").text
    event = json.loads(frame.split("data: ")[1].split("\n")[0])
    for shown in (last, whole, event):
        assert shown.items() >= SHOWN.items()
        assert {"usage", "timings", "run_id"} <= set(shown)


@pytest.mark.parametrize(
    ("source", "label"),
    [
        ("rule", "official"),
        ("faq", "official"),
        ("tool", "official"),
        ("knowledge", "ai"),
        ("model", "ai"),
        ("fallback", "official"),
        ("human", "official"),
    ],
)
def test_every_rung_is_labelled(tmp_path: Path, source: Source, label: str) -> None:
    answer = say(tmp_path, Done("stop", source), accept="application/json").json()
    assert (answer["source"], answer["label"]) == (source, label)


def test_the_contract_describes_the_wish_and_what_an_answer_rests_on(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        contract = client.get("/openapi.json").json()
    wish = contract["paths"]["/sessions/{session_id}/handoff"]["post"]
    assert set(wish["responses"]) == {"200", "400", "404", "409", "413", "415", "422", "503"}
    assert "handoff_refused" in wish["responses"]["409"]["description"]
    assert wish["requestBody"]["required"] is False
    schemas = contract["components"]["schemas"]
    for name in ("DoneFrame", "DoneEvent", "WholeAnswer"):
        assert set(SHOWN) <= set(schemas[name]["required"])
    assert set(schemas["Cited"]["properties"]) == {"kind", "id", "title", "quote", "href"}
    assert "handoff" in schemas["History"]["required"]


def test_a_history_shows_who_has_the_conversation(tmp_path: Path) -> None:
    conversations = FakeConversations()
    conversations.transcripts["known"] = FakeTranscript(handoff=Handoff("human"))
    with open_house(tmp_path, conversations) as client:
        assert client.get("/sessions/known/messages").json()["handoff"] == "human"


def test_a_wish_in_mid_answer_and_one_between_answers_reach_every_watcher(
    scripted_server: HouseServer[ScriptedEngine],
) -> None:
    with visiting(scripted_server.url) as customer, customer.watch() as watcher:
        wish = f"{customer.path}/handoff"
        customer.say("退款多久到账？我等了很久，还没有消息，请您查一查。")
        watcher.read_pieces(1)
        assert customer.client.post(wish).json()["handoff"] == "waiting"
        first = watcher.read_until("done")
        closed = customer.client.post(wish, json={"state": "closed"})
        assert closed.json() == {"handoff": "closed", "message": "", "state": "closed"}
        between = watcher.read_until("handoff")[-1]
        history = customer.read_history()
        with customer.watch() as again:
            replayed = again.read_until("done") + again.read_until("handoff")[-1:]
        figures = httpx2.get(f"{scripted_server.url}/metrics").text
    assert [frame.data["state"] for frame in first if frame.event == "handoff"] == ["waiting"]
    assert [frame.id for frame in first] == list(range(1, len(first) + 1))
    assert (between.id, between.data) == (len(first) + 1, {"run_id": "", "state": "closed"})
    assert (history["handoff"], history["event_id"]) == ("closed", between.id)
    assert replayed == [*first, between]
    assert 'appliance_handoffs_open{state="waiting"} 0.0' in figures
    assert 'appliance_answers_total{source="' in figures
