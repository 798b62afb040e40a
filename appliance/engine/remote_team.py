"""All servers elsewhere together: who may be asked, in which order, and a watch over each.

It speaks no answer. A server that was not there is looked for again and again, ever more seldom.
The rule that must not break: a conversation is asked of its own server while that one is well
and has no more than its share, so that what it read of it before is found again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from appliance.engine.affinity import choose_order
from appliance.engine.breaker import Attempt
from appliance.engine.remote_server import RemoteServer
from appliance.patience import wait_at_most

LOOK_EVERY_S = 5.0
FIRST_LOOK_AGAIN_S = 0.5
LONGEST_LOOK_AGAIN_S = 10.0


class RemoteTeam:
    """`on_change` is called after each look at a server."""

    def __init__(self, servers: Sequence[RemoteServer], on_change: Callable[[], None]) -> None:
        self.servers = tuple(servers)
        self.failures = 0
        self._on_change = on_change
        self._is_ending = asyncio.Event()
        self._watches: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger(__name__)

    @property
    def model(self) -> str:
        """Of the servers that are up the first one's, else of any that ever was."""
        named = sorted((one for one in self.servers if one.model), key=lambda one: not one.is_up)
        return named[0].model if named else ""

    async def start(self) -> None:
        """Returns once each was asked for the first time."""
        if not self._watches:
            await asyncio.gather(*map(self._look, self.servers))
            self._watches = [asyncio.create_task(self._watch(one)) for one in self.servers]

    async def stop(self) -> None:
        self._is_ending.set()
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)

    def list_well(self) -> list[RemoteServer]:
        now_s = time.monotonic()
        return [one for one in self.servers if one.is_up and one.breaker.may_try(now_s)]

    def count_states(self) -> dict[str, int]:
        up = len(self.list_well())
        return {"up": up, "down": len(self.servers) - up}

    def choose(self, conversation: str, tried: Sequence[RemoteServer]) -> RemoteServer | None:
        """The best of those that may be asked and were not `tried`."""
        well = {one.url: one for one in self.list_well() if one not in tried}
        order = choose_order(conversation, {url: one.running for url, one in well.items()})
        return well[order[0]] if order else None

    def fail(self, server: RemoteServer, attempt: Attempt, reason: str) -> None:
        """It broke an answer or began none."""
        self.failures += 1
        self._log.warning("remote server failed", server=server.url, reason=reason)
        server.breaker.fail(attempt, time.monotonic())
        self._on_change()

    def note_refusal(self, server: RemoteServer, reason: str) -> None:
        """The request was at fault; the server is as well as before."""
        self._log.warning("remote server refused", server=server.url, reason=reason)

    def explain(self) -> str:
        """Why nobody can be asked, in one sentence."""
        now_s = time.monotonic()
        faults = [
            f"{one.name}: {one.reason or 'it failed several times in a row'}"
            for one in self.servers
            if not (one.is_up and one.breaker.may_try(now_s))
        ]
        return f"No remote server can be asked ({'; '.join(faults)})."

    async def _look(self, server: RemoteServer) -> None:
        was_up = server.is_up
        await server.probe()
        if server.is_up and not was_up:
            self._log.info("remote server is up", server=server.url, kind=server.kind)
        elif was_up and not server.is_up:
            self._log.warning("remote server is down", server=server.url, reason=server.reason)
        self._on_change()

    async def _watch(self, server: RemoteServer) -> None:
        again_s = FIRST_LOOK_AGAIN_S
        while not await wait_at_most(self._is_ending, LOOK_EVERY_S if server.is_up else again_s):
            await self._look(server)
            again_s = FIRST_LOOK_AGAIN_S if server.is_up else min(2 * again_s, LONGEST_LOOK_AGAIN_S)
