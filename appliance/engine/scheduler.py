"""Who computes what in the next step: pure policy, no llama.cpp and no clock of its own.

A step decodes one token for every conversation that speaks, then spends what its time still
allows on prompts that are being read. How wide that is comes from the table of step times, so an
open stream's gap stays within a bound on any machine. The rule that must not break: first come,
first served, and nobody is forgotten: every speaker speaks and the oldest reader reads in every
step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from appliance.engine.step_table import StepTable


class Job(Protocol):
    """What the policy must know of a generation."""

    @property
    def unread_tokens(self) -> int:
        """Prompt tokens that are not in the cache yet; 0 once it decodes."""


J = TypeVar("J", bound=Job)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`gap_ms` is the longest step planned beside open streams. A long prompt may stretch it: at 16
    tokens a step 1,500 would take 17 s, so up to `stretch` times the gap is allowed for those of
    `long_tokens` and more, in proportion for shorter ones. A prompt that nobody waits beside is
    read `alone` tokens at a time; one that finds no time at all gets up to `least` tokens."""

    gap_ms: float = 150.0
    stretch: float = 1.55
    long_tokens: int = 1024
    alone: int = 128
    least: int = 4


@dataclass(frozen=True, slots=True)
class Share(Generic[J]):
    """`tokens` of this step go to `job`: 1 to decode, or a chunk of its prompt."""

    job: J
    tokens: int


class Scheduler(Generic[J]):
    """A queue of waiting jobs and at most `parallel` running ones."""

    def __init__(self, parallel: int, bounds: Bounds, table: StepTable) -> None:
        self._parallel = parallel
        self._bounds = bounds
        self._table = table
        self.waiting: deque[J] = deque()
        self.running: list[J] = []

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.running

    @property
    def jobs(self) -> list[J]:
        """Those that run and then those that wait, the oldest first."""
        return [*self.running, *self.waiting]

    def predict_within(self, width: int, rows: int) -> float:
        """What such a step takes, and for ever where that is longer than an open stream may be
        silent."""
        step_ms = self._table.predict_ms(width, rows)
        return step_ms if width == 1 or step_ms <= self._bounds.gap_ms else math.inf

    def submit(self, job: J) -> None:
        self.waiting.append(job)

    def admit(self, place: Callable[[J], bool]) -> list[J]:
        """Move waiting jobs to running while there is room; `place` says whether the KV cells
        suffice. The first that finds no room lets nobody pass, or it might wait for ever."""
        admitted: list[J] = []
        while self.waiting and len(self.running) < self._parallel and place(self.waiting[0]):
            job = self.waiting.popleft()
            self.running.append(job)
            admitted.append(job)
        return admitted

    def remove(self, job: J) -> None:
        """The job ended, running or waiting."""
        if job in self.running:
            self.running.remove(job)
        elif job in self.waiting:
            self.waiting.remove(job)

    def plan(self) -> list[Share[J]]:
        """The next step's shares; empty when nothing runs."""
        shares = [Share(job, 1) for job in self.running if job.unread_tokens == 0]
        readers = [job for job in self.running if job.unread_tokens > 0]
        if readers:
            shares += self._deal(readers, self._choose_chunk(len(shares), readers))
        return shares

    def _choose_chunk(self, streams: int, readers: Sequence[J]) -> int:
        """Prompt tokens of the next step: as many a second as the gap allows."""
        unread = sum(job.unread_tokens for job in readers)
        if streams == 0:
            return min(unread, self._bounds.alone)
        bound_ms = self._find_bound_ms(max(job.unread_tokens for job in readers))
        chunks = range(1, min(unread, self._bounds.alone) + 1)
        within = [chunk for chunk in chunks if self._cost_ms(streams, chunk) <= bound_ms]
        candidates = within or chunks[: self._bounds.least]
        return max(candidates, key=lambda chunk: chunk / self._cost_ms(streams, chunk))

    def _find_bound_ms(self, longest_tokens: int) -> float:
        length = min(1.0, longest_tokens / self._bounds.long_tokens)
        return self._bounds.gap_ms * (1.0 + (self._bounds.stretch - 1.0) * length)

    def _cost_ms(self, streams: int, chunk: int) -> float:
        # The reader's own row counts only when its prompt ends here, which is seldom.
        return self._table.predict_ms(streams + chunk, streams)

    def _deal(self, readers: Sequence[J], chunk: int) -> list[Share[J]]:
        """The oldest reader gets half of the chunk or more, and the shortest the rest: a short
        question passes a long one without stopping it."""
        oldest = readers[0]
        tokens = {id(oldest): min(oldest.unread_tokens, (chunk + 1) // 2)}
        left = chunk - tokens[id(oldest)]
        for job in sorted(readers[1:], key=lambda job: job.unread_tokens):
            tokens[id(job)] = min(job.unread_tokens, left)
            left -= tokens[id(job)]
        tokens[id(oldest)] += min(left, oldest.unread_tokens - tokens[id(oldest)])
        return [Share(job, tokens[id(job)]) for job in readers if tokens[id(job)]]
