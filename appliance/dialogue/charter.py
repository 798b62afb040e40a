"""The shop's rules, words and kinds of memory: `guard.toml`, `shop.toml` and `memory.toml`, read
again when they change.

It judges no message. The rule that must not break: a file with an error in it changes only what
could be read of it, and the fault is told with file and key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from appliance.dialogue.canned import Canned
from appliance.dialogue.guard import Rules, load_rules
from appliance.dialogue.memory_kinds import MemoryBook, read_memory_book
from appliance.dialogue.shop import Shop, read_shop
from appliance.knowledge.entries import Fault
from appliance.patience import wait_at_most

LOOK_PAUSE_S = 2.0
GUARD_FILE, SHOP_FILE, MEMORY_FILE = "guard.toml", "shop.toml", "memory.toml"
FILES = (GUARD_FILE, SHOP_FILE, MEMORY_FILE)


@dataclass(frozen=True, slots=True)
class Charter:
    """What an owner may change while the appliance runs."""

    rules: Rules
    shop: Shop
    canned: Canned
    memory: MemoryBook

    @property
    def faults(self) -> tuple[Fault, ...]:
        return (*self.rules.faults, *self.shop.faults, *self.memory.faults)


def read_charter(folder: Path, system_prompt: str) -> Charter:
    """Instructions are not recited, but the shop's own facts may be said."""
    shop = read_shop(folder / SHOP_FILE)
    facts = (text for wordings in shop.facts.values() for text in wordings.values())
    texts = (text for wordings in shop.texts.values() for text in wordings.values())
    rules = load_rules(folder / GUARD_FILE).forbid_recital(system_prompt, (*facts, *texts))
    return Charter(rules, shop, Canned(shop), read_memory_book(folder / MEMORY_FILE))


class CharterKeeper:
    def __init__(self, folder: Path, system_prompt: str) -> None:
        self._folder = folder
        self._system_prompt = system_prompt
        self._stopping = asyncio.Event()
        self._seen = self._look()
        self.current = read_charter(folder, system_prompt)
        self._log = structlog.get_logger(__name__)
        self._tell()

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self.current.faults

    async def run_forever(self) -> None:
        """Until `stop`."""
        while not await wait_at_most(self._stopping, LOOK_PAUSE_S):
            await self.refresh()

    def stop(self) -> None:
        self._stopping.set()

    async def refresh(self) -> None:
        """Read the files again where one of them is another."""
        seen = await asyncio.to_thread(self._look)
        if seen != self._seen:
            self._seen = seen
            self.current = await asyncio.to_thread(read_charter, self._folder, self._system_prompt)
            self._log.info("rules and words read again")
            self._tell()

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_measure(self._folder / name) for name in FILES)

    def _tell(self) -> None:
        for fault in self.current.faults:
            self._log.warning("fault", file=fault.origin.file, fault=fault.message)


def _measure(file: Path) -> tuple[int, int] | None:
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
