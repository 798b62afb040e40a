"""A house that is started again whenever it dies, as `--keep-alive` or systemd would.

It waits between two lives for nothing. The rule that must not break: a failure of a customer or
of the house ends the block at once, nothing is waited for that cannot come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.faults.client import HANG_S, LOST, Client
from tests.faults.customer import Customer, Phone
from tests.faults.process import HouseProcess, housing

PHRASES = 4
FLAGS = ("--phrases", str(PHRASES), "--piece-s", "0.005")
HARMLESS = "怎么退货？"


class Life:
    """`deaths` are the exit codes so far."""

    def __init__(self, house: HouseProcess, phone: Phone) -> None:
        self.house = house
        self.phone = phone
        self.deaths: list[int] = []

    async def keep(self) -> None:
        while True:
            code = await self.house.wait_death()
            self.phone.hang_up()
            self.deaths.append(code)
            self.phone.restore(await self.house.start())


@asynccontextmanager
async def kept_alive(folder: Path) -> AsyncIterator[Life]:
    async with housing(folder, *FLAGS) as house:
        life = Life(house, Phone(await house.start()))
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(life.keep())
            yield life
            keeping.cancel()


@asynccontextmanager
async def calling(name: str, phone: Phone) -> AsyncIterator[Customer]:
    customer = Customer(name, phone)
    await customer.open()
    async with asyncio.TaskGroup() as group, asyncio.timeout(HANG_S):
        watching = group.create_task(customer.watch())
        yield customer
        watching.cancel()


@dataclass(frozen=True, slots=True)
class Provoked:
    """How a question that kills the engine ended, and what another customer was told meanwhile."""

    deaths: list[int]
    ending: str
    rewinds: int
    text: str
    other_question: str
    other: str
    phrases: int = PHRASES


async def provoke(folder: Path, question: str) -> Provoked:
    async with (
        kept_alive(folder) as life,
        calling("安静的", life.phone) as quiet,
        calling("危险的", life.phone) as deadly,
    ):
        harmless = asyncio.create_task(quiet.hear(HARMLESS))
        run_id = (await deadly.ask(question)).run_id
        await deadly.wait_until(lambda: deadly.watcher.has_seen_end_of(run_id))
        ending, text = deadly.watcher.endings[run_id], deadly.watcher.text_of(run_id)
        other = await harmless
        return Provoked(
            list(life.deaths),
            str(ending.data.get("code", ending.event)),
            deadly.watcher.rewinds,
            text,
            HARMLESS,
            other,
        )


async def count_load_deaths(folder: Path) -> tuple[int, str]:
    """How often the house dies of a model that kills every load, and its model's phase then."""
    async with housing(folder, "--engine", "dies-loading") as house:
        for deaths in range(10):
            with suppress(*LOST, AssertionError):
                phase = await read_phase(await house.start())
                await house.stop()
                return deaths, phase
            await house.wait_death()
        return 10, ""


async def read_phase(client: Client) -> str:
    """The model's, once its rung is no longer on its way."""
    while True:
        readiness = (await client.call("GET", "/readyz")).json()
        if readiness["rungs"]["model"] != "loading":
            return str(readiness["model"]["phase"])
