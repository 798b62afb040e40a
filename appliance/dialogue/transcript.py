"""What is told of conversations: their messages, what was just accepted, how many there are.

They are values and hold no behaviour. The rule that must not break: a transcript and its last
number belong together, so that who reads on from there misses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from appliance.dialogue.turn import Turn
from appliance.events import Handoff
from appliance.store.messages import StoredMessage


@dataclass(frozen=True, slots=True)
class Transcript:
    """A session's stored messages and the turn that is being answered, if one is; every event up
    to `last_number` is contained in them."""

    messages: tuple[StoredMessage, ...]
    running: Turn | None
    last_number: int
    handoff: Handoff


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that is on disk as event `number`; `turn` is None where it was there before."""

    session_id: str
    run_id: str
    number: int
    turn: Turn | None


@dataclass(frozen=True, slots=True)
class TurnFigures:
    """Now: turns running and waiting, event streams open. Since the start: how turns ended, and
    how many of them a process before this one had begun."""

    running: int
    waiting: int
    streams: int
    done_total: int
    failed_total: Mapping[str, int]
    continued_total: int
