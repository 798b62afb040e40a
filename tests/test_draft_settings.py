"""Settings of `appliance.toml` changed in the console: judged by their rules, and taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance import draft_check
from appliance.app import House
from appliance.draft_settings import OFFERED
from appliance.drafting import Drafting
from appliance.engine.engine import EngineStatus
from appliance.engine.scripted import ScriptedEngine
from appliance.reloading import LIVE
from appliance.settings import Settings
from appliance.settings_file import SettingsFile
from appliance.store.accounts import Role
from tests.operators import open_console
from tests.test_drafting import check, go_back, publish

FILE = "# ours\nretention_days = 30  # a month\nport = 9000\n"
DAY_MS = 86_400_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "appliance.toml"
    path.write_text(FILE, "utf-8")
    (tmp_path / "knowledge").mkdir()
    return path


def build(file: Path) -> House:
    settings = Settings(
        data=file.parent / "data", knowledge=file.parent / "knowledge", address_per_minute=0
    )
    wanted = SettingsFile({"data": str(settings.data), "address_per_minute": 0}, path=file)
    return House(settings, ScriptedEngine(lambda question: ["好"]), settings_file=wanted)


@pytest.fixture
def house(file: Path) -> House:
    return build(file)


@pytest.fixture
def chef(house: House) -> Iterator[TestClient]:
    with open_console(house, house.store.path.parent) as client:
        yield client


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process of the check was told, which is not begun."""
    told: list[Any] = []

    async def run(_self: Drafting, _folder: Path, asked: Any) -> dict[str, Any]:
        told.append(asked)
        return {"cases": 1, "right_before": 1, "right_after": 1}

    monkeypatch.setattr(Drafting, "_run", run)
    return told


def test_what_is_offered_is_what_a_reload_takes_and_the_persona(chef: TestClient) -> None:
    assert {*OFFERED} == {*LIVE, "system_prompt"} <= {*Settings.model_fields}
    files = chef.get("/console/settings/files").json()["files"]
    assert tuple(one["name"] for one in files if one["kind"] == "setting") == OFFERED


def test_a_setting_is_taken_at_once_and_taken_back(
    chef: TestClient, house: House, file: Path
) -> None:
    opened = chef.get("/console/settings/files/temperature").json()
    assert (opened["text"], opened["setting"]["is_live"]) == ("0.3", True)
    assert check(chef, "temperature", "0.7")["state"] == "done"
    assert publish(chef, "temperature").json() == {"number": 2, "needs_restart": False}
    assert house.reloading.settings.temperature == 0.7
    assert file.read_text("utf-8") == f"{FILE}temperature = 0.7\n"
    assert go_back(chef, "temperature", 1)["state"] == "done"
    assert publish(chef, "temperature").json()["number"] == 3
    assert house.reloading.settings.temperature == 0.3
    shown = chef.get("/console/settings/files/temperature").json()["versions"]
    assert [(one["number"], one["account"], one["note"]) for one in shown] == [
        (3, "owner", "back to 1"),
        (2, "owner", ""),
        (1, "", "found"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "3"),
        ("temperature", "warm"),
        ("temperature", "nan"),
        ("top_k", "1.5"),
        ("retention_days", "-1"),
        ("retention_days", ""),
        ("system_prompt", ""),
        ("system_prompt", "x" * 4001),
    ],
)
def test_what_the_settings_own_rules_refuse_is_refused(
    chef: TestClient, file: Path, name: str, text: str
) -> None:
    told = check(chef, name, text)
    assert told["state"] == "refused" and "allowed: " in told["faults"][0]
    assert publish(chef, name, accept=True).status_code == 409
    assert file.read_text("utf-8") == FILE


def test_days_that_are_cut_short_are_told_and_need_a_press(
    chef: TestClient, house: House, file: Path
) -> None:
    for days, session in ((10, "old"), (1, "new")):
        ask_long_ago(house, session, house.vault.clock.read_house_ms() - days * DAY_MS)
    assert check(chef, "retention_days", "60")["loss"] is None
    assert check(chef, "retention_days", "0")["loss"] is None
    told = check(chef, "retention_days", "7")
    assert (told["state"], told["loss"]) == ("done", {"days": 7, "conversations": 1})
    assert publish(chef, "retention_days").status_code == 409
    assert publish(chef, "retention_days", accept=True).status_code == 200
    assert file.read_text("utf-8") == FILE.replace("= 30 ", "= 7 ")
    assert house.reloading.settings.retention_days == 7


