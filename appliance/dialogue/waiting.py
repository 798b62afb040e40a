"""What a customer who waits for a person is told: his place, and when somebody comes.

It moves nobody and knows no stream. The rule that must not break: no time is promised that was not
measured or written down by the shop, and who comes in vain is asked how he can be reached.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeAlias

from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.language import Language
from appliance.dialogue.presence import Presence
from appliance.events import Handoff, HandoffState
from appliance.hours import Hours

TIMED_OUT = "timeout"
KEPT_WAITS = 20
LONGEST_WAIT_MS = 4 * 3_600_000
WEEKDAYS: dict[Language, tuple[str, ...]] = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
NEAR_DAYS: dict[Language, tuple[str, str]] = {
    "zh": ("今天", "明天"),
    "en": ("today", "tomorrow"),
}


Promise: TypeAlias = tuple[str, bool]
"""The words, and whether a contact is asked for."""


class TellWords(Protocol):
    def __call__(self, key: str, language: Language, **moments: str) -> str:
        """A text of the shop; empty while its words are not read yet."""


class Waiting:
    def __init__(
        self,
        handoffs: Handoffs,
        presence: Presence,
        hours: Hours,
        tell: TellWords,
        read_now: Callable[[], datetime],
    ) -> None:
        self._handoffs = handoffs
        self._presence = presence
        self._hours = hours
        self._tell = tell
        self._read_now = read_now
        self._waits_ms: deque[int] = deque(maxlen=KEPT_WAITS)

    def note_wait(self, waited_ms: int) -> None:
        """Somebody waited so long until a person came, by a clock that may have been set."""
        if 0 <= waited_ms <= LONGEST_WAIT_MS:
            self._waits_ms.append(waited_ms)

    def find_place(self, session_key: str) -> int:
        """From 1; behind all others where it does not wait yet."""
        keys = [key for key, _ in self._handoffs.list_owned("waiting")]
        return keys.index(session_key) + 1 if session_key in keys else len(keys) + 1

    def describe(self, session_key: str, state: HandoffState, reason: str) -> Handoff:
        """The event, or what stands now, of a session in `state`."""
        language = self._handoffs.languages.get(session_key, "zh")
        if state == "waiting":
            return Handoff(state, self.find_place(session_key), *self.promise(language))
        if state == "closed" and reason == TIMED_OUT:
            return Handoff(state, 0, self._tell("handoff_timeout", language), True)
        return Handoff(state)

    def promise(self, language: Language) -> Promise:
        """When a person comes, and whether it is better to leave word."""
        now = self._read_now()
        if not self._hours.is_open(now):
            opens = name_time(self._hours.find_opening(now), now, language)
            return self._tell("handoff_after_hours", language, opens=opens), True
        if not self._presence.names:
            return self._tell("handoff_absent", language), True
        if not self._waits_ms:
            return self._tell("handoff_waiting", language), False
        minutes = max(1, round(statistics.median(self._waits_ms) / 60_000))
        return self._tell("handoff_soon", language, minutes=str(minutes)), False


def name_time(then: datetime, now: datetime, language: Language) -> str:
    """Within a week: "tomorrow 09:00", "周一 09:00"."""
    days = (then.date() - now.date()).days
    near = NEAR_DAYS[language]
    day = near[days] if days < len(near) else WEEKDAYS[language][then.weekday()]
    return f"{day} {then:%H:%M}"
