"""How much of a text the table of concepts knows: whether a shop is of a trade it was written for.

A shop of pots and lamps is described by `concepts.txt` nearly word for word, a bicycle workshop is
not; there the words themselves and their meaning must count instead. It compares nothing. The rule
that must not break: function words and figures count neither way, and a text of nothing else is
not known.
"""

from __future__ import annotations

from functools import lru_cache

from appliance.knowledge.bigrams import IS_HAN
from appliance.knowledge.concepts import TOPIC, cut_words, find_chinese, find_others, read_concepts
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
    covered: set[int] = set()
    topics = read_concepts().kinds[TOPIC]
    for name, start, end in find_chinese(normal):
        if name not in topics:
            covered.update(range(start, end))
    places = {place for place, char in enumerate(normal) if IS_HAN.match(char)}
    known = places & covered
    return len(known), len(known | (places - list_empty_places(normal)))


def _count_words(normal: str) -> tuple[float, float]:
    """The same for words of other scripts; an empty word inside a phrase counts half."""
    words = tuple(word for word in cut_words(normal) if not word.isdigit())
    covered: set[int] = set()
    topics = read_concepts().kinds[TOPIC]
    for name, start, end in find_others(words):
        if name not in topics:
            covered.update(range(start, end))
    known = total = 0.0
    for place, word in enumerate(words):
        weight = 1.0 if not is_empty_word(word) else 0.5 if place in covered else 0.0
        known += weight * (place in covered)
        total += weight
    return known, total
