"""What customers of any shop come for: a text is known by the wishes whose sentences it is like.

A stranger's words and the owner's may lie far apart and still lie near the sentences of one wish
in `intents.txt`, Chinese or English. Their vectors are shipped, since they are the same in every
shop. The rule that must not break: vectors of another embedder, or of other sentences, are never
compared; then there are no intents and nothing else changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from appliance.knowledge.embedder import Matrix
from appliance.knowledge.semantic import scale

# How far what all sentences of a language have in common is taken away.
CENTRED = 0.9
# Likeness that is so much less counts e times less.
SHARPNESS = 0.025
# A wish is as like as its so many likest sentences.
BEST = 2
CHUNK_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Intents:
    """`centres` has a row for each language; `groups` the rows of each wish, one column for one
    of its sentences, the last sentence again where there are fewer."""

    rows: Matrix
    centres: Matrix
    groups: NDArray[np.int64]
    is_filled: NDArray[np.bool_]

    def profile(self, matrix: Matrix, languages: NDArray[np.int8]) -> Matrix:
        """A row of length 1 for each text: how far it is each of the wishes."""
        profiles = np.empty((len(matrix), len(self.groups)), np.float32)
        for start in range(0, len(matrix), CHUNK_ROWS):
            some = slice(start, start + CHUNK_ROWS)
            centred = scale(matrix[some] - CENTRED * self.centres[languages[some]])
            likeness = self._compare(centred)[:, self.groups]
            likeness[:, ~self.is_filled] = -1.0
            best = np.partition(likeness, -BEST, axis=2)[:, :, -BEST:].mean(axis=2)
            steps = (best - best.max(axis=1, keepdims=True)) / SHARPNESS
            profiles[some] = scale(np.exp(steps / 2))
        return profiles

    def _compare(self, placed: Matrix) -> Matrix:
        # A library's product of many numbers waits for a second thread, which a machine that
        # is busy has not: one question is compared in 0.2 ms without and in 16 ms with it.
        is_one = len(placed) == 1
        product: Matrix = (
            np.einsum("ij,kj->ik", placed, self.rows) if is_one else placed @ self.rows.T
        )
        return product


def read_sentences() -> list[list[str]]:
    """The sentences of each wish."""
    text = files("appliance.knowledge").joinpath("intents.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [line.split("|") for line in lines]


def name_rows(embedder: str) -> str:
    """The file of the rows that `embedder` made."""
    return f"intents-{embedder}.npy"


@cache
def read_intents(embedder: str) -> Intents | None:
    file = files("appliance.knowledge").joinpath(name_rows(embedder))
    if not file.is_file():
        return None
    with file.open("rb") as source:
        packed = np.load(source, allow_pickle=False)
    wishes = read_sentences()
    if packed.ndim != 2 or len(packed) != sum(map(len, wishes)):
        return None
    return arrange(scale(packed.astype(np.float32)), wishes)


def arrange(rows: Matrix, wishes: list[list[str]]) -> Intents:
    """`rows` are of all sentences in their order."""
    sentences = [sentence for wish in wishes for sentence in wish]
    languages = np.array([int(sentence.isascii()) for sentence in sentences], np.int8)
    centres = np.stack([rows[languages == language].mean(axis=0) for language in (0, 1)])
    ends = np.cumsum([0, *map(len, wishes)]).tolist()
    longest = max(map(len, wishes))
    places = [
        [min(start + step, end - 1) for step in range(longest)] for start, end in pairwise(ends)
    ]
    is_filled = [[start + step < end for step in range(longest)] for start, end in pairwise(ends)]
    placed = scale(rows - CENTRED * centres[languages])
    return Intents(placed, centres, np.array(places, np.int64), np.array(is_filled))


def pack(rows: Matrix) -> NDArray[np.int8]:
    """A byte for each number; only the direction of a row counts."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    packed: NDArray[np.int8] = np.rint(rows / largest * 127).astype(np.int8)
    return packed
