"""Questions of late put to the ladder again, to the knowledge as it is and as it would be.

No model and no tool is asked, and no customer sees any of it. The rules that must not break: both
times it is the ladder's own way of deciding, and where only a model could tell what it would say,
what it said then is what counts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from appliance.dialogue.ladder import HANDOFF, Ladder, Retriever
from appliance.dialogue.misses import Question
from appliance.dialogue.steps import Act, Step, Task
from appliance.events import NEAR
from appliance.knowledge.folding import normalise

Rung: TypeAlias = Literal[
    "rule", "handoff", "faq", "near", "document", "phrased", "tool", "model", "fallback"
]


@dataclass(frozen=True, slots=True)
class Foretold:
    """`id` and `title` are of the entry or document that answers, or that is offered first."""

    rung: Rung
    id: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """One wording and all that was asked in it, the latest first."""

    text: str
    questions: tuple[Question, ...]

    @property
    def is_missed(self) -> bool:
        return any(one.is_missed for one in self.questions)


@dataclass(frozen=True, slots=True)
class Compared:
    """What is said to one wording now and what would be; how many of its questions are answered
    without a person and without a miss."""

    asked: Asked
    before: Foretold
    after: Foretold
    answered_before: int
    answered_after: int


@dataclass(slots=True)
class Replayed:
    """`answered` is counted over all questions, `compared` has the wordings that would change."""

    asked: int = 0
    answered_before: int = 0
    answered_after: int = 0
    changed: list[Compared] = field(default_factory=list)

    def add(self, other: Replayed) -> None:
        self.asked += other.asked
        self.answered_before += other.answered_before
        self.answered_after += other.answered_after
        self.changed += other.changed


def gather(questions: Iterable[Question], most: int) -> tuple[list[Asked], bool]:
    """By wording, the missed first and then what was asked most; whether some were left out."""
    found: dict[str, list[Question]] = {}
    for one in questions:
        found.setdefault(normalise(one.turn.text) or one.turn.text, []).append(one)
    every = [Asked(same[0].turn.text, tuple(same)) for same in found.values()]
    every.sort(key=lambda asked: (not asked.is_missed, -len(asked.questions)))
    return every[:most], len(every) > most


class Replay:
    """It remembers what the knowledge says as it is, as long as that is the same."""

    def __init__(self, ladder: Ladder, breathe: Callable[[], Awaitable[None]]) -> None:
        """`breathe` lets customers go first; it is waited for before each question."""
        self._ladder = ladder
        self._breathe = breathe
        self._known: dict[str, Foretold] = {}
        self._version = ""

    async def compare(
        self, every: Sequence[Asked], now: Retriever, version: str, then: Retriever
    ) -> Replayed:
        """`version` is that of `now`."""
        replayed = Replayed()
        for asked in every:
            before = await self.foretell_now(asked.text, now, version)
            after = await self._foretell(asked.text, then)
            compared = Compared(
                asked,
                before,
                after,
                sum(is_answered(one, before) for one in asked.questions),
                sum(is_answered(one, after) for one in asked.questions),
            )
            replayed.asked += len(asked.questions)
            replayed.answered_before += compared.answered_before
            replayed.answered_after += compared.answered_after
            if after != before:
                replayed.changed.append(compared)
        return replayed

    async def count_answered(
        self, every: Sequence[Asked], now: Retriever, version: str
    ) -> tuple[int, int]:
        """Of how many questions the knowledge as it is answers how many."""
        asked = answered = 0
        for one in every:
            told = await self.foretell_now(one.text, now, version)
            asked += len(one.questions)
            answered += sum(is_answered(question, told) for question in one.questions)
        return asked, answered

    async def foretell_now(self, text: str, now: Retriever, version: str) -> Foretold:
        """What the knowledge as it is says to `text`."""
        if version != self._version:
            self._version, self._known = version, {}
        if text not in self._known:
            self._known[text] = await self._foretell(text, now)
        return self._known[text]

    async def _foretell(self, text: str, knowledge: Retriever) -> Foretold:
        await self._breathe()
        return describe(await self._ladder.foretell(text, knowledge))


def describe(step: Step) -> Foretold:
    if isinstance(step, Act):
        return Foretold("tool")
    if isinstance(step, Task):
        if not step.sources:
            return Foretold("model")
        return Foretold("phrased", step.sources[0].id, step.sources[0].title)
    if step.source == "rule":
        return Foretold("handoff" if step.rule == HANDOFF else "rule", step.rule)
    if step.rule == NEAR:
        return Foretold("near", "", step.suggestions[0] if step.suggestions else "")
    rungs: Mapping[str, Rung] = {"faq": "faq", "knowledge": "document"}
    rung = rungs.get(step.source, "fallback")
    if rung == "fallback" or not step.sources:
        return Foretold(rung)
    return Foretold(rung, step.sources[0].id, step.sources[0].title)


def is_answered(question: Question, told: Foretold) -> bool:
    """Whether what was asked would be answered without a person and without a miss."""
    if question.turn.source == "tool":
        # A plain wish for a tool goes before all but the very words of an entry.
        return not question.is_missed
    if told.rung in ("handoff", "near", "fallback"):
        return False
    if told.rung in ("faq", "document"):
        # Who was not content with these very words would not be so now.
        is_same = told.id in question.turn.cited
        return not (is_same and {"disliked", "handed_over"} & set(question.reasons))
    return not question.is_missed
