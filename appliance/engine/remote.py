"""The engine past one machine: servers elsewhere that speak OpenAI's chat completions.

vLLM, llama-server and Ollama are such. To the rooms above it is an engine like any other; its token
ids are letters (`letters.py`), for the tokens are the servers' own affair. With a local
model beside it that one answers while no server can. The rule that must not break: only declared
addresses are ever asked, and `ready` means that somebody can answer now.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace

import httpx2

from appliance.engine.engine import Engine, EngineStatus, Generation, Phase
from appliance.engine.figures import EngineFigures
from appliance.engine.letters import TEMPLATE, read_ids
from appliance.engine.prompt import Prompt, Template, TokenIds
from appliance.engine.remote_run import Means, Patience, RemoteRun
from appliance.engine.remote_server import RemoteServer, make_client
from appliance.engine.remote_tally import RemoteTally
from appliance.engine.remote_team import RemoteTeam
from appliance.errors import ModelUnavailable
from appliance.settings import Settings

REMEDY = "start the servers that remote_urls names, or set engine to local"


class RemoteEngine:
    def __init__(
        self,
        settings: Settings,
        local: Engine | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = settings
        self._local = local
        self._client = make_client(settings.remote_key.get_secret_value(), transport)
        urls = enumerate(dict.fromkeys(settings.remote_urls.split()), start=1)
        servers = [
            RemoteServer(f"server {number}", url, settings.remote_model, self._client)
            for number, url in urls
        ]
        self._team = RemoteTeam(servers, self._wake)
        self._tally = RemoteTally(settings.parallel)
        self._means = Means(
            self._team,
            local,
            asyncio.Semaphore(settings.parallel),
            self._tally,
            Patience(settings.remote_first_token_s, settings.remote_silence_s),
        )
        self._runs: set[RemoteRun] = set()
        self._has_looked = self._is_stopping = False
        self._changed = asyncio.Event()

    @property
    def status(self) -> EngineStatus:
        local = self._local.status if self._local else EngineStatus("unavailable")
        phase = self._find_phase(local)
        model = self._team.model or self._settings.remote_model
        return EngineStatus(
            phase,
            model_id=f"remote/{model}",
            model_name=model or "a model elsewhere",
            reason=self._team.explain() if phase == "unavailable" else "",
            remedy=REMEDY if phase == "unavailable" else "",
            progress=1.0 if phase == "ready" else local.progress,
            threads=local.threads,
            context_tokens=self._settings.remote_context_tokens,
            notes=(*map(_describe, self._team.servers), *self._describe_local(local)),
        )

    @property
    def template(self) -> Template:
        return TEMPLATE

    @property
    def max_prompt_tokens(self) -> int:
        return self._settings.remote_context_tokens - self._settings.max_new_tokens

    async def start(self) -> None:
        """The local model is loaded as well, but nobody waits for it where a server answers."""
        if self._is_stopping:
            return
        await asyncio.gather(self._look(), self._start_local())

    def withhold(self, reason: str, remedy: str = "") -> None:
        """What killed the process was the local model; the servers elsewhere are asked."""
        if self._local is not None:
            self._local.withhold(reason, remedy)
        look = asyncio.ensure_future(self._look())
        look.add_done_callback(lambda _: self._wake())

    async def stop(self) -> None:
        self._is_stopping = True
        self._wake()
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*(run.task for run in self._runs), return_exceptions=True)
        await self._team.stop()
        if self._local is not None:
            await self._local.stop()
        await self._client.aclose()

    async def wait_ready(self) -> None:
        while (phase := self.status.phase) != "ready":
            if phase in ("unavailable", "stopped"):
                raise ModelUnavailable(self.status.reason or "The engine is stopping.")
            await self._changed.wait()

    async def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        return [read_ids(text) for text in texts]

    def generate(self, generation: Generation) -> RemoteRun:
        status = self.status
        if status.phase != "ready":
            raise ModelUnavailable(status.reason or f"The model is {status.phase}.")
        needed = len(generation.prompt.ids) + generation.max_new_tokens
        if needed > self._settings.remote_context_tokens:
            allowed = self._settings.remote_context_tokens
            raise ValueError(f"{needed} tokens; allowed: {allowed}")
        run = RemoteRun(generation, self._means)
        self._runs.add(run)
        run.task.add_done_callback(lambda _: self._runs.discard(run))
        return run

    def estimate_wait_s(self) -> int:
        return max(1, math.ceil(self._tally.wait_ms / 1000))

    def prepare(self, conversation: str, prompt: Prompt) -> None:
        """Nothing: a server that keeps prefixes has read it when it answered."""

    async def forget(self, conversation: str) -> None:
        """What servers elsewhere keep is theirs to drop; the local model's cells are dropped."""
        if self._local is not None:
            await self._local.forget(conversation)

    def measure(self) -> EngineFigures:
        local = self._local.measure() if self._local else EngineFigures.empty()
        return replace(
            self._tally.snapshot(local),
            remote_servers=self._team.count_states(),
            remote_failures=self._team.failures,
        )

    async def _look(self) -> None:
        await self._team.start()
        self._has_looked = True
        self._wake()

    async def _start_local(self) -> None:
        if self._local is not None:
            await self._local.start()
            self._wake()

    def _find_phase(self, local: EngineStatus) -> Phase:
        if self._is_stopping:
            return "stopped"
        if self._team.list_well() or local.phase == "ready":
            return "ready"
        if local.phase in ("starting", "loading", "warming"):
            return local.phase
        return "unavailable" if self._has_looked else "starting"

    def _describe_local(self, local: EngineStatus) -> tuple[str, ...]:
        if self._local is None:
            return ()
        said = f"Where no server can answer, {local.model_name or 'the local model'} does"
        return (f"{said} ({local.reason or local.phase}).", *local.notes)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _describe(server: RemoteServer) -> str:
    number = server.name.partition(" ")[2]
    if server.is_up:
        return f"Remote {server.name} is ready. 远程服务器 {number} 可用。"
    return f"Remote {server.name} is down: {server.reason}. 远程服务器 {number} 不可用。"
