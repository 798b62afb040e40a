"""What kind of thing a question asks for, and whether a line holds a thing of that kind.

"How thick is it?" wants a length, and a line without one does not answer it, however many words
both share. It does not know whose length it is: that is weighed in `knowledge/evidence.py`. The
rule that must not break: a question whose wish is not understood wants nothing here, so that the
table can only ever turn away lines that are visibly of another kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.knowledge.focus import list_telling
from appliance.knowledge.folding import fold
from appliance.knowledge.kinds import KINDS, Kind

# Where these are asked for, a number beside them is no answer.
NEEDED = frozenset(("age", "brand", "colour", "material", "person"))

# "Two hours free" does not say what an hour costs.
BY_HOUR_ASKED = re.compile(r"每个?(?:小时|钟头)|\b(?:per|an|each|every) hour\b|\bhourly\b")
BY_HOUR = re.compile(
    r"[每/一]个?(?:小时|钟头)|(?:\b(?:per|an|each|every) |/\s?)h(?:our)?\b|\bhourly\b"
)

# What says of itself what is asked for, and yet of what: 押金多少钱.
NAMED = re.compile(
    r"[^\W收付免缴交消浪耗的用资基现美奖多少要么]费(?![用时])|[押定订租证保约罚滞]金"
    r"|电话|热线|邮箱|年龄|限速"
    r"|\b(?:deposit|fare|surcharge|tariff|(?:[a-z-]+ )?fees?|hotline|telephone|phone|e-?mail|age"
    r"|speed limit)\b"
)


@dataclass(frozen=True, slots=True)
class Wish:
    """`rest` is the question without the words that say what is asked for, or what is named by
    them where nothing else is: a deposit by "how much is the deposit?"."""

    kinds: tuple[Kind, ...] = ()
    rest: str = ""
    is_by_hour: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(kind.name for kind in self.kinds)

    def is_met_by(self, text: str) -> bool:
        """Whether `text` holds what is wanted, or nothing certain is wanted. Of two kinds of
        amounts one is enough: half of an answer is one."""
        if not self.kinds:
            return True
        folded = fold(text).text
        if self.is_by_hour and not BY_HOUR.search(folded):
            return False
        met = [kind for kind in self.kinds if kind.shown.search(folded)]
        return bool(met) and all(kind in met for kind in self.kinds if kind.name in NEEDED)


def find_wish(question: str) -> Wish:
    folded = rest = fold(question).text
    kinds: list[Kind] = []
    for kind in KINDS:
        if kind.asked.search(rest):
            kinds.append(kind)
            rest = kind.asked.sub(" ", rest)
    if kinds and not list_telling(rest):
        rest = " ".join((rest, *NAMED.findall(folded)))
    names = {kind.name for kind in kinds}
    is_by_hour = "money" in names and BY_HOUR_ASKED.search(rest) is not None
    return Wish(tuple(kinds), rest, is_by_hour)
