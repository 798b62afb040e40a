"""A house that listens in the test's own event loop, and the connection to it.

It is the real application behind a real uvicorn on a free port. The rule that must not break:
when the block is left the house has stopped in order and its data folder is free.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from appliance.app import House
from appliance.engine.engine import Engine
from appliance.server import Server
from appliance.settings import Settings
from tests.faults.client import Client
from tests.limits import WITHOUT_LIMITS


class QuietServer(Server):
    """No signals: they belong to the test."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.is_up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@asynccontextmanager
async def listening(settings: Settings, engine: Engine) -> AsyncIterator[Client]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = QuietServer(House(settings, engine))
    life = asyncio.create_task(server.serve(sockets=[listener]))
    await server.is_up.wait()
    try:
        yield Client(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await life


def choose_settings(folder: Path) -> Settings:
    """Room for eight speakers, answers that are not cut, nothing that runs by the clock."""
    return Settings(
        data=folder,
        knowledge=open_empty_shop(folder),
        parallel=8,
        max_new_tokens=512,
        backup_hours=0,
    ).model_copy(update=WITHOUT_LIMITS)


def open_empty_shop(data: Path) -> Path:
    """The folder of a shop that has written nothing, beside its data: what no rule answers is the
    engine's."""
    knowledge = data.parent / "knowledge"
    knowledge.mkdir(parents=True, exist_ok=True)
    return knowledge
