"""A generation in this process, as the event loop sees it: its outputs, and a way to end it.

It computes nothing. The rule that must not break: whatever the engine's thread emits comes out in
its order, and the last output ends the iteration.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import partial

from appliance.engine.disk_parking import DiskParking
from appliance.engine.engine import Generation, Output, read_outputs
from appliance.engine.jobs import Job
from appliance.engine.loop import EngineLoop


class LocalRun:
    """A generation under way in the engine's thread."""

    def __init__(
        self, engine_loop: EngineLoop, generation: Generation, disk: DiskParking | None
    ) -> None:
        self._event_loop = asyncio.get_running_loop()
        self._outputs: asyncio.Queue[Output] = asyncio.Queue()
        self._engine_loop = engine_loop
        self._job = Job(generation, self._emit, time.monotonic())
        submit = partial(engine_loop.submit, self._job)
        if disk is not None and disk.has(generation.conversation):
            disk.bring_back(generation.conversation, engine_loop.adopt, submit)
        else:
            submit()

    def __aiter__(self) -> AsyncIterator[Output]:
        return read_outputs(self._outputs)

    def cancel(self) -> None:
        self._engine_loop.cancel(self._job)

    def _emit(self, output: Output) -> None:
        self._event_loop.call_soon_threadsafe(self._outputs.put_nowait, output)
