"""The lines of all documents and what they mean: those that may answer a question.

It weighs no word and decides nothing; that is done in `evidence.py`. The rule that must not
break: without vectors the lines of the passages that were found are all still there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import Found, Passage
from appliance.knowledge.lines import list_lines
from appliance.knowledge.semantic import scale

# Beside those of the best passages; the right line was always among so many.
NEAREST = 12


@dataclass(frozen=True, slots=True)
class Line:
    """`score` is its passage's, `meaning` how like the question it is; None without vectors."""

    passage: Passage
    text: str
    score: float = 0.0
    meaning: float | None = None

    @property
    def place(self) -> str:
        return " ".join((self.passage.title, *self.passage.headings))


def list_line_texts(passages: Iterable[Passage]) -> Iterator[str]:
    """Each line below its nearest heading, as it is embedded."""
    for passage in passages:
        for line in list_lines(passage.text):
            yield " ".join((*passage.headings[-1:], line))


class LineSearch:
    """Asked by one thread at a time."""

    def __init__(self, read_passage: Callable[[int], Passage]) -> None:
        self._read_passage = read_passage
        self._vectors: Matrix | None = None
        self._centre: Matrix | None = None
        # Where the lines of each passage begin among the rows.
        self._starts: list[int] = []
        self._positions: dict[str, int] = {}

    def attach(self, passages: Iterable[Passage], matrix: Matrix) -> None:
        """One row of `matrix` for each of `list_line_texts`."""
        start = 0
        for position, passage in enumerate(passages):
            self._positions[passage.id] = position
            self._starts.append(start)
            start += sum(1 for _ in list_lines(passage.text))
        if len(matrix) != start:
            raise ValueError("not the vectors of these lines")
        if start:
            self._centre = matrix.mean(axis=0)
            self._vectors = scale(matrix - self._centre)

    def gather(self, found: Sequence[Found], vector: Matrix | None) -> list[Line]:
        """The lines of the passages that were found, and of all others those nearest in
        meaning."""
        likeness = self._compare(vector)
        if likeness is None:
            return [
                Line(one.passage, text, one.score)
                for one in found
                for text in list_lines(one.passage.text)
            ]
        scores = {self._positions[one.passage.id]: one.score for one in found}
        near = np.argsort(-likeness, kind="stable")[:NEAREST]
        owners = np.searchsorted(self._starts, near, side="right") - 1
        wanted = dict(zip(near.tolist(), owners.tolist(), strict=True))
        gathered: list[Line] = []
        for position in dict.fromkeys((*scores, *wanted.values())):
            passage, start = self._read_passage(position), self._starts[position]
            for row, text in enumerate(list_lines(passage.text), start):
                if position in scores or row in wanted:
                    score = scores.get(position, 0.0)
                    gathered.append(Line(passage, text, score, float(likeness[row])))
        return gathered

    def _compare(self, vector: Matrix | None) -> Matrix | None:
        if self._vectors is None or self._centre is None or vector is None:
            return None
        likeness: Matrix = self._vectors @ scale((vector - self._centre)[None, :])[0]
        return likeness
