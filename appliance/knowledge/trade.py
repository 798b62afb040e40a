"""How much of a text the table of concepts knows: whether a shop is of a trade it was written for.

A shop of pots and lamps is described by `concepts.txt` nearly word for word, a bicycle workshop is
not; there the words themselves and their meaning must count instead. It compares nothing. The rule
that must not break: function words and figures count neither way, and a text of nothing else is
not known.
"""

from __future__ import annotations

from functools import lru_cache

from appliance.knowledge.bigrams import IS_HAN, stem
from appliance.knowledge.concepts import HAN_RUN, WORD, read_concepts
from appliance.knowledge.focus import is_empty_word, list_empty_places
from appliance.knowledge.folding import normalise

# Two Chinese characters say about as much as one word of other scripts.
CHARACTER = 0.5
# A shop is a stranger up to here, and of the table's own trade from there on.
STRANGE, FAMILIAR = 0.45, 0.8


def rate_trade(known: float) -> float:
    """0 to 1: how far the table may be relied on in a shop whose questions it knows so well."""
    return min(max((known - STRANGE) / (FAMILIAR - STRANGE), 0.0), 1.0)


@lru_cache(maxsize=1024)
def measure_known(text: str) -> float:
    """The share of the telling words of a text that are words of the table."""
    normal = normalise(text)
    known_chars, chars = _count_characters(normal)
    known_words, words = _count_words(normal)
    total = CHARACTER * chars + words
    return (CHARACTER * known_chars + known_words) / total if total else 0.0


def _count_characters(normal: str) -> tuple[int, int]:
    """Chinese characters inside the table's words, and all that tell something."""
    table = read_concepts()
    covered: set[int] = set()
    for first in table.firsts.finditer(normal):
        for word in table.begun[first[0]]:
            if normal.startswith(word, first.start()):
                covered.update(range(first.start(), first.start() + len(word)))
    places = {place for place, char in enumerate(normal) if IS_HAN.match(char)}
    known = places & covered
    return len(known), len(known | (places - list_empty_places(normal)))


def _count_words(normal: str) -> tuple[float, float]:
    """The same for words of other scripts; an empty word inside a phrase counts half."""
    table = read_concepts()
    words = [stem(word) for word in WORD.findall(HAN_RUN.sub(" ", normal)) if not word.isdigit()]
    covered: set[int] = {place for place, word in enumerate(words) if word in table.chinese}
    for start, word in enumerate(words):
        for length in table.lengths.get(word, ()):
            if tuple(words[start : start + length]) in table.others:
                covered.update(range(start, start + length))
    known = total = 0.0
    for place, word in enumerate(words):
        weight = 1.0 if not is_empty_word(word) else 0.5 if place in covered else 0.0
        known += weight * (place in covered)
        total += weight
    return known, total
