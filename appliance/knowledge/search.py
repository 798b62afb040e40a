"""The passages of the owner's documents that speak of what is asked, best first.

Words find them, meanings put them in order where vectors are attached; headings count double.
The rule that must not break: a passage that shares no telling word with the question is not
returned unless its meaning stands out, so that "nothing here" can be said.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from appliance.knowledge.bigrams import list_terms
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import Found, Passage
from appliance.knowledge.folding import fold
from appliance.knowledge.lexicon import Weighted, count_terms
from appliance.knowledge.rows import Rows, find_language
from appliance.knowledge.semantic import scale

CANDIDATES = 24
FLOOR = 0.18
MEANING = 0.5


class PassageSearch:
    """Asked by one thread at a time."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._vectors: Matrix | None = None
        self._centre: Matrix | None = None

    def attach(self, matrix: Matrix) -> None:
        if len(matrix):
            self._centre = matrix.mean(axis=0)
            self._vectors = scale(matrix - self._centre)

    @property
    def centre(self) -> Matrix | None:
        """What all passages have in common; None without vectors."""
        return self._centre

    def find(
        self, question: str, limit: int, vector: Matrix | None = None, floor: float = FLOOR
    ) -> tuple[Found, ...]:
        asked = self._rows.passage_lexicon.weigh(count_terms(question))
        query = self._rows.passage_lexicon.build_query(asked)
        candidates = self._rows.find_passages_by_words(query, CANDIDATES)
        likeness = self._compare(vector)
        if likeness is not None:
            candidates += np.argsort(-likeness, kind="stable")[: CANDIDATES // 2].tolist()
        scored = []
        for place in dict.fromkeys(candidates):
            passage = self._rows.read_passage(place)
            score = cover(asked, passage)
            if likeness is not None:
                score = (1 - MEANING) * score + MEANING * max(float(likeness[place]), 0.0)
            if find_language("", question) != find_language(passage.language, passage.text):
                score *= 0.8
            scored.append((score, place, passage))
        scored.sort(key=lambda row: (-row[0], row[1]))
        return tuple(
            Found(passage, min(score, 1.0)) for score, _, passage in scored if score >= floor
        )[:limit]

    def _compare(self, vector: Matrix | None) -> Matrix | None:
        if self._vectors is None or self._centre is None or vector is None:
            return None
        likeness: Matrix = self._vectors @ scale((vector - self._centre)[None, :])[0]
        return likeness


def cover(asked: Weighted, passage: Passage) -> float:
    """The share of the question's weight that the passage has, its headings' words first."""
    if not asked.total:
        return 0.0
    title = Counter(list_terms(fold(" ".join((passage.title, *passage.headings))).text))
    text = Counter(list_terms(fold(passage.text).text))
    found = sum(
        weight * (1.0 if word in text and word in title else 0.85)
        for word, weight in asked.weights.items()
        if word in text or word in title
    )
    return found / asked.total
