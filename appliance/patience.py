"""Waiting for an event, but no longer than so many seconds.

It is no sleep: whoever sets the event ends the wait. The rule that must not break: that the time
is over is an answer and never an exception.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress


async def wait_at_most(event: asyncio.Event, seconds: float) -> bool:
    """Whether `event` is set."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()
