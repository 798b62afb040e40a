"""The tools in the console: switched on and off as drafts of the file, tried without a trace."""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance.app import House
from appliance.drafting import Drafting
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import PublishRefused
from appliance.settings import Settings
from appliance.store.accounts import Role
from appliance.toolbox import read_registry
from appliance.tools.switching import switch
from appliance.tools.trying import try_tool
from tests.operators import open_console
from tests.shop_tools import TOOLS, make_shop
from tests.test_drafting import publish

PATH = "/console/settings/tools"
RIGHT = {"order_no": "A10023", "phone_tail": "6688"}
HTTP = """
[tool.track]
kind = "http"
description = { zh = "查快递", en = "track a parcel" }
parameters = ["order_no"]
url = "http://127.0.0.1:9/parcels/{order_no}"
hosts = ["127.0.0.1"]
writes = WRITES
secrets = { X-Key = "PARCEL_KEY" }
[tool.track.reply]
found = { zh = "有", en = "found" }
confirm = { zh = "吗？", en = "Shall I?" }
done = { zh = "好了", en = "done" }
none = { zh = "没有", en = "none" }
error = { zh = "不行", en = "no" }
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shop = make_shop(tmp_path / "knowledge")
    return Settings(data=tmp_path / "data", knowledge=shop, address_per_minute=0)


@pytest.fixture
def chef(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    async def run(_self: Drafting, _folder: Path, _asked: object) -> dict[str, Any]:
        return {"cases": 1, "right_before": 1, "right_after": 1}

    monkeypatch.setattr(Drafting, "_run", run)
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with open_console(house, settings.data) as client:
        yield client


def flip(client: TestClient, name: str, on: bool) -> dict[str, Any]:
    told: dict[str, Any] = client.post(f"{PATH}/{name}/switch", json={"on": on}).json()
    while told.get("state") == "running":
        told = client.get("/console/settings/check").json()
    return told


@pytest.mark.parametrize("name", ["query_order", "request_return"])
def test_a_switch_is_one_row_of_the_file(name: str) -> None:
    off = switch(TOOLS, name, is_on=False)
    assert off.replace("off = true\n", "") == TOOLS
    assert tomllib.loads(off)["tool"][name]["off"] is True
    assert switch(off, name, is_on=True) == TOOLS
    assert switch(TOOLS, name, is_on=True) == TOOLS and switch(off, name, is_on=False) == off


def test_what_cannot_be_switched_is_said() -> None:
    for text, name in (
        (TOOLS, "none"),
        ("[", "x"),
        ("tool = 3", "x"),
        ("tool.x.kind = 'sql'", "x"),
    ):
        with pytest.raises(PublishRefused):
            switch(text, name, is_on=False)
    said = '[tool.x]\nkind = "sql"\noff = false  # not now\n'
    assert switch(said, "x", is_on=False) == said.replace("false", "true")


def test_a_tool_is_switched_off_and_on_and_each_is_a_version(
    chef: TestClient, settings: Settings
) -> None:
    assert flip(chef, "query_order", False)["note"] == "query_order off"
    shown = {one["name"]: one["is_on"] for one in chef.get(PATH).json()["tools"]}
    assert shown == {"query_order": True, "request_return": True}, "it was only checked"
    assert publish(chef, "tools.toml").status_code == 200
    registry = read_registry(settings.knowledge, settings.data)
    assert ([*registry.tools], [*registry.off]) == (["request_return"], ["query_order"])
    shown = {one["name"]: one["is_on"] for one in chef.get(PATH).json()["tools"]}
    assert shown == {"query_order": False, "request_return": True}
    flip(chef, "query_order", True)
    assert publish(chef, "tools.toml").status_code == 200
    assert (settings.knowledge / "tools.toml").read_text("utf-8") == TOOLS
    versions = chef.get("/console/settings/files/tools.toml").json()["versions"]
    assert [(one["account"], one["note"]) for one in versions] == [
        ("owner", "query_order on"),
        ("owner", "query_order off"),
        ("", "found"),
    ]
    assert chef.post(f"{PATH}/none/switch", json={"on": True}).status_code == 404


def attempt(client: TestClient, name: str, **arguments: str) -> Any:
    return client.post(f"{PATH}/{name}/test", json={"arguments": arguments})


def test_a_trial_shows_the_rows_the_reply_and_the_very_statement(chef: TestClient) -> None:
    told = attempt(chef, "query_order", **RIGHT).json()
    assert (told["outcome"], told["refused"], told["is_dry"]) == ("found", "", False)
    assert told["rows"][0]["order_no"] == "A10023" and "A10023" in told["reply"]["en"]
    (asked,) = told["asked"]
    assert "SELECT order_no, state, note FROM orders" in asked and ":phone_tail = '6688'" in asked
    assert told["took_ms"] > 0
    refused = attempt(chef, "query_order", order_no="1 OR 1=1", phone_tail="6688").json()
    assert refused["refused"] == "order_no is missing or not possible." and refused["asked"]
    assert attempt(chef, "query_order", other="x").status_code == 422
    assert attempt(chef, "none").status_code == 404


def test_a_tool_that_is_off_can_be_tried_before_it_is_on(chef: TestClient) -> None:
    flip(chef, "query_order", False)
    publish(chef, "tools.toml")
    assert attempt(chef, "query_order", **RIGHT).json()["outcome"] == "found"


def test_what_the_database_refuses_is_shown_with_its_statement(
    chef: TestClient, settings: Settings
) -> None:
    with closing(sqlite3.connect(settings.knowledge / "orders.db")) as database:
        database.execute("DROP TABLE orders")
    told = attempt(chef, "query_order", **RIGHT).json()
    assert "no such table: orders" in told["refused"] and told["rows"] == []
    assert "FROM orders" in told["asked"][0]


def test_a_tool_that_writes_is_only_rehearsed(chef: TestClient, settings: Settings) -> None:
    place = settings.data / "requests.db"
    told = attempt(chef, "request_return", **RIGHT).json()
    assert (told["outcome"], told["rows"], told["is_dry"]) == ("done", [{"return_no": "R1"}], True)
    assert "INSERT INTO returns" in told["asked"][1] and not place.exists()
    with closing(sqlite3.connect(place)) as database:
        database.executescript(
            "CREATE TABLE returns (id INTEGER PRIMARY KEY, key TEXT UNIQUE, order_no TEXT UNIQUE);"
            "INSERT INTO returns VALUES (7, 'k', 'A99999');"
        )
    before = place.read_bytes()
    assert attempt(chef, "request_return", **RIGHT).json()["rows"] == [{"return_no": "R8"}]
    assert place.read_bytes() == before
    nobody = attempt(chef, "request_return", order_no="A99999", phone_tail="0000").json()
    assert (nobody["outcome"], nobody["rows"]) == ("none", [])


@pytest.mark.parametrize("writes", ["true", "false"])
async def test_a_request_is_shown_without_its_secret_and_never_sent_to_write(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, writes: str
) -> None:
    monkeypatch.setenv("PARCEL_KEY", "hidden-secret")
    text = TOOLS + HTTP.replace("WRITES", writes)
    (settings.knowledge / "tools.toml").write_text(text, "utf-8")
    registry = read_registry(settings.knowledge, settings.data)
    assert registry.faults == ()
    tried = await try_tool(registry, registry.tools["track"], {"order_no": "A10023"})
    assert tried.asked == ("GET http://127.0.0.1:9/parcels/A10023\nX-Key: …",)
    assert tried.is_dry == (writes == "true") == (tried.refused == "")
    assert tried.refused in ("", "The request failed: ConnectError.")


def test_every_trial_is_a_row_of_the_audit_log_without_its_values(
    settings: Settings,
) -> None:
    house = House(settings, ScriptedEngine(lambda question: []))
    with open_console(house, settings.data) as client:
        attempt(client, "query_order", **RIGHT)
        attempt(client, "request_return", order_no="", phone_tail="1")
        assert client.portal is not None
        rows = client.portal.call(house.store.read, lambda db: [*house.vault.audit.read(db)])
    said = [row.said for row in reversed(rows) if row.kind == "act"]
    assert said == [
        {"account": "owner", "act": "tool query_order tried"},
        {"account": "owner", "act": "tool request_return tried"},
    ]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_tools_are_owners_affair(settings: Settings, role: Role) -> None:
    house = House(settings, ScriptedEngine(lambda question: []))
    with open_console(house, settings.data, role) as client:
        assert client.get(PATH).status_code == 403
        assert client.post(f"{PATH}/query_order/switch", json={"on": False}).status_code == 403
        assert attempt(client, "query_order", **RIGHT).status_code == 403
