"""Likeness in meaning: the cosine of vectors half centred on the owner's own questions, and what
a regression on those nearest to a question says of it.

Pure arithmetic on a matrix; it knows no text and no database. The rule that must not break: the
same matrix gives the same scores to the last bit, and no more is kept in memory than a byte for
each number of the phrasings and six for each of an entry's mean and answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.knowledge.embedder import Matrix

FEWEST_FOR_A_CENTRE = 8
# Memory that large pieces were put aside in stays with the process (mallopt(3),
# M_MMAP_THRESHOLD): 48 MB more by pieces of 4,096 rows.
CHUNK_ROWS = 1024
SMALLEST = 1e-9
# A row is kept in bytes, each so many steps of the row's own at most.
LARGEST_STEP = 127
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
        self._rows = np.empty(matrix.shape, np.int8)
        self._steps = np.empty(len(matrix), np.float32)
        sums = np.zeros((len(languages), matrix.shape[1]), np.float32)
        for start in range(0, len(matrix), CHUNK_ROWS):
            some = slice(start, start + CHUNK_ROWS)
            moved = matrix[some] - self.centres[self._groups[some]]
            self._lengths[some] = np.linalg.norm(moved, axis=1)
            placed = scale(moved)
            starts = find_starts(owners[some])
            sums[owners[some][starts]] += np.add.reduceat(placed, starts, axis=0)
            self._steps[some] = np.abs(placed).max(axis=1, initial=SMALLEST) / LARGEST_STEP
            self._rows[some] = np.rint(placed / self._steps[some, None])
        sums /= np.sqrt(np.einsum("ij,ij->i", sums, sums))[:, None] + SMALLEST
        self._entry_means = sums
        self._answers = np.empty(answers.shape, np.float16)
        for start in range(0, len(answers), CHUNK_ROWS):
            some = slice(start, start + CHUNK_ROWS)
            self._answers[some] = self._place(answers[some], languages[some])

    def place(self, vector: Matrix, group: int) -> Matrix:
        """A question's vector among the rows."""
        placed: Matrix = self._place(vector[None, :], np.array([group], np.int8))[0]
        return placed

    def compare(self, placed: Matrix, rows: NDArray[np.int64]) -> Matrix:
        return spread((self._rows[rows].astype(np.float32) @ placed) * self._steps[rows])

    def regress(self, vector: Matrix, group: int, rows: NDArray[np.int64]) -> Matrix:
        """How much a question is each of `rows` and none of the others, all vectors wholly
        centred: about 1 in all, a row far from it 0, one that says the same as another half."""
        asked = scale((vector - self.centres[group] - self._left[group])[None, :])[0]
        lengths = self._steps[rows] * self._lengths[rows]
        kept = self._rows[rows].astype(np.float32) * lengths[:, None]
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
        return spread(self._answers[entries].astype(np.float32) @ placed)

    def find_entries(self, placed: Matrix, limit: int) -> list[int]:
        """The entries whose phrasings lie nearest on the whole, best first."""
        likeness = self._entry_means @ placed
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
    scaled: Matrix = (matrix / np.maximum(lengths, SMALLEST)).astype(np.float32)
    return scaled


def find_starts(owners: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where the rows of each entry begin; every entry has one row at least."""
    return np.flatnonzero(np.diff(owners, prepend=-1))
