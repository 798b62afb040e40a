"""Keys, operators and roles at the gate: who is let in by what, and what is refused before."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from appliance.admission import Admission
from appliance.dialogue.identity import Identities
from appliance.errors import LoginRefused, TooManyRequests
from appliance.http.logins import LOGIN_WAITS_S, Patience
from appliance.http.openapi import Operation
from appliance.http.passwords import hash_password
from appliance.http.policies import Policy, get_access
from appliance.http.routes import build_http
from appliance.settings import Settings
from appliance.store import access_file
from appliance.store.access_file import AccessFile
from appliance.store.accounts import IDLE_MS, LONGEST_MS, Account, Accounts, Role
from appliance.store.keys import USE_STEP_MS, Keys
from tests.test_http_house import READY, FakeConversations, refuse_to_measure, write_web

HERE, THERE = ("127.0.0.1", 50000), ("192.168.1.77", 50000)
ORIGIN = {"Origin": "http://localhost"}
PASSWORD = "ein langes Kennwort 1"
DAY_MS = 86_400_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now_ms


class Box:
    """The HTTP room with a route of each policy, and what stands behind the check."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.clock = Clock()
        self.settings = Settings.model_validate({"data": folder / "data", **settings})
        self.admission = Admission(self.settings, self.clock)
        file = AccessFile(self.settings.data)
        self.keys, self.accounts = Keys(file, self.clock), Accounts(file, self.clock)
        self.application = build_http(
            FakeConversations(),  # type: ignore[arg-type]
            Identities(None, ""),  # type: ignore[arg-type]
            lambda: READY,
            refuse_to_measure,
            write_web(folder),
            self.settings,
            None,
            [*self.admission.operations, *list_probes()],
            self.admission.check,
            self.admission.rates,
        )

    @contextmanager
    def client(self, address: tuple[str, int] = HERE, scheme: str = "http") -> Iterator[TestClient]:
        with TestClient(self.application, f"{scheme}://localhost", client=address) as client:
            yield client

    def add(self, name: str, role: Role) -> None:
        self.accounts.keep(Account(name, role), hash_password(PASSWORD))


async def tell(request: Request) -> JSONResponse:
    access = get_access(request.scope)
    return JSONResponse({"key": access.key_id, "account": access.account, "role": access.role})


