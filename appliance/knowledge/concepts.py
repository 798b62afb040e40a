"""What words mean in a shop: 邮费, 快递费 and "postage" are one thing to whoever pays it.

A short table that is shipped, no dictionary; a text without a word of it has no concepts and is
compared by its own words and its vector. The rule that must not break: a concept only ever adds to
what two texts share, or keeps an answer from being sure; no answer is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from appliance.knowledge.bigrams import IS_HAN, stem
from appliance.knowledge.folding import fold

WORD = re.compile(r"[^\W_]+")
HAN_RUN = re.compile(f"(?:{IS_HAN.pattern})+")
LONGEST_CHARS = 6
LONGEST_WORDS = 4
ASPECT = "aspect"
RIVALS = ("thing", "place")
KINDS = (*RIVALS, ASPECT)
# "其他城市 / elsewhere": an entry that names some places and all the others.
ALL_PLACES = "elsewhere"


@dataclass(frozen=True, slots=True)
class Concepts:
    """Names by what stands for them, and the names of each kind that has rivals."""

    chinese: dict[str, tuple[str, ...]]
    others: dict[tuple[str, ...], tuple[str, ...]]
    kinds: dict[str, frozenset[str]]


@lru_cache(maxsize=4096)
def find_concepts(text: str) -> frozenset[str]:
    """The names of the concepts that a text speaks of."""
    folded = fold(text).text
    table = read_concepts()
    found: set[str] = set()
    for piece in list_pieces(folded):
        found.update(table.chinese.get(piece, ()))
    words = [stem(word) for word in WORD.findall(HAN_RUN.sub(" ", folded))]
    for start in range(len(words)):
        for end in range(start + 1, min(start + LONGEST_WORDS, len(words)) + 1):
            found.update(table.others.get(tuple(words[start:end]), ()))
    return frozenset(found)


def list_pieces(folded: str) -> Iterator[str]:
    """Every short piece of a text, whatever its script: 印logo is one, too."""
    for start in range(len(folded)):
        for end in range(start + 1, min(start + LONGEST_CHARS, len(folded)) + 1):
            yield folded[start:end]


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


def lacks_aspect(asked: Collection[str], entry: Collection[str]) -> bool:
    """Whether a question is about a side of things that the entry does not speak of."""
    return bool(read_concepts().kinds[ASPECT].intersection(asked).difference(entry))


@cache
def read_concepts() -> Concepts:
    chinese: dict[str, tuple[str, ...]] = {}
    others: dict[tuple[str, ...], tuple[str, ...]] = {}
    kinds: dict[str, set[str]] = {kind: set() for kind in KINDS}
    table = files("appliance.knowledge").joinpath("concepts.txt").read_text("utf-8")
    lines = (line for line in table.splitlines() if line and not line.startswith("#"))
    for number, line in enumerate(lines):
        name = f"concept{number}"
        kind, _, rest = line.rpartition(": ")
        if kind:
            kinds[kind].add(name)
        left, _, right = rest.partition("|")
        for word in left.split():
            chinese[word] = (*chinese.get(word, ()), name)
        for phrase in right.split(","):
            words = tuple(map(stem, WORD.findall(phrase)))
            if words:
                others[words] = (*others.get(words, ()), name)
    return Concepts(chinese, others, {kind: frozenset(names) for kind, names in kinds.items()})
