"""A process that is killed by itself at one step of a tool that writes, and only once.

It changes nothing else of the product. The rule that must not break: the death is `SIGKILL`, so
nothing is closed, flushed or undone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.dialogue.speech import Speech
from appliance.events import Tool
from appliance.store.sessions import Sessions
from appliance.tools import running
from appliance.tools.running import Tools

# In this order; "told" is behind the event, "saying" behind the first piece, "ending" before the
# turn's last transaction, "ended" behind it.
STEPS = ("before", "writing", "written", "told", "saying", "ending", "ended")


def die_at(step: str, mark: Path) -> None:
    """From here on this process dies at `step`, unless `mark` says that one before it has."""
    wrap = Wrapping(mark)
    match step:
        case "before":
            wrap.around(Tools, "write", before=lambda *_: True)
        case "writing":
            # Within the transaction: the row is in, nothing is committed.
            wrap.after_call(running, "run", lambda _, statement, *__: "INSERT" in statement.text)
        case "written":
            wrap.around(Tools, "write", after=lambda *_: True)
        case "told":
            wrap.around(Speech, "publish", after=is_done)
        case "saying":
            wrap.around(Speech, "say", after=lambda _, piece, *__: "已申请" in piece)
        case "ending":
            wrap.around(Sessions, "finish", before=has_written)
        case "ended":
            wrap.around(Sessions, "finish", after=has_written)


def is_done(_: Speech, event: object, *__: object) -> bool:
    return isinstance(event, Tool) and event.state == "done"


def has_written(_: Sessions, *given: Any) -> bool:
    return any(call.state == "done" for call in given[-1])


Condition = Callable[..., bool]


class Wrapping:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def around(
        self,
        owner: type,
        name: str,
        before: Condition = lambda *_: False,
        after: Condition = lambda *_: False,
    ) -> None:
        real = getattr(owner, name)

        async def wrapped(*given: Any, **named: Any) -> Any:
            if before(*given, **named):
                self._die()
            result = await real(*given, **named)
            if after(*given, **named):
                self._die()
            return result

        setattr(owner, name, wrapped)

    def after_call(self, owner: Any, name: str, condition: Condition) -> None:
        real = getattr(owner, name)

        def wrapped(*given: Any) -> Any:
            result = real(*given)
            if condition(*given):
                self._die()
            return result

        setattr(owner, name, wrapped)

    def _die(self) -> None:
        if not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
