"""Learning over HTTP: who may look, who may change, and what stands in the audit of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.evaluation import wait_indexed
from appliance.http.passwords import hash_password
from appliance.knowledge.published import FILE
from appliance.settings import Settings
from appliance.store.access_file import AccessFile
from appliance.store.accounts import Account, Accounts, Role
from appliance.vault import read_clock_ms
from tests.knowledge_files import write_faq

HERE = ("127.0.0.1", 50000)
ORIGIN = {"Origin": "http://localhost"}
PASSWORD = "ein langes Kennwort 1"
ENTRY = {
    "question": "Is there a car park?",
    "answer": "Yes, <b>free</b> for two hours.",
    "phrasings": ["Where can I park?", "parking?"],
}
LOOKS = ("/console/misses", "/console/entries")
CHANGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("/console/entries/preview", ENTRY),
    ("/console/entries/publish", ENTRY),
    ("/console/entries/undo", {"number": 1}),
)


class Desk:
    """A house with an account for each role, and one browser."""

    def __init__(self, house: House, client: TestClient) -> None:
        self.house = house
        self.client = client

    def log_in(self, name: str) -> dict[str, str]:
        """The headers of a change."""
        body = {"name": name, "password": PASSWORD}
        reply = self.client.post("/console/login", json=body, headers=ORIGIN)
        return {**ORIGIN, "X-CSRF-Token": reply.json()["csrf"]}


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    knowledge = folder / "knowledge"
    write_faq(knowledge, "When do you open?,opening hours,From 9 to 21.")
    settings = Settings(data=folder / "data", knowledge=knowledge, scope="shop")
    house = House(settings, ScriptedEngine(lambda question: []))
    accounts = Accounts(AccessFile(settings.data), read_clock_ms)
    for role in Role:
        accounts.keep(Account(role.value, role), hash_password(PASSWORD))
    with TestClient(house.application, "http://localhost", client=HERE) as client:
        assert client.portal is not None
        client.portal.call(wait_indexed, house)
        yield Desk(house, client)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as opened:
        yield opened


def test_nobody_looks_or_changes_without_a_login_or_from_another_site(desk: Desk) -> None:
    for path in LOOKS:
        assert desk.client.get(path).status_code == 401
    for path, body in CHANGES:
        assert desk.client.post(path, json=body, headers=ORIGIN).status_code == 401
    headers = desk.log_in("operator")
    for path, body in CHANGES:
        assert desk.client.post(path, json=body, headers=ORIGIN).status_code == 403
        foreign = {**headers, "Origin": "https://elsewhere.example"}
        assert desk.client.post(path, json=body, headers=foreign).status_code == 403


def test_a_viewer_looks_and_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    headers = desk.log_in("viewer")
    assert [desk.client.get(path).status_code for path in LOOKS] == [200, 200]
    for path, body in CHANGES:
        assert desk.client.post(path, json=body, headers=headers).status_code == 403
    assert not (tmp_path / "knowledge" / FILE).exists()


def test_an_operator_finds_a_miss_and_publishes_and_undoes_its_answer(
    desk: Desk, tmp_path: Path
) -> None:
    asked = desk.client.post(
        "/chat",
        json={"message": "Where can I park?"},
        headers={**ORIGIN, "Accept": "application/json"},
    )
    assert asked.json()["source"] == "fallback"
    headers = desk.log_in("operator")
    misses = desk.client.get("/console/misses?days=7").json()
    assert [group["title"] for group in misses["groups"]] == ["Where can I park?"]
    assert misses["groups"][0]["reasons"] == {"unknown": 1}

    preview = desk.client.post("/console/entries/preview", json=ENTRY, headers=headers).json()
    assert (preview["answered_before"], preview["answered_after"]) == (0, 1)
    assert preview["changes"][0]["after"]["rung"] == "faq"
    done = desk.client.post("/console/entries/publish", json=ENTRY, headers=headers)
    assert done.status_code == 201 and done.json()["is_live"]
    listed = desk.client.get("/console/entries").json()
    assert listed["published"][0]["entry"] == ENTRY
    assert desk.client.get("/console/misses").json()["learned"] == 1

    number = {"number": done.json()["number"]}
    undone = desk.client.post("/console/entries/undo", json=number, headers=headers)
    assert undone.json()["is_undone"]
    again = desk.client.post("/console/entries/undo", json=number, headers=headers)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "publish_refused")
    assert not (tmp_path / "knowledge" / FILE).exists()

    assert desk.client.portal is not None
    rows = desk.client.portal.call(
        desk.house.store.read, lambda db: list(desk.house.vault.audit.read(db))
    )
    acts = [row.said["act"] for row in reversed(rows) if row.kind == "act" and row.said]
    assert acts == [
        "misses read",
        "entry tried",
        "entry 1 published",
        "entries read",
        "misses read",
        "entry 1 undone",
    ]


def test_what_no_entry_can_be_is_refused_by_field(desk: Desk) -> None:
    headers = desk.log_in("owner")
    for change in ({"question": " "}, {"answer": "x" * 4001}, {"phrasings": ["y" * 301]}):
        reply = desk.client.post(
            "/console/entries/preview", json={**ENTRY, **change}, headers=headers
        )
        assert reply.status_code == 422
        assert reply.json()["error"]["detail"]["field"].startswith(next(iter(change)))
    for days in ("31", "0", "00030000", "9" * 30, "٣"):
        assert desk.client.get("/console/misses", params={"days": days}).status_code == 422
