"""The engine's thread: takes generations, computes step by step, gives out text.

It knows no asyncio, no sessions and no llama.cpp: it drives a `Backend` and calls each job's
`emit`. One step reads as `_run_step`: take what came in, admit, plan, decode, hand out. The rule
that must not break: every job that came in is emitted exactly one `Finished` or `Broken`.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from appliance.engine.backend import Backend, DecodeResult, Entry, Sampler
from appliance.engine.engine import (
    Broken,
    EngineFinish,
    Finished,
    Generation,
    Output,
    Piece,
    Prefilled,
    Waiting,
)
from appliance.engine.prompt import TokenIds
from appliance.engine.scheduler import Scheduler, Share, Widths
from appliance.engine.sequences import PREFIX_SLOT, Placement, SequenceTable
from appliance.engine.text import LoopDetector, StopMatcher, TextDecoder
from appliance.errors import ModelUnavailable

Emit: TypeAlias = Callable[[Output], None]


@dataclass(eq=False, slots=True)
class Job:
    """One generation on its way: waiting (no placement), reading its prompt, speaking."""

    generation: Generation
    emit: Emit
    arrived_at: float
    is_cancelled: bool = False
    is_forgotten: bool = False
    placement: Placement | None = None
    sampler: Sampler | None = None
    read_tokens: int = 0
    placed_at: float = 0.0
    speaks_since: float = 0.0
    ids: list[int] = field(default_factory=list)
    whole_ids: int = 0
    decoder: TextDecoder = field(default_factory=TextDecoder)
    stops: StopMatcher = field(default_factory=lambda: StopMatcher(()))
    loops: LoopDetector = field(default_factory=LoopDetector)
    last_waiting: Waiting | None = None

    @property
    def unread_tokens(self) -> int:
        return len(self.generation.prompt.ids) - self.read_tokens

    @property
    def deadline(self) -> float:
        return (self.placed_at or self.arrived_at) + self.generation.deadline_s


@dataclass(frozen=True, slots=True)
class Forget:
    conversation: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End every job and leave the thread."""


Command: TypeAlias = Job | Forget | Stop | None


@dataclass(slots=True)
class Rates:
    """What a token costs on this machine, from the steps measured so far."""

    prefill_ms_per_token: float = 8.0
    decode_ms_per_step: float = 30.0

    def learn(self, prefill_tokens: int, streams: int, step_ms: float) -> None:
        if prefill_tokens and not streams:
            self.prefill_ms_per_token += 0.2 * (
                step_ms / prefill_tokens - self.prefill_ms_per_token
            )
        elif streams and not prefill_tokens:
            self.decode_ms_per_step += 0.05 * (step_ms - self.decode_ms_per_step)


