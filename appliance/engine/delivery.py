"""Outputs on their way from the engine's thread to the event loop: one wake-up for all of a step.

An event loop that wakes up while the engine still draws takes the interpreter's lock from it, and
gives it back up to 5 ms later (`sys.getswitchinterval`): eight customers' words told one by one
cost a step of 84 ms 4 to 5 ms. So they leave together when the thread is about to compute or to
wait. The rule that must not break: in their order, and none stays behind then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from appliance.engine.engine import Output

Deliver: TypeAlias = Callable[[Sequence[Output]], None]
Letter: TypeAlias = tuple[Deliver, Sequence[Output]]


class Delivery:
    """Used on the engine's thread alone."""

    def __init__(self) -> None:
        self._letters: dict[asyncio.AbstractEventLoop, list[Letter]] = {}

    def put(
        self, event_loop: asyncio.AbstractEventLoop, deliver: Deliver, outputs: Sequence[Output]
    ) -> None:
        self._letters.setdefault(event_loop, []).append((deliver, outputs))

    def flush(self) -> None:
        """Let each event loop deliver what is for it."""
        letters, self._letters = self._letters, {}
        for event_loop, some in letters.items():
            event_loop.call_soon_threadsafe(_deliver_all, some)


def _deliver_all(letters: Sequence[Letter]) -> None:
    for deliver, outputs in letters:
        deliver(outputs)
