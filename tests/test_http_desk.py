"""Operators over HTTP: the list, taking over, answering, giving back, and who may not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from appliance.engine.scripted import ScriptedEngine
from appliance.store.sessions import key_of
from tests.desk_house import Operator, employ, wait_for
from tests.scripted_house import HouseServer
from tests.test_http_events import visiting


@pytest.fixture
def server(scripted_server: HouseServer[ScriptedEngine]) -> HouseServer[ScriptedEngine]:
    employ(scripted_server.house.store.path.parent)
    return scripted_server


@pytest.fixture
def wang(server: HouseServer[ScriptedEngine]) -> Iterator[Operator]:
    with Operator(server.url, "wang") as operator:
        yield operator


def test_an_operator_takes_a_conversation_over_answers_and_gives_it_back(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer, customer.watch() as watcher:
        key = key_of(customer.path.rsplit("/", 1)[1])
        customer.say("我的订单在哪里？")
        watcher.read_until("done")
        customer.client.post(f"{customer.path}/handoff")
        asked = watcher.read_until("handoff")[-1].data
        assert (asked["state"], asked["place"], asked["asks_contact"]) == ("waiting", 1, True)
        (row,) = wang.list_rows()
        assert (row["id"], row["state"], row["place"], row["language"]) == (key, "waiting", 1, "zh")
        assert row["last_text"].startswith("你说：") and row["rung"] == "model"

        taken = wang.do(key, "take", running="stop").json()["conversation"]
        assert (taken["state"], taken["assigned_to"]) == ("human", "wang")
        assert watcher.read_until("handoff")[-1].data == {
            "run_id": "",
            "state": "human",
            "name": "wang",
        }
        said = wang.do(key, "messages", text="您好，我来帮您查。", client_id="m1")
        assert said.status_code == 202
        assert (
            wang.do(key, "messages", text="您好，我来帮您查。", client_id="m1").json()
            == said.json()
        )
        shown = watcher.read_until("message")[-1]
        assert shown.id == said.json()["event_id"]
        assert shown.data == {
            "run_id": "",
            "role": "operator",
            "text": "您好，我来帮您查。",
            "name": "wang",
        }
        customer.say("谢谢，订单号是 1234。")
        assert watcher.read_until("done")[-1].data["source"] == "human"
        opened = wang.get(f"conversations/{key}")
        assert [(one["role"], one["text"]) for one in opened["messages"] if one["text"]][-2:] == [
            ("operator", "您好，我来帮您查。"),
            ("customer", "谢谢，订单号是 1234。"),
        ]
        assert [one["operator"] for one in opened["messages"] if one["role"] == "operator"] == [
            "wang"
        ]
        released = wang.do(key, "release", to="bot").json()["conversation"]
        assert (released["state"], released["assigned_to"]) == ("bot", "")
        customer.say("还有一个问题。")
        assert watcher.read_until("done")[-1].data["source"] == "model"
        history = customer.client.get(f"{customer.path}/messages").json()
    assert [one["name"] for one in history["messages"] if one["role"] == "operator"] == ["wang"]


def test_two_operators_never_have_one_conversation(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with Operator(server.url, "li") as li, visiting(server.url) as customer:
        key = key_of(customer.path.rsplit("/", 1)[1])
        assert wang.do(key, "take").status_code == 200
        assert wang.do(key, "take").status_code == 200
        for act, body in (("take", {}), ("messages", {"text": "我来"}), ("release", {"to": "bot"})):
            refused = li.do(key, act, **body)
            assert refused.status_code == 409, refused.text
            error = refused.json()["error"]
            assert (error["code"], error["detail"]) == ("already_taken", {"account": "wang"})
        assert wang.do(key, "assign", account="li").json()["conversation"]["assigned_to"] == "li"
        assert wang.do(key, "messages", text="还有我").status_code == 409
        assert li.do(key, "messages", text="现在是我").status_code == 202


def test_the_list_tells_of_what_changes_and_of_who_is_there(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with wang.stream("events") as events, visiting(server.url) as customer:
        assert wait_for(events, "operators") == {"names": ["wang"]}
        key = key_of(customer.path.rsplit("/", 1)[1])
        customer.say("我的订单在哪里？")
        begun = wait_for(events, "conversation")
        while begun["is_running"] or begun["last_role"] != "assistant":
            begun = wait_for(events, "conversation")
        assert (begun["id"], begun["state"], begun["last_text"]) == (
            key,
            "bot",
            "你说：我的订单在哪里？",
        )
        customer.client.post(f"{customer.path}/handoff")
        waiting = wait_for(events, "conversation")
        assert (waiting["state"], waiting["place"]) == ("waiting", 1)
        customer.client.delete(customer.path)
        assert wait_for(events, "removed") == {"id": key}
