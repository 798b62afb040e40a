"""A process that stands still while it carries out what an operator decided on a held answer.

It changes nothing else of the product. The rule that must not break: what was acknowledged before
it hangs is what the product acknowledges, so that whoever kills it then meets the real thing.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from appliance.dialogue.drafts import Drafts
from appliance.dialogue.speech import Speech
from appliance.dialogue.turn import Turn
from appliance.events import Ending
from appliance.store.decisions import Decided


def hang_after(shown: int) -> None:
    """From here on so many events of a decided answer are shown, and no end."""
    carry_out = Drafts._carry_out

    async def wrapped(drafts: Drafts, turn: Turn, speech: Speech, decided: Decided) -> Ending:
        await carry_out(drafts, turn, speech, replace(decided, events=decided.events[:shown]))
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")

    Drafts._carry_out = wrapped  # type: ignore[method-assign, assignment]
