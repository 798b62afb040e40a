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


class Breaker:
    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._open_until_s: float | None = None
        self._is_trying = False

    @property
    def is_open(self) -> bool:
        return self._open_until_s is not None

    def may_try(self, now_s: float) -> bool:
        if self._open_until_s is None:
            return True
        return now_s >= self._open_until_s and not self._is_trying

    def begin(self) -> None:
        """A try that was allowed is under way; it ends in `succeed`, `fail` or `leave`."""
        self._is_trying = self.is_open

    def succeed(self) -> None:
        self._failures, self._pause_s = 0, FIRST_PAUSE_S
        self._open_until_s, self._is_trying = None, False

    def fail(self, now_s: float) -> None:
        """What had begun before it opened and fails now tells nothing new."""
        if self.is_open and not self._is_trying:
            return
        self._failures += 1
        if self._is_trying or self._failures >= THRESHOLD:
            self._open_until_s = now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._is_trying = False

    def leave(self) -> None:
        """The try was broken off and says nothing about the other side."""
        self._is_trying = False
