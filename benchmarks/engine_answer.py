"""One answer as figures: when its first token was there, how fast it went on, where it paused.

It asks nobody. The rule that must not break: a token's moment is when its text could have been
shown, and where guards held it back both moments are kept.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(slots=True)
class Answer:
    """`shown_s` are the moments at which text came to the client; `token_s` those at which it
    left the engine, the same ones for a server that holds nothing back."""

    asked_s: float
    text: str = ""
    shown_s: list[float] = field(default_factory=list)
    token_s: list[float] = field(default_factory=list)
    tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    run_id: str = ""
    # A guard may stop an answer and have a second one begun: the figures are the first one's,
    # the tokens and the end those of both.
    is_whole: bool = True
    ended_s: float = 0.0

    @property
    def ttft_ms(self) -> float:
        """To the first token, and from it the same way that the text shown took."""
        return (self.token_s[0] - self.asked_s) * 1000 + self.delivery_ms

    @property
    def delivery_ms(self) -> float:
        """From the piece that let the first words go to their arrival; 0 where nothing is held,
        or where it was not the first answer that they are from."""
        if not self.is_whole:
            return 0.0
        shown = self.shown_s[0]
        before = [moment for moment in self.token_s if moment <= shown]
        return (shown - before[-1]) * 1000 if before else 0.0

    @property
    def words_ms(self) -> float:
        """To the first words that a customer sees."""
        return (self.shown_s[0] - self.asked_s) * 1000

    @property
    def gaps_ms(self) -> list[float]:
        return find_gaps_ms(self.token_s)

    @property
    def tokens_per_s(self) -> float:
        """Of the tokens behind the first one."""
        spent_s = self.token_s[-1] - self.token_s[0]
        return (self.tokens - 1) / spent_s if spent_s > 0 else 0.0


def find_gaps_ms(moments_s: Sequence[float]) -> list[float]:
    return [(later - earlier) * 1000 for earlier, later in pairwise(moments_s)]


def count_together(answers: Sequence[Answer]) -> float:
    """Tokens per second of answers given at the same time."""
    began_s = min(answer.asked_s for answer in answers)
    ended_s = max(max(answer.ended_s, answer.token_s[-1]) for answer in answers)
    return sum(answer.tokens for answer in answers) / (ended_s - began_s)


def find_longest_gap_ms(answer: Answer, from_s: float, to_s: float) -> float:
    """The longest pause that has a part in the span; 0 where the stream was not open in it."""
    pauses = [
        later - earlier
        for earlier, later in pairwise(answer.token_s)
        if later > from_s and earlier < to_s
    ]
    return max(pauses, default=0.0) * 1000


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0


def compare_pairs(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of ratios round by round: the machine's speed drifts more between rounds than
    within one."""
    return median([one / other for one, other in zip(ours, theirs, strict=True) if other])
