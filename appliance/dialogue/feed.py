"""The standing window onto a session: replays what was, then shows what comes.

A watcher has a cursor of its own and reads from the running turn or from the log, so however slow
it is nothing is kept for it and nobody waits for it. The rule that must not break: each watcher
gets every numbered event above its cursor once, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from appliance.dialogue.turn import Turn
from appliance.events import Bye, Event, Numbered, Rewind, Token
from appliance.store.events import EventLog

BYE = Numbered(0, "", Bye(retry_ms=2000))
# What passes by and is not stored: of each kind the latest alone.
TYPING_CUSTOMER, TYPING_OPERATOR, PLACE, DRAFT = "customer", "operator", "place", "draft"
TO_CUSTOMERS = frozenset({TYPING_OPERATOR, PLACE})
TO_OPERATORS = frozenset({TYPING_CUSTOMER, PLACE, DRAFT})


class Feed:
    """What the watchers of one session wait on. Who takes `grown` before looking misses nothing."""

    def __init__(self) -> None:
        self.watchers = 0
        self.grown = asyncio.Event()
        self.is_over = False
        self.passing: dict[str, Numbered] = {}

    def wake(self) -> None:
        self.grown.set()
        self.grown = asyncio.Event()


class Feeds:
    """The feeds of the sessions that somebody watches."""

    def __init__(
        self,
        log: EventLog,
        find_turn: Callable[[str], Turn | None],
        find_passing: Callable[[str], Numbered | None],
    ) -> None:
        """`find_passing` gives what is so just now and has no number, always as the same object:
        that the turn waits, or an end that the disk refused."""
        self._log = log
        self._find_turn = find_turn
        self._find_passing = find_passing
        self._feeds: dict[str, Feed] = {}
        self._is_closing = False
        self.find_draft: Callable[[str], Numbered | None] = lambda _: None
        # Told of every session that has something new, also where nobody watches it.
        self.on_news: Callable[[str], None] = lambda _: None
        self.on_end: Callable[[str], None] = lambda _: None

    @property
    def streams(self) -> int:
        return sum(feed.watchers for feed in self._feeds.values())

    def tell(self, session_key: str) -> None:
        """There is something new in the turn or in the log."""
        self.on_news(session_key)
        if feed := self._feeds.get(session_key):
            feed.wake()

    def pass_by(self, session_key: str, kind: str, event: Event, run_id: str = "") -> None:
        """Show those who watch now what is not stored; slow ones see the latest of each kind."""
        if feed := self._feeds.get(session_key):
            feed.passing[kind] = Numbered(0, run_id, event)
            feed.wake()

    def end(self, session_key: str) -> None:
        """The session is gone; so are its watchers."""
        self.on_end(session_key)
        if feed := self._feeds.get(session_key):
            feed.is_over = True
            feed.wake()

    def close(self) -> None:
        """Every watcher is told when to come back, after what it has not seen yet."""
        self._is_closing = True
        for feed in self._feeds.values():
            feed.wake()

    async def follow(
        self, session_key: str, after: int, kinds: frozenset[str] = TO_CUSTOMERS
    ) -> AsyncGenerator[Numbered]:
        """Events above number `after`, then all that follow, until the session or the appliance
        ends; of what passes by only `kinds`. Raises StoreUnavailable."""
        feed = self._feeds.setdefault(session_key, Feed())
        feed.watchers += 1
        try:
            async for numbered in self._follow(feed, session_key, after, kinds):
                yield numbered
        finally:
            feed.watchers -= 1
            if not feed.watchers:
                del self._feeds[session_key]

    async def _follow(
        self, feed: Feed, session_key: str, after: int, kinds: frozenset[str]
    ) -> AsyncIterator[Numbered]:
        shown: Numbered | None = None
        # What passed before this watcher came is over, but for a draft that is not decided on.
        passed = dict(feed.passing)
        if (draft := self.find_draft(session_key)) is not None:
            feed.passing[DRAFT] = draft
        # Asked after joining: else a session deleted in between would leave this open for ever.
        turn = self._find_turn(session_key)
        kept = await self._log.find_last_number(session_key, after)
        if kept is None:
            return
        if (rewind := await self._find_rewind(session_key, after, kept, turn)) is not None:
            yield Numbered(0, "", rewind)
            after = rewind.after
        while not feed.is_over:
            grown = feed.grown
            if events := await self._read_after(session_key, after):
                for numbered in events:
                    yield numbered
                    after = numbered.number
            elif (passing := self._find_passing(session_key)) is not shown:
                shown = passing
                if passing is not None:
                    yield passing
            elif news := [
                kind
                for kind in feed.passing.keys() & kinds
                if feed.passing[kind] is not passed.get(kind)
            ]:
                for kind in news:
                    passed[kind] = feed.passing[kind]
                    yield passed[kind]
            elif self._is_closing:
                yield BYE
                return
            else:
                await grown.wait()

    async def _find_rewind(
        self, session_key: str, after: int, kept: int, turn: Turn | None
    ) -> Rewind | None:
        """For a watcher whose last event is not there: the database came from a backup. `kept` is
        the number of the last one before it that is; `turn` was running before that was asked."""
        # Parked turns may still be on their way to the main file.
        if after == kept or self._is_closing:
            return None
        said = [one for one in turn.events if 0 < one.number <= after] if turn is not None else []
        kept = max([kept, *(one.number for one in said)])
        if after == kept:
            return None
        # After a power cut the log tells it itself.
        if any(isinstance(one.event, Rewind) for one in await self._read_after(session_key, after)):
            return None
        return Rewind(
            kept, sum(len(one.event.text) for one in said if isinstance(one.event, Token))
        )

    async def _read_after(self, session_key: str, after: int) -> list[Numbered]:
        turn = self._find_turn(session_key)
        if turn is not None and turn.covers(after):
            return turn.list_after(after)
        return await self._log.read(session_key, after)
