"""The list of conversations as it changes, for every operator who has it open.

It decides nothing and keeps no history. A watcher has one place for each conversation, so however
slow it is nothing gathers for it; a conversation that changed is read once for all. The rule that
must not break: after a change every watcher gets that conversation as it is then, or is told that
it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.turn import Turn
from appliance.errors import SessionNotFound, StoreUnavailable
from appliance.patience import wait_at_most
from appliance.store.desk_rows import Row

# Changes within this time are read together.
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A conversation in the list, with what is known in memory alone."""

    row: Row
    is_running: bool
    is_held: bool
    place: int


@dataclass(frozen=True, slots=True)
class Removed:
    session_key: str


@dataclass(frozen=True, slots=True)
class Writing:
    """`who` is "customer" or an operator's name."""

    session_key: str
    who: str


@dataclass(frozen=True, slots=True)
class AtDesk:
    """Who is there, and whether all answers are looked at before the customer sees them."""

    names: tuple[str, ...]
    is_held: bool


@dataclass(frozen=True, slots=True)
class Closing:
    """The appliance stops."""


News: TypeAlias = ShownRow | Removed | Writing | AtDesk | Closing


@dataclass(eq=False)
class Watcher:
    """What it has not been given yet, the latest of each."""

    news: dict[object, News] = field(default_factory=dict)
    grown: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, name: object, news: News) -> None:
        self.news.pop(name, None)
        self.news[name] = news
        self.grown.set()


class Board:
    def __init__(
        self,
        handoffs: Handoffs,
        find_turn: Callable[[str], Turn | None],
        show: Callable[[str], Awaitable[ShownRow]],
    ) -> None:
        """`show` reads a conversation as it is now."""
        self._handoffs = handoffs
        self._find_turn = find_turn
        self._show = show
        self._watchers: set[Watcher] = set()
        self._known: dict[str, tuple[object, ...]] = {}
        self._dirty: dict[str, None] = {}
        self._has_dirty = asyncio.Event()
        self._closing = asyncio.Event()
        self._log = structlog.get_logger(__name__)

    def look(self, session_key: str) -> None:
        """Something is new there: perhaps only a word, which changes nothing in the list."""
        if not self._watchers:
            self._known.clear()
            return
        turn = self._find_turn(session_key)
        owner = self._handoffs.find(session_key)
        state = (turn.run_id if turn is not None and not turn.is_ended else "", owner)
        if self._known.get(session_key) == state:
            return
        self._known[session_key] = state
        self.note(session_key)

    def end(self, session_key: str) -> None:
        """It is gone, and has no state to compare."""
        self._known.pop(session_key, None)
        self.note(session_key)

    def note(self, session_key: str) -> None:
        """It has changed in the list."""
        if self._watchers:
            self._dirty[session_key] = None
            self._has_dirty.set()

    def tell(self, name: object, news: News) -> None:
        for watcher in self._watchers:
            watcher.put(name, news)

    async def watch(self) -> AsyncGenerator[News]:
        """From now on, until the appliance stops. Who asks for the list after this began misses
        nothing."""
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            while True:
                while watcher.news:
                    yield watcher.news.pop(next(iter(watcher.news)))
                watcher.grown.clear()
                if self._closing.is_set():
                    yield Closing()
                    return
                await watcher.grown.wait()
        finally:
            self._watchers.discard(watcher)

    async def run_forever(self) -> None:
        """Until `close`."""
        while not self._closing.is_set():
            await self._has_dirty.wait()
            await self.refresh()
            await wait_at_most(self._closing, PAUSE_S)

    async def refresh(self) -> None:
        """Read what has changed and hand it to the watchers."""
        dirty, self._dirty = self._dirty, {}
        self._has_dirty.clear()
        for session_key in dirty:
            try:
                self.tell(session_key, await self._show(session_key))
            except SessionNotFound:
                self._known.pop(session_key, None)
                self.tell(session_key, Removed(session_key))
            except StoreUnavailable as error:
                # The list is asked for anew when the stream is opened anew.
                self._log.warning("the list was not read", reason=str(error))

    def close(self) -> None:
        self._closing.set()
        self._has_dirty.set()
        for watcher in self._watchers:
            watcher.grown.set()
