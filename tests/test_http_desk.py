"""Operators over HTTP: the list, taking over, answering, giving back, and who may not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from appliance.engine.scripted import ScriptedEngine
from appliance.store.access_file import AccessFile
from appliance.store.accounts import Account, Accounts, Role
from appliance.store.sessions import key_of
from appliance.vault import read_clock_ms
from tests.desk_house import Operator, employ, wait_for
from tests.scripted_house import HouseServer, answer, choose_settings, serving
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


def test_who_hangs_up_before_an_answer_has_ended_takes_nothing_over(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer, customer.watch() as watcher:
        key = key_of(customer.path.rsplit("/", 1)[1])
        customer.say("请说一个长的回答")
        watcher.read_until("token")
        with pytest.raises(httpx2.ReadTimeout):
            wang.client.post(
                f"/console/conversations/{key}/take", json={"running": "finish"}, timeout=0.2
            )
        watcher.read_until("done")
        assert [row["state"] for row in wang.list_rows()] == ["bot"]
        assert wang.do(key, "take").json()["conversation"]["assigned_to"] == "wang"
        taken = [said["act"] for said, _ in read_acts(server) if said["act"].startswith("take")]
        assert taken == ["take, stop"]


@pytest.mark.parametrize("name", ["niemand", "gast", "entlassen"])
def test_a_conversation_is_given_to_nobody_who_could_not_take_it(
    server: HouseServer[ScriptedEngine], wang: Operator, name: str
) -> None:
    accounts = Accounts(AccessFile(server.house.store.path.parent), read_clock_ms)
    accounts.keep(Account("entlassen", Role.OPERATOR), "no hash")
    accounts.remove("entlassen")
    with visiting(server.url) as customer:
        key = key_of(customer.path.rsplit("/", 1)[1])
        wang.do(key, "take")
        refused = wang.do(key, "assign", account=name)
        assert refused.status_code == 422
        error = refused.json()["error"]
        assert (error["code"], error["detail"]) == ("unknown_operator", {"field": "account"})
        assert wang.get(f"conversations/{key}")["conversation"]["assigned_to"] == "wang"


def test_the_list_tells_of_what_changes_and_of_who_is_there(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with wang.stream("events") as events, visiting(server.url) as customer:
        assert wait_for(events, "operators") == {"names": ["wang"], "is_held": False}
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


def test_a_conversation_that_nobody_waited_in_leaves_the_list_when_it_is_deleted(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with wang.stream("events") as events, visiting(server.url) as customer:
        customer.say("我的订单在哪里？")
        shown = wait_for(events, "conversation")
        while shown["is_running"] or shown["last_role"] != "assistant":
            shown = wait_for(events, "conversation")
        customer.client.delete(customer.path)
        assert wait_for(events, "removed") == {"id": shown["id"]}


def test_a_comment_stays_until_another_or_an_empty_one_is_sent(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer:
        key = key_of(customer.path.rsplit("/", 1)[1])

        def rate(stars: int, **said: str | None) -> tuple[int, str]:
            wish = {"stars": stars, **said}
            assert customer.client.post(f"{customer.path}/rating", json=wish).is_success
            csat = wang.get(f"conversations/{key}")["csat"]
            return csat["stars"], csat["comment"]

        assert rate(2, comment="等太久") == (2, "等太久")
        assert rate(4) == (4, "等太久")
        assert rate(5, comment=None) == (5, "等太久")
        assert rate(3, comment="还行") == (3, "还行")
        assert rate(3, comment=" ") == (3, "")
        assert rate(1) == (1, "")


def test_what_a_customer_leaves_and_says_of_it_all_stands_at_the_desk(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer:
        key = key_of(customer.path.rsplit("/", 1)[1])
        post = customer.client.post
        left = post(f"{customer.path}/contact", json={"text": " 电话 13800000000 "})
        assert left.json() == {"contact": "电话 13800000000"}
        assert post(f"{customer.path}/rating", json={"stars": 5}).json() == {"stars": 5}
        rated = post(f"{customer.path}/rating", json={"stars": 2, "comment": "等太久"})
        assert rated.json() == {"stars": 2}
        for act, body in (
            ("rating", {"stars": 6}),
            ("rating", {"stars": True}),
            ("rating", {"stars": 3, "comment": "x" * 1001}),
            ("contact", {"text": "x" * 201}),
            ("contact", {"text": " \n"}),
        ):
            assert post(f"{customer.path}/{act}", json=body).status_code == 422, (act, body)
        for act, body in (("typing", {}), ("contact", {"text": "x"}), ("rating", {"stars": 1})):
            assert post(f"/sessions/{'x' * 22}/{act}", json=body).status_code == 404
        assert wang.do(key, "notes", text="老顾客，先生姓李。").status_code == 201
        opened = wang.get(f"conversations/{key}")
    assert opened["conversation"]["contact"] == "电话 13800000000"
    assert {**opened["csat"], "at_ms": 0} == {"stars": 2, "comment": "等太久", "at_ms": 0}
    assert [(one["text"], one["account"]) for one in opened["notes"]] == [
        ("老顾客，先生姓李。", "wang")
    ]


def test_who_holds_all_answers_is_told_to_every_desk(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with wang.stream("events") as events:
        assert not wait_for(events, "operators")["is_held"]
        for is_on in (True, False):
            wang.client.post("/console/hold", json={"on": is_on})
            assert wait_for(events, "operators") == {"names": ["wang"], "is_held": is_on}


def test_both_see_that_the_other_writes_and_neither_sees_himself(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer, customer.watch() as watcher:
        key = key_of(customer.path.rsplit("/", 1)[1])
        with wang.stream("events") as events, wang.stream(f"conversations/{key}/events") as own:
            assert wait_for(events, "operators") == {"names": ["wang"], "is_held": False}
            wang.do(key, "take")
            wait_for(own, "handoff")
            watcher.read_until("handoff")
            customer.client.post(f"{customer.path}/typing")
            assert wait_for(own, "typing") == {"who": "customer"}
            assert wait_for(events, "typing") == {"id": key, "who": "customer"}
            wang.do(key, "typing")
            shown = watcher.read_until("typing")
            assert [frame.data for frame in shown if frame.event == "typing"] == [
                {"who": "operator"}
            ]
            assert wait_for(events, "typing") == {"id": key, "who": "wang"}


def test_canned_replies_are_kept_whole_and_shared(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    replies = [
        {"shortcut": "/hi", "text": "您好，我是小王。"},
        {"shortcut": "/bye", "text": "再见！"},
    ]
    put = wang.client.put("/console/replies", json={"replies": replies})
    assert put.json() == {"replies": replies}
    twice = wang.client.put("/console/replies", json={"replies": [replies[0], replies[0]]})
    assert twice.status_code == 422
    with Operator(server.url, "gast") as guest:
        assert guest.get("replies") == {"replies": replies}


def test_words_are_found_within_a_time_whatever_their_width_and_case(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer, customer.watch() as watcher:
        key = key_of(customer.path.rsplit("/", 1)[1])
        customer.say("我买的Ｗｉｄｇｅｔ什么时候到")
        watcher.read_until("done")
        found = wang.get("search?q=WIDGET")
        assert not found["is_cut"]
        assert {(one["id"], one["role"]) for one in found["found"]} >= {(key, "customer")}
        at_ms = found["found"][-1]["at_ms"]
        assert wang.get(f"search?q=widget&to_ms={at_ms - 1}")["found"] == []
        assert wang.get(f"search?q=widget&from_ms={at_ms + 60_000}")["found"] == []
        assert wang.client.get("/console/search?q=").status_code == 422
        assert wang.client.get("/console/search?q=a&from_ms=x").status_code == 422
        customer.client.delete(customer.path)
        assert wang.get("search?q=widget") == {"found": [], "is_cut": False}


def test_filters_and_pages_show_what_they_say(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    for question in ("我的订单在哪里？", "Where does my parcel stand?", "转人工"):
        with visiting(server.url) as customer, customer.watch() as watcher:
            customer.say(question)
            watcher.read_until("done")
    assert [row["state"] for row in wang.list_rows()] == ["waiting", "bot", "bot"]
    assert [row["language"] for row in wang.list_rows("?language=en")] == ["en"]
    assert [row["rung"] for row in wang.list_rows("?rung=rule")] == ["rule"]
    assert [row["state"] for row in wang.list_rows("?state=waiting")] == ["waiting"]
    page = wang.get("conversations?limit=1")
    assert page["counts"] == {"bot": 2, "waiting": 1, "human": 0, "closed": 0}
    assert len(page["conversations"]) == 2 and page["next"]
    rest = wang.get(f"conversations?limit=1&before={page['next']}")["conversations"]
    assert {row["id"] for row in [*page["conversations"], *rest]} == {
        row["id"] for row in wang.list_rows()
    }
    for query in ("?state=mine", "?rung=x", "?language=fr", "?before=-1", "?limit=x"):
        assert wang.client.get(f"/console/conversations{query}").status_code == 422


def test_an_answer_under_way_is_told_by_its_events_and_nothing_twice(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer, customer.watch() as watcher:
        key = key_of(customer.path.rsplit("/", 1)[1])
        customer.say("请给我一个很长的回答")
        watcher.read_pieces(3)
        opened = wang.get(f"conversations/{key}")
        assert [one["role"] for one in opened["messages"]] == ["customer"]
        path = f"conversations/{key}/events?after={opened['last_number']}"
        with wang.stream(path) as events:
            text = ""
            for name, data in events:
                text += data["text"] if name == "token" else ""
                if name == "done":
                    break
        history = customer.client.get(f"{customer.path}/messages").json()
    assert text == history["messages"][-1]["text"]


def test_a_look_shows_what_became_of_a_conversation_while_the_look_was_noted(
    server: HouseServer[ScriptedEngine], wang: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older answer would take back what the list's stream has told meanwhile."""
    desk, book = server.house.staff.desk, server.house.staff.desk._book
    note_act = book.note_act
    to_note: list[str] = []
    with visiting(server.url) as customer:
        key = key_of(customer.path.rsplit("/", 1)[1])

        async def note_and_take(account: str, act: str, session_key: str = "") -> None:
            await note_act(account, act, session_key)
            to_note.append(act)
            await desk.take(key, "wang" if act == "list" else "li", "stop")

        monkeypatch.setattr(book, "note_act", note_and_take)
        assert wang.list_rows()[0]["assigned_to"] == "wang"
        wang.do(key, "release", to="bot")
        assert wang.get(f"conversations/{key}")["conversation"]["assigned_to"] == "li"
    assert to_note == ["list", "open"]