class EngineLoop:
    """Runs on one thread; `submit`, `cancel`, `forget` and `stop` may be called from any."""

    def __init__(self, backend: Backend, parallel: int) -> None:
        self._backend = backend
        self._scheduler = Scheduler[Job](parallel, Widths())
        self._parallel = parallel
        self._table = SequenceTable(backend.slots, backend.cells)
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._in_step: tuple[Job, ...] = ()
        self._is_stopping = False
        self._log = structlog.get_logger(__name__)
        self.rates = Rates()

    def warm(self, prefix: TokenIds) -> None:
        """Compute the cells that every conversation shares. Raises ModelUnavailable where
        a step fails or `stop` interrupts it."""
        for start in range(0, len(prefix), 128):
            chunk = prefix[start : start + 128]
            entries = [
                Entry(token, start + offset, PREFIX_SLOT, False)
                for offset, token in enumerate(chunk)
            ]
            entries[-1] = Entry(chunk[-1], start + len(chunk) - 1, PREFIX_SLOT, True)
            started_at = time.monotonic()
            result = self._backend.decode(entries, interruptible=True)
            if result != "done":
                raise ModelUnavailable(f"Reading the system prompt ended as {result!r}.")
            self.rates.learn(len(chunk), 0, (time.monotonic() - started_at) * 1000)
            self._table.extend(PREFIX_SLOT, chunk)

    @property
    def longest_tokens(self) -> int:
        return self._table.longest_tokens

    def submit(self, job: Job) -> None:
        self._commands.put(job)

    def cancel(self, job: Job) -> None:
        job.is_cancelled = True
        in_step = self._in_step
        if in_step and all(other.is_cancelled for other in in_step):
            self._backend.interrupt()
        self._commands.put(None)

    def forget(self, conversation: str) -> None:
        self._commands.put(Forget(conversation))

    def stop(self) -> None:
        self._is_stopping = True
        self._backend.interrupt()
        self._commands.put(Stop())

    def run(self) -> None:
        """The thread's body; returns after `stop`."""
        while not self._is_stopping:
            try:
                self._run_step()
            except Exception:
                self._log.exception("engine step failed")
                for job in [*self._scheduler.running, *self._scheduler.waiting]:
                    self._break(job, "The engine failed in this step.")
        self._take_commands(wait=False)
        for job in [*self._scheduler.running, *self._scheduler.waiting]:
            self._finish(job, "cancelled")

    def _run_step(self) -> None:
        self._take_commands(wait=self._scheduler.is_idle)
        self._end_cancelled_and_late()
        self._scheduler.admit(self._place)
        self._tell_waiting()
        shares = self._scheduler.plan()
        if shares and not self._is_stopping:
            self._compute(shares)

    def _take_commands(self, *, wait: bool) -> None:
        while True:
            try:
                command = self._commands.get(block=wait)
            except queue.Empty:
                return
            wait = False
            match command:
                case Job():
                    self._scheduler.submit(command)
                case Forget(conversation):
                    self._forget(conversation)
                case _:
                    pass

    def _forget(self, conversation: str) -> None:
        for job in [*self._scheduler.running, *self._scheduler.waiting]:
            if job.generation.conversation == conversation:
                job.is_forgotten = True
        self._drop_idle(conversation)

    def _drop_idle(self, conversation: str) -> None:
        for operation in self._table.forget(conversation):
            self._backend.apply(operation)

    def _end_cancelled_and_late(self) -> None:
        now = time.monotonic()
        for job in [*self._scheduler.running, *self._scheduler.waiting]:
            if job.is_cancelled:
                self._finish(job, "cancelled")
            elif now > job.deadline and job.placement is not None:
                self._finish(job, "timeout")

    def _place(self, job: Job) -> bool:
        generation = job.generation
        placement = self._table.place(
            generation.conversation, generation.prompt.ids, generation.max_new_tokens
        )
        if placement is None:
            return False
        # Set before anything can fail: whoever ends the job must find the slot to release.
        job.placement, job.placed_at = placement, time.monotonic()
        for operation in placement.operations:
            self._backend.apply(operation)
        job.read_tokens = placement.cached_tokens
        job.sampler = self._backend.make_sampler(generation.sampling)
        job.stops = StopMatcher(generation.stop)
        return True

    def _tell_waiting(self) -> None:
        ahead_ms = sum(self._estimate_ms(job) for job in self._scheduler.running)
        for position, job in enumerate(self._scheduler.waiting, start=1):
            waiting = Waiting(position, int(ahead_ms / self._parallel))
            if job.last_waiting is None or job.last_waiting.position != position:
                job.last_waiting = waiting
                job.emit(waiting)
            ahead_ms += self._estimate_ms(job)

    def _estimate_ms(self, job: Job) -> float:
        to_say = job.generation.max_new_tokens - len(job.ids)
        return (
            job.unread_tokens * self.rates.prefill_ms_per_token
            + to_say * self.rates.decode_ms_per_step
        )

    def _compute(self, shares: Sequence[Share[Job]]) -> None:
        entries, rows = self._fill_batch(shares)
        prefill_tokens = sum(share.tokens for share in shares if share.job.unread_tokens)
        self._in_step = tuple(share.job for share in shares)
        started_at = time.monotonic()
        result = self._backend.decode(entries, interruptible=prefill_tokens > 0)
        step_ms = (time.monotonic() - started_at) * 1000
        self._in_step = ()
        if result != "done":
            self._roll_back(shares, result)
            return
        self.rates.learn(prefill_tokens, len(entries) - prefill_tokens, step_ms)
        for share, row in zip(shares, rows, strict=True):
            self._take_result(share, row)

    def _fill_batch(self, shares: Sequence[Share[Job]]) -> tuple[list[Entry], list[int]]:
        """The batch's entries and, per share, the row that its next token is sampled from."""
        entries: list[Entry] = []
        rows: list[int] = []
        for job, tokens in ((share.job, share.tokens) for share in shares):
            assert job.placement is not None
            slot = job.placement.slot
            position = self._table.get_length(slot)
            for offset, token in enumerate(self._next_tokens(job, tokens)):
                entries.append(Entry(token, position + offset, slot, False))
            if tokens >= job.unread_tokens:
                entries[-1] = Entry(entries[-1].token, entries[-1].position, slot, True)
            rows.append(len(entries) - 1)
        return entries, rows

    def _next_tokens(self, job: Job, tokens: int) -> Sequence[int]:
        if job.unread_tokens:
            return job.generation.prompt.ids[job.read_tokens : job.read_tokens + tokens]
        return job.ids[-1:]

    def _roll_back(self, shares: Sequence[Share[Job]], result: DecodeResult) -> None:
        """The step's cells go; a cancelled step is no fault, any other ends its jobs."""
        for job in (share.job for share in shares):
            assert job.placement is not None
            slot = job.placement.slot
            self._backend.apply(self._table.truncate(slot, self._table.get_length(slot)))
            if result != "interrupted":
                self._log.error("decode failed", result=result, tokens=len(shares))
                self._break(job, "The engine could not compute this answer.")

    def _take_result(self, share: Share[Job], row: int) -> None:
        job = share.job
        assert job.placement is not None and job.sampler is not None
        self._table.extend(job.placement.slot, self._next_tokens(job, share.tokens))
        if job.unread_tokens:
            job.read_tokens += share.tokens
            if job.unread_tokens:
                return
            self._tell_prefilled(job)
        token = job.sampler.sample(row)
        if self._backend.is_end(token):
            self._finish(job, "stop")
        else:
            self._say(job, token)

    def _tell_prefilled(self, job: Job) -> None:
        assert job.placement is not None
        job.speaks_since = time.monotonic()
        job.emit(
            Prefilled(
                prompt_tokens=len(job.generation.prompt.ids),
                cached_tokens=job.placement.cached_tokens,
                queued_ms=(job.placed_at - job.arrived_at) * 1000,
                prefill_ms=(job.speaks_since - job.placed_at) * 1000,
            )
        )

    def _say(self, job: Job, token: int) -> None:
        job.ids.append(token)
        text = job.stops.feed(job.decoder.feed(self._backend.get_piece(token)))
        if job.decoder.is_between_characters:
            job.whole_ids = len(job.ids)
        if text:
            job.emit(Piece(text))
        if job.stops.is_stopped:
            self._finish(job, "stop")
        elif job.loops.feed(token):
            self._finish(job, "stop", is_repetition=True)
        elif len(job.ids) >= job.generation.max_new_tokens:
            self._finish(job, "length")

    def _finish(self, job: Job, reason: EngineFinish, *, is_repetition: bool = False) -> None:
        rest = job.stops.flush()
        if rest:
            job.emit(Piece(rest))
        decode_ms = (time.monotonic() - job.speaks_since) * 1000 if job.speaks_since else 0.0
        self._leave(job)
        # Ids of half a character at the end were never shown, so they are not part of it.
        ids = tuple(job.ids[: job.whole_ids])
        job.emit(Finished(reason, ids, decode_ms, is_repetition))

    def _break(self, job: Job, sentence: str) -> None:
        if job.placement is not None:
            for operation in self._table.discard(job.placement.slot):
                self._backend.apply(operation)
            job.placement = None
        self._leave(job)
        job.emit(Broken(sentence))

    def _leave(self, job: Job) -> None:
        self._scheduler.remove(job)
        if job.sampler is not None:
            job.sampler.close()
            job.sampler = None
        if job.placement is not None:
            self._table.release(job.placement.slot)
        if job.is_forgotten:
            self._drop_idle(job.generation.conversation)
