"""Whether somebody still waits for an answer that is not begun yet.

It ends no turn itself: the work is cancelled, and whoever does it lets go of what it holds. The
rule that must not break: of a client that has gone nothing is computed any longer, and no task is
left that nobody waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

Result = TypeVar("Result")


async def wait_unless_gone(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """What `work` comes to; its body is read already. Raises ClientDisconnect where the client is
    gone before."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_wait_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        task.cancel()
        gone.cancel()
        await asyncio.wait((task, gone))


async def _wait_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
