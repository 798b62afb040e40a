"""The tools of `tools.toml` in the console: which there are, switched on and off, tried.

A switch is a draft of the file, checked and published as any other. The rule that must not break: a
trial goes through what is declared in the file as it stands, and changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.drafting import Check, Drafting, hash_text
from appliance.errors import NotOffered

if TYPE_CHECKING:
    from appliance.tools.declared import Registry, Tool
    from appliance.tools.trying import Tried


@dataclass(frozen=True, slots=True)
class Attempted:
    tool: Tool
    tried: Tried


class ToolDesk:
    def __init__(self, folder: Path, data: Path, drafting: Drafting) -> None:
        self._folder = folder
        self._data = data
        self._drafting = drafting
        # One at a time: each has threads and connections of its own.
        self._trying = asyncio.Lock()

    async def read(self) -> Registry:
        """The file as it stands, with what is wrong with it."""
        from appliance.toolbox import read_registry

        return await asyncio.to_thread(read_registry, self._folder, self._data)

    async def begin_switch(self, name: str, *, is_on: bool) -> Check:
        """Raises NotOffered, PublishRefused."""
        from appliance.tools.registry import TOOLS_FILE
        from appliance.tools.switching import switch

        await self.find(name)
        present = await self._drafting.read(TOOLS_FILE)
        text = switch(present.text, name, is_on=is_on)
        note = f"{name} {'on' if is_on else 'off'}"
        return await self._drafting.begin_check(TOOLS_FILE, text, hash_text(present.text), note)

    async def find(self, name: str) -> tuple[Registry, Tool]:
        """Raises NotOffered."""
        registry = await self.read()
        tool = registry.tools.get(name) or registry.off.get(name)
        if tool is None:
            raise NotOffered("There is no such tool, or its table has a fault.")
        return registry, tool

    async def attempt(self, name: str, arguments: Mapping[str, str]) -> Attempted:
        """Raises NotOffered."""
        from appliance.tools.trying import try_tool

        registry, tool = await self.find(name)
        async with self._trying:
            return Attempted(tool, await try_tool(registry, tool, arguments))
