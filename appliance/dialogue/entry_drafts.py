"""What an operator wants to publish, made fit for the shop's knowledge, and what speaks against it.

It publishes nothing. The rules that must not break: no question or phrasing keeps what is
somebody's, and what would take an owner's entry out of the answers is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from appliance.dialogue.memory_kinds import MemoryBook
from appliance.dialogue.personal import take_out_personal
from appliance.errors import InvalidField
from appliance.knowledge.entries import Fault, Hit
from appliance.knowledge.faq_entries import (
    MAX_ANSWER_CHARS,
    MAX_PHRASINGS,
    MAX_QUESTION_CHARS,
    PHRASING_ENDS,
    make_key,
)
from appliance.knowledge.library import Library
from appliance.knowledge.published import Draft
from appliance.knowledge.readings import describe
from appliance.knowledge.texts import clean

Field: TypeAlias = Literal["question", "phrasing", "answer"]
# What a shop's own answer names rightly: its shop's telephone, its address, its site.
OF_A_SHOP = frozenset(("phone", "email", "url", "address", "number"))


@dataclass(frozen=True, slots=True)
class Warned:
    """In `field`, at `place` among the phrasings, values of `kinds` were taken out; in an answer
    they were left and are only told."""

    field: Field
    place: int
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collision:
    """`text` of the draft is answered already. `is_same`: word for word, so that one of the two
    would be left out."""

    text: str
    id: str
    title: str
    answer: str
    score: float
    is_same: bool


def tidy(book: MemoryBook, wish: Draft) -> tuple[Draft, tuple[Warned, ...]]:
    """Raises InvalidField for what no entry can be."""
    warned: list[Warned] = []
    question = _tidy_question(book, wish.question, "question", 0, warned)
    if not question:
        raise InvalidField("question", "The question is empty without what is somebody's own.")
    phrasings: dict[str, str] = {make_key(question): ""}
    for place, text in enumerate(wish.phrasings):
        phrasing = _tidy_question(book, text, "phrasing", place, warned)
        if phrasing:
            phrasings.setdefault(make_key(phrasing), phrasing)
    told = [one for one in phrasings.values() if one]
    if len(told) > MAX_PHRASINGS:
        raise InvalidField("phrasings", f"At most {MAX_PHRASINGS} phrasings are taken.")
    answer = clean(wish.answer).strip()
    if not answer or len(answer) > MAX_ANSWER_CHARS:
        raise InvalidField("answer", f"The answer has 1 to {MAX_ANSWER_CHARS:,} characters.")
    kinds = tuple(k for k in take_out_personal(book, answer).kinds if k not in OF_A_SHOP)
    if kinds:
        warned.append(Warned("answer", 0, kinds))
    return Draft(question, answer, tuple(told)), tuple(warned)


def _tidy_question(
    book: MemoryBook, text: str, field: Field, place: int, warned: list[Warned]
) -> str:
    """On one line, without the sign that parts phrasings."""
    whole = " ".join(PHRASING_ENDS.sub(" ", clean(text)).split())
    if len(whole) > MAX_QUESTION_CHARS:
        name = "question" if field == "question" else f"phrasings.{place}"
        raise InvalidField(name, f"At most {MAX_QUESTION_CHARS} characters are taken.")
    cleaned = take_out_personal(book, whole)
    if cleaned.kinds:
        warned.append(Warned(field, place, cleaned.kinds))
    return cleaned.text


async def find_collisions(draft: Draft, library: Library) -> tuple[Collision, ...]:
    """Each entry once, by the wording that is closest to it."""
    found: dict[str, Collision] = {}
    for text in (draft.question, *draft.phrasings):
        match = await library.match(text)
        if match.outcome != "sure":
            continue
        one = _collide(text, match.hits[0])
        if one.id not in found or one.score > found[one.id].score:
            found[one.id] = one
    return tuple(sorted(found.values(), key=lambda one: (-one.score, one.title)))


def _collide(text: str, hit: Hit) -> Collision:
    entry, is_same = hit.entry, hit.score >= 1.0
    return Collision(text, entry.id, entry.question, entry.answer, round(hit.score, 3), is_same)


def find_new_faults(before: Iterable[Fault], after: Iterable[Fault]) -> tuple[str, ...]:
    """What the folder's check says with the draft in it and did not say without."""
    known = {(one.message, one.origin) for one in before}
    return tuple(describe(one) for one in after if (one.message, one.origin) not in known)
