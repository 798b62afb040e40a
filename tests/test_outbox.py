"""Other systems are told what happened: signed, until they take it, and through every cut."""

from __future__ import annotations

import asyncio
import email
import hmac
import json
import socketserver
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import StoreUnavailable
from appliance.events import Done, Handoff, HandoffState
from appliance.http.outbox_shapes import EventName
from appliance.settings import Settings
from appliance.store.accounting import Accounting
from appliance.store.accounts import Role
from appliance.store.changes import Changes
from appliance.store.connections import connect_writer
from appliance.store.desk import DeskBook
from appliance.store.feedback import Feedback
from appliance.store.handoffs import Change, Owner, Owners
from appliance.store.lasting import make_lasting
from appliance.store.messages import Answer, MessageRows
from appliance.store.outbox import EVENTS, Logged, Outbox, Outcome
from appliance.store.salvage import salvage
from appliance.telling import LONGEST_PAUSE_MS, PAUSES_S, SENTENCES, Telling, Ways
from appliance.tools import mail
from appliance.tools.failures import ToolFailed
from appliance.tools.hooks import check_hook_address, send_hook
from appliance.tools.mail import MailServer, check_mail_server, send_mail, write_mail
from tests.operators import open_console
from tests.sealed_house import Calendar, Sealed, answer, open_sealed

SECRET = "the secret of a test receiver"
URL = "http://crm.test/hook"
TARGET = {"url": URL, "secret": SECRET}
MINUTE_MS = 60_000
SHORT_S = 0.3


@dataclass
class Taken:
    """What a receiver got, and what it is to answer: a status, or "hang", or "drop"."""

    script: list[int | str] = field(default_factory=list)
    got: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    away: str = ""
    url: str = ""
    is_over: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[str]:
        return [headers["X-Appliance-Delivery"] for headers, _ in self.got]

    def take(self, headers: Mapping[str, str], body: bytes) -> int | str:
        self.got.append((headers, body))
        return self.script.pop(0) if self.script else 200


@contextmanager
def receiving(*script: int | str, away: str = "") -> Iterator[Taken]:
    taken = Taken([*script], away=away)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = taken.take(dict(self.headers), body)
            if answer == "hang":
                taken.is_over.wait()
            if isinstance(answer, str):
                self.close_connection = True
                return
            self.send_response(answer)
            if taken.away:
                self.send_header("Location", taken.away)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="receiver")
        thread.start()
        try:
            taken.url = f"http://127.0.0.1:{server.server_port}/hook"
            yield taken
        finally:
            taken.is_over.set()
            server.shutdown()
            thread.join()


@dataclass
class Desk:
    sealed: Sealed
    outbox: Outbox
    telling: Telling
    owners: Owners
    time: dict[str, int]
    changes: Changes

    async def hear(self, target: Mapping[str, str] | None = None, *events: str) -> int:
        chosen = events or EVENTS
        return await self.outbox.add("CRM", "events", chosen, target or TARGET, "chef")

    async def converse(self, text: str = "问") -> str:
        """A session with one answered question; its id."""
        session_id = await self.sealed.sessions.create()
        accepted = await self.sealed.sessions.accept(session_id, text)
        done, said = Done("stop", "model"), Answer("答")
        await self.sealed.sessions.finish(accepted.session_key, accepted.run_id, said, done)
        await self.sealed.sessions.judge(session_id, accepted.run_id, Feedback("down", "wrong"))
        for state in ("waiting", "human", "bot", "closed"):
            await self.give(accepted.session_key, state)
        return session_id

    async def give(self, key: str, state: HandoffState) -> None:
        await self.owners.change(key, "", Change(Handoff(state), "a-rule"), lambda _: None)

    async def pass_time(self, ms: int) -> None:
        self.time["ms"] += ms
        await self.telling.run_once()

    @property
    def book(self) -> DeskBook:
        sealed, read_ms = self.sealed, self.sealed.calendar.read_ms
        seals, accounts = sealed.keyring.seals, Accounting(sealed.keyring, sealed.audit, "")
        rows = MessageRows(seals, read_ms)
        return DeskBook(
            sealed.store, sealed.log, seals, rows, (read_ms, read_ms), accounts, self.changes
        )

    async def log(self) -> list[Logged]:
        return [*reversed(await self.outbox.read_log())]

    async def states(self) -> set[str]:
        return {one.state for one in await self.log()}


