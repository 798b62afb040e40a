"""A house in a process of its own: started, killed and started again on the same folder.

It talks to nobody. The rule that must not break: whatever happens to the test, no process that
was started here outlives the block.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.client import HANG_S, Client

ROOT = Path(__file__).resolve().parents[2]
# A shop's machine has no settings of ours and keeps what Python compiled: a start costs half.
UNLIKE_A_SHOP = re.compile("APPLIANCE|PYTHONDONTWRITEBYTECODE")
ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")


class HouseProcess:
    """`flags` are those of `tests.faults`; its log goes to `<folder>.log`."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self._flags = flags
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, *flags: str) -> Client:
        """Returns once it listens; `flags` are of this life alone."""
        kept = {key: value for key, value in os.environ.items() if not UNLIKE_A_SHOP.search(key)}
        with Path(f"{self.folder}.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults", "--data", str(self.folder)),
                *self._flags,
                *flags,
                cwd=ROOT,
                env=kept,
                stdout=PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(HANG_S):
            while line := await self._process.stdout.readline():
                if found := ADDRESS.search(line):
                    self._reading = asyncio.create_task(self._read_on(self._process.stdout))
                    return Client(int(found[1]))
        raise AssertionError(f"the house did not come up; see {self.folder}.log")

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self.wait_death()

    async def wait_death(self) -> int:
        """The exit code; negative where a signal ended it."""
        assert self._process is not None
        async with asyncio.timeout(HANG_S):
            code = await self._process.wait()
            if self._reading is not None:
                await self._reading
        return code

    async def stop(self) -> int:
        """In order, as systemd does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self.wait_death()

    async def close(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    async def _read_on(self, output: asyncio.StreamReader) -> None:
        """A full pipe would hold the house up."""
        while await output.read(4096):
            pass


@asynccontextmanager
async def housing(folder: Path, *flags: str) -> AsyncIterator[HouseProcess]:
    house = HouseProcess(folder, *flags)
    try:
        yield house
    finally:
        await house.close()
