"""What other threads ask of the engine's: values that pass through its queue.

They do nothing by themselves; `loop.py` says what each means. The rule that must not break: a
value here is never changed once it was put into the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from appliance.engine.jobs import Job
from appliance.engine.parking import Parked
from appliance.engine.prompt import TokenIds


@dataclass(frozen=True, slots=True)
class Forget:
    """`then` is called once nothing is left of it to be given away."""

    conversation: str
    then: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Prepare:
    """Read `prompt` ahead when there is nothing else to do."""

    conversation: str
    prompt: TokenIds


@dataclass(frozen=True, slots=True)
class Adopt:
    """A conversation's cells were found on disk."""

    conversation: str
    parked: Parked


@dataclass(frozen=True, slots=True)
class Stop:
    """End every job and leave the thread."""


Command: TypeAlias = Job | Forget | Prepare | Adopt | Stop | None
