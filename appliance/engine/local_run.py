"""A generation in this process, as the event loop sees it: its outputs, and a way to end it.

It computes nothing. The event loop needs a core too, and on a quick machine half of what a word
costs it is to be woken: so a word is told with the next one where that is about to come. The rule
that must not break: whatever the engine's thread emits comes out in its order, nothing is held
back behind the last output, and that ends the iteration.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from itertools import chain

from appliance.engine.disk_parking import DiskParking
from appliance.engine.engine import Generation, Output, Piece, read_outputs
from appliance.engine.jobs import Job
from appliance.engine.loop import EngineLoop

# What comes within a tenth of a second is felt to come at once (Miller, "Response time in
# man-computer conversational transactions", 1968), and the literal lock shows whole clauses anyway.
# Where a step takes half as long or more, nothing is ever held.
TOGETHER_S = 0.1


class LocalRun:
    """A generation under way in the engine's thread."""

    def __init__(
        self, engine_loop: EngineLoop, generation: Generation, disk: DiskParking | None
    ) -> None:
        self._event_loop = asyncio.get_running_loop()
        self._outputs: asyncio.Queue[Output] = asyncio.Queue()
        self._engine_loop = engine_loop
        self._held: list[Piece] = []
        self._told_at = self._came_at = 0.0
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
        """On the engine's thread."""
        if isinstance(output, Piece):
            self._held.append(output)
            now = time.monotonic()
            next_at = now + (now - self._came_at)
            self._came_at = now
            if next_at - self._told_at < TOGETHER_S:
                return
            self._told_at = now
        outputs: list[Output] = [_join(self._held)] if self._held else []
        self._held = []
        if not isinstance(output, Piece):
            outputs.append(output)
        self._engine_loop.delivery.put(self._event_loop, self._put, outputs)

    def _put(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            self._outputs.put_nowait(output)


def _join(pieces: Sequence[Piece]) -> Piece:
    return Piece(
        "".join(piece.text for piece in pieces),
        tuple(chain.from_iterable(piece.token_ids for piece in pieces)),
        tuple(chain.from_iterable(piece.logprobs for piece in pieces)),
    )
