"""An engine without a model: it says what a script says, for `make demo` and for tests.

It is a whole `Engine` with the same queue, cancelling, going on and endings, so every room above
can be tried on a machine with no model file. Its token ids are code points. The rule that must
not break: like any engine it ends every run in exactly one `Finished` or `Broken`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from appliance.engine.engine import (
    Broken,
    EngineFinish,
    EngineStatus,
    Finished,
    Generation,
    Output,
    Piece,
    Prefilled,
    Waiting,
)
from appliance.engine.figures import EngineFigures
from appliance.engine.letters import CONTROL_IDS, TEMPLATE, read_ids
from appliance.engine.logprobs import Candidate, TokenLogprob
from appliance.engine.prompt import Prompt, Template, TokenIds
from appliance.engine.text import StopMatcher
from appliance.errors import ModelUnavailable

if TYPE_CHECKING:
    from appliance.engine.parked_files import Transform

# For tests to look at; a demo that runs for weeks keeps no more.
KEPT = 64


@dataclass(frozen=True, slots=True)
class Wait:
    """The script goes on when the event is set, or after `seconds`."""

    event: asyncio.Event | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Fail:
    """The generation breaks here."""

    message: str = "The script broke this answer."


@dataclass(frozen=True, slots=True)
class Crash:
    """The whole process dies here, as when llama.cpp aborts."""


Line: TypeAlias = str | Wait | Fail | Crash
Script: TypeAlias = Callable[[str], Sequence[Line]]


def read_question(prompt: TokenIds) -> str:
    """The last question of a prompt, as text."""
    ids = list(prompt)
    end = len(ids) - 1
    start = max((at for at in range(end) if ids[at] in CONTROL_IDS), default=-1) + 1
    return "".join(map(chr, ids[start:end]))


class ScriptedRun:
    def __init__(self, outputs: AsyncIterator[Output], cancelled: asyncio.Event) -> None:
        self._outputs = outputs
        self._cancelled = cancelled

    def __aiter__(self) -> AsyncIterator[Output]:
        return self._outputs

    def cancel(self) -> None:
        self._cancelled.set()


class ScriptedEngine:
    """Answers each question with the lines that `script` gives for it."""

    def __init__(self, script: Script, *, parallel: int = 4) -> None:
        self._script = script
        self._places = parallel
        self._parallel = asyncio.Semaphore(parallel)
        self._open: set[asyncio.Event] = set()
        self._status = EngineStatus("starting")
        self._settled = asyncio.Event()
        self._refusal: EngineStatus | None = None
        self.prompts: list[TokenIds] = []
        self.prepared: list[tuple[str, Prompt]] = []
        self.forgotten: list[str] = []

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def template(self) -> Template:
        return TEMPLATE

    @property
    def max_prompt_tokens(self) -> int:
        return 6000

    async def start(self) -> None:
        if self._status.phase in ("starting", "unavailable"):
            ready = EngineStatus("ready", "scripted", "Scripted answers", progress=1.0)
            self._settle(self._refusal or ready)

    def seal_with(self, seal: Transform, open: Transform) -> None:
        """It keeps nothing on disk."""

    def withhold(self, reason: str, remedy: str = "") -> None:
        self._settle(EngineStatus("unavailable", reason=reason, remedy=remedy))

    def refuse(self, reason: str) -> None:
        """From now on be as an engine whose model cannot be had, however often it is tried."""
        self._refusal = EngineStatus("unavailable", reason=reason)
        self._settle(self._refusal)

    async def stop(self) -> None:
        for cancelled in self._open:
            cancelled.set()
        self._settle(EngineStatus("stopped"))

    async def wait_ready(self) -> None:
        await self._settled.wait()
        if self._status.phase != "ready":
            raise ModelUnavailable(self._status.reason or "The scripted engine is stopped.")

    async def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        return [read_ids(text) for text in texts]

    def generate(self, generation: Generation) -> ScriptedRun:
        if self._status.phase != "ready":
            raise ModelUnavailable(self._status.reason or "The scripted engine is not ready.")
        self.prompts.append(generation.prompt.ids)
        del self.prompts[:-KEPT]
        cancelled = asyncio.Event()
        self._open.add(cancelled)
        return ScriptedRun(self._play(generation, cancelled), cancelled)

    def estimate_wait_s(self) -> int:
        return 1

    def prepare(self, conversation: str, prompt: Prompt) -> None:
        if self._status.phase == "ready":
            self.prepared.append((conversation, prompt))
            del self.prepared[:-KEPT]

    def measure(self) -> EngineFigures:
        """It computes nothing."""
        return EngineFigures.empty()

    async def forget(self, conversation: str) -> None:
        self.forgotten.append(conversation)
        del self.forgotten[:-KEPT]

    def _settle(self, status: EngineStatus) -> None:
        self._status = status
        self._settled.set()

    async def _play(
        self, generation: Generation, cancelled: asyncio.Event
    ) -> AsyncIterator[Output]:
        """The last output comes after the place is free: nobody asks for one more."""
        arrived_at = time.monotonic()
        ending: Finished | Broken = Finished("cancelled", generation.said, 0.0)
        if len(generation.said) >= generation.max_new_tokens:
            self._open.discard(cancelled)
            yield Finished("length", generation.said, 0.0)
            return
        try:
            if self._parallel.locked():
                yield Waiting(len(self._open) - self._places, 1000)
            if await self._take_place(cancelled):
                try:
                    queued_ms = (time.monotonic() - arrived_at) * 1000
                    yield Prefilled(len(generation.prompt.ids), 0, queued_ms, 0.0)
                    async for output in self._speak(generation, cancelled):
                        if isinstance(output, Finished | Broken):
                            ending = output
                        else:
                            yield output
                finally:
                    self._parallel.release()
        finally:
            self._open.discard(cancelled)
        yield ending

    async def _take_place(self, cancelled: asyncio.Event) -> bool:
        """Whether there is one before the run is cancelled."""
        if not self._parallel.locked():
            return await self._parallel.acquire()
        place = asyncio.ensure_future(self._parallel.acquire())
        end = asyncio.ensure_future(cancelled.wait())
        await asyncio.wait((place, end), return_when=asyncio.FIRST_COMPLETED)
        end.cancel()
        return not place.cancel()

    async def _speak(
        self, generation: Generation, cancelled: asyncio.Event
    ) -> AsyncIterator[Output]:
        ids = list(generation.said)
        began_at = time.monotonic()
        reason: EngineFinish = "stop"
        stops = StopMatcher(generation.stop)
        lines = self._script(read_question(generation.prompt.ids))
        for line in _skip_said(lines, "".join(map(chr, ids))):
            if isinstance(line, Wait):
                await _wait(line, cancelled)
            if cancelled.is_set():
                reason = "cancelled"
                break
            if isinstance(line, Fail):
                yield Broken(line.message)
                return
            if isinstance(line, Crash):
                os.abort()
            if isinstance(line, str) and (
                text := stops.feed(line[: generation.max_new_tokens - len(ids)])
            ):
                new_ids = tuple(map(ord, text))
                ids += new_ids
                yield Piece(text, new_ids, _weigh(text, generation.top_logprobs))
                if len(ids) == generation.max_new_tokens:
                    reason = "length"
                    break
            if stops.is_stopped:
                break
        if held := stops.flush():
            ids += map(ord, held)
            yield Piece(held, tuple(map(ord, held)), _weigh(held, generation.top_logprobs))
        decode_ms = (time.monotonic() - began_at) * 1000
        yield Finished(reason, tuple(ids), decode_ms)


def _skip_said(lines: Sequence[Line], said: str) -> Sequence[Line]:
    """The script behind what was said, without what stood between it: waits, faults, crashes.
    A script that does not begin so is played whole."""
    if not "".join(line for line in lines if isinstance(line, str)).startswith(said):
        return lines
    left = len(said)
    for at, line in enumerate(lines):
        if not left:
            return lines[at:]
        if isinstance(line, str):
            if left < len(line):
                return [line[left:], *lines[at + 1 :]]
            left -= len(line)
    return []


def _weigh(text: str, top: int | None) -> tuple[TokenLogprob, ...]:
    """A script is sure of every letter."""
    letters = [] if top is None else [letter.encode() for letter in text]
    return tuple(
        TokenLogprob(letter, 0.0, (Candidate(letter, 0.0),) if top else ()) for letter in letters
    )


async def _wait(line: Wait, cancelled: asyncio.Event) -> None:
    """Wait for the line's event or time, but no longer than the run lives."""
    waiters = [asyncio.ensure_future(cancelled.wait())]
    if line.event is not None:
        waiters.append(asyncio.ensure_future(line.event.wait()))
    timeout = line.seconds if line.event is None else None
    _, pending = await asyncio.wait(waiters, timeout=timeout, return_when="FIRST_COMPLETED")
    for waiter in pending:
        waiter.cancel()


DEMO_GREETING = "您好，我是演示用的小助：这里没有模型，我只把您的话说回来。\n\n您说的是：**"
DEMO_PACE_S = 0.02


def play_demo(question: str) -> list[Line]:
    """The script of `make demo`: the question said back, at the pace of a small computer."""
    lines: list[Line] = []
    for letter in f"{DEMO_GREETING}{question}**":
        lines += [Wait(seconds=DEMO_PACE_S), letter]
    return lines
