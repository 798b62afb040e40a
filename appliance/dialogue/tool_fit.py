"""What a text sounds like, fitted from labelled ones: ridge regression over meanings and words.

It knows no tool and no shop. The closed form has no chance in it: the same texts give the same
scores. The rule that must not break: a bound is measured on texts that were left out, never on
those that it was fitted to.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from appliance.knowledge.embedder import Matrix
from appliance.knowledge.semantic import scale

# Less follows single texts, more blurs the labels.
PENALTY = 0.3
# Odd, so that what means the opposite stays below 0: whatever is only somewhat near counts
# hardly, and what is near counts.
NEARNESS_POWER = 3
LONGEST_RUN = 3
HAN_RUN = re.compile(r"[\u4e00-\u9fff]+")
WORD = re.compile(r"[a-z0-9']+")


class Fit:
    """A text whose label is "" is a rival: of none of the names. `rows` are the texts' vectors;
    without them words alone are compared."""

    def __init__(self, texts: Sequence[str], labels: Sequence[str], rows: Matrix | None) -> None:
        self.names = tuple(dict.fromkeys(label for label in labels if label))
        self._words = _Words(texts)
        # Half as many bytes as by default: three of these stand at once.
        kernel = np.array([self._words.compare(text) for text in texts], np.float32)
        self._rows: Matrix | None = None
        if rows is not None:
            self._centre: Matrix = rows.mean(axis=0)
            self._rows = scale(rows - self._centre)
            kernel += (self._rows @ self._rows.T) ** NEARNESS_POWER
        kernel[np.diag_indices_from(kernel)] += PENALTY
        inverse = np.linalg.inv(kernel)
        wanted = np.array(
            [[label == name for name in (*self.names, "")] for label in labels], np.float32
        )
        weights = inverse @ wanted
        # The closed form of what each text would score had it been left out.
        left_out = wanted - weights / np.diag(inverse)[:, None]
        self._weights = (weights[:, :-1] - weights[:, -1:]).astype(np.float32)
        rivals = np.array([not label for label in labels])
        self._left_out = np.sort((left_out[rivals, :-1] - left_out[rivals, -1:]).max(axis=1))

    def find_bound(self, share: float) -> float:
        """The margin that no more than this share of the rivals reaches; of a few, one does."""
        place = int(np.ceil(len(self._left_out) * (1.0 - share)))
        return float(self._left_out[min(place, len(self._left_out) - 1)])

    def score(self, text: str, row: Matrix | None) -> Mapping[str, float]:
        """How far above the rivals the text is for each name: from about 1 down to about -1."""
        alike = self._words.compare(text)
        if row is not None and self._rows is not None:
            near = self._rows @ scale((row - self._centre)[None, :])[0]
            alike = alike + near**NEARNESS_POWER
        return dict(zip(self.names, (alike @ self._weights).tolist(), strict=True))


class _Words:
    """How alike texts are by their words, the rarer ones weighing more: the cosine of both."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._size = len(texts)
        places: dict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(texts):
            for one in list_words(text):
                places[one].append(place)
        self._places = {one: np.array(at) for one, at in places.items()}
        self._weights = {
            one: float(np.log((self._size + 1) / len(at))) for one, at in places.items()
        }
        squares = np.zeros(self._size)
        for one, at in self._places.items():
            squares[at] += self._weights[one] ** 2
        self._lengths = np.sqrt(np.maximum(squares, 1e-9))

    def compare(self, text: str) -> Matrix:
        alike = np.zeros(self._size)
        square = 0.0
        for one in list_words(text):
            if weight := self._weights.get(one, 0.0):
                alike[self._places[one]] += weight**2
                square += weight**2
        compared: Matrix = (alike / (self._lengths * np.sqrt(max(square, 1e-9)))).astype(np.float32)
        return compared


def list_words(text: str) -> frozenset[str]:
    """Runs of one to three Chinese characters; words, and two of them in a row."""
    return frozenset((*_list_runs(text), *_list_pairs(text)))


def _list_runs(text: str) -> Iterator[str]:
    for found in HAN_RUN.finditer(text):
        run = found[0]
        for size in range(1, LONGEST_RUN + 1):
            yield from (run[at : at + size] for at in range(len(run) - size + 1))


def _list_pairs(text: str) -> Iterator[str]:
    words = WORD.findall(text)
    yield from words
    yield from (f"{one} {two}" for one, two in pairwise(words))
