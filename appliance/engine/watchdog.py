"""Ends the process when the engine computes one step for ever: crash-only, someone starts it again.

It judges no slowness: a step is lost when it is still the same after many looks, so that a machine
that slept or a process that was stopped counts for one look. The rule that must not break: it
acts only on a step that began and did not end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

LOOK_EVERY_S = 1.0
# A prompt's widest step takes a second here and some ten on the smallest machine.
MOST_LOOKS = 120


class Watchdog:
    """Looks at `read_step`: the number of the step under way, 0 between steps."""

    def __init__(
        self,
        read_step: Callable[[], int],
        end_process: Callable[[], None],
        *,
        look_every_s: float = LOOK_EVERY_S,
        most_looks: int = MOST_LOOKS,
    ) -> None:
        self._read_step = read_step
        self._end_process = end_process
        self._look_every_s = look_every_s
        self._most_looks = most_looks
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._log = structlog.get_logger(__name__)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        last, looks = 0, 0
        while not self._ended.wait(self._look_every_s):
            step = self._read_step()
            looks = looks + 1 if step and step == last else 0
            last = step
            if looks >= self._most_looks:
                seconds = round(looks * self._look_every_s)
                self._log.critical("the engine is stuck in one step; ending", seconds=seconds)
                self._end_process()
                return
