"""The many other wordings of late put to a draft behind its trial, while nobody waits for it.

A wording is only replayed where the draft is among its closest entries; all others are looked at
and left, for what answers them is not touched. The rules that must not break: customers go first
before each wording, and what was not looked at is never counted as looked at.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from appliance.dialogue.replay import Asked, Replay, Replayed
from appliance.knowledge.library import Library
from appliance.knowledge.published import Draft
from appliance.knowledge.trial import Trial

# A slow machine with a month of many wordings: what is not looked at by then is told.
LONGEST_S = 900.0


@dataclass(slots=True)
class Sweep:
    """How far it is: of `wordings` it has `looked` at so many and `replayed` those that the draft
    comes near to. Not whole where the knowledge changed meanwhile or the time was over."""

    wordings: int
    looked: int = 0
    replayed: int = 0
    is_running: bool = True
    found: Replayed = field(default_factory=Replayed)

    @property
    def is_whole(self) -> bool:
        return self.looked == self.wordings


@dataclass(frozen=True, slots=True)
class Sides:
    """What answers now, as it is known by `version`, and what would answer."""

    library: Library
    version: str
    get_version: Callable[[], str]
    trial: Trial


async def sweep_rest(
    sweep: Sweep,
    rest: Sequence[Asked],
    draft: Draft,
    sides: Sides,
    replay: Replay,
    breathe: Callable[[], Awaitable[None]],
    stack: AsyncExitStack,
) -> None:
    """`stack` holds the trial open and is closed here."""
    began_s = time.monotonic()
    async with stack:
        try:
            for asked in rest:
                is_late = time.monotonic() - began_s > LONGEST_S
                if is_late or sides.get_version() != sides.version:
                    break
                await breathe()
                match = await sides.trial.match(asked.text)
                if any(is_of(hit.entry.question, hit.entry.answer, draft) for hit in match.hits):
                    one = await replay.compare([asked], sides.library, sides.version, sides.trial)
                    sweep.found.add(one)
                    sweep.replayed += 1
                sweep.looked += 1
        finally:
            sweep.is_running = False


def is_of(question: str, answer: str, draft: Draft) -> bool:
    return (question, answer) == (draft.question, draft.answer)
