"""How many may come in at once: what could not be answered is refused before anything is stored.

It answers nobody. The rule that must not break: a place that was taken is given back, whatever
becomes of the message that it was taken for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from appliance.engine.engine import Engine
from appliance.errors import Busy
from appliance.settings import Settings

# Each is a commit; more at once would only hold up those who say something.
MOST_OPENING = 64
# Beyond those that the model may keep waiting: what needs no model takes milliseconds.
ROOM_WITHOUT_MODEL = 32


class Room:
    def __init__(self, engine: Engine, settings: Settings, count_turns: Callable[[], int]) -> None:
        self._engine = engine
        self._places = settings.parallel + settings.queue + ROOM_WITHOUT_MODEL
        self._count_turns = count_turns
        self._arriving = 0
        self._opening = 0

    @contextmanager
    def opening(self) -> Iterator[None]:
        """A new conversation is made. Raises Busy."""
        if self._opening >= MOST_OPENING:
            raise Busy("Too many conversations are being opened; please try again.", 1)
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    def enter(self) -> None:
        """A message comes in; `leave` once it is a turn. Raises Busy."""
        if self._count_turns() + self._arriving >= self._places:
            wait_s = self._engine.estimate_wait_s()
            raise Busy(
                f"All {self._places} places are taken; please ask again in {wait_s} seconds.",
                wait_s,
            )
        self._arriving += 1

    def leave(self) -> None:
        self._arriving -= 1
