"""The misses of late as an operator works through them: groups, each with what may help to answer.

It judges and changes nothing. The rule that must not break: a wording is shown as the customer
wrote it, but what is offered as a phrasing has lost what is somebody's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256

import numpy as np

from appliance.dialogue.ladder import HANDOFF
from appliance.dialogue.language import Language, language_of
from appliance.dialogue.learning import Learning
from appliance.dialogue.memory_kinds import MemoryBook
from appliance.dialogue.misses import Question, Reason
from appliance.dialogue.personal import take_out_personal
from appliance.dialogue.replay import Asked, gather
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import Hit
from appliance.knowledge.folding import normalise
from appliance.knowledge.frames import find_essence
from appliance.knowledge.grouping import group_questions

MOST_WORDINGS = 800
MOST_GROUPS = 100
MOST_SHOWN = 40
MOST_ANSWERS = 5


@dataclass(frozen=True, slots=True)
class Wording:
    """`text` as it was asked `times` times, last in session `session_key`; `phrasing` is what an
    entry may have of it, and `kinds` names what was taken out."""

    text: str
    phrasing: str
    kinds: tuple[str, ...]
    times: int
    reasons: tuple[Reason, ...]
    at_ms: int
    session_key: str


@dataclass(frozen=True, slots=True)
class Group:
    """`said` is what operators answered, `offered` the entries that come closest."""

    id: str
    language: Language
    questions: int
    sessions: int
    reasons: Mapping[Reason, int]
    last_at_ms: int
    wordings: tuple[Wording, ...]
    said: tuple[str, ...]
    offered: tuple[Hit, ...]

    @property
    def title(self) -> str:
        return self.wordings[0].text


@dataclass(frozen=True, slots=True)
class Day:
    """How many questions of a day were answered without a person and without a miss."""

    day: str
    asked: int
    answered: int


@dataclass(frozen=True, slots=True)
class Missed:
    """`learned` misses are answered by now and stand in no group."""

    groups: tuple[Group, ...]
    days: tuple[Day, ...]
    asked: int
    answered: int
    learned: int
    is_cut: bool


async def list_missed(learning: Learning, days: int) -> Missed:
    """Raises StoreUnavailable."""
    questions = await learning.read_questions(days)
    topics = [one for one in questions if one.is_missed and one.turn.rule != HANDOFF]
    every, is_cut = gather(topics, MOST_WORDINGS)
    left = await learning.keep_unlearned(every)
    vectors = await _embed(learning, [asked.text for asked in left])
    book = learning.ladder.charter.memory
    groups = await asyncio.to_thread(_group, left, vectors, book)
    shown = [await _add_offered(learning, group) for group in groups[:MOST_GROUPS]]
    missed = sum(one.is_missed for one in questions)
    unlearned = sum(len(asked.questions) for asked in left)
    return Missed(
        tuple(shown),
        tuple(_count_days(questions)),
        len(questions),
        len(questions) - missed,
        sum(len(asked.questions) for asked in every) - unlearned,
        is_cut or len(groups) > MOST_GROUPS,
    )


async def _embed(learning: Learning, texts: Sequence[str]) -> Matrix | None:
    """The same rows as the ladder compares; where it has none, words alone group."""
    embedder = learning.embedder
    if embedder is None or not texts:
        return None
    rows = [await asyncio.to_thread(embedder.embed, [find_essence(text)]) for text in texts]
    return np.concatenate(rows)


def _group(every: Sequence[Asked], vectors: Matrix | None, book: MemoryBook) -> list[Group]:
    texts = [normalise(asked.text) or asked.text for asked in every]
    weights = [len(asked.questions) for asked in every]
    return [
        _make_group([every[place] for place in places], book)
        for places in group_questions(texts, weights, vectors)
    ]


def _make_group(every: Sequence[Asked], book: MemoryBook) -> Group:
    questions = [one for asked in every for one in asked.questions]
    said = dict.fromkeys(one.said for one in questions if one.said)
    title = every[0].text
    return Group(
        sha256(title.encode("utf-8", "surrogatepass")).hexdigest()[:12],
        language_of(title),
        len(questions),
        len({one.turn.session_key for one in questions}),
        Counter(reason for one in questions for reason in one.reasons),
        max(one.turn.at_ms for one in questions),
        tuple(_make_wording(asked, book) for asked in every[:MOST_SHOWN]),
        tuple(said)[:MOST_ANSWERS],
        (),
    )


def _make_wording(asked: Asked, book: MemoryBook) -> Wording:
    cleaned = take_out_personal(book, asked.text)
    reasons = dict.fromkeys(reason for one in asked.questions for reason in one.reasons)
    last = asked.questions[0].turn
    return Wording(
        asked.text,
        cleaned.text,
        cleaned.kinds,
        len(asked.questions),
        tuple(reasons),
        last.at_ms,
        last.session_key,
    )


async def _add_offered(learning: Learning, group: Group) -> Group:
    match = await learning.library.match(group.title)
    return replace(group, offered=match.hits if match.outcome != "none" else ())


def _count_days(questions: Iterable[Question]) -> list[Day]:
    """By the box's own calendar, the first day first."""
    asked: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for one in questions:
        day = date.fromtimestamp(one.turn.at_ms / 1000).isoformat()
        asked[day] += 1
        answered[day] += not one.is_missed
    return [Day(day, asked[day], answered[day]) for day in sorted(asked)]
