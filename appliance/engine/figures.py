"""What an engine counts about itself, as values: for `GET /metrics`, benchmarks and tests.

It reads no clock and decides nothing: who computes tells a `Histogram` what it saw, and hands out
`EngineFigures`. The rule that must not break: a figure names no conversation and no text, and
one thread alone observes, while any may take a snapshot.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

# Upper bounds of the buckets, fit for processors that need 20 ms to 1 s for a token.
TTFT_BOUNDS_S = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
GAP_BOUNDS_S = (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0)
WAIT_BOUNDS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
WIDTH_BOUNDS_TOKENS = (1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0, 256.0, 512.0)


@dataclass(frozen=True, slots=True)
class HistogramFigures:
    """`counts` has one number for each bound, of values up to it and above the one before, and a
    last one for what lies above all bounds. `total` is the sum of all values."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @classmethod
    def empty(cls, bounds: Sequence[float]) -> HistogramFigures:
        return cls(tuple(bounds), (0,) * (len(bounds) + 1), 0.0)

    @property
    def count(self) -> int:
        return sum(self.counts)

    @property
    def cumulative(self) -> tuple[int, ...]:
        """For each bound how many values lie up to it, and last how many there are."""
        return tuple(accumulate(self.counts))


class Histogram:
    """Counts values by the first bound that they do not exceed."""

    def __init__(self, bounds: Sequence[float]) -> None:
        if not bounds or list(bounds) != sorted(set(bounds)):
            raise ValueError("the bounds of a histogram must rise")
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def snapshot(self) -> HistogramFigures:
        """From another thread the sum may be one value ahead of the counts or behind."""
        return HistogramFigures(self._bounds, tuple(self._counts), self._total)


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """All since the engine began, but for what is true now: the queue, the running, the parked
    and the cells. What is not told stays at nothing."""

    # Prompt tokens by what became of them: computed while a customer waited for them, found in
    # the cells, and computed while nobody spoke.
    prefill_computed_tokens: int = 0
    prefill_reused_tokens: int = 0
    prefill_idle_tokens: int = 0
    decoded_tokens: int = 0
    steps: int = 0
    # From the arrival of a generation to its first token; between two tokens of an answer; from
    # the arrival to a place among the running.
    ttft_s: HistogramFigures = field(default_factory=lambda: HistogramFigures.empty(TTFT_BOUNDS_S))
    gap_s: HistogramFigures = field(default_factory=lambda: HistogramFigures.empty(GAP_BOUNDS_S))
    wait_s: HistogramFigures = field(default_factory=lambda: HistogramFigures.empty(WAIT_BOUNDS_S))
    batch_width_tokens: HistogramFigures = field(
        default_factory=lambda: HistogramFigures.empty(WIDTH_BOUNDS_TOKENS)
    )
    queue_depth: int = 0
    running: int = 0
    parked_memory_bytes: int = 0
    parked_memory_conversations: int = 0
    parked_disk_bytes: int = 0
    parked_disk_conversations: int = 0
    # Conversations brought back, by where they were parked: "memory" or "disk".
    restores: Mapping[str, int] = field(default_factory=lambda: {"memory": 0, "disk": 0})
    restores_failed: int = 0
    evictions: int = 0
    # Prompts that did not extend the ids their conversation held, by the reason.
    divergences: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for the engine; what it reads ahead does not count."""
        return not self.running and not self.queue_depth

    drafts_accepted_tokens: int = 0
    # Servers elsewhere by how they are now, and since the start the answers that one of them broke
    # or never began, and those that the local model had to give in their place.
    remote_servers: Mapping[str, int] = field(default_factory=dict)
    remote_failures: int = 0
    remote_fallbacks: int = 0
    cells_used: int = 0
    cells_total: int = 0

    @classmethod
    def empty(cls) -> EngineFigures:
        """Of an engine that has computed nothing."""
        return cls()
