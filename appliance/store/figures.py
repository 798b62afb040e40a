"""What the store can say of itself in numbers, for `/metrics` and for who looks after the card.

It opens no database. The rule that must not break: a figure is cheap enough for the event loop,
and one that the system does not give is 0 and never an error.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

IO_FIGURES = Path("/proc/self/io")
WRITTEN = "write_bytes:"
HOUR_S = 3600.0
HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """`written_…` is what the process gave to the disk, all files together; a day is the last 24
    hours, or the time since the start where that is shorter."""

    database_bytes: int
    wal_bytes: int
    free_bytes: int
    written_bytes_total: int
    written_bytes_per_day: int
    damages: int
    is_full: bool


class WriteMeter:
    """The bytes written by this process, with a mark every hour for the last day."""

    def __init__(
        self, figures: Path = IO_FIGURES, read_clock_s: Callable[[], float] = monotonic
    ) -> None:
        self._figures = figures
        self._read_clock_s = read_clock_s
        self._began_bytes = self._read()
        self._marks = deque([(read_clock_s(), 0)])

    def look(self) -> tuple[int, int]:
        """Bytes since the start, bytes of the last day."""
        now_s, written_bytes = self._read_clock_s(), self._read() - self._began_bytes
        if now_s - self._marks[-1][0] >= HOUR_S:
            self._marks.append((now_s, written_bytes))
        while len(self._marks) > 1 and now_s - self._marks[1][0] >= HOURS_A_DAY * HOUR_S:
            self._marks.popleft()
        return written_bytes, written_bytes - self._marks[0][1]

    def _read(self) -> int:
        try:
            lines = self._figures.read_text("ascii").splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith(WRITTEN)), 0)


def get_size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def get_free_bytes(folder: Path) -> int:
    """What this process may still fill; the part that is kept for root does not count."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize
