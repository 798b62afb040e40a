"""From a reply to what a client reads: its first part awaited, its errors told, its end closed.

It knows no wire format: whoever does hands in how a part and how an error look. The rule that must
not break: what fails before the first part is an error with its own status, what fails later is
told in the stream, and a client that leaves ends the reply.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeVar

from starlette.requests import Request

from appliance.dialogue.replies import Part, Reply
from appliance.errors import ApplianceError, EngineFailure
from appliance.http.errors import report_unexpected
from appliance.http.leaving import wait_unless_gone

Frame = TypeVar("Frame")


async def begin(request: Request, reply: Reply) -> Reply:
    """The same reply once its first part is there. Raises what the reply raises until then, and
    ClientDisconnect."""

    async def read() -> Part:
        return await anext(reply)

    return _chain(await wait_unless_gone(request, read()), reply)


async def gather(request: Request, reply: Reply) -> tuple[Part, ...]:
    """All of it."""

    async def read() -> tuple[Part, ...]:
        async with aclosing(reply) as parts:
            return tuple([part async for part in parts])

    return await wait_unless_gone(request, read())


async def tell(
    frames: AsyncIterator[Frame], show_error: Callable[[ApplianceError], Frame]
) -> AsyncIterator[Frame]:
    """`frames`; where they fail, the failure is the last of them."""
    try:
        async for frame in frames:
            yield frame
    except ApplianceError as error:
        yield show_error(error)
    except Exception as error:
        yield show_error(EngineFailure(report_unexpected(error)["message"]))


async def _chain(first: Part, reply: Reply) -> Reply:
    async with aclosing(reply) as rest:
        yield first
        async for part in rest:
            yield part
