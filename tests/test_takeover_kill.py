"""`kill -9` in every state that a conversation can be in: whose it is, what was said, what the
customer and the operators see, and what was decided are afterwards as they were before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.store.sessions import key_of
from tests.desk_house import Operator, employ, wait_for
from tests.faults.client import HANG_S, Client
from tests.faults.customer import Customer, Phone
from tests.faults.killing import check_copy
from tests.faults.process import HouseProcess, housing
from tests.faults.script import tell

PHRASES = 4
FLAGS = ("--phrases", str(PHRASES), "--piece-s", "0.03", "--parallel", "8")
QUESTION = "我的包裹现在走到哪里了呢？"
CHANGED = "包裹今天下午三点送到。"
SAID = "我是小王，我来帮您。"


@dataclass
class Shop:
    """A house, its customers by the state that they are in, and operator wang at his desk."""

    house: HouseProcess
    phone: Phone
    stack: AsyncExitStack
    group: asyncio.TaskGroup
    customers: dict[str, Customer] = field(default_factory=dict)

    @property
    def client(self) -> Client:
        return self.phone.client

    def log_in(self) -> Operator:
        return self.stack.enter_context(Operator(f"http://127.0.0.1:{self.client.port}", "wang"))

    async def visit(self, state: str) -> Customer:
        customer = self.customers[state] = Customer(state, self.phone)
        await customer.open()
        watching = self.group.create_task(customer.watch())
        self.stack.callback(watching.cancel)
        return customer

    async def post(self, customer: Customer, act: str, body: object = None) -> Any:
        reply = await self.client.call("POST", f"/sessions/{customer.session_id}/{act}", body)
        assert reply.status < 300, reply.body
        return reply.json()

    async def read(self, customer: Customer) -> Any:
        """What the customer's page asks for when it is opened."""
        path = f"/sessions/{customer.session_id}/messages"
        return (await self.client.call("GET", path)).json()

    async def die(self, *flags: str) -> None:
        self.phone.hang_up()
        await self.house.kill()
        folder = self.house.folder
        assert check_copy(folder, folder.with_name("dead")) == []
        client = await self.house.start(*flags)
        # The shop's words, in which waiting customers are told when somebody comes.
        while "loading" in (await client.call("GET", "/readyz")).json()["rungs"].values():
            continue
        self.phone.restore(client)

    async def see_end(self, customer: Customer, run_id: str) -> None:
        await customer.wait_until(lambda: customer.watcher.has_seen_end_of(run_id))

    def key(self, state: str) -> str:
        return key_of(self.customers[state].session_id)


@asynccontextmanager
async def opened(folder: Path, *flags: str) -> AsyncIterator[Shop]:
    """`flags` are of the first life."""
    data = folder / "data"
    data.mkdir()
    employ(data)
    async with asyncio.timeout(HANG_S), housing(data, *FLAGS) as house:
        phone = Phone(await house.start(*flags))
        async with asyncio.TaskGroup() as group, AsyncExitStack() as stack:
            shop = Shop(house, phone, stack, group)
            yield shop
            for customer in shop.customers.values():
                check_turns(customer)
            await stack.aclose()
            await house.stop()


def check_turns(customer: Customer) -> None:
    """Every turn has one end, which its watcher saw once, and nothing was taken back."""
    ended = set(customer.watcher.endings)
    assert {one.run_id for one in customer.acknowledged} == ended, customer.name
    assert customer.watcher.complaints == [], customer.name
    assert customer.watcher.rewinds == 0, customer.name


async def wait_held(shop: Shop, wang: Operator, state: str) -> str:
    """The run whose whole answer waits for a decision."""
    run_id = (await shop.customers[state].ask(QUESTION)).run_id

    def look() -> None:
        with wang.stream(f"conversations/{shop.key(state)}/events") as events:
            while not wait_for(events, "draft")["is_whole"]:
                continue

    await asyncio.to_thread(look)
    return run_id


def decide(shop: Shop, wang: Operator, state: str, run_id: str, **body: str) -> None:
    answer = wang.do(shop.key(state), f"drafts/{run_id}", **body)
    assert answer.status_code == 200, answer.text


async def take(shop: Shop, wang: Operator, state: str) -> Customer:
    customer = await shop.visit(state)
    await customer.hear(QUESTION)
    assert wang.do(shop.key(state), "take", running="stop").status_code == 200
    return customer


async def see_handoff(customer: Customer, after: int) -> None:
    """The next change of hands behind event `after`."""

    def has_come() -> bool:
        meanings = customer.watcher.meanings.items()
        return any(number > after and event == "handoff" for number, (event, _) in meanings)

    await customer.wait_until(has_come)


def look(shop: Shop, wang: Operator, state: str) -> dict[str, Any]:
    """What the console shows of it, but for what only counts while operators are there."""
    opened = wang.get(f"conversations/{shop.key(state)}")
    return {name: opened[name] for name in ("conversation", "messages", "notes", "events")}


