"""The shop's files changed in the console: checked first, published whole, taken back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance import draft_check, drafting
from appliance.app import House
from appliance.draft_folder import (
    find_faults,
    lay_out,
    list_shop_files,
    read_shop_file,
    write_shop_file,
)
from appliance.drafting import Check, Drafting, hash_text
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import NotOffered, PublishRefused
from appliance.settings import Settings
from appliance.store.accounts import Role
from appliance.store.versions import MOST_KEPT, Versions
from tests.operators import open_console
from tests.sealed_house import open_sealed

FAQ = "question,answer\n怎么退货？,七天内可以退货。\n运费多少？,满 99 元免运费。\n"
GUARD = '[[rule]]\nname = "mine"\n'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shop = tmp_path / "knowledge"
    shop.mkdir()
    (shop / "faq.csv").write_text(FAQ, "utf-8-sig", newline="\r\n")
    (shop / "documents").mkdir()
    (shop / "documents" / "care.md").write_text("# 保养\n\n用软布擦。\n", "utf-8")
    (shop / "documents" / "old.txt").write_bytes("旧文件".encode("gbk"))
    (tmp_path / "data").mkdir()
    (tmp_path / "outside.md").write_text("secret", "utf-8")
    return Settings(data=tmp_path / "data", knowledge=shop, address_per_minute=0)


def test_only_texts_of_the_shop_can_be_opened(settings: Settings) -> None:
    names = [one.name for one in list_shop_files(settings.knowledge)]
    assert names[:4] == ["guard.toml", "shop.toml", "memory.toml", "tools.toml"]
    assert {"faq.csv", "documents/care.md"} <= {*names}
    for name in ("../outside.md", "documents/../faq.csv", "/etc/passwd", "", ".", "documents"):
        with pytest.raises(NotOffered):
            read_shop_file(settings.knowledge, name)
    with pytest.raises(PublishRefused):
        read_shop_file(settings.knowledge, "documents/old.txt")


def test_a_file_is_written_as_its_own_program_wrote_it(settings: Settings) -> None:
    draft = read_shop_file(settings.knowledge, "faq.csv")
    assert draft.text == FAQ and draft.has_bom and draft.has_crlf
    file = settings.knowledge / "faq.csv"
    for mode in (0o600, 0o664):
        file.chmod(mode)
        write_shop_file(settings.knowledge, draft, FAQ + "几点开门？,九点。\n")
        assert file.stat().st_mode & 0o777 == mode, "who may read it is the owner's to say"
    data = file.read_bytes()
    assert data.startswith("\ufeffquestion".encode()) and data.count(b"\r\n") == 4
    assert not [one for one in settings.knowledge.iterdir() if one.name.startswith(".")]


def test_a_draft_never_touches_the_shop_s_own_file(settings: Settings, tmp_path: Path) -> None:
    draft = read_shop_file(settings.knowledge, "faq.csv")
    copy = lay_out(settings.knowledge, tmp_path / "scratch", draft, "question,answer\n")
    assert (copy / "documents" / "care.md").is_file()
    assert (copy / "faq.csv").read_bytes() != (settings.knowledge / "faq.csv").read_bytes()
    assert read_shop_file(settings.knowledge, "faq.csv").text == FAQ


def test_what_the_knowledge_does_not_read_is_left_out_of_the_check(
    settings: Settings, tmp_path: Path
) -> None:
    """One link to nothing made every check of every file an error of the server."""
    shop = settings.knowledge
    (shop / "gone.md").symlink_to(tmp_path / "nothing.md")
    (shop / "loop.md").symlink_to("loop.md")
    (shop / "more").symlink_to("more")
    (shop / "out.md").symlink_to(tmp_path / "outside.md")
    (shop / "inside.md").symlink_to("documents/care.md")
    (shop / "orders.db").symlink_to(tmp_path / "outside.md")
    copy = lay_out(shop, tmp_path / "scratch", read_shop_file(shop, "faq.csv"), FAQ)
    assert sorted(one.name for one in copy.iterdir()) == [
        "documents",
        "faq.csv",
        "inside.md",
        "orders.db",
    ]
    assert not (copy / "inside.md").is_symlink()


def test_a_folder_that_cannot_be_copied_is_told_by_the_file_it_stopped_at(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = read_shop_file(settings.knowledge, "faq.csv")

    def refuse(source: Any, target: Any) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("appliance.draft_folder.os.link", refuse)
    monkeypatch.setattr("appliance.draft_folder.shutil.copy2", refuse)
    with pytest.raises(PublishRefused, match=r"(care|old|faq)\.\w+ cannot be copied.*: No space"):
        lay_out(settings.knowledge, tmp_path / "scratch", draft, FAQ)


def test_a_check_that_finds_no_room_is_refused(
    chef: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(drafting, "TemporaryDirectory", refuse)
    told = check(chef, "faq.csv", FAQ + "几点开门？,九点。\n")
    assert told["error"]["code"] == "publish_refused"


def find_beside(settings: Settings, name: str, text: str) -> tuple[tuple[str, ...], ...]:
    draft = read_shop_file(settings.knowledge, name)
    copy = lay_out(settings.knowledge, settings.data / text[-9:].encode().hex(), draft, text)
    return find_faults(copy, settings, draft, text)[:2]


def test_a_question_that_another_file_has_is_a_fault_of_the_draft(settings: Settings) -> None:
    """It was published and left out, and never answered."""
    other = "question,answer\n几点开门？,九点。\n"
    (settings.knowledge / "faq-hours.csv").write_text(other, "utf-8")
    (told,), _ = find_beside(settings, "faq-hours.csv", other + "运费多少？,十元。\n")
    assert told.startswith("faq.csv, row 3") and "faq-hours.csv" in told
    (told,), _ = find_beside(settings, "faq.csv", FAQ + "几点开门？,十点。\n")
    assert told.startswith("faq.csv, row 4") and "faq-hours.csv" in told
    assert find_beside(settings, "faq.csv", FAQ + "几点关门？,十点。\n") == ((), ())


def test_what_two_files_said_before_hinders_no_other_change(settings: Settings) -> None:
    other = "question,answer\n运费多少？,十元。\n"
    (settings.knowledge / "faq-z.csv").write_text(other, "utf-8")
    text = "question,answer\n几点开门？,九点。\n运费多少？,十元。\n"
    faults, (told,) = find_beside(settings, "faq-z.csv", text)
    assert faults == () and told.startswith("faq.csv, row 3")


def test_a_mistake_in_the_owner_s_cases_costs_these_alone_and_is_told(settings: Settings) -> None:
    every, told = draft_check.list_cases(settings.knowledge)
    shipped = [case.id for case in every if case.kind == "injection"]
    assert shipped and told == ()
    own = settings.knowledge / "golden.toml"
    row = '[[case]]\nid="{}"\nlanguage="zh"\nkind="{}"\nquestion="?"\nsplit="report"\n'
    own.write_text(row.format(shipped[0].removeprefix("shipped "), "innocent"), "utf-8")
    cases, told = draft_check.list_cases(settings.knowledge)
    assert len({case.id for case in cases}) == len(cases) == len(every) + 1 and told == ()
    own.write_text(row.format("a", "inocent"), "utf-8")
    cases, (sentence,) = draft_check.list_cases(settings.knowledge)
    assert cases == every and sentence.startswith("golden.toml: case a: kind: “inocent” is none")


async def test_every_text_that_stood_there_can_be_had_back(tmp_path: Path) -> None:
    async with open_sealed(tmp_path) as sealed:
        from appliance.store.accounting import Accounting

        accounts = Accounting(sealed.keyring, sealed.audit, "")
        versions = Versions(sealed.store, accounts, sealed.calendar.read_ms)
        assert await versions.keep("a", "", "one", "chef") == 2
        assert await versions.keep("a", "one", "two", "王") == 3
        assert await versions.keep("a", "by hand", "three", "chef") == 5
        shown = await versions.list_all("a")
        assert [(one.number, one.account, one.note) for one in shown] == [
            (5, "chef", ""),
            (4, "", "found"),
            (3, "王", ""),
            (2, "chef", ""),
            (1, "", "found"),
        ]
        assert await versions.read("a", 4) == "by hand"
        for number in range(MOST_KEPT):
            await versions.keep("a", str(number - 1) if number else "three", str(number), "chef")
        assert len(await versions.list_all("a")) == MOST_KEPT
        assert await versions.read("a", 1) is None


Outcome = Callable[..., Any]


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the process of the check is said to have found."""
    told: dict[str, Any] = {
        "cases": 3,
        "right_before": 3,
        "right_after": 3,
        "broken": [],
        "mended": [],
    }

    async def run(_self: Drafting, _folder: Path, _asked: object) -> dict[str, Any]:
        return told

    monkeypatch.setattr(Drafting, "_run", run)
    return told


