"""What words mean in a shop: 邮费, 快递费 and "postage" are one thing to whoever pays it.

A short table that is shipped, no dictionary; a text without a word of it has no concepts and is
compared by its own words and its vector. The rule that must not break: a concept only ever adds to
what two texts share, or keeps an answer from being sure; no answer is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple, TypeAlias

from appliance.knowledge.bigrams import IS_HAN, stem
from appliance.knowledge.folding import fold

WORD = re.compile(r"[^\W_]+")
HAN_RUN = re.compile(f"(?:{IS_HAN.pattern})+")
ASPECT = "aspect"
TOPIC = "topic"
THING = "thing"
RIVALS = (THING, "place")
KINDS = (*RIVALS, ASPECT, TOPIC)
# "其他城市 / elsewhere": an entry that names some places and all the others.
ALL_PLACES = "elsewhere"
# What may stand in the place of a "~": so many Chinese characters, so many words of other scripts.
GAP_CHARS, GAP_WORDS = 4, 3

Units: TypeAlias = str | tuple[str, ...]


class Term(NamedTuple):
    """Characters of Chinese or words of other scripts, and what follows after a gap, if any."""

    head: Units
    tail: Units
    name: str

    def find_end(self, units: Units, start: int, gap: int) -> int:
        """Where it ends in `units` that may begin at `start`; 0 where it does not stand there."""
        end = start + len(self.head)
        if units[start:end] != self.head:
            return 0
        if not self.tail:
            return end
        size = len(self.tail)
        for place in range(end, min(end + gap, len(units) - size) + 1):
            if units[place : place + size] == self.tail:
                return place + size
        return 0


@dataclass(frozen=True, slots=True)
class Concepts:
    """The terms by their first character or word, and the names of each kind. `firsts` finds
    where one of the Chinese may begin."""

    chinese: Mapping[str, Sequence[Term]]
    others: Mapping[str, Sequence[Term]]
    firsts: re.Pattern[str]
    kinds: Mapping[str, frozenset[str]]


@lru_cache(maxsize=4096)
def find_concepts(text: str) -> frozenset[str]:
    """The names of the concepts that a text speaks of."""
    folded = fold(text).text
    chinese = {name for name, _, _ in find_chinese(folded)}
    return frozenset(chinese.union(name for name, _, _ in find_others(cut_words(folded))))


def find_chinese(folded: str) -> Iterator[tuple[str, int, int]]:
    """The concepts that Chinese words stand for, and from where to where."""
    table = read_concepts()
    for first in table.firsts.finditer(folded):
        for term in table.chinese[first[0]]:
            if end := term.find_end(folded, first.start(), GAP_CHARS):
                yield term.name, first.start(), end


def find_others(words: tuple[str, ...]) -> Iterator[tuple[str, int, int]]:
    """The same for the stems of other words."""
    table = read_concepts()
    for start, word in enumerate(words):
        for term in table.others.get(word, ()):
            if end := term.find_end(words, start, GAP_WORDS):
                yield term.name, start, end


def cut_words(folded: str) -> tuple[str, ...]:
    return tuple(map(stem, WORD.findall(HAN_RUN.sub(" ", folded))))


def is_about_another(asked: Collection[str], entry: Collection[str]) -> bool:
    """Whether a question names a thing or a place and the entry only others of its kind."""
    kinds = read_concepts().kinds
    everywhere = next(iter(find_concepts(ALL_PLACES)), "")
    for kind in RIVALS:
        wanted = kinds[kind].intersection(asked)
        offered = kinds[kind].intersection(entry)
        if wanted and offered and not wanted & offered and everywhere not in offered:
            return True
    return False


def is_thing(name: str) -> bool:
    return any(name in read_concepts().kinds[kind] for kind in RIVALS)


def list_lacking(kind: str, asked: Collection[str], entry: Collection[str]) -> frozenset[str]:
    """What of one kind a question is about and the entry does not speak of."""
    return read_concepts().kinds[kind].intersection(asked).difference(entry)


@cache
def read_concepts() -> Concepts:
    chinese: dict[str, list[Term]] = {}
    others: dict[str, list[Term]] = {}
    kinds: dict[str, set[str]] = {kind: set() for kind in KINDS}
    table = files("appliance.knowledge").joinpath("concepts.txt").read_text("utf-8")
    lines = (line for line in table.splitlines() if line and not line.startswith("#"))
    for number, line in enumerate(lines):
        name = f"concept{number}"
        kind, _, rest = line.rpartition(": ")
        if kind:
            kinds[kind].add(name)
        left, _, right = rest.partition("|")
        for written in left.split():
            head, _, tail = written.partition("~")
            chinese.setdefault(head[0], []).append(Term(head, tail, name))
        for phrase in right.split(","):
            before, _, after = phrase.partition("~")
            if words := cut_words(before):
                others.setdefault(words[0], []).append(Term(words, cut_words(after), name))
    firsts = re.compile(f"[{re.escape(''.join(chinese))}]")
    named = {kind: frozenset(names) for kind, names in kinds.items()}
    return Concepts(chinese, others, firsts, named)
