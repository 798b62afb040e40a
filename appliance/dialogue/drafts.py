"""Answers that an operator looks at before the customer does: held back, then sent, changed or not.

It writes no rows but asks who holds; the answer itself is made as any other, by whoever is handed
in, on a copy of the turn that nobody watches. The rules that must not break: of a held answer no
word is shown before an operator said so, and no customer waits for that longer than `PATIENCE_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from appliance.dialogue.feed import DRAFT, Feeds
from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.language import Language, language_of
from appliance.dialogue.speech import Speech, TakenOver
from appliance.dialogue.tooling import is_open
from appliance.dialogue.turn import Turn
from appliance.errors import HandoffRefused
from appliance.events import (
    Draft,
    Ending,
    Notice,
    Numbered,
    Source,
    Started,
    Token,
    Tool,
)
from appliance.patience import wait_at_most

PATIENCE_S = 120.0
# The rules of a turn's end that an operator decided.
CHANGED_BY_PERSON, DROPPED, UNDECIDED = "draft-changed", "draft-dropped", "draft-undecided"
Action: TypeAlias = Literal["send", "edit", "drop"]
Answer: TypeAlias = Callable[[Turn, Speech], Awaitable[Ending]]


@dataclass(frozen=True, slots=True)
class Decision:
    """`text` is what is said instead."""

    action: Action
    text: str = ""


@dataclass(eq=False)
class Held:
    """One answer that is held back: what its copy says behind the first `begun` events."""

    turn: Turn
    begun: int
    is_whole: bool = False
    decision: Decision | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self) -> Draft:
        source: Source = self.turn.started.source if self.turn.started else "model"
        return Draft(self.turn.text, source, self.is_whole)


class Drafts:
    def __init__(
        self,
        handoffs: Handoffs,
        feeds: Feeds,
        promise: Callable[[Language], str],
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`promise` is what a customer in a language is told who waits for a person."""
        self._handoffs = handoffs
        self._feeds = feeds
        self._promise = promise
        self._patience_s = patience_s
        self._held: dict[str, Held] = {}
        self.is_all = False
        self.keys: set[str] = set()
        feeds.find_draft = self.find

    def is_held(self, session_key: str) -> bool:
        return self.is_all or session_key in self.keys

    def find(self, session_key: str) -> Numbered | None:
        """What is held back now, as an event for operators."""
        held = self._held.get(session_key)
        return Numbered(0, held.turn.run_id, held.show()) if held is not None else None

    def check(self, session_key: str, run_id: str, action: Action) -> Held:
        """Raises HandoffRefused where this cannot be done with it."""
        held = self._held.get(session_key)
        if held is None or held.turn.run_id != run_id or held.settled.is_set():
            raise HandoffRefused("This answer is not held back any more.")
        if action == "send" and not held.is_whole:
            raise HandoffRefused("This answer is not whole yet.")
        return held

    def decide(self, session_key: str, run_id: str, decision: Decision) -> None:
        """Raises as `check` does."""
        held = self.check(session_key, run_id, decision.action)
        held.decision = decision
        held.settled.set()

    async def lead(self, turn: Turn, speech: Speech, answer: Answer) -> Ending:
        """Have `turn` answered by `answer`, behind an operator's back where its session is held.
        Raises what `answer` raises."""
        is_begun = turn.has_spoken or not self._handoffs.is_bots(turn.session_key)
        if turn.started is not None and turn.started.source == "human":
            # The process died behind an operator's words: nobody else adds to them.
            return replace(speech.conclude("stop", "human"), rule=CHANGED_BY_PERSON)
        if is_begun or not self.is_held(turn.session_key):
            return await answer(turn, speech)
        held = Held(self._copy(turn), len(turn.events))
        self._held[turn.session_key] = held
        try:
            return await self._hold(turn, speech, held, answer)
        finally:
            del self._held[turn.session_key]
            gone = Draft("", held.show().source, True)
            self._feeds.pass_by(turn.session_key, DRAFT, gone, turn.run_id)

    async def _hold(self, turn: Turn, speech: Speech, held: Held, answer: Answer) -> Ending:
        drafted = speech.draft(held.turn)
        followers = [
            asyncio.create_task(_follow(turn.stop_asked, held.settled)),
            # What is decided on early is not sent, so the rest of it is not made either.
            asyncio.create_task(_follow(held.settled, held.turn.stop_asked)),
        ]
        try:
            ending = await answer(held.turn, drafted)
            held.is_whole = True
            self._show(held)
            await wait_at_most(held.settled, self._patience_s)
        finally:
            for follower in followers:
                follower.cancel()
            # A question that the customer never saw is not open; what was done is kept.
            speech.take_over(drafted, lambda call: not is_open(call))
        if not self._handoffs.is_bots(turn.session_key):
            raise TakenOver("A person answers now.")
        if turn.stop_asked.is_set() and not (turn.is_parked and held.decision is not None):
            return speech.conclude("cancelled", "human")
        return await self._carry_out(turn, speech, drafted, held, ending)

    async def _carry_out(
        self, turn: Turn, speech: Speech, drafted: Speech, held: Held, ending: Ending
    ) -> Ending:
        match held.decision:
            case Decision("send"):
                for event in held.turn.events[held.begun :]:
                    if isinstance(event.event, Started | Token | Notice | Tool):
                        await speech.publish(event.event)
                speech.calls += filter(is_open, drafted.calls)
                return ending
            case Decision("edit", text):
                await speech.say(text, "human")
                return replace(speech.conclude("stop", "human"), rule=CHANGED_BY_PERSON)
            case Decision("drop"):
                return replace(speech.conclude("handed_over", "human"), rule=DROPPED)
        # Nobody looked: a person is called, and the customer told so.
        language = language_of(turn.question)
        await self._handoffs.ask(turn.session_key, UNDECIDED, language)
        await speech.say(self._promise(language), "rule")
        return replace(speech.conclude("handed_over", "rule"), rule=UNDECIDED)

    def _copy(self, turn: Turn) -> Turn:
        """It grows apart from the turn."""

        def show(numbered: Numbered) -> None:
            if isinstance(numbered.event, Token):
                self._show(self._held[turn.session_key])

        copy = Turn(
            turn.run_id,
            turn.session_key,
            turn.question,
            turn.events,
            deaths=turn.deaths,
            on_publish=show,
        )
        copy.accepted_at = turn.accepted_at
        return copy

    def _show(self, held: Held) -> None:
        turn = held.turn
        self._feeds.pass_by(turn.session_key, DRAFT, held.show(), turn.run_id)


async def _follow(first: asyncio.Event, then: asyncio.Event) -> None:
    await first.wait()
    then.set()
