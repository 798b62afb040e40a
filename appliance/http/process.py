"""What the kernel tells of this process: when it began, its memory, threads and open files.

It keeps nothing and asks only `/proc`. The rule that must not break: where the kernel tells
nothing (it is no Linux), the appliance runs all the same and leaves the figures out.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

SELF = Path("/proc/self")
# Of the fields behind the name, which stands in brackets and may hold spaces: man 5 proc.
STARTED_TICKS = 19
RESIDENT_PAGES = 1


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    resident_bytes: int | None = None
    threads: int | None = None
    open_files: int | None = None


def find_start_s() -> float:
    """When this process began, on the monotonic clock; now, where the kernel does not say."""
    now_s = time.monotonic()
    try:
        told = (SELF / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
        began_s = int(told[STARTED_TICKS]) / os.sysconf("SC_CLK_TCK")
        return now_s - max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began_s)
    except (OSError, AttributeError):
        return now_s


def measure_process() -> ProcessFigures:
    try:
        pages = int((SELF / "statm").read_text("ascii").split()[RESIDENT_PAGES])
        return ProcessFigures(
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(os.listdir(SELF / "task")),
            len(os.listdir(SELF / "fd")) - 1,  # one is the listing's own
        )
    except OSError:
        return ProcessFigures()
