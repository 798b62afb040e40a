"""The engine's thread: takes generations, computes step by step, gives out text.

It knows no asyncio, no sessions and no llama.cpp: it drives a `Backend` and tells each `Job` its
tokens. One step reads as `_run_step`: take what came in, admit, plan, decode, hand out. The rule
that must not break: every job that came in is emitted exactly one `Finished` or `Broken`, and a
fault of one ends no other.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from appliance.engine.backend import Backend, DecodeResult, Entry
from appliance.engine.engine import Broken, Prefilled, Waiting
from appliance.engine.jobs import Ending, Job
from appliance.engine.prompt import TokenIds
from appliance.engine.rates import Rates
from appliance.engine.scheduler import Scheduler, Share, Widths
from appliance.engine.sequences import PREFIX_SLOT, SequenceTable
from appliance.errors import ApplianceError, ModelUnavailable

FAILURES: dict[DecodeResult, str] = {
    "full": "The engine's memory for conversations had no room for the next word.",
    "failed": "llama.cpp could not compute the next word.",
}


@dataclass(frozen=True, slots=True)
class Forget:
    conversation: str


@dataclass(frozen=True, slots=True)
class Stop:
    """End every job and leave the thread."""


Command: TypeAlias = Job | Forget | Stop | None


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
        try:
            self._run_until_stopped()
        finally:
            # Empty but for a fault in the handling of a fault: then nobody waits for ever.
            for job in self._list_jobs():
                job.emit(Broken("The engine ended."))

    def _run_until_stopped(self) -> None:
        while not self._is_stopping:
            try:
                self._run_step()
            except Exception as error:
                self._log.exception("engine step failed")
                # Who still waits had no part in the step, unless there was nobody else.
                for job in [*self._scheduler.running] or self._list_jobs():
                    self._break(job, _explain(error))
        self._take_commands(wait=False)
        for job in self._list_jobs():
            self._finish(job, Ending("cancelled"))

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
                    self._take_up(command)
                case Forget(conversation):
                    self._forget(conversation)
                case _:
                    pass

    def _take_up(self, job: Job) -> None:
        """Let the job wait for its place, unless what it said before was its whole answer."""
        self._scheduler.submit(job)
        with self._alone(job):
            job.resume(self._backend.get_piece)
            if job.ending:
                self._finish(job, job.ending)

    @contextmanager
    def _alone(self, job: Job) -> Iterator[None]:
        """Whatever is raised here is the fault of this job, and the end of no other."""
        try:
            yield
        except Exception as error:
            self._log.exception("answer failed")
            self._break(job, _explain(error))

    def _list_jobs(self) -> list[Job]:
        return [*self._scheduler.running, *self._scheduler.waiting]

    def _forget(self, conversation: str) -> None:
        for job in self._list_jobs():
            if job.generation.conversation == conversation:
                job.is_forgotten = True
        self._drop_idle(conversation)

    def _drop_idle(self, conversation: str) -> None:
        for operation in self._table.forget(conversation):
            self._backend.apply(operation)

    def _end_cancelled_and_late(self) -> None:
        now = time.monotonic()
        for job in self._list_jobs():
            if job.is_cancelled:
                self._finish(job, Ending("cancelled"))
            elif now > job.deadline and job.placement is not None:
                self._finish(job, Ending("timeout"))

    def _place(self, job: Job) -> bool:
        with self._alone(job):
            return self._find_place(job)
        return False

    def _find_place(self, job: Job) -> bool:
        generation = job.generation
        placement = self._table.place(generation.conversation, job.to_read, job.tokens_to_say)
        if placement is None:
            return False
        # Set before anything can fail: whoever ends the job must find the slot to release.
        job.placement, job.placed_at = placement, time.monotonic()
        for operation in placement.operations:
            self._backend.apply(operation)
        job.read_tokens = placement.cached_tokens
        job.sampler = self._backend.make_sampler(generation.sampling)
        for token in generation.said:
            job.sampler.accept(token)
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
        return (
            job.unread_tokens * self.rates.prefill_ms_per_token
            + job.tokens_to_say * self.rates.decode_ms_per_step
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
            with self._alone(share.job):
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
            return job.to_read[job.read_tokens : job.read_tokens + tokens]
        return job.ids[-1:]

    def _roll_back(self, shares: Sequence[Share[Job]], result: DecodeResult) -> None:
        """The step's cells go. A cancelled step is no fault; any other is computed again job by
        job, and ends the job that fails alone."""
        for job in (share.job for share in shares):
            assert job.placement is not None
            slot = job.placement.slot
            self._backend.apply(self._table.truncate(slot, self._table.get_length(slot)))
        if result == "interrupted":
            return
        self._log.error("decode failed", result=result, jobs=len(shares))
        if len(shares) == 1:
            self._break(shares[0].job, FAILURES[result])
            return
        for share in shares:
            self._compute([share])

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
            self._finish(job, Ending("stop"))
            return
        job.say(token, self._backend.get_piece(token))
        if job.ending:
            self._finish(job, job.ending)

    def _tell_prefilled(self, job: Job) -> None:
        assert job.placement is not None
        job.speaks_since = time.monotonic()
        prompt_tokens = len(job.generation.prompt.ids)
        job.emit(
            Prefilled(
                prompt_tokens=prompt_tokens,
                cached_tokens=min(job.placement.cached_tokens, prompt_tokens),
                queued_ms=(job.placed_at - job.arrived_at) * 1000,
                prefill_ms=(job.speaks_since - job.placed_at) * 1000,
            )
        )

    def _finish(self, job: Job, ending: Ending) -> None:
        """The last output comes after the place is free: nobody asks for one more."""
        with self._alone(job):
            self._leave(job)
            job.finish(ending)

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


def _explain(error: Exception) -> str:
    """What happened, in a sentence that a customer may see; the log has the rest."""
    if isinstance(error, ApplianceError):
        return str(error)
    return f"The engine failed in this step ({type(error).__name__})."
