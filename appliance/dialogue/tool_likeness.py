"""How like a message is to what customers say when they mean a tool, and to what they say else.

It compares meanings by the vectors that the knowledge is compared by, and words; without an
embedder words alone. It decides nothing. The rule that must not break: a likeness is told against
everything that no tool is for, the shop's own FAQ included, and with bounds that were measured on
such texts left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import structlog

from appliance.dialogue.tool_choice import weigh
from appliance.dialogue.tool_fit import Fit
from appliance.dialogue.tool_slots import fold_said
from appliance.knowledge.embedder import Embedder, Matrix
from appliance.knowledge.vectors import Vectors
from appliance.tools.declared import Registry

BATCH = 8
LEAST_CHARS = 3
# Of what no tool is for, so much is taken for a tool's: where nothing else answers it, and where
# something does.
CLEAR_SHARE, SURE_SHARE = 0.04, 0.01
# Where a shop has written too little to tell.
LEAST_BOUND = 0.1
# The questions of the shop's FAQ, all their phrasings.
ListQuestions: TypeAlias = Callable[[], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Liked:
    """`margin` is how much more the text is like the examples of `tool` than like what no tool is
    for: about 1 as one of them, below 0 where it is less."""

    tool: str = ""
    margin: float = -1.0
    is_clear: bool = False
    is_sure: bool = False


UNLIKE = Liked()


class Likeness:
    """Until `prepare` is through, nothing is like anything."""

    def __init__(
        self,
        registry: Registry,
        embedder: Embedder | None,
        path: Path,
        list_questions: ListQuestions | None = None,
    ) -> None:
        self._registry = registry
        self._embedder = embedder
        self._path = path
        self._list_questions = list_questions
        self._fit: Fit | None = None
        self._clear = self._sure = LEAST_BOUND
        self._is_stopping = False
        self._log = structlog.get_logger(__name__)

    async def prepare(self) -> None:
        """Returns when the examples have their vectors; those of an earlier start are kept."""
        questions = await self._list_questions() if self._list_questions is not None else ()
        await asyncio.to_thread(self._prepare, questions)

    def stop(self) -> None:
        self._is_stopping = True

    async def find(self, text: str, among: Collection[str] = ()) -> Liked:
        """The tool that `text` is most like, of those in `among` if it names any."""
        fit = self._fit
        if fit is None or len(text.strip()) < LEAST_CHARS:
            return UNLIKE
        row: Matrix | None = None
        if self._embedder is not None:
            [row] = await asyncio.to_thread(self._embedder.embed, [text])
        margins = {
            name: margin
            for name, margin in fit.score(text, row).items()
            if not among or name in among
        }
        if not margins:
            return UNLIKE
        name = max(margins, key=margins.__getitem__)
        margin = margins[name]
        return Liked(name, margin, margin >= self._clear, margin >= self._sure)

    def _prepare(self, questions: Sequence[str]) -> None:
        labels: dict[str, str] = {}
        for tool in self._registry.tools.values():
            for text in tool.examples:
                # As a message is compared: capitals would be a difference of their own.
                labels.setdefault(fold_said(text), tool.name)
        if not labels:
            return
        for text in (*self._registry.others, *self._leave_out_wishes(questions)):
            labels.setdefault(fold_said(text), "")
        if all(labels.values()):
            return
        texts = list(labels)
        rows = self._read_rows(texts)
        if self._is_stopping or (rows is None and self._embedder is not None):
            return
        fit = Fit(texts, list(labels.values()), rows)
        self._clear = max(LEAST_BOUND, fit.find_bound(CLEAR_SHARE))
        self._sure = max(LEAST_BOUND, fit.find_bound(SURE_SHARE))
        self._fit = fit

    def _leave_out_wishes(self, questions: Sequence[str]) -> list[str]:
        """An FAQ answers many a wish that a tool is for; the shop's patterns tell those."""
        weighed = ((text, weigh(self._registry, text, ())) for text in questions)
        return [text for text, one in weighed if not one.tool and not one.open]

    def _read_rows(self, texts: Sequence[str]) -> Matrix | None:
        if self._embedder is None:
            return None
        try:
            vectors = Vectors(self._path, self._embedder)
        except OSError as error:
            self._log.warning("examples of tools not compared", reason=str(error))
            return None
        try:
            missing = vectors.missing(texts)
            for at in range(0, len(missing), BATCH):
                if self._is_stopping:
                    return None
                vectors.add(missing[at : at + BATCH])
            return vectors.matrix(texts)
        finally:
            vectors.close()
