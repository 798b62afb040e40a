"""Work that goes on beside everything else and that nobody waits for.

It knows nothing of the work. The rule that must not break: a fault of ours in it is at least in the
log, and without a word of a customer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog


def watch(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Begin it; how it ends badly is told."""

    def report(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()):
            # Not its repr: that of a UnicodeDecodeError holds customers' words.
            name = type(error).__name__
            log = structlog.get_logger(__name__)
            log.error("work in the background ended", error=name, exc_info=error)

    task = asyncio.create_task(work)
    task.add_done_callback(report)
    return task