def ask_long_ago(house: House, key: str, at_ms: int) -> None:
    with sqlite3.connect(house.store.path) as connection:
        connection.execute(
            "INSERT INTO sessions (session_key, created_ms, touched_ms) VALUES (?, ?, ?)",
            (key, at_ms, at_ms),
        )
        connection.execute(
            "INSERT INTO turns (run_id, session_key, state, accepted_ms, event_id) "
            "VALUES (?, ?, 'done', ?, 1)",
            (f"run-{key}", key, at_ms),
        )


def test_a_persona_is_compared_and_waits_for_the_next_start(
    chef: TestClient, house: House, file: Path, asked: list[Any]
) -> None:
    told = check(chef, "system_prompt", "You are Mei.\nBe short.")
    assert (told["state"], told["cases"]) == ("done", 1)
    (only,) = asked
    assert only["change"] == {"system_prompt": "You are Mei.\nBe short."}
    assert only["old"] == only["new"]
    assert publish(chef, "system_prompt").json() == {"number": 2, "needs_restart": True}
    assert file.read_text("utf-8").startswith(FILE)
    opened = chef.get("/console/settings/files/system_prompt").json()
    assert opened["text"] == "You are Mei.\nBe short." and not opened["setting"]["is_taken"]
    assert house.reloading.settings.system_prompt != opened["text"]


def test_a_persona_that_the_model_could_not_hold_is_refused(
    chef: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = EngineStatus("ready", context_tokens=1024)
    monkeypatch.setattr(ScriptedEngine, "status", property(lambda _: status))
    told = check(chef, "system_prompt", "字" * 900)
    assert told["state"] == "refused" and "would not start" in told["faults"][0]


async def test_the_golden_set_is_asked_with_the_new_persona(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "faq.csv").write_text("question,answer\n怎么退货？,七天内可以退货。\n", "utf-8")
    (tmp_path / "kept").mkdir()
    settings = Settings(data=tmp_path / "data", knowledge=shop)
    change = {"system_prompt": "你是小美。"}
    told = await draft_check.compare(settings, shop, shop, tmp_path / "kept", change)
    assert isinstance(told["cases"], int) and told["cases"] > 2
    assert told["broken"] == [] and told["right_before"] == told["right_after"]


def test_what_goes_before_the_file_is_said_and_nothing_is_done(
    chef: TestClient, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_TOP_K", "9")
    opened = chef.get("/console/settings/files/top_k").json()
    assert (opened["text"], opened["setting"]["fixed_by"]) == ("9", "APPLIANCE_TOP_K")
    refused = check(chef, "top_k", "7")
    assert "APPLIANCE_TOP_K" in refused["error"]["message"]
    monkeypatch.setattr(SettingsFile, "is_writable", property(lambda _: False))
    assert str(file) in check(chef, "top_p", "0.7")["error"]["message"]
    assert file.read_text("utf-8") == FILE


def test_a_file_that_is_broken_by_hand_is_told(chef: TestClient, file: Path) -> None:
    file.write_text("port = [", "utf-8")
    assert chef.get("/console/settings/files").status_code == 200
    opened = chef.get("/console/settings/files/top_k")
    assert opened.status_code == 409 and "TOML" in opened.json()["error"]["message"]


def test_what_was_broken_by_hand_since_the_check_is_not_written(
    chef: TestClient, house: House, file: Path
) -> None:
    check(chef, "top_k", "7")
    file.write_text(f"{FILE}parallel = 900\n", "utf-8")
    refused = publish(chef, "top_k")
    assert refused.status_code == 409 and "parallel" in refused.json()["error"]["message"]
    assert "top_k" not in file.read_text("utf-8") and house.reloading.settings.top_k == 40


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_only_an_owner_changes_a_setting(file: Path, role: Role) -> None:
    with open_console(build(file), file.parent / "data", role) as client:
        base = client.get("/console/settings/files/top_k").json()["base"]
        calls: tuple[tuple[str, dict[str, Any]], ...] = (
            ("check", {"name": "top_k", "text": "7", "base": base}),
            ("publish", {"name": "top_k", "hash": "0" * 64}),
            ("rollback", {"name": "top_k", "number": 1}),
        )
        for call, body in calls:
            assert client.post(f"/console/settings/{call}", json=body).status_code == 403


def test_without_a_settings_file_none_is_offered(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", knowledge=tmp_path / "none", address_per_minute=0)
    house = House(settings, ScriptedEngine(lambda question: []))
    with open_console(house, settings.data) as client:
        files = client.get("/console/settings/files").json()["files"]
        assert "setting" not in {one["kind"] for one in files}
        assert client.get("/console/settings/files/top_k").status_code == 404
