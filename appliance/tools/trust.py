"""Whom the appliance trusts when it calls out over TLS: the authorities of the system.

It opens no connection. The rule that must not break: reading them takes tens of milliseconds, so it
is done once, and never on the event loop.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


async def find_trust() -> ssl.SSLContext:
    return await asyncio.to_thread(read_trust)


@cache
def read_trust() -> ssl.SSLContext:
    """Where the first two callers come at once, both read, and either is as good."""
    # Imported here: where nobody is told anything, no start waits for it.
    import httpx2

    return httpx2.create_ssl_context(trust_env=False)