@asynccontextmanager
async def desk(folder: Path, ways: Ways | None = None) -> AsyncIterator[Desk]:
    calendar = Calendar()
    async with open_sealed(folder, calendar) as sealed:
        time = {"ms": calendar.read_ms()}
        read_ms: Callable[[], int] = lambda: time["ms"]  # noqa: E731
        lasting = make_lasting(lambda: sealed.keyring.chain_key)
        seals, accounts = sealed.keyring.seals, Accounting(sealed.keyring, sealed.audit, "")
        changes = Changes(sealed.store, lasting, read_ms)
        outbox = Outbox(sealed.store, lasting, seals, accounts, read_ms, changes)
        owners = Owners(sealed.store, sealed.log, read_ms)
        yield Desk(sealed, outbox, Telling(outbox, read_ms, read_ms, ways), owners, time, changes)


class Fake:
    """A way that answers with `status` and keeps what it was given."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.sent: list[tuple[str, bytes, Mapping[str, str]]] = []

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.sent.append((url, body, headers))
        return self.status

    @property
    def ways(self) -> Ways:
        return Ways(hook=self)


async def test_what_happens_is_told_once_with_its_conversation(tmp_path: Path) -> None:
    fake = Fake()
    async with desk(tmp_path, fake.ways) as at:
        await at.hear()
        await at.converse()
        await at.telling.run_once()
        await at.telling.run_once()
        told = [json.loads(body) for _, body, _ in fake.sent]
        assert [(one["event"], one["detail"].get("reason")) for one in told] == [
            ("conversation.started", None),
            ("feedback", "wrong"),
            ("conversation.waiting", "a-rule"),
            ("conversation.handed_over", "a-rule"),
            ("conversation.closed", "a-rule"),
        ]
        assert len({one["conversation"] for one in told}) == 1
        assert await at.states() == {"delivered"}
        assert "问" not in json.dumps(told, ensure_ascii=False)


async def test_only_what_was_chosen_is_told_and_without_a_receiver_nothing_is_noted(
    tmp_path: Path,
) -> None:
    fake = Fake()
    async with desk(tmp_path, fake.ways) as at:
        await at.converse()
        assert await at.log() == []
        await at.hear(TARGET, "conversation.waiting")
        await at.converse()
        await at.telling.run_once()
    assert [json.loads(body)["event"] for _, body, _ in fake.sent] == ["conversation.waiting"]


async def test_of_who_asks_one_thing_through_the_interface_nobody_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hear()
        await at.hear(TARGET, "conversation.started")
        session_id = await at.sealed.sessions.create(is_guest=True)
        key = await answer(at.sealed, session_id, "问")
        await at.give(key, "waiting")
        assert await at.log() == []
        await at.converse()
        assert await at.log()


async def test_a_second_question_begins_no_conversation(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hear(TARGET, "conversation.started")
        session_id = await at.converse()
        accepted = await at.sealed.sessions.accept(session_id, "再问")
        assert accepted.number and len(await at.log()) == 1


async def test_a_change_that_was_not_kept_is_told_to_nobody(tmp_path: Path) -> None:
    def refuse(_: Owner) -> None:
        raise StoreUnavailable("No.")

    async with desk(tmp_path) as at:
        await at.hear(TARGET, "conversation.waiting")
        key = await answer(at.sealed, await at.sealed.sessions.create(), "问")
        with pytest.raises(StoreUnavailable):
            await at.owners.change(key, "", Change(Handoff("waiting"), ""), refuse)
        assert await at.log() == []


async def test_a_receiver_can_check_who_sent_it_and_when(tmp_path: Path) -> None:
    with receiving(500, 200) as taken:
        async with desk(tmp_path) as at:
            await at.hear({"url": taken.url, "secret": SECRET}, "conversation.started")
            await at.converse()
            await at.telling.run_once()
            await at.pass_time(PAUSES_S[0] * 1000)
    (first, body), (second, again) = taken.got
    assert body == again and first["X-Appliance-Delivery"] == second["X-Appliance-Delivery"]
    assert first["X-Appliance-Timestamp"] != second["X-Appliance-Timestamp"]
    for headers in (first, second):
        told = headers["X-Appliance-Timestamp"].encode() + b"." + body
        expected = hmac.new(SECRET.encode(), told, "sha256").hexdigest()
        assert headers["X-Appliance-Signature"] == f"v1={expected}"


async def test_a_receiver_that_fails_hangs_and_answers_500_gets_it_once_it_is_well(
    tmp_path: Path,
) -> None:
    short = Ways(hook=partial(send_hook, timeout_s=SHORT_S))
    with receiving("drop", "hang", 500, 429, 302, 200) as taken:
        async with desk(tmp_path, short) as at:
            await at.hear({"url": taken.url, "secret": SECRET}, "conversation.started")
            await at.converse()
            await at.telling.run_once()
            faults = [(await at.log())[0].fault]
            for pause_s in PAUSES_S[:5]:
                await at.pass_time(pause_s * 1000 - 1)
                assert len(taken.got) == len(faults), "it was tried too early"
                await at.pass_time(1)
                faults.append((await at.log())[0].fault)
            (logged,) = await at.log()
    assert (logged.state, logged.attempts, logged.status) == ("delivered", 6, 200)
    assert len(set(taken.ids)) == 1
    assert faults[0].startswith("The request failed")
    assert faults[1:] == [
        "No answer came in time.",
        "The receiver answered 500.",
        "The receiver answered 429.",
        "The answer leads elsewhere; redirects are not followed.",
        "",
    ]


async def test_no_answer_leads_to_another_host(tmp_path: Path) -> None:
    with receiving() as other, receiving(302, 307, 308, away=other.url) as taken:
        async with desk(tmp_path) as at:
            await at.hear({"url": taken.url, "secret": SECRET}, "conversation.started")
            await at.converse()
            for pause_s in (0, *PAUSES_S[:2]):
                await at.pass_time(pause_s * 1000)
    assert len(taken.got) == 3 and other.got == []


async def test_the_environment_s_proxy_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as proxy, receiving() as taken:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        assert await send_hook(taken.url, b"{}", {"X-Appliance-Delivery": "1"}) == 200
    assert (len(taken.got), len(proxy.got)) == (1, 0)


async def test_it_is_given_up_in_the_end_and_can_be_tried_again(tmp_path: Path) -> None:
    fake = Fake(503)
    async with desk(tmp_path, fake.ways) as at:
        await at.hear(TARGET, "conversation.started")
        await at.converse()
        await at.telling.run_once()
        for pause_s in PAUSES_S:
            await at.pass_time(pause_s * 1000)
        (logged,) = await at.log()
        assert (logged.state, logged.attempts) == ("failed", len(PAUSES_S) + 1)
        await at.pass_time(LONGEST_PAUSE_MS * 2)
        assert len(fake.sent) == len(PAUSES_S) + 1
        fake.status = 204
        await at.outbox.retry(logged.id)
        await at.telling.run_once()
        assert await at.states() == {"delivered"}


async def test_a_clock_that_was_years_ahead_keeps_nothing_waiting(tmp_path: Path) -> None:
    fake = Fake(500)
    async with desk(tmp_path, fake.ways) as at:
        await at.hear(TARGET, "conversation.started")
        await at.converse()
        at.time["ms"] += 10 * 365 * 86_400_000
        await at.telling.run_once()
        at.time["ms"] -= 10 * 365 * 86_400_000
        fake.status = 200
        await at.telling.run_once()
        assert await at.states() == {"delivered"}


@pytest.mark.parametrize("step", ["before", "during", "after", "marking", "marked"])
async def test_a_restart_at_any_step_loses_nothing(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    async def send(_url: str, body: bytes, _headers: Mapping[str, str]) -> int:
        if step == "before":
            raise asyncio.CancelledError
        sent.append(json.loads(body)["id"])
        if step in ("during", "after"):
            raise asyncio.CancelledError
        return 200

    async def lose(_id: int, _outcome: Outcome) -> None:
        raise StoreUnavailable("The plug was pulled.")

    async with desk(tmp_path, Ways(hook=send)) as at:
        await at.hear(TARGET, "conversation.started", "conversation.waiting")
        await at.converse()
        if step == "marking":
            monkeypatch.setattr(at.outbox, "mark", lose)
        with suppress(asyncio.CancelledError):
            await at.telling.run_once()
        noted = [one.event_id for one in await at.log()]
    fake = Fake()
    async with desk(tmp_path, fake.ways) as at:
        await at.telling.run_once()
        assert await at.states() == {"delivered"}
    again = [json.loads(body)["id"] for _, body, _ in fake.sent]
    assert {*sent, *again} == {*noted} and len(noted) == 2
    assert (step == "marked") == (again == [])


async def test_one_that_hangs_keeps_no_other_waiting(tmp_path: Path) -> None:
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def send(url: str, _body: bytes, _headers: Mapping[str, str]) -> int:
        if "slow" in url:
            await gate.wait()
        else:
            arrived.set()
        return 200

    async with desk(tmp_path, Ways(hook=send)) as at:
        await at.hear({"url": "http://slow.test/", "secret": SECRET}, "conversation.started")
        await at.hear({"url": "http://quick.test/", "secret": SECRET}, "conversation.started")
        await at.converse()
        running = asyncio.create_task(at.telling.run_forever())
        await arrived.wait()
        at.telling.stop()
        await running
        assert sorted(one.state for one in await at.log())[0] in ("delivered", "pending")
        gate.set()
        await at.telling.run_once()
        assert await at.states() == {"delivered"}


async def test_a_new_receiver_wakes_whoever_waits_for_one(tmp_path: Path) -> None:
    arrived = asyncio.Event()

    async def send(_url: str, _body: bytes, _headers: Mapping[str, str]) -> int:
        arrived.set()
        return 200

    async with desk(tmp_path, Ways(hook=send)) as at:
        running = asyncio.create_task(at.telling.run_forever())
        await asyncio.sleep(0)
        await at.outbox.add_test(await at.hear())
        at.telling.look()
        await arrived.wait()
        at.telling.stop()
        await running


async def test_a_forgotten_conversation_is_told_of_no_more(tmp_path: Path) -> None:
    fake = Fake()
    async with desk(tmp_path, fake.ways) as at:
        await at.hear()
        await at.sealed.sessions.forget(await at.converse())
        await at.telling.run_once()
        assert fake.sent == [] and await at.log() == []


async def test_addresses_and_secrets_are_sealed_and_outlive_the_days(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hear({"url": "http://crm.test/a-path-that-is-secret", "secret": SECRET})
        at.sealed.keyring.destroy_days(at.sealed.calendar.day)
        (receiver,) = await at.outbox.list_receivers()
        assert receiver.target["secret"] == SECRET
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    for word in (SECRET.encode(), b"a-path-that-is-secret"):
        assert not [path for path in files if word in path.read_bytes()]


async def test_what_is_saved_from_a_damaged_file_is_told_to_nobody_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.hear()
        await at.converse()
        noted = len(await at.log())
        path = at.sealed.store.path
    with closing(connect_writer(tmp_path / "fresh.db")) as fresh:
        salvage(path, fresh.conn)
        assert fresh.conn.execute("SELECT count(*) FROM deliveries").fetchone()[0] == noted
        triggers = fresh.conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        assert {"tell_of_owners", "audit_keeps_its_rows"} <= {row[0] for row in triggers}


async def test_a_ticket_tells_how_to_reach_the_customer_and_nothing_once_he_is_forgotten(
    tmp_path: Path,
) -> None:
    fake = Fake()
    async with desk(tmp_path, fake.ways) as at:
        await at.hear(TARGET, "ticket", "feedback")
        session_id = await at.sealed.sessions.create()
        key = await answer(at.sealed, session_id, "什么时候到货？")
        book = at.book
        await book.leave_contact(key, "电话 138 0013 8000")
        await book.rate(key, 4, "谢谢")
        await at.telling.run_once()
        told = {
            one["event"]: one["detail"] for _, body, _ in fake.sent if (one := json.loads(body))
        }
        assert told == {
            "ticket": {"contact": "电话 138 0013 8000", "question": "什么时候到货？"},
            "feedback": {"stars": "4"},
        }
        await book.leave_contact(key, "")
        await book.leave_contact(key, "另一个电话")
        await at.sealed.sessions.forget(session_id)
        await at.telling.run_once()
        assert len(fake.sent) == 2
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"138 0013" in path.read_bytes()]


async def test_a_chat_gets_a_sentence_as_it_reads_one(tmp_path: Path) -> None:
    fake = Fake()
    async with desk(tmp_path, fake.ways) as at:
        for style in ("text", "msgtype"):
            target = {"url": URL, "style": style}
            await at.outbox.add(style, "chat", ("conversation.waiting",), target, "chef")
        await at.converse()
        await at.telling.run_once()
    told = [json.loads(body) for _, body, _ in fake.sent]
    sentence = SENTENCES["conversation.waiting"]
    assert {"text": sentence} in told
    assert {"msgtype": "text", "text": {"content": sentence}} in told


def test_there_is_a_sentence_for_every_event() -> None:
    assert {*EVENTS} <= {*SENTENCES} and {*EVENTS} == {*EventName.__args__}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.test/hook",
        "ftp://crm.test/",
        "file:///etc/passwd",
        "http://",
        "http://name:word@crm.test/",
        "http://crm.test:99999/",
        "http://crm.test/ a",
        "http://crm.test/\r\nHost: other",
        "http://客服.test/",
        f"http://crm.test/{'a' * 1000}",
    ],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ToolFailed):
        check_hook_address(url)


class Mailbox(socketserver.StreamRequestHandler):
    """A mail server of a few words; `server.taken` is what came in."""

    def handle(self) -> None:
        self._say("220 here")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self._say("354 go on")
                body = b""
                while (line := self.rfile.readline()) != b".\r\n":
                    body += line
                self.server.taken.append(body)  # type: ignore[attr-defined]
            if verb == b"RCPT" and b"refused" in line:
                self._say("550 no")
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def mailbox() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        server.taken = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, name="mailbox")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def describe_mail(port: int, **changes: Any) -> MailServer:
    told = {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "user": "",
        "password": "",
        "sender": "box@shop.test",
        "recipient": "chef@shop.test",
    }
    return MailServer(**{**told, **changes})


async def test_a_mail_arrives_with_its_words(tmp_path: Path) -> None:
    with mailbox() as server:
        port = server.server_address[1]
        target = {
            "host": "127.0.0.1",
            "port": str(port),
            "security": "none",
            "sender": "box@shop.test",
            "recipient": "chef@shop.test",
        }
        async with desk(tmp_path) as at:
            await at.outbox.add("Mail", "mail", ("conversation.waiting",), target, "chef")
            await at.converse()
            await at.telling.run_once()
            assert await at.states() == {"delivered"}
        with pytest.raises(ToolFailed):
            await send_mail(describe_mail(port, recipient="refused@shop.test"), "a", "b", "c")
    message = email.message_from_bytes(server.taken[0], policy=email.policy.default)
    assert message["Subject"].startswith("有顾客在等人工客服")
    assert "conversation.waiting" in message.get_content()


async def test_a_password_that_the_server_cannot_be_told_is_in_no_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def log_in(server: MailServer, _: EmailMessage) -> None:
        server.password.encode("ascii")

    monkeypatch.setattr(mail, "_send", log_in)
    with pytest.raises(ToolFailed) as failed:
        await send_mail(describe_mail(25, user="chef", password="密码123", security="tls"), *"abc")
    assert str(failed.value) == "The mail was not taken: UnicodeEncodeError."
    assert failed.value.__cause__ is None and failed.value.__suppress_context__


def test_no_text_of_a_mail_becomes_a_header() -> None:
    message = write_mail(describe_mail(25), "a\r\nBcc: other@evil.test", "b", "c")
    assert message["Bcc"] is None and "\n" not in message["Subject"]
    assert message["Date"] is not None
    wrong: tuple[dict[str, Any], ...] = (
        {"recipient": "a@b.test\r\nBcc: other@evil.test"},
        {"sender": "a@b.test, c@d.test"},
        {"host": "mail.test\r\n"},
        {"port": 0},
        {"user": "chef", "password": "secret", "security": "none"},
    )
    for changes in wrong:
        with pytest.raises(ToolFailed):
            check_mail_server(describe_mail(**{"port": 25, **changes}))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "knowledge").mkdir()
    return Settings(data=tmp_path / "data", knowledge=tmp_path / "knowledge")


def test_an_owner_adds_tries_and_removes_a_receiver(settings: Settings) -> None:
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with receiving() as taken, open_console(house, settings.data) as client:
        wanted = {"name": "CRM", "kind": "events", "events": ["feedback"], "url": taken.url}
        added = client.post("/console/webhooks", json=wanted)
        assert added.status_code == 201 and len(added.json()["secret"]) > 40
        (shown,) = client.get("/console/webhooks").json()["webhooks"]
        assert (shown["name"], shown["account"], shown["events"]) == ("CRM", "owner", ["feedback"])
        told = json.dumps(shown)
        assert added.json()["secret"] not in told and "/hook" not in told
        assert client.post(f"/console/webhooks/{shown['id']}/test").json() == {"done": True}
        wait_until(client, "delivered")
        assert json.loads(taken.got[0][1])["event"] == "test"
        assert client.delete(f"/console/webhooks/{shown['id']}").json() == {"done": True}
        assert client.delete(f"/console/webhooks/{shown['id']}").status_code == 404
        assert client.get("/console/deliveries").json() == {"deliveries": [], "next": None}


def wait_until(client: TestClient, state: str) -> None:
    for _ in range(2000):
        log = client.get("/console/deliveries").json()["deliveries"]
        if log and log[0]["state"] == state:
            return
    raise AssertionError(f"no delivery came to be {state}")


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_nobody_but_an_owner_says_who_is_told(settings: Settings, role: Role) -> None:
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with open_console(house, settings.data, role) as client:
        wanted = {"name": "CRM", "kind": "events", "events": ["feedback"], "url": URL}
        assert client.post("/console/webhooks", json=wanted).status_code == 403
        assert client.delete("/console/webhooks/1").status_code == 403
        assert client.post("/console/webhooks/1/test").status_code == 403
        assert client.get("/console/webhooks").json() == {"webhooks": []}
        retried = client.post("/console/deliveries/1/retry").status_code
        assert retried == (403 if role is Role.VIEWER else 404)


def test_a_receiver_that_cannot_be_is_refused(settings: Settings) -> None:
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    wanted = {"name": "CRM", "kind": "events", "events": ["feedback"], "url": URL}
    with open_console(house, settings.data) as client:
        wrong: tuple[dict[str, Any], ...] = (
            {"url": "ftp://crm.test"},
            {"events": []},
            {"events": ["everything"]},
            {"kind": "mail"},
            {"name": "\u202e"},
            {"kind": "pigeon"},
        )
        for changes in wrong:
            refused = client.post("/console/webhooks", json={**wanted, **changes})
            assert refused.status_code == 422, changes
        for path in ("x", "-1", "9" * 30):
            assert client.delete(f"/console/webhooks/{path}").status_code == 404
        assert client.get("/console/deliveries?before=x").status_code == 422
