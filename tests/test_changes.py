"""What is changed beside the files: kept with who and when, shown without a secret, put back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.settings import Settings
from appliance.store import changes
from appliance.store.accounts import Role
from appliance.store.changes import Change, Changes
from appliance.store.lasting import make_lasting
from tests.operators import PASSWORD, log_in, open_console
from tests.sealed_house import open_sealed

PATH = "/console/settings/changes"
SECRET = "a very long secret word"
HOOK = {
    "name": "CRM",
    "kind": "events",
    "url": "https://crm.test/hook/hidden-path",
    "events": ["ticket", "feedback"],
}


@pytest.fixture
def house(tmp_path: Path) -> House:
    settings = Settings(data=tmp_path / "data", knowledge=tmp_path / "k", address_per_minute=0)
    return House(settings, ScriptedEngine(lambda question: []))


@pytest.fixture
def chef(house: House) -> Iterator[TestClient]:
    with open_console(house, house.store.path.parent) as client:
        yield client


def read(client: TestClient) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = client.get(PATH).json()["changes"]
    return changes


def undo(client: TestClient, number: int) -> int:
    return client.post(f"{PATH}/{number}/undo").status_code


def keep_account(client: TestClient, role: str) -> None:
    body = {"name": "王", "role": role, "password": PASSWORD}
    assert client.post("/console/settings/accounts", json=body).status_code == 200


def test_a_role_and_its_password_are_put_back(chef: TestClient) -> None:
    keep_account(chef, "operator")
    keep_account(chef, "owner")
    shown = read(chef)
    assert [(one["act"], one["before"], one["after"], one["can_undo"]) for one in shown] == [
        ("changed", {"role": "operator"}, {"role": "owner"}, True),
        ("made", {}, {"role": "operator"}, False),
    ]
    assert {(one["account"], one["name"], one["kind"]) for one in shown} == {
        ("owner", "王", "account")
    }
    assert undo(chef, shown[0]["number"]) == 200
    roles = {
        one["name"]: one["role"] for one in chef.get(PATH[:-7] + "accounts").json()["accounts"]
    }
    assert roles == {"owner": "owner", "王": "operator"}
    assert (read(chef)[0]["before"], read(chef)[0]["after"]) == (
        {"role": "owner"},
        {"role": "operator"},
    )
    assert undo(chef, shown[0]["number"]) == 409, "it is as it was"
    assert undo(chef, shown[1]["number"]) == 409, "no account is made by a press"
    log_in(chef, "王")
    assert chef.get("/console/me").json()["role"] == "operator"


def test_an_owner_is_left_whatever_is_put_back(chef: TestClient, house: House) -> None:
    keep_account(chef, "operator")
    keep_account(chef, "owner")
    number = read(chef)[0]["number"]
    log_in(chef, "王")
    assert undo(chef, number) == 409, "it is the own account"
    assert chef.delete("/console/settings/accounts/owner").status_code == 200
    assert undo(chef, number) == 409
    assert house.admission.accounts.has_owner()


def test_a_removed_account_comes_back_with_its_password(chef: TestClient, house: House) -> None:
    keep_account(chef, "viewer")
    assert chef.delete("/console/settings/accounts/王").status_code == 200
    shown = read(chef)
    assert [(one["act"], one["can_undo"]) for one in shown] == [("removed", True), ("made", False)]
    assert undo(chef, shown[0]["number"]) == 200
    assert undo(chef, shown[0]["number"]) == 409, "there is one again"
    accounts = house.admission.accounts
    assert chef.portal is not None
    hashed = chef.portal.call(accounts.find_password, "王")
    assert hashed and hashed not in json.dumps(read(chef)) and PASSWORD not in json.dumps(shown)
    plain = b"".join(one.read_bytes() for one in house.store.path.parent.glob("appliance.db*"))
    assert hashed.encode() not in plain
    log_in(chef, "王")
    assert chef.get("/console/me").json()["role"] == "viewer"


def test_a_password_is_put_back(chef: TestClient, house: House) -> None:
    keep_account(chef, "viewer")
    assert chef.portal is not None
    first = chef.portal.call(house.admission.accounts.find_password, "王")
    keep_account(chef, "viewer")
    assert chef.portal.call(house.admission.accounts.find_password, "王") != first
    assert undo(chef, read(chef)[0]["number"]) == 200
    assert chef.portal.call(house.admission.accounts.find_password, "王") == first


def test_a_revoked_key_opens_again_what_it_opened(chef: TestClient, house: House) -> None:
    body = {"name": "网站", "scopes": ["chat"], "days": 3}
    made = chef.post("/console/settings/keys", json=body).json()["key"]
    key_id = made.split("_")[1]
    assert chef.delete(f"/console/settings/keys/{key_id}").status_code == 200
    shown = read(chef)
    assert [(one["kind"], one["act"], one["can_undo"]) for one in shown] == [
        ("key", "removed", True),
        ("key", "made", False),
    ]
    assert shown[1]["after"] == {"scopes": "chat", "days": "3"}
    (key,) = chef.get("/console/settings/keys").json()["keys"]
    assert key["revoked_ms"] is not None
    assert undo(chef, shown[0]["number"]) == 200
    (key,) = chef.get("/console/settings/keys").json()["keys"]
    assert key["revoked_ms"] is None and key["scopes"] == ["chat"]
    assert undo(chef, shown[0]["number"]) == 409 == undo(chef, shown[1]["number"])
    told = json.dumps(read(chef))
    assert made not in told and made.split("_", 2)[2] not in told


def test_a_removed_receiver_comes_back_with_its_secret(chef: TestClient, house: House) -> None:
    added = chef.post("/console/webhooks", json=HOOK).json()
    (before,) = chef.get("/console/webhooks").json()["webhooks"]
    assert chef.delete(f"/console/webhooks/{added['id']}").status_code == 200
    shown = read(chef)
    host = {"kind": "events", "events": "feedback ticket", "host": "crm.test"}
    assert [(one["act"], one["name"]) for one in shown] == [("removed", "CRM"), ("made", "CRM")]
    assert shown[0]["before"] == shown[1]["after"] == host
    assert "hidden-path" not in json.dumps(shown) and added["secret"] not in json.dumps(shown)
    assert undo(chef, shown[0]["number"]) == 200
    (after,) = chef.get("/console/webhooks").json()["webhooks"]
    assert {**after, "id": 0, "created_ms": 0} == {**before, "id": 0, "created_ms": 0}
    assert chef.portal is not None
    (receiver,) = chef.portal.call(house.overseeing.telling._outbox.list_receivers)
    assert (receiver.target["secret"], receiver.target["url"]) == (added["secret"], HOOK["url"])
    assert undo(chef, shown[0]["number"]) == 409, "it is there"
    plain = b"".join(one.read_bytes() for one in house.store.path.parent.glob("appliance.db*"))
    assert added["secret"].encode() not in plain and b"hidden-path" not in plain


def test_canned_replies_are_put_back_in_their_order(chef: TestClient) -> None:
    first = {"replies": [{"shortcut": "b", "text": "您好"}, {"shortcut": "a", "text": "再见"}]}
    nothing: dict[str, Any] = {"replies": []}
    for replies in (first, first, nothing):
        assert chef.put("/console/replies", json=replies).status_code == 200
    shown = read(chef)
    assert [(one["before"], one["after"]) for one in shown] == [
        ({"b": "您好", "a": "再见"}, {}),
        ({}, {"b": "您好", "a": "再见"}),
    ]
    assert undo(chef, shown[0]["number"]) == 200
    assert chef.get("/console/replies").json() == first
    assert undo(chef, 99) == 404 and chef.post(f"{PATH}/x/undo").status_code == 404


def test_what_is_done_with_a_key_is_told_as_the_key_s(chef: TestClient, house: House) -> None:
    made = chef.post("/console/settings/keys", json={"name": "CRM", "scopes": ["admin"]}).json()
    key_id = made["key"].split("_")[1]
    chef.headers["Authorization"] = f"Bearer {made['key']}"
    hook = chef.post("/console/webhooks", json=HOOK).json()["id"]
    assert chef.delete(f"/console/webhooks/{hook}").status_code == 200
    removal = read(chef)[0]
    assert undo(chef, removal["number"]) == 200
    assert {one["account"] for one in read(chef) if one["kind"] == "webhook"} == {key_id}
    assert chef.portal is not None
    rows = chef.portal.call(
        house.store.read, lambda database: list(house.vault.audit.read(database))
    )
    said = [row.said for row in rows if row.kind == "act" and row.said]
    by_key = {one["act"] for one in said if one["account"] == key_id}
    assert by_key >= {
        f"webhook {hook} added",
        f"webhook {hook} removed",
        "changes read",
        f"change {removal['number']} put back",
    }
    assert not [one for one in said if not one["account"]]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_the_history_is_owners_affair(house: House, role: Role) -> None:
    with open_console(house, house.store.path.parent, role) as client:
        assert client.get(PATH).status_code == 403
        assert undo(client, 1) == 403


async def test_no_more_are_kept_than_can_be_looked_at_and_all_are_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MOST_KEPT", 3)
    async with open_sealed(tmp_path) as sealed:
        lasting = make_lasting(lambda: sealed.keyring.chain_key)
        kept = Changes(sealed.store, lasting, sealed.calendar.read_ms)
        for number in range(5):
            await kept.keep("chef", Change("key", "made", f"{SECRET} {number}"))
        assert [one.change.name for one in await kept.read()] == [
            f"{SECRET} {number}" for number in (4, 3, 2)
        ]
        other = Changes(sealed.store, make_lasting(lambda: b"x" * 32), sealed.calendar.read_ms)
        assert {one.is_readable for one in await other.read()} == {False}
    plain = b"".join(one.read_bytes() for one in tmp_path.rglob("appliance.db*"))
    assert SECRET.encode() not in plain
