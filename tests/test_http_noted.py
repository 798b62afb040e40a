"""Looks and acts of the console whose row of the audit log is kept as they are called."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.http.noted import ONE_LOOK_S, Noted
from appliance.http.openapi import Operation
from appliance.http.policies import Access, Policy
from appliance.settings import Settings
from tests.operators import open_console

LOOKS = {
    "/console/box": "box looked at",
    "/console/webhooks": "webhooks looked at",
    "/console/deliveries": "deliveries looked at",
    "/console/settings/accounts": "accounts looked at",
    "/console/settings/keys": "keys looked at",
    "/console/settings/tools": "tools looked at",
    "/console/settings/files": "files looked at",
    "/console/settings/files/{name:path}": "file looked at",
}
ACTS = {
    "/console/webhooks/{id}/test": "webhook tried",
    "/console/deliveries/{id}/retry": "delivery tried again",
}


class Desk:
    """One console call, asked by hand."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []
        self.told: list[str] = []
        self.now_s = 1000.0
        self._noted = Noted(self._note, lambda: self.now_s)

    async def _note(self, account: str, act: str) -> None:
        self.rows.append((account, act))

    async def _answer(self, _request: Request) -> Response:
        self.told.append(str(self.rows[-1:]))
        return Response()

    def ask(self, method: str, path: str, account: str = "林") -> None:
        note = (LOOKS if method == "GET" else ACTS).get(path, "")
        plain = Operation(method, path, self._answer, "", (), policy=Policy.CONSOLE, note=note)
        (operation,) = self._noted.wrap([plain])
        access = Access(Policy.CONSOLE, account=account)
        scope = {"type": "http", "method": method, "state": {"access": access}, "headers": []}
        asyncio.run(operation.handler(Request(scope)))  # type: ignore[arg-type]


def test_a_page_that_renews_itself_is_one_look() -> None:
    desk = Desk()
    for _ in range(3):
        desk.ask("GET", "/console/box")
    desk.ask("GET", "/console/box", "王")
    desk.now_s += ONE_LOOK_S
    desk.ask("GET", "/console/box")
    desk.ask("GET", "/console/webhooks")
    assert desk.rows == [
        ("林", "box looked at"),
        ("王", "box looked at"),
        ("林", "box looked at"),
        ("林", "webhooks looked at"),
    ]
    assert len(desk.told) == 6 and "box" in desk.told[0], "the row stands before the answer"


def test_each_act_is_a_row() -> None:
    desk = Desk()
    for _ in range(2):
        desk.ask("POST", "/console/webhooks/{id}/test")
    assert desk.rows == [("林", "webhook tried")] * 2
    desk.ask("POST", "/console/box")
    assert len(desk.rows) == 2, "a look is no act"


@pytest.fixture
def house(tmp_path: Path) -> House:
    settings = Settings(data=tmp_path / "data", knowledge=tmp_path / "k", address_per_minute=0)
    return House(settings, ScriptedEngine(lambda question: []))


@pytest.fixture
def chef(house: House) -> Iterator[TestClient]:
    with open_console(house, house.store.path.parent) as client:
        yield client


def test_every_named_call_is_there_and_leaves_its_row(chef: TestClient, house: House) -> None:
    paths = {(one.method, one.path) for one in house.overseeing.operations}
    assert {("GET", path) for path in LOOKS} | {("POST", path) for path in ACTS} <= paths
    for path in LOOKS:
        chef.get(path.replace("{name:path}", "shop.toml"))
    assert chef.post("/console/webhooks/7/test").status_code == 404
    assert chef.portal is not None
    rows = chef.portal.call(
        house.store.read, lambda database: list(house.vault.audit.read(database))
    )
    acts = {row.said["act"] for row in rows if row.kind == "act" and row.said}
    assert acts >= {*LOOKS.values(), ACTS["/console/webhooks/{id}/test"]}
