"""The desk where messages arrive: sessions are opened, turns begun, watched, stopped, continued.

It tells no story of a turn (`answering.py` does) and knows no HTTP. Turns are tasks of their own,
so a customer who leaves ends nothing. The rule that must not break: `say` returns only when the
customer's message is on disk, and then the turn is answered, whoever watches and whatever dies.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import takewhile
from typing import Literal, TypeVar

import structlog

from appliance.dialogue.feed import Feeds
from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.language import Language
from appliance.dialogue.room import Room
from appliance.dialogue.transcript import Asked, Transcript, TurnFigures
from appliance.dialogue.turn import Answers, Turn
from appliance.dialogue.unsaved import UnsavedEnds
from appliance.engine.engine import Engine
from appliance.errors import Restarting, StoreUnavailable
from appliance.events import Done, Failed, Handoff, Message, Numbered
from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.events import EventLog
from appliance.store.feedback import Feedback
from appliance.store.handoffs import Owners
from appliance.store.recovery import Unfinished
from appliance.store.sessions import Accepted, Forgotten, Sessions, key_of

TAKE_UP_PAUSE_S = 5.0
# A third try would most likely end like the first two.
MAX_DEATHS = 2
INTERRUPTED = Failed(
    "interrupted", "This question stopped the assistant twice; please ask it in other words."
)
Closed = TypeVar("Closed")
CLOSING = "The appliance restarts; please ask again in a moment."


class Conversations:
    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        owners: Owners,
        log: EventLog,
        settings: Settings,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._events = log
        self._turns: dict[str, Turn] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._late: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self.feeds = Feeds(log, self._turns.get, self._find_passing)
        self.handoffs = Handoffs(owners, self._turns.get, self.feeds.tell)
        self._answering: Answers | None = None
        self._is_answered = asyncio.Event()
        self._unsaved = UnsavedEnds(sessions, self.feeds.tell)
        self._room = Room(engine, settings, lambda: len(self._turns))
        self._recovered = asyncio.Event()
        self._endings: Counter[str] = Counter()
        self._continued = 0
        self._log = structlog.get_logger(__name__)

    def measure(self) -> TurnFigures:
        waiting = sum(turn.queued is not None for turn in self._turns.values())
        return TurnFigures(
            running=len(self._turns) - waiting,
            waiting=waiting,
            streams=self.feeds.streams,
            done_total=self._endings[""],
            failed_total={code: count for code, count in self._endings.items() if code},
            continued_total=self._continued,
        )

    async def resume(self, unfinished: tuple[Unfinished, ...]) -> None:
        """Go on with what the last process left, and let messages in."""
        try:
            for left in unfinished:
                # A stop that came meanwhile leaves them as they are.
                if not self._closing.is_set():
                    await self._take_up(left)
        finally:
            self.open_door()

    def give(self, answering: Answers) -> None:
        """From here on turns are led by `answering`; those that are accepted wait for it."""
        self._answering = answering
        self._is_answered.set()

    def open_door(self) -> None:
        """Let messages in: what was before is settled, or the store is not to be had."""
        self._recovered.set()

    async def open(self, *, is_guest: bool = False) -> str:
        """A new session's id; a guest's is for one answer. Raises Busy, StoreUnavailable."""
        with self._room.opening():
            return await self._sessions.create(is_guest=is_guest)

    async def say(
        self, message: str, session_id: str | None = None, client_id: str | None = None
    ) -> Asked:
        """Accept `message`; a missing session is opened. The same `client_id` again gives what it
        gave the first time and begins nothing.

        Raises SessionNotFound, TurnRunning, Busy, Restarting, StoreUnavailable; after any of them
        nothing of the message is kept.
        """
        if session_id is not None and client_id is not None:
            found = await self._sessions.find_asked(session_id, client_id)
            if found is not None:
                return Asked(session_id, found.run_id, found.number, None)
        if self._closing.is_set():
            raise Restarting(CLOSING)
        self._room.enter()
        # A caller that is cancelled in between must not leave an accepted turn unanswered.
        return await asyncio.shield(
            asyncio.create_task(self._begin(message, session_id, client_id))
        )

    async def read(self, session_id: str) -> Transcript:
        """Raises SessionNotFound."""
        # Before that, a turn that will go on is in neither place.
        await self._recovered.wait()
        session_key = key_of(session_id)
        while True:
            running = self._turns.get(session_key)
            messages, last_number = await self._sessions.read_messages(session_id)
            # Else a turn began or ended meanwhile, and its answer might be in neither place.
            if running is self._turns.get(session_key):
                break
        if running is not None:
            # Its answer may be on disk already, in the moment before `done` is published, and
            # even the next question.
            run_id = running.run_id
            messages = tuple(
                takewhile(lambda one: one.run_id != run_id or one.role == "customer", messages)
            )
            last_number = running.last_number
        # After the last number was taken: a change that it counts is seen.
        return Transcript(messages, running, last_number, self.handoffs.tell(session_key))

    async def hand_over(
        self, session_id: str, state: Literal["waiting", "closed"], language: Language
    ) -> Handoff:
        """Ask for a person, or take that back; how it stands then. Raises SessionNotFound,
        HandoffRefused."""
        await self._recovered.wait()
        await self._sessions.check(session_id)
        session_key = key_of(session_id)
        if state == "waiting":
            await self.handoffs.ask(session_key, "customer", language)
        else:
            await self.handoffs.move(session_key, state, "customer")
        return self.handoffs.tell(session_key)

    async def watch(self, session_id: str, after: int) -> AsyncIterator[Numbered]:
        """The session's events above number `after` and then all that follow, for ever; the
        iterator ends with `Bye` when the appliance stops. Raises SessionNotFound, at once."""
        await self._recovered.wait()
        await self._sessions.check(session_id)
        return self.feeds.follow(key_of(session_id), after)

    async def recall(self, session_id: str, run_id: str) -> list[Numbered]:
        """What is kept of a turn that is over, or its end where the disk refused that."""
        refused = self._find_passing(key_of(session_id))
        kept = await self._events.read_run(key_of(session_id), run_id)
        return [*kept, refused] if refused is not None and refused.run_id == run_id else kept

    async def stop(self, session_id: str) -> bool:
        """End the running answer, if there is one, and return once it has ended."""
        await self._recovered.wait()
        if await self._stop(key_of(session_id)):
            return True
        await self._sessions.check(session_id)
        return False

    async def judge(self, session_id: str, run_id: str, feedback: Feedback | None) -> None:
        """Raises SessionNotFound, InvalidField."""
        await self._sessions.judge(session_id, run_id, feedback)

    def tell(self, key: str, language: Language, **moments: str) -> str:
        """A text of the shop; empty while its words are not read yet."""
        return self._answering.tell_words(key, language, **moments) if self._answering else ""

    def find_turn(self, session_key: str) -> Turn | None:
        """The one that is under way."""
        return self._turns.get(session_key)

    async def forget(self, session_id: str) -> Forgotten:
        """Delete the session from disk and from the engine's cache."""
        return await self._leave(session_id, self._sessions.forget)

    async def revoke(self, session_id: str) -> None:
        """Close the session to whoever has its id, and drop it from the engine's cache; what was
        said stays its days."""
        await self._leave(session_id, self._revoke)

    async def _revoke(self, session_id: str) -> None:
        await self._sessions.check(session_id)
        await self.handoffs.call_off(key_of(session_id))
        await self._sessions.revoke(session_id)
        # One more turn may have begun before, and called a person.
        await self._stop(key_of(session_id))
        await self.handoffs.call_off(key_of(session_id))

    async def _leave(self, session_id: str, close: Callable[[str], Awaitable[Closed]]) -> Closed:
        await self._recovered.wait()
        # It may be calling a person.
        await self._stop(key_of(session_id))
        closed = await close(session_id)
        # One more may have begun before the session was closed.
        await self._stop(key_of(session_id))
        await self._let_go(key_of(session_id))
        return closed

    async def drop(self, session_keys: tuple[str, ...]) -> None:
        """Conversations that were deleted for their age: nothing of them is held any more."""
        for session_key in session_keys:
            await self._let_go(session_key)

    async def _let_go(self, session_key: str) -> None:
        self.handoffs.forget(session_key)
        self._unsaved.forget(session_key)
        self.feeds.end(session_key)
        if self._answering is not None:
            self._answering.forget(session_key)
        await self._engine.forget(session_key)

    async def close(self) -> None:
        """Take no more messages, park every turn and say good-bye to every watcher; parked turns
        go on after the restart."""
        self._closing.set()
        for turn in self._turns.values():
            turn.park()
        self.feeds.close()
        await asyncio.gather(*self._tasks.values(), *self._late, return_exceptions=True)
        if self._answering is not None:
            await self._answering.close()
        await self._unsaved.close()

    async def _begin(self, message: str, session_id: str | None, client_id: str | None) -> Asked:
        try:
            await self._recovered.wait()
            session_id = session_id or await self.open()
            await self._unsaved.save(key_of(session_id))
            accepted = await self._sessions.accept(session_id, message, client_id)
            before = self._tasks.get(accepted.session_key)
            if before is not None and not accepted.is_repeat:
                # Its end is on disk; it is about to tell its watchers.
                await asyncio.wait((before,))
        finally:
            self._room.leave()
        turn = None if accepted.is_repeat else self._begin_turn(accepted, message)
        return Asked(session_id, accepted.run_id, accepted.number, turn)

    async def _take_up(self, left: Unfinished) -> None:
        self._events.begin(left.session_key, left.next_number)
        try:
            question = await self._sessions.read_question(left.session_key, left.run_id)
        except StoreUnavailable as error:
            self._log.error("turn not continued", run=left.run_id, reason=str(error))
            late = asyncio.create_task(self._take_up_late(left))
            self._late.add(late)
            late.add_done_callback(self._late.discard)
            return
        turn = self._build_turn(left, question)
        if left.deaths < MAX_DEATHS:
            self._continued += 1
            self._lead(turn)
        else:
            self._log.error("turn given up", run=left.run_id, deaths=left.deaths)
            turn.unsaved = INTERRUPTED
            self._unsaved.keep(turn)
            self._endings[INTERRUPTED.code] += 1
            with suppress(StoreUnavailable):
                await self._unsaved.save(turn.session_key)

    def _begin_turn(self, accepted: Accepted, message: str) -> Turn:
        asked = Numbered(accepted.number, accepted.run_id, Message("customer", message))
        left = Unfinished(accepted.run_id, accepted.session_key, 0, (asked,), accepted.number + 1)
        turn = self._build_turn(left, message)
        if self._closing.is_set():
            turn.park()
        self._lead(turn)
        return turn

    def _build_turn(self, left: Unfinished, question: str) -> Turn:
        return Turn(
            left.run_id,
            left.session_key,
            question,
            left.events,
            deaths=left.deaths,
            on_publish=lambda numbered: self._tell(left.session_key, numbered),
        )

    def _lead(self, turn: Turn) -> None:
        self._turns[turn.session_key] = turn
        self._tasks[turn.session_key] = asyncio.create_task(self._lead_to_its_end(turn))
        self.feeds.tell(turn.session_key)

    async def _lead_to_its_end(self, turn: Turn) -> None:
        try:
            await self._is_answered.wait()
            assert self._answering is not None
            await self._answering.run(turn)
        finally:
            del self._turns[turn.session_key]
            del self._tasks[turn.session_key]
            # What came after the end is read from the log from now on.
            self.feeds.tell(turn.session_key)
            if turn.unsaved is not None:
                self._unsaved.keep(turn)

    def _tell(self, session_key: str, numbered: Numbered) -> None:
        if isinstance(numbered.event, Done):
            self._endings[""] += 1
        elif isinstance(numbered.event, Failed):
            self._endings[numbered.event.code] += 1
        self.feeds.tell(session_key)

    def _find_passing(self, session_key: str) -> Numbered | None:
        """What is so just now and is not stored: that the turn waits, or an end that the disk
        refused."""
        turn = self._turns.get(session_key) or self._unsaved.find(session_key)
        last = turn.last_said if turn is not None else None
        return last if last is not None and not last.number else None

    async def _take_up_late(self, left: Unfinished) -> None:
        await wait_at_most(self._closing, TAKE_UP_PAUSE_S)
        if not self._closing.is_set():
            await self._take_up(left)

    async def _stop(self, session_key: str) -> bool:
        turn, task = self._turns.get(session_key), self._tasks.get(session_key)
        if turn is None or task is None:
            return False
        turn.stop()
        await asyncio.wait((task,))
        return True
