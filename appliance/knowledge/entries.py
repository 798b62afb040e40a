"""What a shop owner wrote, as plain values: questions with answers, and passages of documents.

They are read by `importer.py`, kept by `index.py` and know neither a file format nor a database.
The rule that must not break: an answer is the owner's text to the letter, and every value says in
which file and row it stands, so that a fault can be found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["sure", "near", "none"]

# Where nothing tells whether by the one or by the other.
EVENLY = 0.5


@dataclass(frozen=True, slots=True)
class Origin:
    """`file` is relative to the knowledge folder; rows count from 1, 0 means the whole file.
    `sheet` is named where a workbook has several."""

    file: str
    row: int = 0
    column: str = ""
    sheet: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer and the ways to ask for it. Both days of its validity are included."""

    id: str
    question: str
    answer: str
    origin: Origin
    phrasings: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    language: str = ""

    @property
    def questions(self) -> tuple[str, ...]:
        return (self.question, *self.phrasings)

    def is_valid_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of the document `title` that can be read alone; `headings` lead to it, outermost
    first."""

    id: str
    title: str
    text: str
    origin: Origin
    headings: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in the owner's files that was left out (an error) or taken with doubts."""

    level: Literal["error", "warning"]
    message: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` from 0 to 1: how sure it is that `entry` answers what was asked."""

    entry: Entry
    score: float


@dataclass(frozen=True, slots=True)
class Match:
    """`hits` are the closest entries, best first, at most three; only a "sure" one is an answer.
    None `may_be_sure` where an entry that is not valid today would be the answer. `told`, 0 to 1,
    is how far this owner's entries are found by what customers come for and not by his wording."""

    outcome: Outcome
    hits: tuple[Hit, ...] = ()
    may_be_sure: bool = True
    told: float = EVENLY


@dataclass(frozen=True, slots=True)
class Found:
    passage: Passage
    score: float
