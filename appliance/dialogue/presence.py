"""Which operators are at the desk: those on whose screen the list of conversations is open.

It moves no conversation. The rule that must not break: whoever loses his last stream counts as
there for `GONE_S` more and then no longer, and after a start everybody has that long to come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GONE_S = 60.0


class Presence:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that only grow."""
        self._clock = clock
        self._streams: Counter[str] = Counter()
        self._left_at: dict[str, float] = {}
        self._began_at = clock()
        self.on_change: Callable[[], None] = lambda: None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._streams))

    def begin(self) -> None:
        """From now on everybody could be here, after a start."""
        self._began_at = self._clock()

    def expect(self, account: str) -> None:
        """Somebody was given a conversation: he has as long as one who left just now."""
        if account not in self._streams:
            self._left_at[account] = self._clock()

    @contextmanager
    def attend(self, account: str) -> Iterator[None]:
        """There for as long as this lasts."""
        self._streams[account] += 1
        self._left_at.pop(account, None)
        self.on_change()
        try:
            yield
        finally:
            self._streams[account] -= 1
            if not self._streams[account]:
                del self._streams[account]
                self._left_at[account] = self._clock()
            self.on_change()

    def is_gone(self, account: str) -> bool:
        if account in self._streams:
            return False
        return self._clock() - self._left_at.get(account, self._began_at) >= GONE_S
