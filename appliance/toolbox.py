"""The rung of the tools, put together: what the shop declared, the model that may be asked; and
`tools.toml` read again when it changes.

It decides nothing. The rules that must not break: no fault in `tools.toml` keeps the appliance from
starting, what could not be taken is left out and told; and while it runs, a file with a fault
changes nothing, and one without a fault changes all tools at once.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from appliance.dialogue.charter import LOOK_PAUSE_S
from appliance.dialogue.pattern_parser import PatternRefused
from appliance.dialogue.patterns import read_pattern
from appliance.dialogue.tool_likeness import Likeness
from appliance.dialogue.tool_model import ToolModel
from appliance.dialogue.tool_throttle import Throttle
from appliance.dialogue.tooling import FindVisitor, Kit, Tooling
from appliance.patience import wait_at_most
from appliance.tools.checking import check_tools
from appliance.tools.declared import Fault, Registry
from appliance.tools.failures import ToolFailed
from appliance.tools.registry import TOOLS_FILE, read_tools
from appliance.tools.running import Tools

if TYPE_CHECKING:
    from appliance.dialogue.ladder import Ladder
    from appliance.engine.engine import Engine
    from appliance.knowledge.embedder import Embedder
    from appliance.knowledge.library import Library
    from appliance.store.calls import Calls

# Computed once, as those of the knowledge are.
VECTORS_FILE = "tool-vectors.db"
# More are not compared with: the time to weigh them grows with their square.
MOST_QUESTIONS = 1000


class ToolKeeper:
    """`tooling` is the rung; without `embedder` words alone are compared. What the `library`
    answers no tool is for."""

    def __init__(
        self,
        folder: Path,
        data: Path,
        engine: Engine,
        calls: Calls,
        ladder: Ladder,
        library: Library,
        embedder: Embedder | None,
        find_visitor: FindVisitor | None = None,
    ) -> None:
        self._folder = folder
        self._data = data
        self._library = library
        self._embedder = embedder
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger(__name__)
        self._seen = (_measure(folder), "")
        registry = read_registry(folder, data)
        self._tell(registry.faults)
        self._kit = Kit(
            Tools(registry),
            ToolModel(engine, tuple(registry.tools.values())),
            self._make_likeness(registry),
        )
        self._coming = self._kit
        self.tooling = Tooling(
            self._kit,
            calls,
            lambda: ladder.charter.shop,
            Throttle(time.monotonic),
            ladder.memory.recall,
            find_visitor,
        )

    async def run_forever(self) -> None:
        """Until `stop`."""
        self._seen = (self._seen[0], self._library.state.version)
        await self.tooling.prepare()
        while not await wait_at_most(self._stopping, LOOK_PAUSE_S):
            await self.refresh()

    def stop(self) -> None:
        self._stopping.set()
        for kit in (self._kit, self._coming):
            if kit.likeness is not None:
                kit.likeness.stop()

    async def refresh(self) -> None:
        """Take the file where it is another and right, or weigh it against another FAQ; where it
        is wrong, tell it and keep what there is."""
        seen = (await asyncio.to_thread(_measure, self._folder), self._library.state.version)
        if seen == self._seen:
            return
        self._seen = seen
        registry = await asyncio.to_thread(self._read_checked)
        if registry.faults:
            self.tooling.faults = registry.faults
            self._tell(registry.faults)
            return
        old = self._kit
        model = old.model.with_tools(tuple(registry.tools.values())) if old.model else None
        kit = Kit(old.tools.with_registry(registry), model, self._make_likeness(registry))
        self._coming = kit
        # Its examples have their vectors before the first message is compared with them.
        await kit.prepare()
        self._kit = kit
        self.tooling.adopt(kit)
        self._log.info("tools read again", tools=len(registry.tools))

    def _read_checked(self) -> Registry:
        """With what its SQL would do wrong, if nothing else is."""
        registry = read_registry(self._folder, self._data)
        if registry.faults:
            return registry
        with suppress(ToolFailed):
            # The check tells what is missing for it.
            Tools(registry).prepare()
        return replace(registry, faults=tuple(check_tools(registry)))

    def _make_likeness(self, registry: Registry) -> Likeness:
        path = self._data / VECTORS_FILE
        return Likeness(registry, self._embedder, path, self._list_questions)

    async def _list_questions(self) -> tuple[str, ...]:
        return await self._library.list_questions(MOST_QUESTIONS)

    def _tell(self, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            self._log.warning("fault", file=fault.file, fault=fault.message)


def read_registry(folder: Path, data: Path) -> Registry:
    return read_tools(folder, data, find_problem)


def find_problem(pattern: str) -> str:
    """Why a pattern cannot be taken, or nothing."""
    try:
        read_pattern(pattern)
    except PatternRefused as refused:
        return str(refused)
    return ""


def _measure(folder: Path) -> tuple[int, int] | None:
    try:
        stat = (folder / TOOLS_FILE).stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
