"""The knowledge as it would be with another file in the folder: built beside, asked, thrown away.

It is asked as the library is and never answers a customer. The rules that must not break: nothing
of it outlives its closing, and neither the folder nor what answers now is touched.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing, suppress
from datetime import date
from pathlib import Path
from typing import TypeVar

from appliance.knowledge.build import TRIED, BuildFailed, Built, build_apart
from appliance.knowledge.embedder import Embedder
from appliance.knowledge.entries import Fault, Found, Match
from appliance.knowledge.evidence import Evidence
from appliance.knowledge.index import UNTOLD, Index
from appliance.knowledge.reranker import OpenReranker, no_reranker
from appliance.knowledge.vector_work import FILE_NAME as VECTORS
from appliance.knowledge.vector_work import VectorWork

Answer = TypeVar("Answer")


class Trial:
    """Open until its context ends."""

    def __init__(self, faults: tuple[Fault, ...], index: Index | None, today: date) -> None:
        self.faults = faults
        self._index = index
        self._today = today
        self._thread = ThreadPoolExecutor(1, "knowledge-trial")

    @property
    def has_written(self) -> bool:
        return self._index is not None and self._index.has_written

    async def match(self, question: str) -> Match:
        return await self._ask(lambda index: index.match(question, self._today), Match("none"))

    async def find_passages(self, question: str, limit: int = 4) -> tuple[Found, ...]:
        nothing: tuple[Found, ...] = ()
        return await self._ask(lambda index: index.find_passages(question, limit), nothing)

    async def find_evidence(self, question: str) -> Evidence:
        return await self._ask(lambda index: index.find_evidence(question), Evidence())

    async def rate_business(self, question: str) -> float:
        return await self._ask(lambda index: index.rate_business(question), UNTOLD)

    async def _ask(self, look_up: Callable[[Index], Answer], nothing: Answer) -> Answer:
        index = self._index
        if index is None:
            return nothing
        return await asyncio.get_running_loop().run_in_executor(self._thread, look_up, index)

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        if self._index is not None:
            self._index.close()


@asynccontextmanager
async def open_trial(
    folder: Path,
    data: Path,
    name: str,
    text: str,
    old: Path | None,
    embedder: Embedder | None,
    today: date,
    open_reranker: OpenReranker = no_reranker,
) -> AsyncIterator[Trial]:
    """With `text` as the file `name`; empty stands for no such entries. With an embedder it
    answers by meaning too. Raises BuildFailed."""
    place = data / TRIED
    built = await asyncio.to_thread(_build, folder, place, name, text, old)
    trial: Trial | None = None
    try:
        index = await asyncio.to_thread(_open, built, data, place, embedder, open_reranker)
        trial = Trial(built.report.faults, index, today)
        yield trial
    finally:
        if trial is not None:
            await trial.close()
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)


def _build(folder: Path, place: Path, name: str, text: str, old: Path | None) -> Built:
    """What a process that died has left goes first."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        place.mkdir(parents=True)
        (place / name).write_bytes(text.encode())
    except OSError as error:
        raise BuildFailed(f"There is no room to try it ({error.strerror}).") from None
    built = build_apart(folder, place, old, lambda _: None, place / name)
    if not built.is_settled:
        raise BuildFailed("A file in the folder is being written just now; try again.")
    return built


def _open(
    built: Built,
    data: Path,
    place: Path,
    embedder: Embedder | None,
    open_reranker: OpenReranker,
) -> Index | None:
    if built.path is None:
        return None
    try:
        if embedder is None:
            return Index(built.path)
        _copy_vectors(data / VECTORS, place / VECTORS)
        work = VectorWork(built.path, place, embedder, open_reranker)
        while (index := work.step()) is None:
            pass
        return index
    except (OSError, ValueError, sqlite3.Error) as error:
        raise BuildFailed(f"The trial cannot be opened ({error}).") from None


def _copy_vectors(source: Path, target: Path) -> None:
    """So that only what is new is computed; what cannot be copied is computed anew."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)