def test_every_view_and_act_is_a_row_of_the_audit_log_and_holds_no_word(
    server: HouseServer[ScriptedEngine], wang: Operator
) -> None:
    with visiting(server.url) as customer:
        key = key_of(customer.path.rsplit("/", 1)[1])
        wang.list_rows()
        wang.get(f"conversations/{key}")
        wang.get("search?q=geheim")
        wang.get("operators")
        wang.get("replies")
        wang.get(f"conversations/{key}/suggestions")
        wang.do(key, "take", running="finish")
        wang.do(key, "messages", text="geheim")
        wang.do(key, "notes", text="geheim")
        wang.do(key, "assign", account="wang")
        wang.do(key, "hold", on=True)
        wang.client.post("/console/hold", json={"on": True})
        wang.client.put("/console/replies", json={"replies": []})
        wang.do(key, "release", to="closed")
        rows = read_acts(server)
        assert [(said["act"], session) for said, session in rows] == [
            ("list", ""),
            ("open", key),
            ("search", ""),
            ("operators", ""),
            ("read replies", ""),
            ("suggestions", key),
            ("take, finish", key),
            ("message", key),
            ("note", key),
            ("assign", key),
            ("hold", key),
            ("hold of all", ""),
            ("replies", ""),
            ("release, closed", key),
        ]
        assert {said["account"] for said, _ in rows} == {"wang"}
        assert "geheim" not in str(rows)
        customer.client.delete(customer.path)
        assert [said for said, session in read_acts(server) if session == key] == []
        assert check_audit(server) == ""


