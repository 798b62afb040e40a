"""The house's own time: how long ago something was, on a machine whose clock cannot be trusted.

    within one boot         the kernel's count of seconds; whatever the wall clock does
    over a reboot           the wall clock's step, if it is between 0 and 2 days, else nothing
    clock set by the net    the step since it was last set so in an earlier boot, of any size

It is not the time of day and is never shown; it may lag behind that and only counts up. The rule
that must not break: a wall clock that is wrong makes it stand or lag, never leap ahead.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from appliance.store.live import read_boot_id

MAX_STEP_MS = 2 * 86_400_000
# Touched by the system's time service whenever it has set the clock; gone after a reboot.
SET_BY_NET = Path("/run/systemd/timesync/synchronized")
COLUMNS = "house_ms, wall_ms, boot_id, uptime_ms, sure_house_ms, sure_wall_ms, sure_boot_id"


@dataclass(frozen=True, slots=True)
class Clocks:
    """What the machine's clocks say; `is_sure` is whether the net set the wall clock."""

    wall_ms: int
    boot_id: str
    uptime_ms: int
    is_sure: bool


@dataclass(frozen=True, slots=True)
class Look:
    """House time at one look at the clocks, and at the last look that was sure (boot "": none)."""

    house_ms: int
    wall_ms: int
    boot_id: str
    uptime_ms: int
    sure_house_ms: int = 0
    sure_wall_ms: int = 0
    sure_boot_id: str = ""


def advance(last: Look, now: Clocks) -> Look:
    """House time now, which is never before `last`."""
    if now.boot_id == last.boot_id:
        elapsed_ms = max(0, now.uptime_ms - last.uptime_ms)
    else:
        step_ms = now.wall_ms - last.wall_ms
        elapsed_ms = step_ms if 0 <= step_ms <= MAX_STEP_MS else 0
    house_ms = last.house_ms + elapsed_ms
    look = replace(
        last,
        house_ms=house_ms,
        wall_ms=now.wall_ms,
        boot_id=now.boot_id,
        uptime_ms=now.uptime_ms,
    )
    if not now.is_sure:
        return look
    # Between two boots in which the net set the clock its step is the time that passed. Within
    # one the uptime knows better: the clock may have been set by hand in between.
    if last.sure_boot_id not in ("", now.boot_id):
        house_ms = max(house_ms, last.sure_house_ms + now.wall_ms - last.sure_wall_ms)
    return replace(
        look,
        house_ms=house_ms,
        sure_house_ms=house_ms,
        sure_wall_ms=now.wall_ms,
        sure_boot_id=now.boot_id,
    )


class HouseClock:
    """`load` and `keep` run on the store's writing thread; `read_house_ms` anywhere, after them."""

    def __init__(self, read_clocks: Callable[[], Clocks] | None = None) -> None:
        self._read_clocks = read_clocks or _ClocksOfMachine()
        self._last: Look | None = None

    def read_house_ms(self) -> int:
        """Milliseconds since 1970 by house time; by the wall clock while nothing was loaded."""
        now = self._read_clocks()
        return advance(self._last, now).house_ms if self._last else now.wall_ms

    @property
    def is_loaded(self) -> bool:
        return self._last is not None

    def load(self, connection: sqlite3.Connection) -> None:
        """Go on from what the database keeps; without it from the latest touch of a session,
        for by a clock that runs ahead all of them would be old."""
        self._last = self._read(connection) or self._last or self._begin(connection)
        # On a full disk this fails, and the clock goes all the same.
        self.keep(connection)

    def _read(self, connection: sqlite3.Connection) -> Look | None:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'house_time'")
        if found.fetchone() is None:
            return None
        row = connection.execute(f"SELECT {COLUMNS} FROM house_time").fetchone()
        return Look(*row) if row else None

    def _begin(self, connection: sqlite3.Connection) -> Look:
        now = self._read_clocks()
        latest_ms = connection.execute("SELECT max(touched_ms) FROM sessions").fetchone()[0]
        house_ms = now.wall_ms if latest_ms is None else latest_ms
        return Look(house_ms, now.wall_ms, now.boot_id, now.uptime_ms)

    def keep(self, connection: sqlite3.Connection) -> int:
        """Write down the time of this moment, and return it."""
        assert self._last is not None, "the clock was not loaded"
        self._last = advance(self._last, self._read_clocks())
        connection.execute(
            f"INSERT OR REPLACE INTO house_time (id, {COLUMNS}) VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
            astuple(self._last),
        )
        return self._last.house_ms


class _ClocksOfMachine:
    def __init__(self) -> None:
        # Where the kernel does not tell, every start counts as a boot.
        self._boot_id = read_boot_id() or secrets.token_hex(8)

    def __call__(self) -> Clocks:
        return Clocks(
            wall_ms=time.time_ns() // 1_000_000,
            boot_id=self._boot_id,
            uptime_ms=_read_uptime_ms(),
            is_sure=SET_BY_NET.exists(),
        )


def _read_uptime_ms() -> int:
    """Time asleep counts too, where the system can tell."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000
