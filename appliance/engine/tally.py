"""What the engine's thread counts while it works, and the figures made of it.

It decides nothing and is read by others: a snapshot may be one step old. The rule that must not
break: only the engine's thread counts.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from appliance.engine.figures import (
    GAP_BOUNDS_S,
    TTFT_BOUNDS_S,
    WAIT_BOUNDS_S,
    WIDTH_BOUNDS_TOKENS,
    EngineFigures,
    Histogram,
)


@dataclass(eq=False, slots=True)
class Tally:
    prefill_computed_tokens: int = 0
    prefill_reused_tokens: int = 0
    prefill_idle_tokens: int = 0
    decoded_tokens: int = 0
    drafts_accepted_tokens: int = 0
    steps: int = 0
    evictions: int = 0
    restores: Counter[str] = field(default_factory=Counter)
    divergences: Counter[str] = field(default_factory=Counter)
    ttft_s: Histogram = field(default_factory=lambda: Histogram(TTFT_BOUNDS_S))
    gap_s: Histogram = field(default_factory=lambda: Histogram(GAP_BOUNDS_S))
    wait_s: Histogram = field(default_factory=lambda: Histogram(WAIT_BOUNDS_S))
    width_tokens: Histogram = field(default_factory=lambda: Histogram(WIDTH_BOUNDS_TOKENS))

    def count_restore(self, source: str) -> None:
        """`source` is "memory" or "disk", or "failed"."""
        self.restores[source] += 1

    def count_divergence(self, reason: str) -> None:
        self.divergences[reason] += 1

    def count_step(self, width: int, prefill_tokens: int) -> None:
        self.steps += 1
        self.width_tokens.observe(width)
        self.prefill_computed_tokens += prefill_tokens
        self.decoded_tokens += width - prefill_tokens

    def observe_token(self, said_at: float, arrived_at: float) -> float:
        """One more of an answer, now: the moment, by which the next one counts. `said_at` is that
        of the token before it, 0 where there was none."""
        now = time.monotonic()
        if said_at:
            self.gap_s.observe(now - said_at)
        else:
            self.ttft_s.observe(now - arrived_at)
        return now

    def count_guesses(self, guesses: int, right: int) -> None:
        """Of the step just counted; those that were wrong are no tokens of an answer."""
        self.drafts_accepted_tokens += right
        self.decoded_tokens -= guesses - right

    def snapshot(
        self,
        *,
        queue_depth: int,
        running: int,
        parked: tuple[int, int],
        cells: tuple[int, int],
    ) -> EngineFigures:
        """`parked` are bytes and conversations in memory, `cells` those in use and all."""
        return EngineFigures(
            prefill_computed_tokens=self.prefill_computed_tokens,
            prefill_reused_tokens=self.prefill_reused_tokens,
            prefill_idle_tokens=self.prefill_idle_tokens,
            decoded_tokens=self.decoded_tokens,
            drafts_accepted_tokens=self.drafts_accepted_tokens,
            steps=self.steps,
            ttft_s=self.ttft_s.snapshot(),
            gap_s=self.gap_s.snapshot(),
            wait_s=self.wait_s.snapshot(),
            batch_width_tokens=self.width_tokens.snapshot(),
            queue_depth=queue_depth,
            running=running,
            parked_memory_bytes=parked[0],
            parked_memory_conversations=parked[1],
            restores={source: self.restores[source] for source in ("memory", "disk")},
            restores_failed=self.restores["failed"],
            evictions=self.evictions,
            divergences=dict(self.divergences),
            cells_used=cells[0],
            cells_total=cells[1],
        )
