"""How much a word says: counts over the owner's texts, and likeness of two texts by their words.

It reads one table of a finished index and knows neither entries nor passages. The rule that must
not break: what a customer typed reaches SQLite as bound values and quoted words only.
"""

from __future__ import annotations

import math
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from appliance.knowledge.bigrams import list_terms, stem
from appliance.knowledge.concepts import is_thing
from appliance.knowledge.folding import normalise
from appliance.knowledge.frames import COMMON

# SQLite reads the list of every word it is asked for; the rarest words find what is meant.
SEARCHED_WORDS = 32
LOOKED_UP_WORDS = 400
COMMON_STEMS = frozenset(map(stem, COMMON))
# Rows that one search may read, all its words together.
READ_ROWS = 1500
# A kettle may be sent back, paid for or mended: what is asked about it counts more than it.
SHARE_OF_A_THING = 0.25


@dataclass(frozen=True, slots=True)
class Weighted:
    """The words of a question: how often each occurs, what each weighs, the length of it all."""

    counts: Mapping[str, int]
    weights: Mapping[str, float]
    length: float
    total: float

    def compare(self, other: Mapping[str, int], other_length: float) -> float:
        """The cosine of two texts, each word weighed by its rarity; 0 to 1."""
        if not self.length or not other_length:
            return 0.0
        weights = self.weights
        shared = sum(
            [
                count * other[word] * weights[word] ** 2
                for word, count in self.counts.items()
                if word in other
            ]
        )
        return min(shared / (self.length * other_length), 1.0)

    def cover(self, words: Collection[str]) -> float:
        """The share of the question's weight that `words` have; 0 to 1."""
        found = sum(weight for word, weight in self.weights.items() if word in words)
        return found / self.total if self.total else 0.0

    def list_rarest(self) -> list[str]:
        """The words worth searching for, those that are known and say most."""
        known = [word for word in self.counts if self.weights[word] > 0]
        return sorted(known, key=lambda word: (-self.weights[word], word))


def count_terms(text: str) -> Counter[str]:
    """Words of a text; those every question has are left out unless there is nothing else."""
    counts = Counter(list_terms(normalise(text)))
    common = COMMON_STEMS.intersection(counts)
    if len(common) < len(counts):
        for word in common:
            del counts[word]
    return counts


def weigh_word(word: str, texts: int, texts_with_it: int) -> float:
    rarity = math.log(1 + (texts - texts_with_it + 0.5) / (texts_with_it + 0.5))
    return rarity * SHARE_OF_A_THING if is_thing(word) else rarity


def measure(counts: Mapping[str, int], weights: Mapping[str, float]) -> float:
    return math.sqrt(sum((count * weights[word]) ** 2 for word, count in counts.items()))


class Lexicon:
    """Counts of one table `name(word, texts)` in an open index of `texts` texts."""

    def __init__(self, db: sqlite3.Connection, name: str, texts: int) -> None:
        self._db = db
        self._sql = f"select word, texts from {name} where word in (%s)"
        self._texts = texts

    def weigh(self, counts: Mapping[str, int]) -> Weighted:
        """A word nobody wrote weighs as much as the rarest: the question is about it, too."""
        asked = dict(list(counts.items())[:LOOKED_UP_WORDS])
        known = self.read_counts(asked)
        weights = {word: weigh_word(word, self._texts, known.get(word, 0)) for word in asked}
        total = sum(weights.values())
        return Weighted(asked, weights, measure(asked, weights), total)

    def read_counts(self, words: Iterable[str]) -> dict[str, int]:
        wanted = list(words)
        marks = ",".join("?" * len(wanted))
        return dict(self._db.execute(self._sql % marks, wanted).fetchall())

    def build_query(self, *asked: Weighted) -> str:
        """An FTS5 query of quoted words: the rarest of each that somebody wrote, at least one."""
        known = self.read_counts(word for each in asked for word in each.counts)
        # By turns: the many words of a long question must not push its few concepts out.
        turns = zip_longest(*(each.list_rarest() for each in asked))
        words = [word for turn in turns for word in turn if word in known]
        chosen: list[str] = []
        for word in words[:SEARCHED_WORDS]:
            if not chosen or sum(known[each] for each in chosen) + known[word] <= READ_ROWS:
                chosen.append(word)
        return " OR ".join(f'"{word}"' for word in chosen)
