"""From which score on an answer is sure: measured on the owner's own questions while importing.

Each phrasing is asked as if it were not there (does its entry still win?) and as if its entry
were not there (then every answer would be wrong: a question near the shop's topics that is not
answered). The rule that must not break: with too few questions to measure anything, the bounds
are the careful ones shipped here, and measured ones never leave the range around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from appliance.knowledge.likelihood import squash
from appliance.knowledge.trade import rate_trade

FEWEST_TRIALS = 40
# Of all questions that may be answered wrongly: those whose entry is there, and those whose entry
# was taken away. Customers ask further from the entries than their owner, so fewer are allowed
# in a shop where the table of concepts cannot tell one thing from another (`Bounds.allowed`).
MOST_WRONG = 0.06
MOST_ABSENT = 0.07
PRIOR_TRIALS = 20.0
# How far a measured bound for suggestions may lie from the shipped one, as its multiple.
LOWEST_NEAR, HIGHEST_NEAR, HIGHEST_STRANGE_NEAR = 0.8, 1.3, 2.2


@dataclass(frozen=True, slots=True)
class Trial:
    """What one phrasing scored without itself, and without its entry."""

    score: float
    is_right: bool
    absent_score: float
    language: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shipped bounds of one way to score, and how far measured ones may lie. In a shop that
    the table of concepts does not know `strange` is added to `sure`, and only `allowed` of the
    wrong answers are allowed that are elsewhere."""

    sure: float
    near: float
    lowest_sure: float
    highest_sure: float
    slope: float
    strange: float = 0.0
    allowed: float = 0.25


@dataclass(frozen=True, slots=True)
class Level:
    """A raw score from `sure` on is an answer, from `near` on a suggestion."""

    sure: float
    near: float
    slope: float

    def rate(self, score: float) -> float:
        """0 to 1; `sure` is 0.5 whatever the owner's questions are like."""
        return squash(self.slope * (score - self.sure))


@dataclass(frozen=True, slots=True)
class Calibration:
    """A level for each language, since one of them has the longer questions or the vectors that
    lie closer; `known` is how much of the owner's questions the table of concepts knows."""

    levels: tuple[Level, ...]
    known: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        levels = (
            Level(float(one["sure"]), float(one["near"]), float(one["slope"]))
            for one in values["levels"]
        )
        return cls(tuple(levels), float(values["known"]))


def calibrate(trials: Sequence[Trial], bounds: Sequence[Bounds], known: float) -> Calibration:
    """`bounds` of each language; one with too few trials of its own takes the level of all."""
    trade = rate_trade(known)
    levels = []
    for language, shipped in enumerate(bounds):
        own = [trial for trial in trials if trial.language == language]
        chosen = own if len(own) >= FEWEST_TRIALS else trials
        levels.append(find_level(chosen, shipped, trade))
    return Calibration(tuple(levels), known)


def find_level(trials: Sequence[Trial], bounds: Bounds, trade: float = 1.0) -> Level:
    """`trade` is how far the table of concepts may be relied on, 0 to 1."""
    shipped = bounds.sure + bounds.strange * (1 - trade)
    if len(trials) < FEWEST_TRIALS:
        return Level(shipped, bounds.near, bounds.slope)
    scores = np.array([trial.score for trial in trials])
    is_right = np.array([trial.is_right for trial in trials])
    absent = np.array([trial.absent_score for trial in trials])
    allowed = bounds.allowed + (1 - bounds.allowed) * trade
    grid = np.linspace(bounds.lowest_sure, bounds.highest_sure, 81)
    passing = [
        float(bound)
        for bound in grid
        if np.mean((scores >= bound) & ~is_right) <= MOST_WRONG * allowed
        and np.mean(absent >= bound) <= MOST_ABSENT * allowed
    ]
    # The lowest that is allowed, pulled towards the shipped one while there is little to go by.
    best = passing[0] if passing else bounds.highest_sure
    trust = len(trials) / (len(trials) + PRIOR_TRIALS)
    sure = trust * best + (1 - trust) * shipped
    right = scores[is_right]
    low = float(np.quantile(right, 0.05)) if len(right) else bounds.near
    # Where meaning must do without the table, questions about anything score higher.
    highest = HIGHEST_NEAR + (HIGHEST_STRANGE_NEAR - HIGHEST_NEAR) * (1 - trade)
    near = min(max(low, bounds.near * LOWEST_NEAR), bounds.near * highest)
    return Level(sure, near, bounds.slope)
