"""Questions that mean much the same, put together without a model: by words, pairs of characters
and the table of concepts, and by meaning where vectors are handed in.

It knows no customer and no entry. The rule that must not break: the same questions give the same
groups in the same order, and every question stands in exactly one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from appliance.knowledge.concepts import find_concepts
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.lexicon import count_terms
from appliance.knowledge.rows import find_language
from appliance.knowledge.semantic import scale

# How much more a concept of the table says than a rare word, and meaning beside both; fitted to the
# phrasings of the example shop and the paraphrases of `evals/`.
CONCEPTS = 1.6
MEANING = 0.3
# Of any two questions in the vectors' space; the same ones have 0.88 on the average.
LEAST_COSINE = 0.8
LEAST_BY_WORDS = 0.1
LEAST_BY_MEANING = 0.16
# Of two questions in different languages: an entry is of one.
FOREIGN = 0.5


def group_questions(
    texts: Sequence[str], weights: Sequence[int], vectors: Matrix | None = None
) -> list[list[int]]:
    """Places of `texts`, the largest group by `weights` first and in each the most central text
    first. `vectors` has a row of length 1 for each."""
    if not texts:
        return []
    alike = compare_words(texts)
    least = LEAST_BY_WORDS
    if vectors is not None:
        close = (vectors @ vectors.T - LEAST_COSINE) / (1 - LEAST_COSINE)
        alike = (1 - MEANING) * alike + MEANING * np.clip(close, 0.0, 1.0)
        least = LEAST_BY_MEANING
    languages = np.array([find_language("", text) for text in texts])
    alike = alike - FOREIGN * (languages[:, None] != languages[None, :])
    groups = _join(alike, least)
    ranked = [(sum(weights[place] for place in group), group) for group in groups]
    ranked.sort(key=lambda pair: (-pair[0], pair[1][0]))
    return [_put_central_first(alike, group, weights) for _, group in ranked]


def compare_words(texts: Sequence[str]) -> Matrix:
    """The cosine of each two texts by their rare words and concepts."""
    counted = [_count(text) for text in texts]
    places: dict[str, int] = {}
    for counts in counted:
        for word in counts:
            places.setdefault(word, len(places))
    seen = Counter(word for counts in counted for word in counts)
    rows = np.zeros((len(texts), max(len(places), 1)), np.float32)
    for row, counts in enumerate(counted):
        for word, count in counts.items():
            rarity = math.log(1 + len(texts) / seen[word])
            rows[row, places[word]] = (1 + math.log(count)) * rarity * _weigh(word)
    scaled = scale(rows)
    alike: Matrix = scaled @ scaled.T
    return alike


def _count(text: str) -> Counter[str]:
    counts = Counter(count_terms(text))
    counts.update({f"/{name}": 1 for name in find_concepts(text)})
    return counts


def _weigh(word: str) -> float:
    return CONCEPTS if word.startswith("/") else 1.0


def _join(alike: Matrix, least: float) -> list[list[int]]:
    """The two groups that are most alike on the average become one, until none are."""
    groups = {place: [place] for place in range(len(alike))}
    sums = alike.astype(np.float64)
    np.fill_diagonal(sums, -np.inf)
    sizes = np.ones(len(alike))
    while len(groups) > 1:
        averages = sums / np.outer(sizes, sizes)
        best = int(np.argmax(averages))
        first, second = sorted(divmod(best, len(alike)))
        if averages[first, second] < least:
            break
        groups[first] += groups.pop(second)
        sums[first] += sums[second]
        sums[:, first] = sums[first]
        sums[first, first] = -np.inf
        sums[second], sums[:, second] = -np.inf, -np.inf
        sizes[first] += sizes[second]
    return [sorted(group) for group in groups.values()]


def _put_central_first(alike: Matrix, group: Sequence[int], weights: Sequence[int]) -> list[int]:
    inside = alike[np.ix_(group, group)]
    central = inside @ np.array([weights[place] for place in group], np.float64)
    order = sorted(range(len(group)), key=lambda one: (-float(central[one]), group[one]))
    return [group[one] for one in order]
