"""What speaks against an answer although nothing else is as like the question: a sum of signs.

A question that names a side of things, a kind of goods or a matter that the entry does not speak
of is near it and not answered by it. It ranks nothing. The rule that must not break: a doubt only
ever keeps an answer from being sure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from appliance.knowledge.concepts import ASPECT, THING, TOPIC, is_about_another, list_lacking

# One word that nobody wrote may be the customer's story, a third one says no more than two.
MOST_UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is taken off for each: a concept that no entry at all speaks of, an aspect, a thing, a
    topic that this one does not, another thing or place than this one's, an answer without what
    is asked for."""

    unknown: float = 0.2
    aspect: float = 0.4
    thing: float = 0.3
    topic: float = 0.4
    another: float = 0.4
    unmet: float = 0.2

    def weigh(
        self, asked: Collection[str], entry: Collection[str], unknown: int, is_unmet: bool
    ) -> float:
        """`asked` and `entry` are the concepts of both; `unknown` of them no entry speaks of."""
        return (
            self.unknown * min(unknown, MOST_UNKNOWN)
            + self.aspect * bool(list_lacking(ASPECT, asked, entry))
            + self.thing * bool(list_lacking(THING, asked, entry))
            + self.topic * bool(list_lacking(TOPIC, asked, entry))
            + self.another * is_about_another(asked, entry)
            + self.unmet * is_unmet
        )


DOUBTS = Doubts()