@pytest.fixture
def chef(settings: Settings) -> Iterator[TestClient]:
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with open_console(house, settings.data) as client:
        yield client


class Place:
    """A shop's folder of its owner's."""

    is_example = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writing = asyncio.Lock()


def check(client: TestClient, name: str, text: str, base: str | None = None) -> dict[str, Any]:
    opened = client.get(f"/console/settings/files/{name}").json()
    body = {"name": name, "text": text, "base": base or opened["base"]}
    answer = client.post("/console/settings/check", json=body)
    told: dict[str, Any] = answer.json()
    while told.get("state") == "running":
        told = client.get("/console/settings/check").json()
    return told


def go_back(client: TestClient, name: str, number: int) -> dict[str, Any]:
    body = {"name": name, "number": number}
    told: dict[str, Any] = client.post("/console/settings/rollback", json=body).json()
    while told.get("state") == "running":
        told = client.get("/console/settings/check").json()
    return told


def publish(client: TestClient, name: str, **more: Any) -> Any:
    checked = client.get("/console/settings/check").json()["hash"]
    body = {"name": name, "hash": checked or "0" * 64, **more}
    return client.post("/console/settings/publish", json=body)


def test_a_draft_is_checked_published_and_taken_back(
    chef: TestClient, settings: Settings, outcome: dict[str, Any]
) -> None:
    assert outcome["cases"] == 3
    assert publish(chef, "faq.csv").status_code == 409
    told = check(chef, "faq.csv", FAQ.replace("运费多少？", "运费怎么算？"))
    assert (told["state"], told["faults"]) == ("done", [])
    assert (told["added"], told["removed"]) == (["运费怎么算？"], ["运费多少？"])
    assert publish(chef, "guard.toml").status_code == 409
    assert publish(chef, "faq.csv").json() == {"number": 2, "needs_restart": False}
    assert publish(chef, "faq.csv").status_code == 409, "one check is for one publishing"
    assert "运费怎么算" in (settings.knowledge / "faq.csv").read_text("utf-8-sig")
    opened = chef.get("/console/settings/files/faq.csv").json()
    assert [(one["number"], one["account"]) for one in opened["versions"]] == [
        (2, "owner"),
        (1, ""),
    ]
    assert chef.get("/console/settings/files/faq.csv?number=1").json()["text"] == FAQ
    assert go_back(chef, "faq.csv", 1)["note"] == "back to 1"
    assert read_shop_file(settings.knowledge, "faq.csv").text != FAQ, "it was only checked"
    assert publish(chef, "faq.csv").json()["number"] == 3
    assert read_shop_file(settings.knowledge, "faq.csv").text == FAQ
    versions = chef.get("/console/settings/files/faq.csv").json()["versions"]
    assert versions[0]["note"] == "back to 1"
    for number in (9, 0):
        refused = chef.post(
            "/console/settings/rollback", json={"name": "faq.csv", "number": number}
        )
        assert refused.status_code in (409, 422)


