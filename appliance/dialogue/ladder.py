"""Which rung answers a question: told from the cheapest to the dearest in `Ladder.climb`.

It says and does nothing: it returns a `Step`, and `answering.py` carries it out. The
rule that must not break: what a shop must be right about (its rules, its own words, a person
wanted) is decided here from data, before any model is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from appliance.dialogue.addressed import is_put_to_shop
from appliance.dialogue.cache import AnswerCache, CachedAnswer, Ground, Key
from appliance.dialogue.charter import Charter
from appliance.dialogue.doubts import doubt, is_exact
from appliance.dialogue.excerpts import (
    cite_entry,
    cite_passage,
    quote,
    take_lines,
)
from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.language import Language, language_of
from appliance.dialogue.literals import find_literals
from appliance.dialogue.memory import Memory
from appliance.dialogue.moderation import Moderation
from appliance.dialogue.sources import Sources
from appliance.dialogue.steps import Step, Task, Words, words_of
from appliance.dialogue.tooling import Tooling
from appliance.dialogue.wish import wants_human
from appliance.errors import HandoffRefused
from appliance.events import NEAR, QUOTED, Cited, Source
from appliance.knowledge.entries import Found, Match
from appliance.knowledge.evidence import Evidence
from appliance.knowledge.folding import normalise
from appliance.knowledge.library import Library
from appliance.knowledge.polarity import is_polar
from appliance.patience import wait_at_most

# So long a question waits for a library that is just being opened, as after a start.
OPENING_S = 20.0
HANDOFF = "handoff"
NOT_KNOWN = "not-in-knowledge"
RESTING = "resting"
# From here on the shop's documents speak of it: what is asked of the whole world scores 0.1 and
# 0.22 at most, on 16 such questions; what the shop might know but has not written, mostly more.
LEAST_EVIDENCE = 0.12
LEAST_PASSAGE_SCORE = 0.24
NO_BUSINESS = 0.25
# Less likely entries are offered only to who speaks of the shop: "the opposite of hot" is like a
# thermos by 0.03, and customers in their own words are seldom liker to what they mean.
LEAST_OFFERED = 0.15
# So many near questions are named where the model rests, as many as the page has buttons.
MOST_NAMED = 3
NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the ladder needs it; `is_first` of its conversation."""

    text: str
    conversation: str
    is_first: bool
    run_id: str = ""
    # What was asked before, where it has no word of its own to tell its language by.
    before: str = ""
    # As `Turn.heed`, where a turn asks.
    heed: Callable[[Coroutine[Any, Any, bool]], Awaitable[bool]] = field(
        default=lambda waiting: waiting, compare=False
    )

    @property
    def language(self) -> Language:
        return language_of(self.before or self.text)


class Retriever(Protocol):
    """What the shop wrote, as the library answers from it, or as it would."""

    @property
    def has_written(self) -> bool: ...

    async def match(self, question: str) -> Match: ...

    async def find_passages(self, question: str, limit: int = 4) -> tuple[Found, ...]: ...

    async def find_evidence(self, question: str) -> Evidence: ...

    async def rate_business(self, question: str) -> float: ...


