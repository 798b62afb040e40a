"""A circuit breaker: who failed again and again is left alone for a while, then tried once.

It asks nobody and reads no clock; the time is handed in. The rule that must not break: while it is
open at most one try is under way, and a success at any time closes it.

    closed ── `THRESHOLD` failures in a row ──► open ── the pause is over ──► one try
       ▲                                         ▲                             │
       └──────────────── success ────────────────┼─────────────────────────────┤
                                                 └── failure, a longer pause ──┘
"""

from __future__ import annotations

THRESHOLD = 3
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class Attempt:
    """One answer that is asked for; who ends it is known by it."""


class Breaker:
    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._open_until_s: float | None = None
        self._trying: Attempt | None = None

    @property
    def is_open(self) -> bool:
        return self._open_until_s is not None

    def may_try(self, now_s: float) -> bool:
        if self._open_until_s is None:
            return True
        return now_s >= self._open_until_s and self._trying is None

    def begin(self) -> Attempt:
        """A try that was allowed is under way; it ends in `succeed`, `fail` or `leave`."""
        attempt = Attempt()
        if self.is_open:
            self._trying = attempt
        return attempt

    def succeed(self) -> None:
        self._failures, self._pause_s = 0, FIRST_PAUSE_S
        self._open_until_s = self._trying = None

    def fail(self, attempt: Attempt, now_s: float) -> None:
        """What had begun before it opened and fails now tells nothing new."""
        if self.is_open and attempt is not self._trying:
            return
        self._failures += 1
        if self.is_open or self._failures >= THRESHOLD:
            self._open_until_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._trying = None

    def leave(self, attempt: Attempt) -> None:
        """It was broken off and says nothing about the other side."""
        if attempt is self._trying:
            self._trying = None