def test_what_answers_worse_is_published_only_where_that_is_meant(
    chef: TestClient, settings: Settings, outcome: dict[str, Any]
) -> None:
    worse = {
        "question": "怎么退货？",
        "kind": "paraphrase",
        "before": "right entry",
        "after": "other",
    }
    outcome["broken"] = [{**worse, "is_broken": True}]
    told = check(chef, "faq.csv", "question,answer\n运费多少？,满 99 元免运费。\n")
    assert [one["question"] for one in told["broken"]] == ["怎么退货？"]
    assert publish(chef, "faq.csv").status_code == 409
    assert read_shop_file(settings.knowledge, "faq.csv").text == FAQ
    assert publish(chef, "faq.csv", accept=True).status_code == 200
    told = go_back(chef, "faq.csv", 1)
    assert [one["question"] for one in told["broken"]] == ["怎么退货？"]
    assert publish(chef, "faq.csv").status_code == 409
    assert publish(chef, "faq.csv", accept=True).status_code == 200
    assert read_shop_file(settings.knowledge, "faq.csv").text == FAQ


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("faq.csv", "only one column\n"),
        ("guard.toml", "this is no [ TOML"),
        ("shop.toml", "[shop]\nname = 5\n"),
        ("tools.toml", "[[tool]]\n"),
    ],
)
def test_a_draft_with_a_fault_is_refused_with_its_place(
    chef: TestClient, settings: Settings, name: str, text: str
) -> None:
    told = check(chef, name, text)
    assert told["state"] == "refused" and told["faults"]
    assert publish(chef, name, accept=True).status_code == 409
    assert not [one for one in settings.data.iterdir() if one.name.startswith("draft-")]