class Ladder:
    def __init__(
        self,
        library: Library,
        charter: Callable[[], Charter],
        handoffs: Handoffs,
        moderation: Moderation | None,
        cache: AnswerCache,
        read_now: Callable[[], datetime],
        memory: Memory,
        *,
        answers_all: bool,
    ) -> None:
        """`answers_all`: the model may also answer what is not the shop's business."""
        self.is_open = asyncio.Event()
        self._library = library
        self._get_charter = charter
        self._handoffs = handoffs
        self.moderation = moderation
        self.memory = memory
        self._cache = cache
        self._read_now = read_now
        self._answers_all = answers_all
        # Given once there is an engine to ask; a shop that declares none has no such rung.
        self.tools: Tooling | None = None

    @property
    def charter(self) -> Charter:
        return self._get_charter()

    async def climb(self, asked: Asked, persona: str, model_id: str) -> Step:
        """The first rung that can answer truthfully."""
        if self._handoffs.find_owner(asked.conversation) == "closed":
            with suppress(HandoffRefused):
                await self._handoffs.take_back(asked.conversation, "message")
        if not self._handoffs.is_bots(asked.conversation):
            return Words("human", "", "handed_over")
        if words := self._guard(asked):
            return words
        if self.moderation and (verdict := await self.moderation.check(asked.text, "in")):
            return words_of(verdict, "moderation")
        if wants_human(asked.text):
            return self._hand_over(asked)
        if words := await self.memory.reply(asked.conversation, asked.run_id, asked.text):
            return words
        if self.tools and (reply := await self.tools.go_on(asked.conversation, asked.text)):
            return reply
        canned = self._talk(asked)
        if canned is None:
            await asked.heed(wait_at_most(self.is_open, OPENING_S))
        # Before anything is looked up: what changes meanwhile is not what the answer stands on.
        ground = self._find_ground()
        match = await self._library.match(asked.text)
        if is_exact(match):
            return answer_from(match)
        if canned is not None:
            return canned
        evidence = await self._library.find_evidence(asked.text)
        if step := await self._find_tool(asked, match, evidence):
            return step
        if cached := self._find_cached(asked, persona, model_id):
            return cached
        step = await self._weigh(asked, match, evidence, self._library)
        return replace(step, ground=ground) if isinstance(step, Task) else step

    async def foretell(self, question: str, knowledge: Retriever) -> Step:
        """What would be said to `question` at a conversation's beginning if the shop had written
        `knowledge`, as far as neither tools nor the model nor a service are asked."""
        asked = Asked(question, "", is_first=True)
        if words := self._guard(asked):
            return words
        if wants_human(question):
            return self._hand_over(asked)
        match = await knowledge.match(question)
        if is_exact(match):
            return answer_from(match)
        if canned := self._talk(asked):
            return canned
        evidence = await knowledge.find_evidence(question)
        return await self._weigh(asked, match, evidence, knowledge)

    async def take_up(self, asked: Asked, source: Source) -> Task:
        """The task of an answer that a process before this one had begun on rung `source`."""
        evidence = NO_EVIDENCE
        if source == "knowledge":
            evidence = await self._library.find_evidence(asked.text)
        return self._make_task(asked, Match("none"), evidence)

    def keep_answer(self, asked: Asked, task: Task, text: str, persona: str, model: str) -> None:
        """The model has answered. What it took from the customer's words is for nobody else."""
        if task.source != "knowledge" or not asked.is_first or task.ground is None:
            return
        passages = Sources.of(one.source for one in task.excerpts)
        if not any(passages.lacks(literal) for literal in find_literals(text)):
            self._cache.keep(
                Key(normalise(asked.text), task.ground, model, persona),
                asked.conversation,
                CachedAnswer(text, task.sources, task.score),
            )

    def _guard(self, asked: Asked) -> Words | None:
        verdict = self.charter.rules.check(asked.text)
        return words_of(verdict, "in") if verdict else None

    def _talk(self, asked: Asked) -> Words | None:
        """Small talk; an entry of the owner's that is the question to the letter goes before it."""
        canned = self.charter.canned.reply(asked.text, self._read_now(), asked.language)
        return Words("rule", canned.text, rule=canned.rule) if canned else None

    def _hand_over(self, asked: Asked) -> Words:
        words = self._handoffs.promise(asked.language) or self._say(
            "handoff_absent", asked.language
        )
        return Words("rule", words, "handed_over", rule=HANDOFF, asks_handoff=True)

    async def _find_tool(self, asked: Asked, match: Match, evidence: Evidence) -> Step | None:
        """What the FAQ or a line surely answers needs no guess at a tool, nor what asks for a
        price, a time or a number that a line tells; what asks for a tool plainly does."""
        if self.tools is None:
            return None
        is_told = evidence.is_sure or (evidence.can_answer and evidence.wish.kinds)
        is_open = match.outcome != "sure" and not is_told
        return await self.tools.choose(asked.conversation, asked.text, may_guess=is_open)

    def _find_cached(self, asked: Asked, persona: str, model: str) -> Words | None:
        if not asked.is_first:
            return None
        key = Key(normalise(asked.text), self._find_ground(), model, persona)
        kept = self._cache.find(key, asked.conversation)
        if kept is None:
            return None
        return Words("knowledge", kept.text, score=kept.score, sources=kept.sources, is_cached=True)

    async def _weigh(
        self, asked: Asked, match: Match, evidence: Evidence, knowledge: Retriever
    ) -> Step:
        """Documents that answer it come before questions that only sound like it."""
        match = doubt(asked.text, match, evidence)
        if match.outcome == "sure":
            return answer_from(match)
        if evidence.can_answer:
            is_told = evidence.wish.kinds or evidence.is_sure or is_polar(asked.text)
            step = self._quote if is_told else self._make_task
            return step(asked, match, evidence)
        is_likely = match.outcome == "near" and match.hits[0].score >= LEAST_OFFERED
        if is_likely or await self._is_of_the_shop(asked, evidence, knowledge):
            return self._offer(asked, match)
        return self._make_task(asked, match, NO_EVIDENCE)

    async def _is_of_the_shop(self, asked: Asked, evidence: Evidence, knowledge: Retriever) -> bool:
        """Whether it is put to a shop that has written anything, or its documents speak of it and
        do not answer it: then the model, which knows less, is not asked."""
        if not self._answers_all or evidence.spoken >= LEAST_EVIDENCE:
            return True
        business = await knowledge.rate_business(asked.text)
        if knowledge.has_written and is_put_to_shop(asked.text, business, asked.is_first):
            return True
        # A poem about tea is none of the shop's, however many of its documents speak of tea.
        found = await knowledge.find_passages(asked.text, 1) if business >= NO_BUSINESS else ()
        return bool(found) and found[0].score >= LEAST_PASSAGE_SCORE

    def _offer(self, asked: Asked, match: Match) -> Words:
        """Nothing here is sure to answer: the closest questions, or that nobody knows."""
        if match.outcome == "near":
            return Words(
                "faq",
                self._say("did_you_mean", asked.language),
                rule=NEAR,
                score=round(match.hits[0].score, 3),
                suggestions=suggest(match),
            )
        return self._admit(asked, match)

    def _quote(self, asked: Asked, match: Match, evidence: Evidence) -> Words:
        """A price, a time, a number, a yes or a no, what one line surely tells and what a model
        cannot find: said by the document itself."""
        return Words(
            "knowledge",
            quote(evidence, asked.text),
            rule=QUOTED,
            score=round(evidence.score, 3),
            sources=_cite(evidence),
            suggestions=suggest(match),
        )

    def _make_task(self, asked: Asked, match: Match, evidence: Evidence) -> Task:
        excerpts = take_lines(evidence)
        return Task(
            "knowledge" if excerpts else "model",
            resting=self._rest(asked, match, evidence),
            # Of 7 lines that answered what a small model was asked, it said of 6 that they did not.
            unknown=self._quote(asked, match, evidence)
            if evidence.can_answer
            else self._admit(asked, match),
            excerpts=excerpts,
            sources=_cite(evidence),
            score=round(evidence.score, 3) if excerpts else None,
            suggestions=suggest(match),
        )

    def _admit(self, asked: Asked, match: Match) -> Words:
        """Nobody here knows: said plainly, with whom to ask."""
        return Words(
            "fallback",
            self._say("unknown", asked.language),
            rule=NOT_KNOWN,
            suggestions=suggest(match),
        )

    def _rest(self, asked: Asked, match: Match, evidence: Evidence) -> Words:
        """The model cannot be had: what stands written is quoted, with whom to ask besides."""
        lead, found = "resting_empty", []
        if (passage := evidence.passage) is not None:
            lead, found = "resting", [f"《{passage.title}》", "\n".join(evidence.lines)]
        elif near := suggest(match)[:MOST_NAMED]:
            lead, found = "resting_near", ["\n".join(f"- {question}" for question in near)]
        lines = [self._say(lead, asked.language), *found]
        if found:
            lines.append(self._say("resting_close", asked.language))
        return Words(
            "fallback",
            "\n\n".join(lines),
            rule=RESTING,
            sources=_cite(evidence),
            suggestions=suggest(match),
        )

    def _say(self, key: str, language: Language) -> str:
        return self.charter.shop.words(key, language)

    def _find_ground(self) -> Ground:
        return Ground(self._library.state.version, self.charter.rules)


def answer_from(match: Match) -> Words:
    """The owner's answer to the letter."""
    best = match.hits[0]
    return Words(
        "faq",
        best.entry.answer,
        score=round(best.score, 3),
        sources=cite_entry(best.entry),
    )


def _cite(evidence: Evidence) -> tuple[Cited, ...]:
    return () if evidence.passage is None else (cite_passage(evidence.passage),)


def suggest(match: Match) -> tuple[str, ...]:
    return () if match.outcome == "none" else tuple(hit.entry.question for hit in match.hits)
