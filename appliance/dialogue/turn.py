"""One turn under way: what it has said so far and who asked for its end.

It writes nothing to disk and asks no engine: `answering.py` leads it. The rule that must not
break: what a turn is given to publish is in the log already, and nothing follows its end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from appliance.dialogue.language import Language
from appliance.engine.logprobs import TokenLogprob
from appliance.engine.prompt import TokenIds
from appliance.events import (
    Done,
    Event,
    Failed,
    Handoff,
    Message,
    Notice,
    Numbered,
    Queued,
    Started,
    Token,
)

T = TypeVar("T")


class Stopped(Exception):
    """The turn was asked for its end while it waited; it never leaves the dialogue."""


class Turn:
    """`events` are those so far, the customer's message first; any number may watch them."""

    def __init__(
        self,
        run_id: str,
        session_key: str,
        question: str,
        events: Sequence[Numbered] = (),
        *,
        deaths: int = 0,
        on_publish: Callable[[Numbered], None] = lambda _: None,
    ) -> None:
        self.run_id = run_id
        self.session_key = session_key
        self.question = question
        self.deaths = deaths
        self.accepted_at = time.monotonic()
        self.stop_asked = asyncio.Event()
        # It is left as it is and goes on after the restart.
        self.is_parked = False
        # The end that is not on disk, where the disk refused it.
        self.unsaved: Failed | None = None
        self.events = list(events)
        # By the number of the piece's event, for a caller that asked for them; kept nowhere.
        self.logprobs: dict[int, tuple[TokenLogprob, ...]] = {}
        self._on_publish = on_publish
        self._grown = asyncio.Event()

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(one.event.text for one in self.events if isinstance(one.event, Token))

    @property
    def token_ids(self) -> TokenIds:
        """The ids of `text`, as model `started_model` said them."""
        return tuple(
            token_id
            for one in self.events
            if isinstance(one.event, Token)
            for token_id in one.event.token_ids
        )

    @property
    def has_spoken(self) -> bool:
        return any(isinstance(one.event, Token) for one in reversed(self.events))

    @property
    def is_verbatim(self) -> bool:
        """Whether `token_ids` are the whole text: nothing fixed, replaced or masked is in it."""
        return self.has_spoken and all(
            one.event.token_ids for one in self.events if isinstance(one.event, Token)
        )

    @property
    def started(self) -> Started | None:
        """How the answer began last: a restart with another model begins it again."""
        begun = (one.event for one in reversed(self.events) if isinstance(one.event, Started))
        return next(begun, None)

    @property
    def started_model(self) -> str | None:
        """Whose token ids they are; None before anything began, and of an answer by two models."""
        models = {one.event.model_id for one in self.events if isinstance(one.event, Started)}
        return models.pop() if len(models) == 1 else None

    def needs_start(self, model_id: str) -> bool:
        """Whether a piece of `model_id` is the first, or the first of another model."""
        started = self.started
        return started is None or bool(model_id and started.model_id != model_id)

    @property
    def queued(self) -> Queued | None:
        """Why and how long it waits, while it does."""
        last = self.last_said
        return last.event if last is not None and isinstance(last.event, Queued) else None

    @property
    def last_said(self) -> Numbered | None:
        """The last event but for a change of hands and an operator's word, which may come at any
        time."""
        said = (one for one in reversed(self.events) if not is_of_a_person(one.event))
        return next(said, None)

    @property
    def last_number(self) -> int:
        return max((one.number for one in self.events), default=0)

    @property
    def is_ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1].event, Done | Failed)

    def has_noticed(self, code: str) -> bool:
        return any(isinstance(one.event, Notice) and one.event.code == code for one in self.events)

    def covers(self, number: int) -> bool:
        """Whether every event after `number` is here and need not be read from the store."""
        first = next((one.number for one in self.events if one.number), None)
        return first is not None and number >= first - 1

    def list_after(self, number: int) -> list[Numbered]:
        """The numbered events after `number`; from the end, for a watcher is seldom far behind."""
        found: list[Numbered] = []
        for one in reversed(self.events):
            if 0 < one.number <= number:
                break
            if one.number:
                found.append(one)
        return found[::-1]

    def publish(self, numbered: Numbered) -> None:
        assert not self.is_ended, "nothing follows the end of a turn"
        self.events.append(numbered)
        self._on_publish(numbered)
        self._wake()

    def pass_by(self, event: Event) -> None:
        """Show an event that is not stored."""
        self.publish(Numbered(0, self.run_id, event))

    async def heed(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """What comes of `coroutine`. Raises Stopped where the turn was asked for its own end
        before."""
        work = asyncio.ensure_future(coroutine)
        stop = asyncio.ensure_future(self.stop_asked.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also where the caller's patience ends: else both would go on for nobody.
            stop.cancel()
            was_open = work.cancel()
        if was_open:
            raise Stopped
        return work.result()

    async def wait_unless_stopped(self, coroutine: Coroutine[Any, Any, object]) -> bool:
        """Whether `coroutine` came to its end before the turn was asked for its own."""
        try:
            await self.heed(coroutine)
        except Stopped:
            return False
        return True

    def stop(self) -> None:
        """Ask for the end of the answer; what was said of it is kept."""
        self.stop_asked.set()

    def park(self) -> None:
        """Ask to leave off without an end, where none was asked for: the appliance stops."""
        if not self.stop_asked.is_set():
            self.is_parked = True
            self.stop_asked.set()

    def leave(self) -> None:
        """Nothing more comes from this process: who watches may go."""
        self._wake()

    async def watch(self) -> AsyncIterator[Numbered]:
        """Every event from the first on, up to the end, or to where a parked turn leaves off.
        Leaving stops nothing."""
        seen = 0
        while True:
            grown = self._grown
            for numbered in self.events[seen:]:
                yield numbered
                seen += 1
            if seen < len(self.events):
                continue
            if self.is_ended or self.is_parked:
                return
            await grown.wait()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


def is_of_a_person(event: Event) -> bool:
    return isinstance(event, Handoff) or (isinstance(event, Message) and event.role == "operator")


class Answers(Protocol):
    """Whoever leads a turn to its end, or to where it is parked; it never raises."""

    async def run(self, turn: Turn) -> None: ...

    def tell_words(self, key: str, language: Language, **moments: str) -> str: ...

    def forget(self, session_key: str) -> None: ...

    async def close(self) -> None: ...
