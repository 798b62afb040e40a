"""From which score on an answer is sure: measured on the owner's own questions while importing.

Each phrasing is asked as if it were not there (does its entry still win?) and as if its entry
were not there (then every answer would be wrong: a question near the shop's topics that is not
answered). The rule that must not break: with too few questions to measure anything, the bounds
are the careful ones shipped here, and measured ones never leave the range around them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

FEWEST_TRIALS = 40
# Of all questions that may be answered wrongly: those whose entry is there, and those whose entry
# was taken away.
MOST_WRONG = 0.03
MOST_ABSENT = 0.08
PRIOR_TRIALS = 20.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What one phrasing scored without itself, and without its entry."""

    score: float
    is_right: bool
    absent_score: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shipped bounds of one way to score, and how far measured ones may lie."""

    sure: float
    near: float
    lowest_sure: float
    highest_sure: float
    slope: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A raw score from `sure` on is an answer, from `near` on a suggestion."""

    sure: float
    near: float
    slope: float

    def rate(self, score: float) -> float:
        """0 to 1; `sure` is 0.5 whatever the owner's questions are like."""
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, self.slope * (score - self.sure)))))

    def as_dict(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Calibration:
        return cls(float(values["sure"]), float(values["near"]), float(values["slope"]))


def calibrate(trials: Sequence[Trial], bounds: Bounds) -> Calibration:
    if len(trials) < FEWEST_TRIALS:
        return Calibration(bounds.sure, bounds.near, bounds.slope)
    scores = np.array([trial.score for trial in trials])
    is_right = np.array([trial.is_right for trial in trials])
    absent = np.array([trial.absent_score for trial in trials])
    grid = np.linspace(bounds.lowest_sure, bounds.highest_sure, 81)
    allowed = [
        float(bound)
        for bound in grid
        if np.mean((scores >= bound) & ~is_right) <= MOST_WRONG
        and np.mean(absent >= bound) <= MOST_ABSENT
    ]
    # The lowest that is allowed, pulled towards the shipped one while there is little to go by.
    best = allowed[0] if allowed else bounds.highest_sure
    trust = len(trials) / (len(trials) + PRIOR_TRIALS)
    sure = trust * best + (1 - trust) * bounds.sure
    right = scores[is_right]
    low = float(np.quantile(right, 0.05)) if len(right) else bounds.near
    near = min(max(low, bounds.near * 0.8), bounds.near * 1.3)
    return Calibration(sure, near, bounds.slope)
