"""Somebody who asks one question after another and watches, whatever happens to the house.

What is lost on the way is sent again under the same client id, a broken stream is taken up again
behind the last number. The rule that must not break: a message counts as acknowledged only when
its 202 was read to the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tests.faults.client import LOST, Client, Frame
from tests.faults.watcher import Watcher


@dataclass(frozen=True, slots=True)
class Acknowledged:
    run_id: str
    question: str
    number: int


class Phone:
    """The way to a house that may be away for a while."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._is_up = asyncio.Event()
        self._is_up.set()

    def hang_up(self) -> None:
        """From here on, and before the house dies, nobody calls it."""
        self._is_up.clear()

    def restore(self, client: Client) -> None:
        self.client = client
        self._is_up.set()

    async def wait_up(self) -> Client:
        await self._is_up.wait()
        return self.client


OnFrame: TypeAlias = Callable[["Customer", Frame], None]


class Customer:
    def __init__(self, name: str, phone: Phone, on_frame: OnFrame = lambda *_: None) -> None:
        self.name = name
        self.session_id = ""
        self.watcher = Watcher()
        self.acknowledged: list[Acknowledged] = []
        self.resends = 0
        self.reconnects = 0
        self._phone = phone
        self._on_frame = on_frame
        self._grown = asyncio.Event()

    @property
    def is_answered(self) -> bool:
        """Nothing that was acknowledged is still open."""
        return all(self.watcher.has_seen_end_of(one.run_id) for one in self.acknowledged)

    async def open(self) -> None:
        while not self.session_id:
            client = await self._phone.wait_up()
            try:
                reply = await client.call("POST", "/sessions")
            except LOST:
                continue
            assert reply.status == 201, reply
            self.session_id = reply.json()["session_id"]

    async def ask(self, question: str) -> Acknowledged:
        """Returns once the message is acknowledged, however often it takes."""
        path, client_id = f"/sessions/{self.session_id}/messages", f"q{len(self.acknowledged)}"
        while True:
            client = await self._phone.wait_up()
            try:
                reply = await client.call(
                    "POST", path, {"message": question, "client_id": client_id}
                )
            except LOST:
                self.resends += 1
                continue
            assert reply.status == 202, reply
            told = reply.json()
            self.acknowledged.append(Acknowledged(told["run_id"], question, told["event_id"]))
            return self.acknowledged[-1]

    async def watch(self) -> None:
        """For ever, over any number of connections."""
        while True:
            client = await self._phone.wait_up()
            try:
                async for frame in client.watch(self.session_id, self.watcher.last):
                    self.watcher.see(frame)
                    self._on_frame(self, frame)
                    self._grow()
            except LOST:
                self.reconnects += 1

    async def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Looked at after every frame."""
        while not is_true():
            await self._grown.wait()

    async def hear(self, question: str) -> str:
        """Ask, and the whole answer."""
        run_id = (await self.ask(question)).run_id
        await self.wait_until(lambda: self.watcher.has_seen_end_of(run_id))
        return self.watcher.text_of(run_id)

    def _grow(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


async def replay(client: Client, session_id: str, watcher: Watcher, run_ids: set[str]) -> Watcher:
    """Let `watcher` see the session from its last number on until all of `run_ids` have ended."""
    if run_ids <= watcher.endings.keys():
        return watcher
    async for frame in client.watch(session_id, watcher.last):
        watcher.see(frame)
        if run_ids <= watcher.endings.keys():
            break
    return watcher
