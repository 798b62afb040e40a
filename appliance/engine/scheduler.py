"""Who computes what in the next step: pure policy, no llama.cpp and no clock of its own.

A step decodes one token for every conversation that speaks, then spends what is left of its
width on the oldest prompt that is still being read, so a long prompt never freezes an open
stream. The rule that must not break: first come, first served, and nobody is forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Job(Protocol):
    """What the policy must know of a generation."""

    @property
    def unread_tokens(self) -> int:
        """Prompt tokens that are not in the cache yet; 0 once it decodes."""


J = TypeVar("J", bound=Job)


@dataclass(frozen=True, slots=True)
class Widths:
    """Tokens in one step. Kernels like multiples of 4 (measured on AVX2), and beside open
    streams 16 keeps the gap between two of their tokens near 150 ms."""

    alone: int = 128
    beside_streams: int = 16
    smallest_chunk: int = 4


@dataclass(frozen=True, slots=True)
class Share(Generic[J]):
    """`tokens` of this step go to `job`: 1 to decode, or a chunk of its prompt."""

    job: J
    tokens: int


class Scheduler(Generic[J]):
    """A queue of waiting jobs and at most `parallel` running ones."""

    def __init__(self, parallel: int, widths: Widths) -> None:
        self._parallel = parallel
        self._widths = widths
        self.waiting: deque[J] = deque()
        self.running: list[J] = []

    @property
    def is_idle(self) -> bool:
        return not self.waiting and not self.running

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
        width = self._widths.beside_streams if shares else self._widths.alone
        left = max(width - len(shares), self._widths.smallest_chunk)
        for job in self.running:
            if job.unread_tokens > 0 and left > 0:
                chunk = min(job.unread_tokens, left)
                shares.append(Share(job, chunk))
                left -= chunk
        return shares
