"""The living knowledge: opened at the start, watched, built anew beside, swapped, asked.

Two threads of its own: one is asked, one builds and computes vectors; they meet on the event loop
alone. The rules that must not break: what answered goes on answering until its follower is ready,
and nothing in the owner's folder can raise an error here.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import monotonic
from typing import TypeVar

import structlog

from appliance.knowledge.build import PATTERN, Build, BuildFailed, Built, build_apart
from appliance.knowledge.embedder import Embedder
from appliance.knowledge.entries import Found, Match
from appliance.knowledge.evidence import Evidence
from appliance.knowledge.index import UNTOLD, Index
from appliance.knowledge.kept import Report, read_report
from appliance.knowledge.library_state import LibraryState, Phase
from appliance.knowledge.readings import describe, make_error
from appliance.knowledge.reranker import OpenReranker, no_reranker
from appliance.knowledge.stock import Stillness, Stock, find_built, take_stock
from appliance.knowledge.vector_work import VectorWork

POLL_S = 2.0
# After a building or vectors that failed, as on a full disk, though no file changed.
RETRY_S = 60.0
# More faults are not kept in view; `appliance knowledge check` has them all.
MAX_LOGGED = 20

Answer = TypeVar("Answer")


def ignore() -> None:
    """Stands where nobody listens."""


class Library:
    """Of one folder; its index stands in `data`. `may_work` is asked before each batch of
    vectors; `on_change` is called on the event loop after every swap."""

    def __init__(
        self,
        folder: Path,
        data: Path,
        embedder: Embedder | None = None,
        today: Callable[[], date] = date.today,
        may_work: Callable[[], bool] = lambda: True,
        *,
        open_reranker: OpenReranker = no_reranker,
        poll_s: float = POLL_S,
        build: Build = build_apart,
    ) -> None:
        self.state = LibraryState()
        self.on_change: Callable[[], None] = ignore
        # As the process that builds names its files; what bears another name is removed.
        self._folder, self._data = folder.absolute(), data.absolute()
        self._embedder = embedder
        self.open_reranker = open_reranker
        self._today = today
        self._may_work = may_work
        self._poll_s = poll_s
        self._build_with = build
        self._asked = ThreadPoolExecutor(1, "knowledge")
        self._working = ThreadPoolExecutor(1, "knowledge-build")
        self._index: Index | None = None
        self._path: Path | None = None
        self._stock: Stock | None = None
        self._stillness = Stillness()
        self._retry_at_s: float | None = None
        self._vectors_at_s: float | None = None
        self._vector_work: VectorWork | None = None
        self._wants_vectors = False
        self._end_build = ignore
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._hurried: list[asyncio.Event] = []
        self._log = structlog.get_logger(__name__)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is under way that would change an answer, the vectors included."""
        return self.state.phase in ("empty", "failed") or (
            self.state.phase == "ready" and not self._wants_vectors
        )

    @property
    def path(self) -> Path | None:
        """Of the index that answers."""
        return self._path

    async def open(self) -> None:
        """Ready with what was built before, else with a first building; the answers of an older
        folder serve while `run_forever` builds the new ones."""
        path = await self._work(self._find_built)
        if path is not None and await self._show_built(path):
            return
        await self._look(is_hurried=True)

    async def run_forever(self) -> None:
        """Watch the folder and compute vectors, until `stop`."""
        look_at_s = monotonic()
        while not self._stopping.is_set():
            if monotonic() >= look_at_s or self._hurried:
                self._woken.clear()
                hurried, self._hurried = self._hurried, []
                await self._look(is_hurried=bool(hurried))
                look_at_s = monotonic() + self._poll_s
                self._resume_vectors()
                _set_all(hurried)
            elif not (self._wants_vectors and self._may_work() and await self._step_vectors()):
                with suppress(TimeoutError):
                    wait_s = max(0.0, look_at_s - monotonic())
                    await asyncio.wait_for(self._woken.wait(), wait_s)
        _set_all(self._hurried)
        await self._close()

    async def catch_up(self) -> None:
        """The folder is looked at without waiting for the clock; returns once it was."""
        if not self._stopping.is_set():
            looked = asyncio.Event()
            self._hurried.append(looked)
            self._woken.set()
            await looked.wait()

    def stop(self) -> None:
        """`run_forever` ends, and a building under way with it."""
        self._stopping.set()
        self._woken.set()
        self._end_build()

    @property
    def has_written(self) -> bool:
        """Whether the shop has written anything that answers."""
        return bool(self.state.entries or self.state.passages)

    async def match(self, question: str) -> Match:
        return await self._ask(lambda index: index.match(question, self._today()), Match("none"))

    async def find_passages(self, question: str, limit: int = 4) -> tuple[Found, ...]:
        nothing: tuple[Found, ...] = ()
        return await self._ask(lambda index: index.find_passages(question, limit), nothing)

    async def find_evidence(self, question: str) -> Evidence:
        return await self._ask(lambda index: index.find_evidence(question), Evidence())

    async def rate_business(self, question: str) -> float:
        return await self._ask(lambda index: index.rate_business(question), UNTOLD)

    async def list_questions(self, limit: int) -> tuple[str, ...]:
        nothing: tuple[str, ...] = ()
        return await self._ask(lambda index: index.list_questions(limit), nothing)

    async def _ask(self, look_up: Callable[[Index], Answer], nothing: Answer) -> Answer:
        if self._index is None or self._stopping.is_set():
            return nothing

        def run() -> Answer:
            index = self._index
            try:
                return nothing if index is None else look_up(index)
            except sqlite3.Error as error:
                self._log.error("knowledge cannot be looked up", reason=str(error))
                return nothing

        return await asyncio.get_running_loop().run_in_executor(self._asked, run)

    async def _work(self, do: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._working, do)

    def _find_built(self) -> Path | None:
        stock, path, is_exact = find_built(self._folder, self._data)
        self._stillness.rests(stock)
        self._stock = stock if is_exact else self._stock
        return path

    async def _show_built(self, path: Path) -> bool:
        report = await self._work(lambda: read_report(path))
        index = await self._work(lambda: self._open_index(path))
        if report is None or index is None:
            self._stock = None
            return False
        await self._swap(index, path, report)
        return True

    def _open_index(self, path: Path) -> Index | None:
        try:
            return Index(path, self._embedder)
        except (OSError, ValueError, sqlite3.Error) as error:
            self._log.warning("index cannot be opened, made anew", reason=str(error))
            with suppress(OSError):
                path.unlink(missing_ok=True)
            return None

    async def _look(self, is_hurried: bool) -> None:
        """Build anew where the folder changed and stands still: a file that is being copied would
        be quoted by its first half."""
        stock = await self._work(lambda: take_stock(self._folder))
        is_due = self._retry_at_s is not None and monotonic() >= self._retry_at_s
        if stock == self._stock and not is_due:
            return
        if not (self._stillness.rests(stock) or is_hurried or is_due):
            return
        self._retry_at_s = None
        try:
            built = await self._work(self._build)
        except BuildFailed as failed:
            if self._stopping.is_set():
                return
            self._stock = stock
            self._retry_at_s = monotonic() + RETRY_S
            self._tell_failed(str(failed))
            return
        if not built.is_settled:
            # The next look reads again.
            self.state = replace(self.state, faults=built.report.faults)
            return
        self._stock = stock
        await self._take(built)

    def _build(self) -> Built:
        if self._stopping.is_set():
            raise BuildFailed("The appliance stops.")
        if self._is_folder_empty():
            # Not worth a process of its own.
            return Built(Report(str(self._folder.resolve()), "", 0, 0), None)
        try:
            return self._build_with(self._folder, self._data, self._path, self._remember_end)
        finally:
            self._end_build = ignore

    def _is_folder_empty(self) -> bool:
        with suppress(OSError):
            return not any(self._folder.iterdir())
        return False

    def _remember_end(self, end: Callable[[], None]) -> None:
        self._end_build = end
        if self._stopping.is_set():
            end()

    def _tell_failed(self, sentence: str) -> None:
        self._log.error("knowledge not read", reason=sentence)
        phase: Phase = "ready" if self._index else "failed"
        self.state = replace(self.state, phase=phase, faults=(make_error(sentence, ""),))

    async def _take(self, built: Built) -> None:
        for fault in built.report.faults[:MAX_LOGGED]:
            self._log.warning("fault in the knowledge folder", fault=describe(fault))
        if built.path is None:
            await self._swap(None, None, built.report)
        elif built.path == self._path and built.report.hash == self.state.version:
            self.state = replace(self.state, faults=built.report.faults)
        else:
            index = await self._work(lambda: self._open_index(built.path or Path()))
            if index is None:
                self._tell_failed("The new index cannot be opened.")
                self._retry_at_s = monotonic() + RETRY_S
                return
            await self._swap(index, built.path, built.report)

    async def _swap(self, index: Index | None, path: Path | None, report: Report) -> None:
        await self._drop_vector_work()
        self._replace_index(index)
        self._path = path
        self._wants_vectors = self._embedder is not None and index is not None
        self._vectors_at_s = None
        self.state = LibraryState(
            phase="ready" if index else "empty",
            version=report.hash,
            entries=report.entries,
            passages=report.passages,
            faults=report.faults,
            first_entries=index.first_entries if index else (),
        )
        self._log.info("knowledge ready", entries=report.entries, passages=report.passages)
        self.on_change()
        await self._work(self._remove_others)

    def _replace_index(self, index: Index | None) -> None:
        """The old one is closed behind the last question that was put to it."""
        old, self._index = self._index, index
        if old is not None:
            self._asked.submit(old.close)

    def _remove_others(self) -> None:
        for path in self._data.glob(PATTERN):
            if path != self._path:
                with suppress(OSError):
                    path.unlink()

    async def _step_vectors(self) -> bool:
        """One batch; False when there is nothing more to do."""
        try:
            prepared = await self._work(self._run_vectors)
        except (OSError, ValueError, sqlite3.Error) as error:
            self._log.error("vectors cannot be computed; words alone decide", reason=str(error))
            await self._drop_vector_work()
            self._wants_vectors = False
            if not isinstance(error, ValueError):
                self._vectors_at_s = monotonic() + RETRY_S
            return False
        work = self._vector_work
        if work is not None:
            self.state = replace(self.state, vectors_done=work.done, vectors_total=work.total)
        if prepared is not None:
            self._vector_work = None
            self._wants_vectors = False
            self._replace_index(prepared)
            self.on_change()
        return True

    def _resume_vectors(self) -> None:
        if self._vectors_at_s is not None and monotonic() >= self._vectors_at_s:
            self._vectors_at_s = None
            self._wants_vectors = True

    def _run_vectors(self) -> Index | None:
        if self._vector_work is None:
            assert self._path is not None and self._embedder is not None
            self._vector_work = VectorWork(
                self._path, self._data, self._embedder, self.open_reranker
            )
        return self._vector_work.step()

    async def _drop_vector_work(self) -> None:
        work, self._vector_work = self._vector_work, None
        if work is not None:
            await self._work(work.close)

    async def _close(self) -> None:
        await self._drop_vector_work()
        self._replace_index(None)
        await asyncio.to_thread(self._asked.shutdown)
        await asyncio.to_thread(self._working.shutdown)


def _set_all(events: list[asyncio.Event]) -> None:
    for event in events:
        event.set()
