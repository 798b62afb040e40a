"""What customers of any shop come for: a text is known by the wishes that it is likely to be.

A stranger's words and the owner's may lie far apart and still be one wish, Chinese or English. A
softmax regression from a vector to its wish is shipped, since wishes are the same in every shop;
`benchmarks/intents.py` fits it to the sentences of `benchmarks/intents.txt`. The rule that must
not break: vectors of another embedder are never judged; then there are no intents and nothing
else changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from appliance.knowledge.embedder import Matrix
from appliance.knowledge.semantic import find_starts, scale

# How far what all sentences of a language have in common is taken away.
CENTRED = 0.9
CHUNK_ROWS = 2048
CHUNK_ENTRIES = 256
# Of an entry; the others together hardly count.
KEPT_WISHES = 32
LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Intents:
    """`weights` has a row for each number of a vector and a column for each wish, `bias` one
    number for each, `centres` a row for each language. The last wishes, `vain` of them, are no
    business of a shop."""

    weights: Matrix
    bias: Matrix
    centres: Matrix
    vain: int = 0

    def rate_business(self, vector: Matrix, language: int) -> float:
        """How likely a question is one for a shop, whatever it sells; 0 to 1."""
        likely = self.profile(vector[None, :], np.array([language], np.int8))[0] ** 2
        return float(likely[: len(likely) - self.vain].sum() / likely.sum())

    def profile(self, matrix: Matrix, languages: NDArray[np.int8]) -> Matrix:
        """A row of length 1 for each text, the roots of how likely it is each of the wishes: the
        product of two rows is the Bhattacharyya coefficient of what their texts are."""
        profiles = np.empty((len(matrix), len(self.bias)), np.float32)
        for start in range(0, len(matrix), CHUNK_ROWS):
            some = slice(start, start + CHUNK_ROWS)
            likely = self._weigh(place(matrix[some], self.centres, languages[some]))
            likely -= likely.max(axis=1, keepdims=True)
            profiles[some] = scale(np.exp(likely / 2))
        return profiles

    def _weigh(self, placed: Matrix) -> Matrix:
        # A library's product of many numbers waits for a second thread, which a machine that
        # is busy has not: one question is weighed in 0.2 ms without and in 16 ms with it.
        is_one = len(placed) == 1
        product: Matrix = (
            np.einsum("ij,jk->ik", placed, self.weights) if is_one else placed @ self.weights
        )
        return product + self.bias


class Profiles:
    """What the customers of each entry come for: the likeliest wishes of its phrasings' profiles,
    summed."""

    def __init__(
        self,
        intents: Intents,
        matrix: Matrix,
        owners: NDArray[np.int32],
        languages: NDArray[np.int8],
    ) -> None:
        """`owners[i]` is the entry of row i, in their order, each of one row at least;
        `languages[e]` the language of entry e."""
        self._intents = intents
        kept = min(KEPT_WISHES, len(intents.bias))
        self._wishes = np.empty((len(languages), kept), np.int16)
        self._sums = np.empty((len(languages), kept), np.float16)
        for start in range(0, len(languages), CHUNK_ENTRIES):
            end = min(start + CHUNK_ENTRIES, len(languages))
            first, last = np.searchsorted(owners, (start, end)).tolist()
            own = owners[first:last]
            profiles = intents.profile(matrix[first:last], languages[own])
            sums = np.add.reduceat(profiles, find_starts(own), axis=0)
            wishes = np.argpartition(-sums, kept - 1, axis=1)[:, :kept]
            self._wishes[start:end] = wishes
            self._sums[start:end] = np.take_along_axis(sums, wishes, axis=1)

    def read(self, vector: Matrix, language: int) -> Matrix:
        """The profile of one question."""
        profile: Matrix = self._intents.profile(vector[None, :], np.array([language], np.int8))[0]
        return profile

    def compare(self, asked: Matrix, entries: Sequence[int], left_out: int = -1) -> list[float]:
        """How far each of `entries` is what `asked` comes for; from the entry `left_out` it is
        taken away, since it is a phrasing of it. An entry without any other is unlike."""
        rows = np.array(entries, np.int64)
        sums = self._sums[rows].astype(np.float32)
        wanted = asked[self._wishes[rows]]
        own = rows == left_out
        sums[own] -= wanted[own]
        # Half a float of what was taken away is left of it.
        sums[sums < LEAST] = 0.0
        likeness: list[float] = (scale(sums) * wanted).sum(axis=1).tolist()
        return likeness


def place(matrix: Matrix, centres: Matrix, languages: NDArray[np.int8]) -> Matrix:
    """The rows without what their language has in common, of length 1."""
    return scale(matrix - CENTRED * centres[languages])


def name_weights(embedder: str) -> str:
    """The file of what was fitted to the vectors of `embedder`."""
    return f"intents-{embedder}.npz"


@cache
def read_intents(embedder: str) -> Intents | None:
    file = files("appliance.knowledge").joinpath(name_weights(embedder))
    if not file.is_file():
        return None
    with file.open("rb") as source, np.load(source, allow_pickle=False) as stored:
        weights, bias, centres = (
            stored[name].astype(np.float32) for name in ("weights", "bias", "centres")
        )
        vain = int(stored["vain"])
    return Intents(weights, bias, centres, vain)
