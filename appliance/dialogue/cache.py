"""Answers of the model that several customers asked for, kept in memory for a while.

It decides nothing: the ladder asks it and tells it. Only the knowledge rung's answers to the first
question of a conversation come here, and of those the ones whose literals all stand in the
passages, so nothing of a customer's own stands in them. The rule that must not break: an answer is
given again only for the knowledge it was found in and the rules it was checked by, the same model
and instructions, and only when three conversations have asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from appliance.events import Cited

MOST_KEPT = 256
CONVERSATIONS_NEEDED = 3


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer stands on: the knowledge's version, and the rules as they were read then."""

    knowledge: str
    rules: object


@dataclass(frozen=True, slots=True)
class Key:
    """`question` is normalised; the others name what an answer depends on besides."""

    question: str
    ground: Ground
    model: str
    persona: str


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    text: str
    sources: tuple[Cited, ...]
    score: float | None


@dataclass(slots=True)
class _Kept:
    answer: CachedAnswer
    kept_at_s: float
    askers: set[str] = field(default_factory=set)


class AnswerCache:
    """`keep_s` of 0 keeps nothing; `read_clock_s` is monotonic."""

    def __init__(self, keep_s: float, read_clock_s: Callable[[], float]) -> None:
        self._keep_s = keep_s
        self._read_clock_s = read_clock_s
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()

    def find(self, key: Key, conversation: str) -> CachedAnswer | None:
        """An answer that this conversation may have; that it asked is noted either way."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if self._read_clock_s() - kept.kept_at_s > self._keep_s:
            del self._kept[key]
            return None
        _note(kept.askers, conversation)
        return kept.answer if len(kept.askers) >= CONVERSATIONS_NEEDED else None

    def keep(self, key: Key, conversation: str, answer: CachedAnswer) -> None:
        """The model has just answered."""
        if not self._keep_s:
            return
        if self._kept and next(reversed(self._kept)).ground != key.ground:
            # Nobody asks for those of before again.
            self._kept.clear()
        kept = self._kept.get(key)
        askers = kept.askers if kept is not None else set()
        _note(askers, conversation)
        self._kept[key] = _Kept(answer, self._read_clock_s(), askers)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


def _note(askers: set[str], conversation: str) -> None:
    """A popular question must not collect the names of all who ask it."""
    if len(askers) < CONVERSATIONS_NEEDED:
        askers.add(conversation)
