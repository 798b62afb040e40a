"""Likeness in meaning: the cosine of vectors half centred on the owner's own questions, and what
a regression on those nearest to a question says of it.

Pure arithmetic on a matrix; it knows no text and no database. The rule that must not break: the
same matrix gives the same scores to the last bit, and no more is kept in memory than half a
float for each number of the matrix and one for each of its rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.knowledge.embedder import Matrix

FEWEST_FOR_A_CENTRE = 8
CHUNK_ROWS = 4096
# Without all that the owner's questions have in common, a question about anything else would lie
# as near to them as one about his trade.
CENTRED = 0.5
# What two texts that have nothing to do with each other come to then.
UNALIKE = 0.4
# Kernel ridge regression (https://en.wikipedia.org/wiki/Kernel_method): how many of the nearest
# phrasings it reads, how fast their kernel falls with the cosine, and how little one is believed.
NEAREST = 64
STEEPNESS = 2.0
RIDGE = 0.2


class Meanings:
    """`owners[i]` is the entry of row i, `languages[e]` the language of entry e."""

    def __init__(
        self,
        matrix: Matrix,
        answers: Matrix,
        owners: NDArray[np.int32],
        languages: NDArray[np.int8],
    ) -> None:
        self._groups = languages[owners]
        middles = find_centres(matrix, self._groups)
        self.centres = CENTRED * middles
        self._left = middles - self.centres
        self._lengths = np.empty(len(matrix), np.float32)
        self.rows = np.empty(matrix.shape, np.float16)
        for start in range(0, len(matrix), CHUNK_ROWS):
            some = slice(start, start + CHUNK_ROWS)
            moved = matrix[some] - self.centres[self._groups[some]]
            self._lengths[some] = np.linalg.norm(moved, axis=1)
            self.rows[some] = scale(moved)
        sums = np.add.reduceat(self.rows, find_starts(owners), axis=0, dtype=np.float32)
        self.entry_means = scale(sums)
        self.answers = self._place(answers, languages).astype(np.float16)

    def place(self, vector: Matrix, group: int) -> Matrix:
        """A question's vector among the rows."""
        placed: Matrix = self._place(vector[None, :], np.array([group], np.int8))[0]
        return placed

    def compare(self, placed: Matrix, rows: NDArray[np.int64]) -> Matrix:
        return spread(self.rows[rows].astype(np.float32) @ placed)

    def regress(self, vector: Matrix, group: int, rows: NDArray[np.int64]) -> Matrix:
        """How much a question is each of `rows` and none of the others, all vectors wholly
        centred: about 1 in all, a row far from it 0, one that says the same as another half."""
        asked = scale((vector - self.centres[group] - self._left[group])[None, :])[0]
        kept = self.rows[rows].astype(np.float32) * self._lengths[rows, None]
        placed = scale(kept - self._left[self._groups[rows]])
        alike = np.einsum("ij,j->i", placed, asked)
        nearest = np.argsort(-alike, kind="stable")[:NEAREST]
        some = placed[nearest]
        # Not by a library that waits for a second thread: see Intents.
        kernel = np.exp(STEEPNESS * (np.einsum("ij,kj->ik", some, some) - 1))
        kernel[np.diag_indices(len(some))] += RIDGE
        shares = np.zeros(len(rows), np.float32)
        shares[nearest] = np.linalg.solve(kernel, np.exp(STEEPNESS * (alike[nearest] - 1)))
        return shares

    def compare_answers(self, placed: Matrix, entries: NDArray[np.int64]) -> Matrix:
        return spread(self.answers[entries].astype(np.float32) @ placed)

    def find_entries(self, placed: Matrix, limit: int) -> list[int]:
        """The entries whose phrasings lie nearest on the whole, best first."""
        likeness = self.entry_means @ placed
        if limit < len(likeness):
            best = np.argpartition(-likeness, limit)[:limit]
        else:
            best = np.arange(len(likeness))
        order: list[int] = best[np.lexsort((best, -likeness[best]))].tolist()
        return order

    def _place(self, matrix: Matrix, groups: NDArray[np.int8]) -> Matrix:
        return scale(matrix - self.centres[groups])


def find_centres(matrix: Matrix, groups: NDArray[np.int8]) -> Matrix:
    """The mean of each language; of one with few phrasings the mean of all."""
    centres = np.repeat(matrix.mean(axis=0, keepdims=True), int(groups.max(initial=0)) + 2, axis=0)
    for group in np.unique(groups):
        rows = matrix[groups == group]
        if len(rows) >= FEWEST_FOR_A_CENTRE:
            centres[group] = rows.mean(axis=0)
    return centres


def spread(cosines: NDArray[Any]) -> Matrix:
    """Likeness from 0 for unrelated texts to 1."""
    likeness: Matrix = ((cosines - UNALIKE) / (1 - UNALIKE)).astype(np.float32)
    return likeness


def scale(matrix: NDArray[Any]) -> Matrix:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    scaled: Matrix = (matrix / np.maximum(lengths, 1e-9)).astype(np.float32)
    return scaled


def find_starts(owners: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where the rows of each entry begin; every entry has one row at least."""
    return np.flatnonzero(np.diff(owners, prepend=-1))
