"""`appliance serve`, with the moment of every output of its engine written to a file.

The literal lock shows a customer whole clauses, so what arrives at a client says little about
single tokens; this notes each piece where it leaves the engine and enters the guards, and with it
what the engine's thread has spent on its own. It changes nothing else. The rule that must
not break: the clock is the machine's monotonic one, which the benchmark in another process reads
too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from appliance.cli import main
from appliance.dialogue.answer import Answer
from appliance.dialogue.screen import Refused
from appliance.dialogue.steps import Words
from appliance.engine.engine import Output
from appliance.engine.llama import LlamaBackend
from appliance.engine.llama_sampling import LlamaSampler
from appliance.events import Done

FILE = "ENGINE_WATCH"
P = ParamSpec("P")
R = TypeVar("R")


class OwnTime:
    """Processor seconds of the engine's thread in which llama.cpp neither computes nor draws."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._left_s: float | None = None

    def note(self) -> None:
        """From here on; both are called on the engine's thread alone."""
        for owner, name in ((LlamaBackend, "decode"), (LlamaSampler, "sample")):
            setattr(owner, name, self._around(getattr(owner, name)))

    def _around(self, call: Callable[P, R]) -> Callable[P, R]:
        @wraps(call)
        def call_and_note(*args: P.args, **kwargs: P.kwargs) -> R:
            if self._left_s is not None:
                self.spent_s += time.thread_time() - self._left_s
            try:
                return call(*args, **kwargs)
            finally:
                self._left_s = time.thread_time()

        return call_and_note


def watch(path: str) -> None:
    """Every output adds a line from here on: run, kind, moment, the engine's own seconds so far."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    take = Answer.take
    own = OwnTime()
    own.note()

    async def take_and_note(answer: Answer, output: Output) -> Done | Words | Refused | None:
        run_id, kind = answer._turn.run_id, type(output).__name__
        line = f"{run_id} {kind} {time.monotonic():.6f} {own.spent_s:.6f}\n"
        os.write(file, line.encode())
        return await take(answer, output)

    setattr(Answer, "take", take_and_note)  # noqa: B010


if __name__ == "__main__":
    watch(os.environ[FILE])
    main()
