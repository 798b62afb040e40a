"""How often somebody may try to name an order that is not found: a few times, then not for a while.

It knows no tool and no customer: it counts failures by conversation and by what was asked for. The
rule that must not break: what is counted and what is refused is the same for what is not there and
for what is somebody else's, so that neither count nor refusal tells which.
"""

from __future__ import annotations

from collections.abc import Callable

WINDOW_S = 600.0
MOST_FAILURES = 5
MOST_KEPT = 10_000


class Throttle:
    def __init__(self, read_clock_s: Callable[[], float]) -> None:
        self._read_clock_s = read_clock_s
        self._failures: dict[str, list[float]] = {}

    def is_closed(self, *keys: str) -> bool:
        return any(len(self._list_recent(key)) >= MOST_FAILURES for key in keys)

    def note_failure(self, *keys: str) -> None:
        for key in keys:
            recent = [*self._list_recent(key), self._read_clock_s()]
            # Put back at the end: the first ones are those not touched for longest.
            self._failures.pop(key, None)
            self._failures[key] = recent[-MOST_FAILURES:]
        while len(self._failures) > MOST_KEPT:
            del self._failures[next(iter(self._failures))]

    def _list_recent(self, key: str) -> list[float]:
        after_s = self._read_clock_s() - WINDOW_S
        return [at_s for at_s in self._failures.get(key, ()) if at_s > after_s]
