"""How much one address, one conversation or one key may ask for: in a minute, and at once.

It knows no route and reads no body. The rule that must not break: whoever asks for too much is
told when to come back, and nobody else waits for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import Scope

from appliance.dialogue.turn import Turn
from appliance.errors import TooManyRequests
from appliance.http.addresses import find_group
from appliance.http.checkpoint import READING
from appliance.http.policies import get_access
from appliance.settings import Settings
from appliance.store.sessions import key_of

if TYPE_CHECKING:
    from limits.strategies import MovingWindowRateLimiter

ANSWER_RETRY_S = 5
# The library counts by the clock on the wall, which may be set.
CLOCK_LEAP_S = 5.0


@dataclass(slots=True)
class Seat:
    """A place for one answer, taken until its turn has ended."""

    turn: Turn | None = None
    is_arriving: bool = True

    @property
    def is_free(self) -> bool:
        turn = self.turn
        return not self.is_arriving and (turn is None or turn.is_ended or turn.is_parked)


class Rates:
    """Kept in memory: a restart forgives."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clock_s = time.time() - time.monotonic()
        self._seats: dict[tuple[str, str], list[Seat]] = {}

    def check_address(self, scope: Scope) -> None:
        """Of requests that change something and show no key, which has its own measure. Raises
        TooManyRequests, as all here do."""
        is_reading = scope["type"] == "http" and scope["method"] in READING
        if not is_reading and "authorization" not in Headers(scope=scope):
            self.count_address(scope)

    def count_address(self, scope: Scope) -> None:
        address = find_group(scope)
        self._count("address", address, self._settings.address_per_minute)

    def check_key(self, key_id: str) -> None:
        self._count("key", key_id, self._settings.key_per_minute)

    @contextmanager
    def seat(self, scope: Scope, session_id: str | None) -> Iterator[Seat]:
        """A place for the answer to one message; who takes it puts the turn on it."""
        if session_id is not None:
            self._count("session", key_of(session_id), self._settings.session_per_minute)
        key_id = get_access(scope).key_id
        if key_id:
            owner, most = ("key", key_id), self._settings.key_answers
        else:
            owner = ("address", find_group(scope))
            most = self._settings.address_answers
        seat = self._take(owner, most)
        try:
            yield seat
        finally:
            seat.is_arriving = False

    def _take(self, owner: tuple[str, str], most: int) -> Seat:
        taken = {
            one: kept
            for one, seats in self._seats.items()
            if (kept := [seat for seat in seats if not seat.is_free])
        }
        self._seats = taken
        seats = taken.setdefault(owner, [])
        if most and len(seats) >= most:
            raise TooManyRequests(
                f"{len(seats)} answers are under way for you; wait for one of them.",
                ANSWER_RETRY_S,
            )
        seats.append(Seat())
        return seats[-1]

    @cached_property
    def _windows(self) -> MovingWindowRateLimiter:
        """Imported at the first request that counts: the page is there before it is needed."""
        from limits.storage import MemoryStorage
        from limits.strategies import MovingWindowRateLimiter

        return MovingWindowRateLimiter(MemoryStorage())

    def _count(self, kind: str, who: str, most: int) -> None:
        if not most:
            return
        from limits import RateLimitItemPerMinute

        clock_s = time.time() - time.monotonic()
        if abs(clock_s - self._clock_s) > CLOCK_LEAP_S:
            self._windows.storage.reset()
        self._clock_s = clock_s
        limit = RateLimitItemPerMinute(most)
        if not self._windows.hit(limit, kind, who):
            reset_s = self._windows.get_window_stats(limit, kind, who).reset_time - time.time()
            raise TooManyRequests(
                f"That is more than {most} requests in a minute; wait a little.",
                max(1, math.ceil(reset_s)),
            )
