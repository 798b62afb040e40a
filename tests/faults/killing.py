"""`kill -9` at random moments while customers are answered, and what must be true after it.

One house lives through all rounds: each life begins with what the last one left. The rule that
must not break: a turn meets at most one death, because a second one in the engine rightly ends it.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.client import Client, Frame
from tests.faults.customer import Customer, Phone
from tests.faults.process import HouseProcess, housing
from tests.faults.script import tell

PATIENCE_S = 240.0
REPLAYS = 4
# The flags of the house whose answers `is_as_told` knows.
PHRASES = 4
SCRIPTED = ("--engine", "scripted", "--phrases", str(PHRASES), "--piece-s", "0.012")


@dataclass
class Figures:
    """What the rounds gave; `faults` in words, none is what is asked for."""

    kills: int = 0
    acknowledged: int = 0
    continued: int = 0
    pieces: int = 0
    resends: int = 0
    page_s: list[float] = field(default_factory=list)
    # From the start of a life to the model, and from there to the next piece of a broken answer.
    ready_s: list[float] = field(default_factory=list)
    first_piece_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """A life ends after `least` to `most` pieces of answers; `is_right` judges a whole one.

    Whoever kills a load twice in a row is left without a model, so a real one is given a `least`.
    """

    rounds: int
    most: int
    questions: Sequence[str]
    is_right: Callable[[str, str], bool]
    customers: int = 8
    least: int = 0
    jitter_s: float = 0.01
    seed: int = 1


def is_as_told(question: str, text: str) -> bool:
    return text == tell(question, PHRASES)


def is_whole_text(_: str, text: str) -> bool:
    """All that can be said of an answer that nobody knows beforehand."""
    return bool(text) and "\ufffd" not in text


async def kill_again_and_again(folder: Path, plan: Plan, *flags: str) -> Figures:
    async with housing(folder, *flags) as house:
        rounds = Rounds(house, plan, await house.start())
        await rounds.run()
        await house.stop()
        rounds.figures.faults += check_copy(folder, folder.with_name("last"))
        return rounds.figures


class Rounds:
    def __init__(self, house: HouseProcess, plan: Plan, client: Client) -> None:
        self.figures = Figures()
        self._house = house
        self._plan = plan
        self._chance = Random(plan.seed)
        self._phone = Phone(client)
        self._customers = [
            Customer(f"顾客{number}", self._phone, self._count) for number in range(plan.customers)
        ]
        self._counted = asyncio.Event()
        self._is_over = False
        # Turns that a death met, and what had been shown of each.
        self._shown: dict[str, str] = {}
        self._born_s = 0.0
        self._is_waiting_for_piece = False
        self._next_piece_s: float | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for customer in self._customers:
                await customer.open()
            watching = [group.create_task(customer.watch()) for customer in self._customers]
            asking = [group.create_task(self._ask(customer)) for customer in self._customers]
            for _ in range(self._plan.rounds):
                async with asyncio.timeout(PATIENCE_S):
                    await self._wait_for_moment()
                    await self._die()
                    await self._check_life()
            self._is_over = True
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(*asking)
            for customer in self._customers:
                await self._check_history(customer)
            for task in watching:
                task.cancel()

    async def _ask(self, customer: Customer) -> None:
        number = 0
        while not self._is_over:
            question = self._plan.questions[number % len(self._plan.questions)]
            await customer.hear(f"{question}（{customer.name}，第{number}问）")
            number += 1

    async def _wait_for_moment(self) -> None:
        """Some pieces later, once no turn is under way that met a death already."""
        moment = self.figures.pieces + self._chance.randint(self._plan.least, self._plan.most)
        while self.figures.pieces < moment or self._is_mending():
            await self._counted.wait()
        with suppress(TimeoutError):
            jitter_s = self._chance.random() * self._plan.jitter_s
            await asyncio.wait_for(asyncio.Event().wait(), jitter_s)

    def _is_mending(self) -> bool:
        ended = {run_id for one in self._customers for run_id in one.watcher.endings}
        return not self._shown.keys() <= ended

    async def _die(self) -> None:
        self._phone.hang_up()
        await self._house.kill()
        self.figures.kills += 1
        for customer in self._customers:
            for one in customer.acknowledged:
                if not customer.watcher.has_seen_end_of(one.run_id):
                    self._shown[one.run_id] = customer.watcher.text_of(one.run_id)
        self.figures.faults += check_copy(self._house.folder, self._house.folder.with_name("dead"))
        self._born_s, self._next_piece_s = time.monotonic(), None
        self._is_waiting_for_piece = self._is_mending()
        client = await self._house.start()
        assert (await client.call("GET", "/")).status == 200
        self.figures.page_s.append(time.monotonic() - self._born_s)
        self._phone.restore(client)

    async def _check_life(self) -> None:
        """What was acknowledged is there, and how long the rungs took to come."""
        client = self._phone.client
        for customer in self._customers:
            told = list(customer.acknowledged)
            reply = await client.call("GET", f"/sessions/{customer.session_id}/messages")
            kept = {one["run_id"]: one["text"] for one in reply.json().get("messages", ())}
            self.figures.faults += [
                f"round {self.figures.kills}: lost {one.question}"
                for one in told
                if one.run_id not in kept
            ]
        while self._is_waiting_for_piece:
            await self._counted.wait()
        readiness = (await client.call("GET", "/readyz")).json()
        if "model" in readiness["ready_ms"]:
            ready_s = readiness["ready_ms"]["model"] / 1000
            self.figures.ready_s.append(ready_s)
            if self._next_piece_s is not None:
                self.figures.first_piece_s.append(self._next_piece_s - ready_s)
        if any("set aside" in note for note in readiness["notes"]):
            self.figures.faults.append(f"round {self.figures.kills}: {readiness['notes']}")

    async def _check_history(self, customer: Customer) -> None:
        """The stored events give the same from every number on, and are what was seen live."""
        watcher, faults = customer.watcher, self.figures.faults
        whole = await self._read(customer, 0)
        meanings = {frame.number for frame in whole}
        if meanings != watcher.meanings.keys():
            faults.append(f"{customer.name} saw other numbers than are stored")
        for after in self._chance.sample(range(watcher.last), min(REPLAYS, watcher.last)):
            if await self._read(customer, after) != [f for f in whole if (f.number or 0) > after]:
                faults.append(f"{customer.name}: the replay after {after} differs")
        for one in customer.acknowledged:
            text, ending = watcher.text_of(one.run_id), watcher.endings[one.run_id]
            stored = [f.data["text"] for f in whole if f.event == "token" and is_of(f, one.run_id)]
            if ending.event != "done" or not self._plan.is_right(one.question, text):
                faults.append(f"{one.question}: {ending} after {text!r}")
            if "".join(stored) != text:
                faults.append(f"{one.question}: stored {''.join(stored)!r}, seen {text!r}")
            if not text.startswith(self._shown.get(one.run_id, "")):
                faults.append(f"{one.question}: {text!r} does not go on from what was shown")
        self.figures.acknowledged += len(customer.acknowledged)
        self.figures.resends += customer.resends
        self.figures.continued += sum(o.run_id in self._shown for o in customer.acknowledged)
        faults += [f"{customer.name}: {complaint}" for complaint in watcher.complaints]
        if watcher.rewinds:
            faults.append(f"{customer.name} was rewound although the power stayed on")

    async def _read(self, customer: Customer, after: int) -> list[Frame]:
        """All stored frames behind `after`; the session has ended where the watcher is."""
        frames: list[Frame] = []
        last = customer.watcher.last
        if after < last:
            async for frame in self._phone.client.watch(customer.session_id, after):
                frames.append(frame)
                if frame.number == last:
                    break
        return frames

    def _count(self, _: Customer, frame: Frame) -> None:
        self.figures.pieces += frame.event == "token"
        if frame.event in ("token", "done") and frame.data["run_id"] in self._shown:
            if self._is_waiting_for_piece:
                self._next_piece_s = time.monotonic() - self._born_s
            self._is_waiting_for_piece = False
        self._counted.set()
        self._counted = asyncio.Event()


def is_of(frame: Frame, run_id: str) -> bool:
    return bool(frame.data.get("run_id") == run_id)


def check_copy(folder: Path, scratch: Path) -> list[str]:
    """SQLite's words about the file that the dead process left; its own recovery runs on a copy."""
    scratch.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        (scratch / f"appliance.db{suffix}").unlink(missing_ok=True)
        if (left := folder / f"appliance.db{suffix}").exists():
            shutil.copy(left, scratch / left.name)
    with closing(sqlite3.connect(scratch / "appliance.db")) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
    return [f"integrity_check: {line}" for line in found if line != "ok"]