def read_acts(server: HouseServer[ScriptedEngine]) -> list[tuple[dict[str, str], str]]:
    """What acts say, oldest first, and of which conversation."""
    audit = server.house.vault.audit

    async def read() -> list[tuple[dict[str, str], str]]:
        return await server.house.store.read(
            lambda connection: [
                ({name: str(value) for name, value in entry.said.items()}, entry.session_key)
                for entry in audit.read(connection)
                if entry.kind == "act" and entry.said is not None
            ][::-1]
        )

    return asyncio.run_coroutine_threadsafe(read(), server.event_loop).result(30)


def check_audit(server: HouseServer[ScriptedEngine]) -> str:
    """What is wrong with the chain."""

    async def check() -> str:
        checked = await server.house.store.read(server.house.vault.audit.check)
        return checked.fault

    return asyncio.run_coroutine_threadsafe(check(), server.event_loop).result(30)


def test_a_conversation_tells_how_long_a_message_in_it_may_be(tmp_path: Path) -> None:
    settings = choose_settings(tmp_path).model_copy(update={"max_message_chars": 20})
    with serving(settings, ScriptedEngine(answer)) as server:
        employ(settings.data)
        with Operator(server.url, "wang") as wang, visiting(server.url) as customer:
            key = key_of(customer.path.rsplit("/", 1)[1])
            assert wang.get(f"conversations/{key}")["max_message_chars"] == 20
            assert customer.client.get("/readyz").json()["max_message_chars"] == 20
            wang.do(key, "take")
            assert wang.do(key, "messages", text="好" * 21).status_code == 422
            assert wang.do(key, "messages", text="好" * 20).status_code == 202


def test_suggestions_come_from_what_the_shop_wrote_and_are_said_to_nobody(tmp_path: Path) -> None:
    settings = choose_settings(tmp_path)
    (settings.knowledge / "faq.csv").write_text(
        "question,answer\n运费多少钱,满 99 元免运费，否则 8 元。\n", "utf-8"
    )
    with serving(settings, ScriptedEngine(answer)) as server:
        server.wait_ready(60.0)
        employ(settings.data)
        with Operator(server.url, "wang") as wang, visiting(server.url) as customer:
            key = key_of(customer.path.rsplit("/", 1)[1])
            wang.do(key, "take")
            customer.say("请问运费多少钱")
            with customer.watch() as watcher:
                watcher.read_until("done")
            suggested = wang.get(f"conversations/{key}/suggestions")["suggestions"]
            history = customer.client.get(f"{customer.path}/messages").json()["messages"]
    assert (suggested[0]["kind"], suggested[0]["text"]) == ("faq", "满 99 元免运费，否则 8 元。")
    assert [one["text"] for one in history] == ["请问运费多少钱", ""]
