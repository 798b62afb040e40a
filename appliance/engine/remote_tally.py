"""What the engine of the servers elsewhere counts, for `/metrics` and for whoever waits.

It decides nothing; only the event loop counts. The rule that must not break: no figure and no log
line holds a word of a prompt or an answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from appliance.engine.engine import Counted
from appliance.engine.figures import (
    GAP_BOUNDS_S,
    TTFT_BOUNDS_S,
    WAIT_BOUNDS_S,
    EngineFigures,
    Histogram,
)

# Of the mean length of an answer, how much the last one counts.
WEIGHT = 0.2
FIRST_GUESS_S = 3.0


class RemoteTally:
    def __init__(self, places: int) -> None:
        self._places = places
        self._running = 0
        self._mean_s = FIRST_GUESS_S
        self._ttft_s = Histogram(TTFT_BOUNDS_S)
        self._gap_s = Histogram(GAP_BOUNDS_S)
        self._wait_s = Histogram(WAIT_BOUNDS_S)
        self._computed_tokens = self._reused_tokens = self._decoded_tokens = 0
        self.waiting = 0
        self.fallbacks = 0
        self._log = structlog.get_logger(__name__)

    @property
    def wait_ms(self) -> float:
        """Until one who comes now has a place, by the mean of the last answers."""
        return (self.waiting + 1) * self._mean_s * 1000 / self._places

    @contextmanager
    def queued(self) -> Iterator[None]:
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextmanager
    def running(self, arrived_at: float) -> Iterator[None]:
        began_at = time.monotonic()
        self._wait_s.observe(began_at - arrived_at)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._mean_s += WEIGHT * (time.monotonic() - began_at - self._mean_s)

    def hear(self, arrived_at: float, said_at: float | None, now: float) -> None:
        if said_at is None:
            self._ttft_s.observe(now - arrived_at)
        else:
            self._gap_s.observe(now - said_at)

    def count(self, counted: Counted) -> None:
        self._computed_tokens += max(0, counted.prompt_tokens - counted.cached_tokens)
        self._reused_tokens += counted.cached_tokens
        self._decoded_tokens += counted.completion_tokens

    def report_unexpected(self, error: BaseException) -> None:
        # Not its repr: that of a UnicodeEncodeError holds customers' words.
        self._log.error("remote run failed", error=type(error).__name__, exc_info=error)

    def snapshot(self, local: EngineFigures) -> EngineFigures:
        """Every answer is counted here, by whomever it was spoken; `local` tells of its cells."""
        return replace(
            local,
            prefill_computed_tokens=self._computed_tokens,
            prefill_reused_tokens=self._reused_tokens,
            decoded_tokens=self._decoded_tokens,
            ttft_s=self._ttft_s.snapshot(),
            gap_s=self._gap_s.snapshot(),
            wait_s=self._wait_s.snapshot(),
            queue_depth=self.waiting,
            running=self._running,
            remote_fallbacks=self.fallbacks,
        )
