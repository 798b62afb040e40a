"""What the ladder is compared with: BM25 alone, embeddings alone, the bare model.

Each gets what it needs to be at its best by itself: BM25 bigrams for Chinese and words for
English, embeddings every phrasing, the model the shop's system prompt. None gets a threshold of
its own: they are compared at the same coverage.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from appliance.engine.engine import Broken, Engine, Generation, Piece, Sampling
from appliance.knowledge.embedder import Embedder
from appliance.knowledge.entries import Entry
from appliance.knowledge.folding import normalise
from appliance.settings import Settings

K1, B = 1.2, 0.75
WORDS = re.compile(r"[a-z0-9]+|[^a-z0-9\s]+")


class Ranker(Protocol):
    def rank(self, question: str) -> tuple[Entry, float]:
        """The best entry and its score."""


class Bm25:
    """Okapi's formula over every phrasing; an entry is as good as its best one."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._documents = [(entry, cut_terms(one)) for entry in entries for one in entry.questions]
        counts = Counter(term for _, terms in self._documents for term in set(terms))
        total = len(self._documents)
        self._weights = {
            term: math.log(1 + (total - count + 0.5) / (count + 0.5))
            for term, count in counts.items()
        }
        self._mean_terms = sum(len(terms) for _, terms in self._documents) / total

    def rank(self, question: str) -> tuple[Entry, float]:
        asked = set(cut_terms(question))
        scored = ((entry, self._score(asked, terms)) for entry, terms in self._documents)
        return max(scored, key=lambda one: one[1])

    def _score(self, asked: set[str], terms: Sequence[str]) -> float:
        counts = Counter(term for term in terms if term in asked)
        length = K1 * (1 - B + B * len(terms) / self._mean_terms)
        return sum(
            self._weights[term] * count * (K1 + 1) / (count + length)
            for term, count in counts.items()
        )


def cut_terms(text: str) -> list[str]:
    """Words of Latin letters, bigrams of everything else."""
    terms: list[str] = []
    for run in WORDS.findall(normalise(text)):
        is_latin = run.isascii()
        terms += [run] if is_latin or len(run) == 1 else map("".join, pairwise(run))
    return terms


class Cosine:
    """The nearest phrasing by its vector."""

    def __init__(self, embedder: Embedder, entries: Sequence[Entry]) -> None:
        self._embedder = embedder
        self._entries = [entry for entry in entries for _ in entry.questions]
        self._rows = embedder.embed([one for entry in entries for one in entry.questions])

    def rank(self, question: str) -> tuple[Entry, float]:
        scores = self._rows @ self._embedder.embed([question])[0]
        best = int(scores.argmax())
        return self._entries[best], float(scores[best])


async def ask_bare(engine: Engine, settings: Settings, question: str, number: int) -> str:
    """What the model says to the system prompt and the question, and nothing else."""
    system, asked = await engine.encode([settings.system_prompt, question])
    run = engine.generate(
        Generation(
            conversation=f"bare {number}",
            prompt=engine.template.render(system, [], asked),
            max_new_tokens=settings.max_new_tokens,
            sampling=Sampling(
                settings.temperature, settings.top_k, settings.top_p, settings.repeat_penalty
            ),
        )
    )
    text = ""
    async for output in run:
        if isinstance(output, Piece):
            text += output.text
        elif isinstance(output, Broken):
            raise RuntimeError(output.message)
    await engine.forget(f"bare {number}")
    return text.strip()
