"""How much each sign of likeness counts, and what of it holds in which shop.

Two ways are mixed: what customers come for, where their words and the owner's lie far apart, and
how close they come to his wording, where he has written down what they really say. The rule that
must not break: a mixture is of the two weight by weight, so that a score lies between theirs.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

from appliance.knowledge.calibration import Bounds
from appliance.knowledge.doubts import DOUBTS, Doubts

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Numbers = TypeVar("Numbers", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each sign counts: words, concepts and meaning of the phrasings that are most alike,
    so many of them, what a regression on all of them says, the share of what is asked that the
    entry speaks of, the meaning of its answer, being what the entry's customers come for. `doubts`
    are taken off for being sure only. Where the table of concepts does not know the trade, `plain`
    more is given to words, and meaning counts `strange` times more."""

    words: float = 0.02
    concepts: float = 0.15
    meaning: float = 0.3
    regression: float = 0.0
    cover: float = 0.1
    answer: float = 0.7
    lead: float = 0.3
    foreign: float = 0.5
    denial: float = 0.08
    phrasings: int = 3
    plain: float = 0.1
    strange: float = 1.0
    intent: float = 0.6
    doubts: Doubts = DOUBTS


# Where what customers come for tells the entries apart better than the owner's wording does.
TOLD = Weights()
# Where his wording tells them apart better.
WORDED = Weights(
    words=0.5,
    concepts=0.05,
    meaning=0.3,
    regression=1.2,
    cover=0.05,
    answer=0.05,
    strange=0.0,
    intent=0.3,
)
# What counts where nobody has told the embedder what customers come for.
MEANINGS_ALONE = Weights(words=0.1, concepts=0.3, cover=0.2, answer=0.3, intent=0.0)
# What counts where no vectors are attached.
WORDS_ALONE = Weights(
    words=0.2, concepts=0.3, meaning=0.0, cover=0.3, answer=0.0, plain=0.3, intent=0.0
)

LEXICAL_BOUNDS = Bounds(sure=0.75, near=0.22, lowest_sure=0.45, highest_sure=1.2, slope=6.0)
FUSED_BOUNDS = Bounds(0.72, near=0.25, lowest_sure=0.45, highest_sure=1.1, slope=8.0, strange=0.2)
TOLD_BOUNDS = Bounds(0.9, near=0.35, lowest_sure=0.6, highest_sure=1.3, slope=8.0, strange=0.2)
# An owner whose wording finds his entries has it from his customers.
WORDED_BOUNDS = Bounds(
    1.0, near=0.3, lowest_sure=0.6, highest_sure=1.6, slope=8.0, strange=0.2, allowed=0.6
)

# As if so many phrasings had been asked before, and so many more of them been found by what
# customers come for; from EVEN more of them on the owner's wording counts nothing.
PRIOR_TRIALS, PRIOR_LEAD, EVEN = 10, 1.0, 0.2


def rate_told(told: int, worded: int, tried: int) -> float:
    """0 to 1: how far what customers come for is believed, which found `told` of `tried` phrasings
    where the owner's wording found `worded`."""
    lead = (told - worded + PRIOR_LEAD) / (tried + PRIOR_TRIALS)
    return min(max((lead + EVEN) / (2 * EVEN), 0.0), 1.0)


def mix_weights(first: Weights, second: Weights, share: float) -> Weights:
    """`share` of the first and the rest of the second; what is no measure is the first's."""
    mixed = {
        one.name: share * getattr(first, one.name) + (1 - share) * getattr(second, one.name)
        for one in fields(Weights)
        if one.name not in ("phrasings", "doubts")
    }
    return replace(first, **mixed)


def mix(first: Numbers, second: Numbers, share: float) -> Numbers:
    """`share` of the first and the rest of the second, of what has numbers alone."""
    pairs = zip(astuple(first), astuple(second), strict=True)
    return type(first)(*(share * one + (1 - share) * other for one, other in pairs))