def list_probes() -> list[Operation]:
    return [
        Operation(method, f"/probe/{policy}", tell, "A probe.", (), policy=policy)
        for policy in Policy
        for method in ("GET", "POST")
    ]


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def bear(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def log_in(client: TestClient, name: str = "chef", password: str = PASSWORD) -> Any:
    return client.post("/console/login", json={"name": name, "password": password}, headers=ORIGIN)


def change_as(client: TestClient, path: str, csrf: str) -> int:
    return client.post(path, headers={**ORIGIN, "X-CSRF-Token": csrf}).status_code


def test_without_a_key_only_what_is_open_is_open(box: Box) -> None:
    with box.client() as client:
        statuses = {policy: client.get(f"/probe/{policy}").status_code for policy in Policy}
    assert {policy for policy, status in statuses.items() if status == 200} == {
        Policy.OPEN,
        Policy.CHAT,
        Policy.LOGIN,
        Policy.METRICS,
    }
    assert {status for status in statuses.values() if status != 200} == {401}


def test_a_key_opens_its_scopes_and_nothing_else(box: Box) -> None:
    key = box.keys.create("site", ("v1", "knowledge"))
    with box.client() as client:
        statuses = {
            policy: client.post(f"/probe/{policy}", headers=bear(key)).status_code
            for policy in Policy
        }
        told = client.get("/probe/v1", headers=bear(key)).json()
    assert {policy for policy, status in statuses.items() if status == 200} == {
        Policy.OPEN,
        Policy.LOGIN,
        Policy.CHAT,
        Policy.API,
        Policy.KNOWLEDGE,
    }
    assert {status for status in statuses.values() if status != 200} == {403}
    assert told["key"] == box.keys.list_all()[0].id and told["key"] in key


def test_a_key_that_is_wrong_revoked_or_expired_opens_nothing(box: Box) -> None:
    key, brief = box.keys.create("a", ("v1",)), box.keys.create("b", ("v1",), box.clock() + DAY_MS)
    last = "A" if key[-1] != "A" else "B"
    wrong = [key[:-1] + last, key[:-1], key + "A", "ak_", "", key.replace("ak_", "AK_")]
    with box.client() as client:
        for shown in wrong:
            for scheme in ("Bearer ", "bearer ", "Basic ", ""):
                headers = {"Authorization": f"{scheme}{shown}"}
                reply = client.get("/probe/v1", headers=headers)
                assert reply.status_code == 401, headers
                assert reply.headers["www-authenticate"] == "Bearer"
        assert client.get("/probe/v1", headers=bear(brief)).status_code == 200
        box.clock.now_ms += DAY_MS
        assert client.get("/probe/v1", headers=bear(brief)).status_code == 401
        assert client.get("/probe/v1", headers=bear(key)).status_code == 200
        assert box.keys.revoke(key.split("_")[1])
        assert client.get("/probe/v1", headers=bear(key)).status_code == 401
        assert client.get("/probe/chat", headers=bear(key)).status_code == 401


def test_a_key_that_everybody_can_read_may_chat_and_nothing_else(tmp_path: Path) -> None:
    box = Box(tmp_path, chat_access="key")
    chat = box.keys.create("website", ("chat",))
    wide = [box.keys.create("wide", ("chat", scope)) for scope in ("v1", "admin", "metrics")]
    v1 = box.keys.create("v1", ("v1",))
    with box.client() as client:

        def ask(policy: str, shown: str) -> int:
            return client.get(f"/probe/{policy}", headers={"Authorization": shown}).status_code

        assert ask("chat", f"Widget {chat}") == ask("chat", f"widget {chat}") == 200
        assert [ask("v1", f"Widget {chat}"), ask("admin", f"Widget {chat}")] == [403, 403]
        for key in (*wide, v1):
            told = client.get("/probe/chat", headers={"Authorization": f"Widget {key}"})
            assert told.status_code == 403
            message = told.json()["error"]["message"]
            assert "more than chat" in message and key.rpartition("_")[2] not in message
            assert ask("v1", f"Widget {key}") == 403
        assert ask("chat", f"Widget {chat}x") == ask("chat", "Widget ") == 401
    with box.client(THERE) as client:
        told = client.get("/probe/chat", headers={"Authorization": f"Widget {chat}"})
        assert told.json()["error"]["code"] == "insecure_connection"


def test_a_key_is_kept_as_a_hash_and_its_last_use_is_noted(box: Box) -> None:
    key = box.keys.create("a", ("v1",))
    kept = (box.settings.data / "access.db").read_bytes()
    assert key.encode() not in kept and key.split("_", 2)[2].encode() not in kept
    assert (box.settings.data / "access.db").stat().st_mode & 0o777 == 0o600
    with box.client() as client:
        assert box.keys.list_all()[0].used_ms is None
        client.get("/probe/v1", headers=bear(key))
        first_ms = box.keys.list_all()[0].used_ms
        assert first_ms == box.clock()
        box.clock.now_ms += USE_STEP_MS + 1
        client.get("/probe/v1", headers=bear(key))
        assert box.keys.list_all()[0].used_ms == box.clock()


def test_one_key_has_its_measure(tmp_path: Path) -> None:
    box = Box(tmp_path, key_per_minute=3)
    keys = [box.keys.create(name, ("v1",)) for name in "ab"]
    with box.client() as client:
        statuses = [client.get("/probe/v1", headers=bear(keys[0])).status_code for _ in range(5)]
        assert statuses == [200, 200, 200, 429, 429]
        assert client.get("/probe/v1", headers=bear(keys[1])).status_code == 200


def test_wrong_keys_are_counted_by_their_address_and_right_ones_are_not(tmp_path: Path) -> None:
    box = Box(tmp_path, address_per_minute=2)
    key = box.keys.create("a", ("v1",))
    wrong = bear(key[:-1])
    with box.client() as client:
        right = [client.post("/probe/v1", headers=bear(key)).status_code for _ in range(4)]
        assert right == [200] * 4
        statuses = [client.get("/probe/v1", headers=wrong).status_code for _ in range(4)]
        assert statuses == [401, 401, 429, 429]


def test_beyond_this_machine_keys_and_console_need_tls(box: Box) -> None:
    key = box.keys.create("site", ("v1", "metrics"))
    box.add("chef", Role.OWNER)
    with box.client(THERE) as client:
        for path in (
            "/probe/v1",
            "/probe/metrics",
            "/probe/admin",
            "/probe/console",
            "/probe/chat",
        ):
            reply = client.get(path, headers=bear(key))
            assert reply.json()["error"]["code"] == "insecure_connection", path
        assert log_in(client).json()["error"]["code"] == "insecure_connection"
        assert client.get("/probe/metrics").status_code == 403
        assert client.get("/probe/chat").status_code == 200
    with box.client(THERE, "https") as client:
        assert client.get("/probe/v1", headers=bear(key)).status_code == 200
        secure = {"Origin": "https://localhost"}
        body = {"name": "chef", "password": PASSWORD}
        reply = client.post("/console/login", json=body, headers=secure)
        assert reply.status_code == 200 and "secure" in reply.headers["set-cookie"].lower()
        assert client.post("/console/login", json=body, headers=ORIGIN).status_code == 403


def test_a_proxy_on_this_machine_does_not_make_its_clients_local(box: Box) -> None:
    with box.client() as client:
        for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
            reply = client.get("/probe/metrics", headers={header: "192.168.1.77"})
            assert reply.status_code == 403


def test_chat_and_figures_can_be_set_otherwise(tmp_path: Path) -> None:
    box = Box(tmp_path, chat_access="key", metrics_access="open")
    key = box.keys.create("widget", ("chat",))
    with box.client() as client:
        assert client.post("/sessions").status_code == 401
        assert client.post("/sessions", headers=bear(key)).status_code == 201
    with box.client(THERE) as client:
        assert client.get("/probe/metrics").status_code == 200


def test_the_setup_code_makes_one_owner_once(box: Box) -> None:
    code = asyncio.run(box.admission.logins.issue_code())
    wish = {"code": code.lower(), "name": "chef", "password": PASSWORD}
    with box.client() as client:
        short = client.post("/console/setup", json={**wish, "password": "kurz"}, headers=ORIGIN)
        assert short.json()["error"]["detail"] == {"field": "password"}
        wrong = client.post("/console/setup", json={**wish, "code": "X"}, headers=ORIGIN)
        assert wrong.status_code == 401
        made = client.post("/console/setup", json=wish, headers=ORIGIN)
        assert (made.status_code, made.json()["role"]) == (201, "owner")
        cookie = made.headers["set-cookie"].lower()
        assert "samesite=strict" in cookie and "httponly" in cookie
        assert client.get("/console/me").json() == made.json()
        again = client.post("/console/setup", json={**wish, "name": "b"}, headers=ORIGIN)
        assert again.status_code == 401
    assert asyncio.run(box.admission.logins.issue_code()) == ""
    assert box.accounts.list_all() == [Account("chef", Role.OWNER)]


def test_a_try_that_fails_does_not_use_up_the_setup_code(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = asyncio.run(box.admission.logins.issue_code())
    box.add("sam", Role.OPERATOR)
    monkeypatch.setattr(access_file, "WAIT_S", 0.0)
    wish = {"code": code, "name": "chef", "password": PASSWORD}
    path = box.settings.data / access_file.FILE_NAME
    with (
        box.client() as client,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        busy = client.post("/console/setup", json=wish, headers=ORIGIN)
        assert (busy.status_code, busy.json()["error"]["code"]) == (503, "store_unavailable")
        other.execute("ROLLBACK")
        taken = client.post("/console/setup", json={**wish, "name": "sam"}, headers=ORIGIN)
        assert (taken.status_code, taken.json()["error"]["detail"]) == (422, {"field": "name"})
        assert client.post("/console/setup", json=wish, headers=ORIGIN).status_code == 201
    assert {one.name: one.role for one in box.accounts.list_all()} == {
        "chef": Role.OWNER,
        "sam": Role.OPERATOR,
    }


def test_an_owner_of_the_command_s_is_told_as_one(box: Box) -> None:
    code = asyncio.run(box.admission.logins.issue_code())
    box.add("chef", Role.OWNER)
    wish = {"code": code, "name": "sam", "password": PASSWORD}
    with box.client() as client:
        late = client.post("/console/setup", json=wish, headers=ORIGIN)
    assert (late.status_code, late.json()["error"]["code"]) == (401, "login_refused")
    assert "There is an owner already" in late.text
    assert box.accounts.list_all() == [Account("chef", Role.OWNER)]


async def test_of_two_with_the_setup_code_one_becomes_the_owner(box: Box) -> None:
    logins = box.admission.logins
    code = await logins.issue_code()
    tries = (logins.set_up(code, name, PASSWORD, "127.0.0.1") for name in ("chef", "sam"))
    made = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one) for one in made] == [Account, LoginRefused]
    assert box.accounts.list_all() == [Account("chef", Role.OWNER)]


def test_ten_wrong_codes_end_the_tries_of_everybody(box: Box) -> None:
    code = asyncio.run(box.admission.logins.issue_code())
    wish = {"name": "chef", "password": PASSWORD}

    def try_code(client: TestClient, text: str) -> int:
        reply = client.post("/console/setup", json={**wish, "code": text}, headers=ORIGIN)
        return reply.status_code

    with box.client() as client:
        assert [try_code(client, "X") for _ in range(10)] == [401] * 10
        assert try_code(client, code) == 429
    with box.client(("127.0.0.2", 1)) as client:
        assert try_code(client, code) == 429


def test_a_session_ends_by_logout_idleness_age_and_removal(box: Box) -> None:
    box.add("chef", Role.OWNER)
    with box.client() as client:
        csrf = log_in(client).json()["csrf"]
        token = client.cookies["appliance_console"]
        assert change_as(client, "/probe/admin", csrf) == 200
        assert change_as(client, "/console/logout", csrf) == 200
        client.cookies.set("appliance_console", token)
        assert client.get("/console/me").status_code == 401
        for leap_ms in (IDLE_MS + 1, LONGEST_MS + 1, -LONGEST_MS - 1):
            assert log_in(client).status_code == 200
            box.clock.now_ms += leap_ms
            assert client.get("/console/me").status_code == 401
        assert log_in(client).status_code == 200
        for _ in range(30):
            box.clock.now_ms += IDLE_MS - 1
            last = client.get("/console/me").status_code
        assert last == 401, "busy or not, a session has its age"
        assert log_in(client).status_code == 200
        assert box.accounts.remove("chef")
        assert client.get("/console/me").status_code == 401


def test_a_session_from_before_the_login_is_dead_after_it(box: Box) -> None:
    box.add("chef", Role.OWNER)
    with box.client() as client:
        log_in(client)
        planted = client.cookies["appliance_console"]
        log_in(client)
        assert client.cookies["appliance_console"] != planted
        client.cookies.clear()
        client.cookies.set("appliance_console", planted)
        assert client.get("/console/me").status_code == 401


def test_a_change_needs_the_token_of_its_own_session(box: Box) -> None:
    box.add("chef", Role.OWNER)
    with box.client() as client:
        other = log_in(client).json()["csrf"]
        csrf = log_in(client).json()["csrf"]
        assert [change_as(client, "/probe/admin", given) for given in ("", other, csrf)] == [
            403,
            403,
            200,
        ]
        bare = {"X-CSRF-Token": csrf}
        assert client.post("/probe/admin", headers=bare).status_code == 403


@pytest.mark.parametrize(
    ("role", "readable", "changeable"),
    [
        (Role.OWNER, {"knowledge", "admin", "metrics", "console"}, None),
        (Role.OPERATOR, {"knowledge", "metrics", "console"}, None),
        (Role.VIEWER, {"metrics", "console"}, set()),
    ],
)
def test_a_role_opens_what_it_says(
    box: Box, role: Role, readable: set[str], changeable: set[str] | None
) -> None:
    box.add("wang", role)
    guarded = ("v1", "knowledge", "admin", "metrics", "console")
    with box.client() as client:
        csrf = log_in(client, "wang").json()["csrf"]
        read = {name for name in guarded if client.get(f"/probe/{name}").is_success}
        changed = {name for name in guarded if change_as(client, f"/probe/{name}", csrf) == 200}
        # On this machine figures are everybody's.
        changed.discard("metrics")
        assert read == readable
        assert changed == (readable - {"metrics"} if changeable is None else changeable)
        assert change_as(client, "/console/logout", csrf) == 200


def test_wrong_passwords_cost_time_and_the_wait_ends(box: Box) -> None:
    box.add("chef", Role.OWNER)
    with box.client() as client:
        assert log_in(client, password="wrong wrong").status_code == 401
        waiting = log_in(client)
        assert (waiting.status_code, waiting.headers["retry-after"]) == (429, "1")
        unknown = log_in(client, "niemand")
        assert unknown.status_code == 429, "the address waits too"


def test_patience_doubles_ends_and_is_forgotten() -> None:
    now_s = 0.0
    patience = Patience(LOGIN_WAITS_S, lambda: now_s)
    for wait_s in (1, 2, 4, 8, 16, 32, 60, 60):
        patience.note_failure("a")
        with pytest.raises(TooManyRequests) as refused:
            patience.check("a")
        assert refused.value.retry_after_s == wait_s
        now_s += wait_s
        patience.check("a", "b")
    now_s += 901
    patience.note_failure("a")
    with pytest.raises(TooManyRequests) as refused:
        patience.check("a")
    assert refused.value.retry_after_s == 1


async def test_of_many_guesses_at_once_one_is_hashed(box: Box) -> None:
    box.add("chef", Role.OWNER)
    guesses = [box.admission.logins.log_in("chef", f"wrong {n}", "10.0.0.1") for n in range(20)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds.count(LoginRefused) == 1 and kinds.count(TooManyRequests) == 19


def test_a_file_of_accounts_that_cannot_be_read_lets_nobody_in(box: Box) -> None:
    key = box.keys.create("a", ("v1",))
    (box.settings.data / "access.db").write_bytes(b"no database" * 1000)
    with box.client() as client:
        reply = client.get("/probe/v1", headers=bear(key))
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "store_unavailable")
        assert client.get("/probe/chat").status_code == 200
