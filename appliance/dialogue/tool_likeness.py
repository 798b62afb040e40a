"""How like a message is to what customers say when they mean a tool, and to what they say else.

It compares meanings by the vectors that the knowledge is compared by, and decides nothing. The
rule that must not break: a likeness is told with its margin over everything that no tool is for,
and without an embedder there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from appliance.dialogue.tool_slots import fold_said
from appliance.knowledge.embedder import Embedder, Matrix
from appliance.knowledge.vectors import Vectors
from appliance.tools.declared import Registry

BATCH = 8
LEAST_CHARS = 3


@dataclass(frozen=True, slots=True)
class Liked:
    """`score` is the cosine to the nearest example of `tool`, `margin` how much nearer that is
    than the nearest of the others."""

    tool: str = ""
    score: float = 0.0
    margin: float = -1.0


UNLIKE = Liked()


class Likeness:
    """Until `prepare` is through, nothing is like anything."""

    def __init__(self, registry: Registry, embedder: Embedder, path: Path) -> None:
        self._embedder = embedder
        self._path = path
        self._texts: list[str] = []
        self._names: list[str] = []
        for tool in registry.tools.values():
            self._texts += tool.examples
            self._names += [tool.name] * len(tool.examples)
        self._texts += registry.others
        # As a message is compared: capitals would be a difference of their own.
        self._texts = [fold_said(text) for text in self._texts]
        self._names += [""] * len(registry.others)
        self._matrix: Matrix | None = None
        self._is_stopping = False
        self._log = structlog.get_logger(__name__)

    async def prepare(self) -> None:
        """Returns when the examples have their vectors; those of an earlier start are kept."""
        if any(self._names) and not all(self._names):
            self._matrix = await asyncio.to_thread(self._read_matrix)

    def stop(self) -> None:
        self._is_stopping = True

    async def find(self, text: str, among: Collection[str] = ()) -> Liked:
        """The tool that `text` is most like, of those in `among` if it names any."""
        matrix = self._matrix
        if matrix is None or len(text.strip()) < LEAST_CHARS:
            return UNLIKE
        [row] = await asyncio.to_thread(self._embedder.embed, [text])
        best, other = Liked(), 0.0
        for name, score in zip(self._names, (matrix @ row).tolist(), strict=True):
            if not name:
                other = max(other, score)
            elif score > best.score and (not among or name in among):
                best = Liked(name, score)
        return Liked(best.tool, best.score, best.score - other)

    def _read_matrix(self) -> Matrix | None:
        try:
            vectors = Vectors(self._path, self._embedder)
        except OSError as error:
            self._log.warning("examples of tools not compared", reason=str(error))
            return None
        try:
            missing = vectors.missing(self._texts)
            for at in range(0, len(missing), BATCH):
                if self._is_stopping:
                    return None
                vectors.add(missing[at : at + BATCH])
            return vectors.matrix(self._texts)
        finally:
            vectors.close()
