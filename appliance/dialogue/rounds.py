"""What happens at the desk by itself, by the clock: who left loses his conversations, who waits in
vain is asked how he can be reached, and everybody who waits is told of his place.

It answers nobody. The rule that must not break: each of these is a change of hands as any other,
and one that fails is tried again at the next round.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from appliance.dialogue.feed import PLACE, Feeds
from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.language import Language
from appliance.dialogue.presence import Presence
from appliance.dialogue.waiting import TIMED_OUT, Promise, Waiting
from appliance.errors import HandoffRefused, SessionNotFound, StoreUnavailable, TurnRunning
from appliance.events import Handoff, HandoffState
from appliance.store.handoffs import Owner

PAUSE_S = 1.0
LEFT = "operator left"
NOT_NOW = (HandoffRefused, SessionNotFound, StoreUnavailable, TurnRunning)


class Rounds:
    def __init__(
        self,
        handoffs: Handoffs,
        feeds: Feeds,
        presence: Presence,
        waiting: Waiting,
        wait_minutes: int,
        clock: Callable[[], float],
    ) -> None:
        """`clock` gives seconds that only grow; 0 minutes wait for ever."""
        self._handoffs = handoffs
        self._feeds = feeds
        self._presence = presence
        self._waiting = waiting
        self._longest_s = wait_minutes * 60.0
        self._clock = clock
        # By session: since when in the state, and when that was first seen here.
        self._seen: dict[str, tuple[int, float]] = {}
        self._told: dict[str, Handoff] = {}

    async def go(self) -> None:
        """One round."""
        for session_key, owner in self._handoffs.list_owned("human"):
            if self._presence.is_gone(owner.account):
                await self._move(session_key, "waiting", LEFT, owner)
        await self._end_long_waits()
        self._tell_places()

    async def _end_long_waits(self) -> None:
        """By a clock of its own: that on the wall may be set."""
        now_s = self._clock()
        waiting = self._handoffs.list_owned("waiting")
        before, self._seen = self._seen, {}
        for session_key, owner in waiting:
            since_ms, seen_s = before.get(session_key, (owner.since_ms, now_s))
            if since_ms != owner.since_ms:
                seen_s = now_s
            self._seen[session_key] = owner.since_ms, seen_s
            if self._longest_s and now_s - seen_s >= self._longest_s:
                await self._move(session_key, "closed", TIMED_OUT, owner)

    def _tell_places(self) -> None:
        told, self._told = self._told, {}
        waiting = self._handoffs.list_owned("waiting")
        # Once for all of a language: the shop's words take longer than the rest of the round.
        promises: dict[Language, Promise] = {}
        for place, (session_key, _) in enumerate(waiting, start=1):
            language = self._handoffs.languages.get(session_key, "zh")
            if language not in promises:
                promises[language] = self._waiting.promise(language)
            event = Handoff("waiting", place, *promises[language])
            self._told[session_key] = event
            if told.get(session_key, event) != event:
                self._feeds.pass_by(session_key, PLACE, event)

    async def _move(self, session_key: str, state: HandoffState, reason: str, seen: Owner) -> None:
        with suppress(*NOT_NOW):
            await self._handoffs.move(session_key, state, reason, seen=seen)
