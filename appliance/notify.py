"""What is told to systemd: that the appliance is up, what it does, that it is still alive.

It is systemd's protocol of lines in a datagram, and nothing else is asked of the system. Where
nobody listens (no NOTIFY_SOCKET) every call does nothing. The rule that must not break: telling
never raises and never waits, and the sign of life comes from the event loop alone, so that it
stops when that hangs.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import MutableMapping
from contextlib import suppress

from appliance.patience import wait_at_most

ADDRESS = "NOTIFY_SOCKET"
WATCHDOG_US = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"
# So many signs of life in the time that systemd allows.
SIGNS = 3


class Supervisor:
    """`watchdog_s` is the time after which systemd ends a silent process; 0 where it does not."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        # An address that begins with "@" is in the kernel's own namespace.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Supervisor:
        """Of the variables that systemd sets; they are taken away, for no child may use them."""
        address = environ.pop(ADDRESS, "")
        wait_us, whose = environ.pop(WATCHDOG_US, ""), environ.pop(WATCHDOG_PID, "")
        is_ours = whose in ("", str(os.getpid()))
        is_asked = is_ours and wait_us.isdigit()
        return cls(address, int(wait_us) / 1_000_000 if is_asked else 0.0)

    def tell_ready(self) -> None:
        self._tell("READY=1")

    def tell_status(self, sentence: str) -> None:
        """Shown by `systemctl status`."""
        self._tell(f"STATUS={' '.join(sentence.split())}")

    def tell_stopping(self) -> None:
        self._tell("STOPPING=1")

    def tell_reloading(self) -> None:
        """`tell_ready` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    async def show_life(self) -> None:
        """For ever, from the event loop; returns at once where nobody watches."""
        never = asyncio.Event()
        while self._address and self.watchdog_s:
            self._tell("WATCHDOG=1")
            await wait_at_most(never, self.watchdog_s / SIGNS)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), self._address)
