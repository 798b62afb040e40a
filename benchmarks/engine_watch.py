"""`appliance serve`, with the moment of every output of its engine written to a file.

The literal lock shows a customer whole clauses, so what arrives at a client says little about
single tokens; this notes each piece where it leaves the engine and enters the guards. It changes
nothing else. The rule that must not break: the clock is the machine's monotonic one, which the
benchmark in another process reads too.
"""

from __future__ import annotations

import os
import time

from appliance.cli import main
from appliance.dialogue.answer import Answer
from appliance.dialogue.screen import Refused
from appliance.dialogue.steps import Words
from appliance.engine.engine import Output
from appliance.events import Done

FILE = "ENGINE_WATCH"


def watch(path: str) -> None:
    """From here on every output adds a line: run, kind, seconds."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    take = Answer.take

    async def take_and_note(answer: Answer, output: Output) -> Done | Words | Refused | None:
        run_id, kind = answer._turn.run_id, type(output).__name__
        os.write(file, f"{run_id} {kind} {time.monotonic():.6f}\n".encode())
        return await take(answer, output)

    setattr(Answer, "take", take_and_note)  # noqa: B010


if __name__ == "__main__":
    watch(os.environ[FILE])
    main()
