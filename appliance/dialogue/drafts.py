"""Answers that an operator looks at before the customer does: held back, then sent, changed or not.

It writes no rows; the answer itself is made as any other, by whoever is handed in, on a copy of the
turn that nobody watches. The rules that must not break: of a held answer no word is shown before an
operator said so, what he said is on disk before it counts and then is carried out whatever dies,
and no customer waits for him longer than `PATIENCE_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from appliance.dialogue.feed import DRAFT, Feeds
from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.language import Language, language_of
from appliance.dialogue.speech import Speech, TakenOver
from appliance.dialogue.tooling import CONFIRMING, LOOKED_AT, leave
from appliance.dialogue.turn import Turn
from appliance.errors import ApplianceError, HandoffRefused
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
from appliance.store.decisions import NOT_HELD, Action, Decided

PATIENCE_S = 120.0
# The rules of a turn's end that an operator decided.
CHANGED_BY_PERSON, DROPPED, UNDECIDED = "draft-changed", "draft-dropped", "draft-undecided"
# What of an answer is shown to a customer.
SHOWN = Started | Token | Notice | Tool
Answer: TypeAlias = Callable[[Turn, Speech], Awaitable[Ending]]
Keep: TypeAlias = Callable[[Decided], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Decision:
    """`text` is what is said instead."""

    action: Action
    text: str = ""


@dataclass(eq=False)
class Held:
    """One answer that is held back: what its copy `turn` says behind the first `begun` events, in
    the words of `drafted`. `ending` is there once it is whole."""

    turn: Turn
    begun: int
    speech: Speech
    drafted: Speech
    ending: Ending | None = None
    decided: Decided | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    deciding: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_whole(self) -> bool:
        return self.ending is not None

    def show(self) -> Draft:
        source: Source = self.turn.started.source if self.turn.started else "model"
        return Draft(self.turn.text, source, self.is_whole)

    def draw_up(self, decision: Decision) -> Decided:
        """What comes of it for the customer."""
        after = max((one.number for one in self.turn.events), default=0)
        # A question that the customer never saw is not open; what was done is kept.
        self.speech.take_over(self.drafted, leave)
        calls, verdicts = tuple(self.speech.calls), tuple(self.speech.verdicts)
        ended = self.speech.conclude("stop", "human")
        match decision:
            case Decision("edit", text):
                said = (Started("human"), Token(text.lstrip()))
                ended = replace(ended, rule=CHANGED_BY_PERSON)
                return Decided("edit", after, said, ended, verdicts, calls)
            case Decision("drop"):
                ended = replace(ended, finish_reason="handed_over", rule=DROPPED)
                return Decided("drop", after, (), ended, verdicts, calls)
        assert self.ending is not None, "only a whole answer is sent"
        shown = [one.event for one in self.turn.events[self.begun :]]
        events = tuple(event for event in shown if isinstance(event, SHOWN))
        calls = tuple(
            replace(call, detail=f"{call.detail} {LOOKED_AT}".strip())
            if call.state == CONFIRMING
            else call
            for call in self.drafted.calls
        )
        return Decided("send", after, events, self.ending, verdicts, calls)


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
        # By run: what was decided in the process before this one.
        self.left: dict[str, Decided] = {}
        self.is_all = False
        self.keys: set[str] = set()
        feeds.find_draft = self.find

    def is_held(self, session_key: str) -> bool:
        return self.is_all or session_key in self.keys

    def find(self, session_key: str) -> Numbered | None:
        """What is held back now, as an event for operators."""
        held = self._held.get(session_key)
        return Numbered(0, held.turn.run_id, held.show()) if held is not None else None

    def _check(self, session_key: str, run_id: str, action: Action) -> Held:
        """Raises HandoffRefused where this cannot be done with it."""
        held = self._held.get(session_key)
        if held is None or held.turn.run_id != run_id or held.settled.is_set():
            raise HandoffRefused(NOT_HELD)
        if action == "send" and not held.is_whole:
            raise HandoffRefused("This answer is not whole yet.")
        return held

    async def decide(self, session_key: str, run_id: str, decision: Decision, keep: Keep) -> None:
        """Once `keep` has returned it counts. Raises HandoffRefused, and what `keep` raises."""
        held = self._check(session_key, run_id, decision.action)
        async with held.deciding:
            self._check(session_key, run_id, decision.action)
            decided = held.draw_up(decision)
            await keep(decided)
            held.decided = decided
            held.settled.set()

    async def lead(self, turn: Turn, speech: Speech, answer: Answer) -> Ending:
        """Have `turn` answered by `answer`, behind an operator's back where its session is held.
        Raises what `answer` raises."""
        if (decided := self.left.pop(turn.run_id, None)) is not None:
            return await self._carry_out(turn, speech, decided)
        is_begun = turn.has_spoken or not self._handoffs.is_bots(turn.session_key)
        if turn.started is not None and turn.started.source == "human":
            # The process died behind an operator's words: nobody else adds to them.
            return replace(speech.conclude("stop", "human"), rule=CHANGED_BY_PERSON)
        if is_begun or not self.is_held(turn.session_key):
            return await answer(turn, speech)
        copy = self._copy(turn)
        held = Held(copy, len(turn.events), speech, speech.draft(copy))
        self._held[turn.session_key] = held
        try:
            return await self._hold(turn, speech, held, answer)
        finally:
            del self._held[turn.session_key]
            gone = Draft("", held.show().source, True)
            self._feeds.pass_by(turn.session_key, DRAFT, gone, turn.run_id)

    async def _hold(self, turn: Turn, speech: Speech, held: Held, answer: Answer) -> Ending:
        followers = [
            asyncio.create_task(_follow(turn.stop_asked, held.settled)),
            # What is decided on early is not sent, so the rest of it is not made either.
            asyncio.create_task(_follow(held.settled, held.turn.stop_asked)),
        ]
        fault: ApplianceError | None = None
        try:
            held.ending = await answer(held.turn, held.drafted)
            self._show(held)
            await wait_at_most(held.settled, self._patience_s)
        except ApplianceError as error:
            fault = error
        finally:
            # A decision that is being kept just now still counts, and no later one.
            async with held.deciding:
                held.settled.set()
            for follower in followers:
                follower.cancel()
            speech.take_over(held.drafted, leave)
        if fault is not None and held.decided is None:
            raise fault
        if not self._handoffs.is_bots(turn.session_key):
            raise TakenOver("A person answers now.")
        if turn.stop_asked.is_set() and not (turn.is_parked and held.decided is not None):
            return speech.conclude("cancelled", "human")
        if held.decided is None:
            return await self._give_up(turn, speech)
        if held.decided.action == "send":
            return await self._carry_out(turn, speech, held.decided)
        # What was done between the decision and the end of the work is kept as well.
        verdicts, calls = tuple(speech.verdicts), tuple(speech.calls)
        decided = replace(held.decided, verdicts=verdicts, calls=calls)
        return await self._carry_out(turn, speech, decided)

    async def _carry_out(self, turn: Turn, speech: Speech, decided: Decided) -> Ending:
        """Whatever of it was shown before the process died is not shown again."""
        speech.verdicts, speech.calls = [*decided.verdicts], [*decided.calls]
        shown = sum(
            isinstance(one.event, SHOWN) for one in turn.events if one.number > decided.after
        )
        for event in decided.events[shown:]:
            await speech.publish(event)
        return decided.ending

    async def _give_up(self, turn: Turn, speech: Speech) -> Ending:
        """Nobody looked: a person is called, and the customer told so."""
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
