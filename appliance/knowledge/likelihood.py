"""Likelihoods, 0 to 1, and their log-odds (https://en.wikipedia.org/wiki/Logit).

The rule that must not break: what is no more than very likely is never 1, which stands for the
owner's own words to the letter.
"""

from __future__ import annotations

import math

LARGEST_ODDS = 30.0


def find_odds(share: float) -> float:
    """The logarithm of the odds of a likelihood, within `LARGEST_ODDS`."""
    if not 0.0 < share < 1.0:
        return math.copysign(LARGEST_ODDS, share - 0.5)
    return max(-LARGEST_ODDS, min(LARGEST_ODDS, math.log(share / (1 - share))))


def squash(odds: float) -> float:
    """The likelihood of which `odds`, within `LARGEST_ODDS`, is the logarithm of the odds."""
    return 1 / (1 + math.exp(-max(-LARGEST_ODDS, min(LARGEST_ODDS, odds))))
