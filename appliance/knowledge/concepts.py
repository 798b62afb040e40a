"""What words mean in a shop: 邮费, 快递费 and "postage" are one thing to whoever pays it.

A short table that is shipped, no dictionary; a text without a word of it has no concepts and is
compared by its own words and its vector. The rule that must not break: a concept only ever adds to
what two texts share, or keeps an answer from being sure; no answer is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from appliance.knowledge.bigrams import IS_HAN, stem
from appliance.knowledge.folding import fold

WORD = re.compile(r"[^\W_]+")
HAN_RUN = re.compile(f"(?:{IS_HAN.pattern})+")
ASPECT = "aspect"
RIVALS = ("thing", "place")
KINDS = (*RIVALS, ASPECT)
# "其他城市 / elsewhere": an entry that names some places and all the others.
ALL_PLACES = "elsewhere"


@dataclass(frozen=True, slots=True)
class Concepts:
    """Names by what stands for them, and the names of each kind that has rivals. `begun`: the
    words of `chinese` by their first character; 印logo is one, too. `lengths`: how many words
    the phrases of `others` have that begin with this one."""

    chinese: dict[str, tuple[str, ...]]
    begun: dict[str, tuple[str, ...]]
    firsts: re.Pattern[str]
    lengths: dict[str, tuple[int, ...]]
    others: dict[tuple[str, ...], tuple[str, ...]]
    kinds: dict[str, frozenset[str]]


@lru_cache(maxsize=4096)
def find_concepts(text: str) -> frozenset[str]:
    """The names of the concepts that a text speaks of."""
    folded = fold(text).text
    table = read_concepts()
    found: set[str] = set()
    for first in table.firsts.finditer(folded):
        for word in table.begun[first[0]]:
            if folded.startswith(word, first.start()):
                found.update(table.chinese[word])
    words = [stem(word) for word in WORD.findall(HAN_RUN.sub(" ", folded))]
    for start, word in enumerate(words):
        for end in table.lengths.get(word, ()):
            found.update(table.others.get(tuple(words[start : start + end]), ()))
    return frozenset(found)


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
    begun: dict[str, tuple[str, ...]] = {}
    for word in chinese:
        begun[word[0]] = (*begun.get(word[0], ()), word)
    firsts = re.compile(f"[{re.escape(''.join(begun))}]")
    lengths: dict[str, tuple[int, ...]] = {}
    for words in others:
        lengths[words[0]] = tuple({*lengths.get(words[0], ()), len(words)})
    named = {kind: frozenset(names) for kind, names in kinds.items()}
    return Concepts(chinese, begun, firsts, lengths, others, named)
