"""The engine's thread: takes generations, computes step by step, gives out text.

It knows no asyncio, no sessions and no llama.cpp: it drives a `Backend` and tells each `Job` its
tokens. One step reads as `_run_step`: take what came in, admit, plan, decode, hand out; with
nothing to do it reads ahead. The rule that must not break: every job that came in is emitted
exactly one `Finished` or `Broken`, and a fault of one ends no other.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import structlog

from appliance.engine.backend import Backend, DecodeResult
from appliance.engine.batch import add_guesses, fill_batch
from appliance.engine.cells import Cells
from appliance.engine.commands import Adopt, Command, Forget, Prepare, Stop
from appliance.engine.delivery import Delivery
from appliance.engine.engine import Broken, Finished
from appliance.engine.estimates import Estimates
from appliance.engine.faults import FAILURES, explain
from appliance.engine.figures import EngineFigures
from appliance.engine.jobs import Ending, Job
from appliance.engine.parking import Parked
from appliance.engine.preparing import Preparing
from appliance.engine.prompt import TokenIds
from appliance.engine.scheduler import Scheduler, Share
from appliance.engine.step_table import StepTable
from appliance.engine.tally import Tally


class EngineLoop:
    """Runs on one thread; `submit`, `cancel`, `prepare`, `adopt`, `forget`, `stop` and `measure`
    may be called from any."""

    def __init__(
        self,
        backend: Backend,
        cells: Cells,
        scheduler: Scheduler[Job],
        table: StepTable,
        tally: Tally,
        *,
        drafts: bool = True,
    ) -> None:
        """`drafts`: verify guesses where nobody else is served and it pays."""
        self._backend = backend
        self._cells = cells
        self._scheduler = scheduler
        self._table = table
        self._tally = tally
        self._drafts = drafts
        self._preparing = Preparing(backend, cells, tally)
        self._estimates = Estimates(scheduler, table)
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._in_step: tuple[Share[Job], ...] = ()
        self._is_reading_ahead = self._is_stopping = False
        self._begun = self._ended = 0
        self.delivery = Delivery()
        self._log = structlog.get_logger(__name__)

    @property
    def longest_tokens(self) -> int:
        return self._cells.longest_tokens

    @property
    def step_under_way(self) -> int:
        """The number of the step that is being computed, 0 between steps."""
        begun = self._begun
        return begun if begun != self._ended else 0

    @property
    def wait_ms(self) -> float:
        """When one of those that speak is likely to be done."""
        return self._estimates.next_free_ms

    def measure(self) -> EngineFigures:
        return self._tally.snapshot(
            queue_depth=len(self._scheduler.waiting),
            running=len(self._scheduler.running),
            parked=(self._cells.parked_bytes, self._cells.parked_conversations),
            cells=(self._cells.used, self._cells.total),
        )

    def copy_all(self) -> Iterator[tuple[str, Parked]]:
        """What is kept of every conversation, the last used first; only once `run` returned."""
        return self._cells.copy_all()

    def submit(self, job: Job) -> None:
        self._commands.put(job)
        if self._is_reading_ahead:
            self._backend.interrupt()

    def cancel(self, job: Job) -> None:
        """End it soon: a step that is mostly this job's is broken off, any other is a short one."""
        job.is_cancelled = True
        in_step = self._in_step
        dead = sum(share.tokens for share in in_step if share.job.is_cancelled)
        # A step without a speaker is a long one, and what the others read in it is soon read again.
        is_long = all(share.job.unread_tokens for share in in_step)
        if 2 * dead > sum(share.tokens for share in in_step) or (dead and is_long):
            self._backend.interrupt()
        self._commands.put(None)

    def prepare(self, conversation: str, prompt: TokenIds) -> None:
        self._commands.put(Prepare(conversation, prompt))

    def adopt(self, conversation: str, parked: Parked) -> None:
        self._commands.put(Adopt(conversation, parked))

    def forget(self, conversation: str, then: Callable[[], None] = lambda: None) -> None:
        self._commands.put(Forget(conversation, then))

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
            for job in self._scheduler.jobs:
                job.emit(Broken("The engine ended."))
            self.delivery.flush()

    def end_late(self) -> None:
        """Jobs that came after `run` returned; once nobody submits any more."""
        with suppress(queue.Empty):
            while True:
                command = self._commands.get_nowait()
                if isinstance(command, Job):
                    command.emit(Finished("cancelled", command.generation.said, 0.0))
        self.delivery.flush()

    def _run_until_stopped(self) -> None:
        while not self._is_stopping:
            try:
                self._run_step()
            except Exception as error:
                self._log.exception("engine step failed")
                # Who still waits had no part in the step, unless there was nobody else.
                for job in [*self._scheduler.running] or self._scheduler.jobs:
                    self._break(job, explain(error))
        self._take_commands(wait=False)
        for job in self._scheduler.jobs:
            self._finish(job, Ending("cancelled"))

    def _run_step(self) -> None:
        is_idle = self._scheduler.is_idle and self._preparing.is_idle
        if is_idle or self._scheduler.waiting:  # a place may be a parked conversation's
            self.delivery.flush()
        self._take_commands(wait=is_idle)
        self._end_cancelled_and_late()
        self._scheduler.admit(self._place)
        self._estimates.tell_waiting()
        shares = self._scheduler.plan()
        if self._drafts and len(self._scheduler.jobs) == 1:
            shares = add_guesses(shares, self._scheduler.predict_within)
        if shares and not self._is_stopping:
            self._compute(shares)
        elif self._scheduler.is_idle and not self._preparing.is_idle and not self._is_stopping:
            self._read_ahead()

    def _take_commands(self, *, wait: bool) -> None:
        while True:
            try:
                command = self._commands.get(block=wait)
            except queue.Empty:
                return
            wait = False
            match command:
                case Job():
                    self._preparing.drop(command.generation.conversation)
                    self._take_up(command)
                case Forget(conversation, then):
                    self._forget(conversation)
                    then()
                case Prepare(conversation, prompt):
                    self._preparing.put(conversation, prompt)
                case Adopt(conversation, parked):
                    self._cells.adopt(conversation, parked)

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
            self._break(job, explain(error))

    def _forget(self, conversation: str) -> None:
        for job in self._scheduler.jobs:
            job.is_forgotten |= job.generation.conversation == conversation
        self._preparing.drop(conversation)
        self._cells.forget(conversation)

    def _end_cancelled_and_late(self) -> None:
        now = time.monotonic()
        for job in self._scheduler.jobs:
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
        placement = self._cells.place(generation.conversation, job.to_read, job.tokens_to_say)
        if placement is None:
            return False
        job.placement, job.placed_at = placement, time.monotonic()
        job.read_tokens = placement.cached_tokens
        self._tally.prefill_reused_tokens += placement.cached_tokens
        self._tally.wait_s.observe(job.placed_at - job.arrived_at)
        job.sampler = self._backend.make_sampler(generation.sampling, generation.grammar)
        for token in generation.said:
            job.sampler.accept(token)
        return True

    def _read_ahead(self) -> None:
        self._is_reading_ahead = True
        try:
            # A customer may have come between the last look and the flag.
            if self._commands.empty():
                with self._counted():
                    self._preparing.run_batch()
        finally:
            self._is_reading_ahead = False

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """The watchdog sees this step until it ends; what was said before it is told meanwhile."""
        self.delivery.flush()
        self._begun += 1
        try:
            yield
        finally:
            self._ended = self._begun

    def _compute(self, shares: Sequence[Share[Job]]) -> None:
        entries, rows = fill_batch(shares, self._cells.get_length)
        prefill_tokens = sum(share.tokens for share in shares if share.job.unread_tokens)
        self._in_step = tuple(shares)
        started_at = time.monotonic()
        with self._counted():
            result = self._backend.decode(entries, interruptible=True)
        step_ms = (time.monotonic() - started_at) * 1000
        self._in_step = ()
        if result != "done":
            self._roll_back(shares, result)
            return
        self._tally.count_step(len(entries), prefill_tokens)
        self._table.learn(len(entries), sum(entry.wants_logits for entry in entries), step_ms)
        for share, row in zip(shares, rows, strict=True):
            with self._alone(share.job):
                self._take_result(share, row)

    def _roll_back(self, shares: Sequence[Share[Job]], result: DecodeResult) -> None:
        """The step's cells go. A cancelled step is no fault; any other is computed again job by
        job, and ends the job that fails alone."""
        for job in (share.job for share in shares):
            assert job.placement is not None
            self._cells.take_back(job.placement.slot)
        if result == "interrupted":
            return
        self._log.error("decode failed", result=result, jobs=len(shares))
        if len(shares) == 1:
            self._break(shares[0].job, FAILURES[result])
            return
        for share in shares:
            self._compute([share])

    def _take_result(self, share: Share[Job], row: int) -> None:
        job, tokens = share.job, share.job.next_tokens(share.tokens)
        assert job.placement is not None
        slot, guesses = job.placement.slot, tokens[1:]
        if job.unread_tokens:
            self._cells.extend(slot, tokens)
            job.read_tokens += share.tokens
            if job.unread_tokens:
                return
            job.begin_to_speak()
            tokens = guesses = ()
        right, ending = self._speak(job, row, guesses)
        self._cells.extend(slot, tokens[: 1 + right])
        if guesses:
            self._tally.count_guesses(len(guesses), right)
            self._cells.take_back(slot)
        if ending is not None:
            self._finish(job, ending)

    def _speak(self, job: Job, row: int, guesses: Sequence[int]) -> tuple[int, Ending | None]:
        """Tell the job its next token, and those behind it while the guesses are what was drawn:
        how many were right, and why nothing more is to be said."""
        assert job.sampler is not None
        right = 0
        while True:
            token = job.sampler.sample(row + right)
            job.said_at = self._tally.observe_token(job.said_at, job.arrived_at)
            if self._backend.is_end(token):
                return right, Ending("stop")
            job.say(row + right, token, self._backend.get_piece)
            if job.ending or right == len(guesses) or token != guesses[right]:
                return right, job.ending
            right += 1

    def _finish(self, job: Job, ending: Ending) -> None:
        """The last output comes after the place is free: nobody asks for one more."""
        with self._alone(job):
            self._leave(job)
            if ending.reason in ("stop", "length"):
                self._estimates.learn_answer(len(job.ids))
            job.finish(ending)

    def _break(self, job: Job, sentence: str) -> None:
        if job.placement is not None:
            self._cells.discard(job.placement.slot)
            job.placement = None
        self._leave(job)
        job.emit(Broken(sentence))

    def _leave(self, job: Job) -> None:
        self._scheduler.remove(job)
        if job.sampler is not None:
            job.sampler.close()
            job.sampler = None
        if job.placement is not None:
            self._cells.release(job.placement.slot)
        if job.is_forgotten:
            self._cells.forget(job.generation.conversation)