@pytest.mark.slow
async def test_a_kill_leaves_every_conversation_whose_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as shop:
        wang = shop.log_in()
        with wang.stream("events"):
            await (await shop.visit("bot")).hear(QUESTION)
            waiting = await shop.visit("waiting")
            await waiting.hear(QUESTION)
            await shop.post(waiting, "handoff")
            await shop.post(waiting, "contact", {"text": "138 0013 8000"})
            await take(shop, wang, "human")
            wang.do(shop.key("human"), "notes", text="会再打电话来")
            await take(shop, wang, "closed")
            wang.do(shop.key("closed"), "release", to="closed")
            talked = await take(shop, wang, "talked to")
            asked = await talked.ask("谢谢，订单号是 1234。")
            await shop.see_end(talked, asked.run_id)
            answering = await shop.visit("in mid-answer")
            under_way = await answering.ask(QUESTION)
            await answering.wait_until(lambda: bool(answering.watcher.text_of(under_way.run_id)))
            said = wang.do(shop.key("talked to"), "messages", text=SAID, client_id="m1")
            assert said.status_code == 202
            kept = [one for one in shop.customers if one != "in mid-answer"]
            seen = [await shop.read(shop.customers[one]) for one in kept]
            shown = [look(shop, wang, one) for one in kept]
            assert [one["conversation"]["state"] for one in shown] == [
                "bot", "waiting", "human", "closed", "human"
            ]  # fmt: skip
            assert not answering.watcher.has_seen_end_of(under_way.run_id), "it was too quick"
            await shop.die()
        wang = shop.log_in()
        with wang.stream("events"):
            assert [await shop.read(shop.customers[one]) for one in kept] == seen
            assert [look(shop, wang, one) for one in kept] == shown
            assert seen[1]["handoff_told"]["place"] == 1
            assert shown[1]["conversation"]["contact"] == "138 0013 8000"
            again = wang.do(shop.key("talked to"), "messages", text=SAID, client_id="m1")
            assert again.json() == said.json(), "what was acknowledged is said once"
            silent = await talked.ask("您还在吗？")
            await shop.see_end(talked, silent.run_id)
            assert talked.watcher.text_of(silent.run_id) == "", "the bot is silent as before"
            await shop.see_end(answering, under_way.run_id)
            assert answering.watcher.text_of(under_way.run_id) == tell(QUESTION, PHRASES)
        # Nobody comes back to the desk: who was talked to waits again.
        before = {one: shop.customers[one].watcher.last for one in ("human", "talked to")}
        await shop.die("--gone-s", "0")
        for state in ("human", "talked to"):
            await see_handoff(shop.customers[state], before[state])
            assert (await shop.read(shop.customers[state]))["handoff_told"]["state"] == "waiting"


@pytest.mark.slow
@pytest.mark.parametrize("shown", [1, 4])
async def test_a_kill_loses_no_decision_on_a_held_answer(tmp_path: Path, shown: int) -> None:
    """The process hangs where so many events of it were shown, and dies there."""
    expected = {"sent": tell(QUESTION, PHRASES), "changed": CHANGED, "dropped": ""}
    async with opened(tmp_path, "--hangs-after", str(shown)) as shop:
        wang = shop.log_in()
        assert wang.client.post("/console/hold", json={"on": True}).status_code == 200
        runs = {}
        for state in (*expected, "undecided"):
            await shop.visit(state)
            runs[state] = await wait_held(shop, wang, state)
        decide(shop, wang, "sent", runs["sent"], action="send")
        decide(shop, wang, "changed", runs["changed"], action="edit", text=CHANGED)
        decide(shop, wang, "dropped", runs["dropped"], action="drop")
        pieces = len(tell(QUESTION, PHRASES)) if shown > 1 else 0
        sent = shop.customers["sent"]
        await sent.wait_until(lambda: bool(sent.watcher.text_of(runs["sent"])) or not pieces)
        # Another answer would come now: what was decided on is what is said.
        await shop.die("--phrases", "2")
        for state, text in expected.items():
            customer = shop.customers[state]
            await shop.see_end(customer, runs[state])
            assert customer.watcher.text_of(runs[state]) == text, state
            (frame,) = [
                f for f in customer.watcher.endings.values() if f.data["run_id"] == runs[state]
            ]
            assert frame.event == "done"
        wang = shop.log_in()
        undecided = shop.customers["undecided"]
        assert undecided.watcher.text_of(runs["undecided"]) == ""

        def wait_anew() -> None:
            with wang.stream(f"conversations/{shop.key('undecided')}/events") as events:
                while not (draft := wait_for(events, "draft"))["is_whole"]:
                    continue
                assert draft["text"] == tell(QUESTION, 2)

        await asyncio.to_thread(wait_anew)
        decide(shop, wang, "undecided", runs["undecided"], action="send")
        await shop.see_end(undecided, runs["undecided"])
        assert undecided.watcher.text_of(runs["undecided"]) == tell(QUESTION, 2)