def test_nobody_writes_over_what_another_one_wrote_meanwhile(
    chef: TestClient, settings: Settings, outcome: dict[str, Any]
) -> None:
    assert outcome
    told = check(chef, "faq.csv", FAQ, base="0" * 64)
    assert told["error"]["code"] == "publish_refused"
    check(chef, "faq.csv", FAQ + "几点开门？,九点。\n")
    (settings.knowledge / "faq.csv").write_text("question,answer\n别的,别的。\n", "utf-8")
    assert publish(chef, "faq.csv").status_code == 409


def test_the_check_leaves_nothing_behind_and_names_no_secret(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = settings.model_copy(update={"moderation_url": "http://m.test"})
    described = json.dumps(
        Drafting(told, Place(settings.knowledge), None)._describe_settings()  # type: ignore[arg-type]
    )
    assert (
        not [name for name in drafting.SECRETS if name in described] and "m.test" not in described
    )
    assert Check().broken == 0 and hash_text("") != hash_text("a")
    monkeypatch.setattr(drafting, "CHECK_S", 0.0)
    house = House(settings, ScriptedEngine(lambda question: []))
    with open_console(house, settings.data) as client:
        assert check(client, "faq.csv", FAQ + "a,b\n")["state"] == "failed"
        assert publish(client, "faq.csv", accept=True).status_code == 409
        assert not [one for one in settings.data.iterdir() if one.name.startswith("draft-")]


def test_cases_that_could_not_be_read_are_shown(chef: TestClient, outcome: dict[str, Any]) -> None:
    outcome["unread"] = ["golden.toml: no."]
    assert check(chef, "faq.csv", FAQ + "几点开门？,九点。\n")["warnings"] == ["golden.toml: no."]


async def test_an_entry_that_is_taken_away_is_seen_as_broken(
    settings: Settings, tmp_path: Path
) -> None:
    draft = read_shop_file(settings.knowledge, "faq.csv")
    text = "question,answer\n怎么退货？,七天内可以退货。\n"
    scratch = lay_out(settings.knowledge, settings.data / "scratch", draft, text)
    found = await draft_check.compare(settings, settings.knowledge, scratch, tmp_path)
    broken = found["broken"]
    assert isinstance(broken, list) and [one["question"] for one in broken] == ["运费多少？"]
    assert isinstance(found["cases"], int) and found["cases"] > 2
    same = await draft_check.compare(settings, settings.knowledge, settings.knowledge, tmp_path)
    assert same["broken"] == same["mended"] == []


async def test_what_was_asked_of_late_is_replayed_and_only_what_differs_is_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = read_shop_file(settings.knowledge, "faq.csv")
    text = "question,answer\n怎么退货？,七天内可以退货。\n"
    scratch = lay_out(settings.knowledge, settings.data / "scratch", draft, text)
    asked = ("怎么退货？", "运费多少？", "请转人工客服")
    monkeypatch.setattr(draft_check, "list_cases", lambda _: ((), ()))
    folders = (settings.knowledge, scratch)
    found = await draft_check.compare(settings, *folders, tmp_path, wordings=asked)
    changes = found["changed"]
    assert isinstance(changes, list) and found["replayed"] == 3
    assert [(one["place"], one["before"]["title"]) for one in changes] == [(1, "运费多少？")]
    assert not any(word in str(found) for word in ("转人工", "七天内"))
    monkeypatch.setattr(draft_check, "REPLAY_S", -1.0)
    late = await draft_check.compare(settings, *folders, tmp_path, wordings=asked)
    assert (late["replayed"], late["changed"]) == (0, [])


def test_a_check_shows_what_customers_would_be_told_otherwise(
    settings: Settings,
) -> None:
    """The whole way, through the process of its own."""
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with open_console(house, settings.data) as chef:
        for _ in range(2):
            chef.post(
                "/chat", json={"message": "运费多少？"}, headers={"Accept": "application/json"}
            )
        told = check(chef, "faq.csv", "question,answer\n怎么退货？,七天内可以退货。\n")
        assert told["state"] == "done"
        replay = told["replay"]
        assert (replay["wordings"], replay["replayed"], replay["changed"]) == (1, 1, 1)
        (one,) = replay["changes"]
        assert (one["text"], one["times"]) == ("运费多少？", 2)
        assert one["before"]["rung"] == "faq" and one["after"] != one["before"]


def test_the_example_shop_is_shown_and_not_changed(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", knowledge=tmp_path / "none", address_per_minute=0)
    house = House(settings, ScriptedEngine(lambda question: []))
    with open_console(house, settings.data) as client:
        assert client.get("/console/settings/files").json()["is_example"]
        assert check(client, "shop.toml", "")["error"]["code"] == "publish_refused"


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_roles_do_what_they_may(settings: Settings, role: Role, outcome: dict[str, Any]) -> None:
    assert outcome
    house = House(settings, ScriptedEngine(lambda question: []))
    with open_console(house, settings.data, role) as client:
        assert client.get("/console/settings/files").status_code == 200
        told = check(client, "faq.csv", FAQ + "几点开门？,九点。\n")
        assert ("error" in told) == (role is Role.VIEWER)
        assert publish(client, "faq.csv").status_code == (403 if role is Role.VIEWER else 200)
        for path in ("accounts", "keys"):
            assert client.get(f"/console/settings/{path}").status_code == 403
            assert client.post(f"/console/settings/{path}", json={}).status_code == 403
            assert client.delete(f"/console/settings/{path}/x").status_code == 403


def test_an_owner_makes_and_removes_accounts_and_is_never_the_last_to_go(chef: TestClient) -> None:
    path = "/console/settings/accounts"
    wang = {"name": "王", "role": "operator", "password": "a long password"}
    assert chef.post(path, json={**wang, "password": "short"}).status_code == 422
    assert chef.post(path, json={**wang, "role": "king"}).status_code == 422
    assert chef.post(path, json=wang).json() == {"done": True}
    shown = chef.get(path).json()["accounts"]
    assert {(one["name"], one["role"]) for one in shown} == {("owner", "owner"), ("王", "operator")}
    assert chef.delete(f"{path}/owner").status_code == 409
    alone = {**wang, "name": "owner", "role": "viewer"}
    assert chef.post(path, json=alone).status_code == 409
    assert chef.delete(f"{path}/王").json() == {"done": True}
    assert chef.delete(f"{path}/王").status_code == 404


def test_a_key_is_shown_once_and_revoked(chef: TestClient) -> None:
    path = "/console/settings/keys"
    made = chef.post(path, json={"name": "网站", "scopes": ["chat", "v1"], "days": 30})
    assert made.status_code == 201 and made.json()["key"].startswith("ak_")
    (shown,) = chef.get(path).json()["keys"]
    assert shown["scopes"] == ["chat", "v1"] and shown["expires_ms"]
    assert made.json()["key"] not in json.dumps(shown)
    assert chef.delete(f"{path}/{shown['id']}").json() == {"done": True}
    assert chef.delete(f"{path}/{shown['id']}").status_code == 404
    assert chef.post(path, json={"name": "x", "scopes": ["all"]}).status_code == 422


def test_only_the_text_that_was_seen_is_published(
    chef: TestClient, settings: Settings, outcome: dict[str, Any]
) -> None:
    assert outcome
    seen = check(chef, "faq.csv", FAQ + "几点开门？,九点。\n")["hash"]
    check(chef, "faq.csv", FAQ + "几点关门？,六点。\n")
    assert publish(chef, "faq.csv", hash=seen).status_code == 409
    assert "几点" not in (settings.knowledge / "faq.csv").read_text("utf-8-sig")


async def test_of_two_checks_at_once_one_is_refused(
    settings: Settings, outcome: dict[str, Any]
) -> None:
    assert outcome
    settings.data.mkdir(parents=True, exist_ok=True)
    drafting = Drafting(settings, Place(settings.knowledge), None)  # type: ignore[arg-type]
    base = (await drafting.read("faq.csv")).text
    texts = (FAQ + "几点开门？,九点。\n", FAQ + "几点关门？,六点。\n")
    checks = [drafting.begin_check("faq.csv", text, hash_text(base)) for text in texts]
    first, second = await asyncio.gather(*checks, return_exceptions=True)
    await drafting.wait()
    assert isinstance(first, Check) and isinstance(second, PublishRefused)
    assert (drafting.check.state, drafting.check.hash) == ("done", hash_text(texts[0]))


def test_an_operator_changes_no_tools(settings: Settings) -> None:
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with open_console(house, settings.data, Role.OPERATOR) as client:
        base = client.get("/console/settings/files/tools.toml").json()["base"]
        body = {"name": "tools.toml", "text": "", "base": base}
        calls = (
            ("check", body),
            ("publish", {"name": "tools.toml", "hash": "0" * 64}),
            ("rollback", {"name": "tools.toml", "number": 1}),
        )
        for call, told in calls:
            assert client.post(f"/console/settings/{call}", json=told).status_code == 403
