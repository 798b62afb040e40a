"""A server as a child process: started on a free port, waited for, stopped as systemd would.

It does not know which server it is. The rule that must not break: no child outlives `end`, and one
that dies at its start is an error with the end of its log.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

START_S = 180.0
STOP_S = 60.0


class WrongAnswer(Exception):
    """What came is no answer of the model."""


class ServerProcess:
    """A child that listens on a free port of this machine and is stopped as systemd would."""

    def __init__(self, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._log = log
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    async def begin(
        self, command: Sequence[str], environ: Mapping[str, str], ready_path: str
    ) -> None:
        with self._log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *command, env={"PATH": "/usr/bin:/bin", **environ}, cwd=self._log.parent,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        async with asyncio.timeout(START_S):
            while not await answers(self.port, ready_path):
                if self._child.returncode is not None:
                    tail = self._log.read_text(errors="replace")[-600:]
                    raise WrongAnswer(f"{command[0]} ended at its start: {tail}")
                await asyncio.sleep(0.05)

    async def end(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        child.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


async def answers(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


def read_cpu_s(pid: int) -> float:
    """Processor time of a process, to the nanosecond: Linux derives the clock from the id."""
    return time.clock_gettime((~pid << 3) | 2)


def read_thread_cpu_s(pid: int) -> dict[int, float]:
    """Processor time of each thread, which Linux counts in nanoseconds."""
    found = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            found[int(folder.name)] = int((folder / "schedstat").read_text().split()[0]) / 1e9
    return found
