"""What installing needs, and the sentences for what is missing: pure, the probes are handed in.

It installs nothing (`install.py` does) and imports nothing but the standard library, with syntax
that an old Python can read. The rule that must not break: every sentence names the way out.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PYTHON_NEEDED = (3, 11)
BUILD_CPU_MINUTES = 5.0
BUILD_DISK_BYTES = 1_500_000_000
BUILD_MEMORY_BYTES = 1_000_000_000
MEMORY_PER_JOB_BYTES = 900_000_000
APT = "sudo apt-get install"

NO_NETWORK = re.compile(
    r"name resolution|Name or service not known|Network is unreachable|NewConnectionError|"
    r"ConnectTimeout|Connection (?:refused|reset|timed out)|Max retries|No route to host|"
    r"ProxyError|ReadTimeoutError|from versions: none"
)
NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")
NO_MEMORY = re.compile(r"Killed|Cannot allocate memory|virtual memory exhausted|MemoryError")
STEP = re.compile(r"\s*\[(\d+)/(\d+)\] ")


class Missing(Exception):
    """What is missing, and the way out, in one sentence."""


def check_python(version: tuple[int, ...], venv: object) -> None:
    found, needed = (".".join(map(str, numbers)) for numbers in (version, PYTHON_NEEDED))
    if version < PYTHON_NEEDED:
        raise Missing(
            f"Python {needed} or newer is needed, this is {found}; install it and name it: "
            f"make run PYTHON=python{needed} (on Debian: {APT} python3)."
        )
    if not venv:
        raise Missing(f"Python cannot make environments here; on Debian: {APT} python3-venv")


def check_build(
    has_compiler: bool, disk_bytes: int, memory_bytes: int, where: str = "the disk"
) -> None:
    """What compiling llama.cpp takes. Nothing of it is needed where it is built already."""
    if not has_compiler:
        raise Missing(
            f"A C and C++ compiler is needed to build llama.cpp; on Debian: {APT} build-essential"
        )
    if disk_bytes < BUILD_DISK_BYTES:
        raise Missing(
            f"{_giga(BUILD_DISK_BYTES)} of free disk are needed to build llama.cpp, "
            f"{_giga(disk_bytes)} are free in {where}; make room and run the command again."
        )
    if memory_bytes < BUILD_MEMORY_BYTES:
        raise Missing(
            f"{_giga(BUILD_MEMORY_BYTES)} of free memory are needed to build llama.cpp, "
            f"{_giga(memory_bytes)} are free; close programs or add swap and run it again."
        )


def has_compiler(which: Callable[[str], str | None] = shutil.which) -> bool:
    c, cxx = os.environ.get("CC"), os.environ.get("CXX")
    return any(map(which, [c or "cc", "gcc", "clang"])) and any(
        map(which, [cxx or "c++", "g++", "clang++"])
    )


def measure_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory and swap that may be used now; where the system does not tell, plenty is assumed."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return 1 << 40
    fields = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if ":" in line}
    return fields.get("MemAvailable", 1 << 40) + fields.get("SwapFree", 0)


def count_jobs(cores: int, memory_bytes: int) -> int:
    return max(1, min(cores, memory_bytes // MEMORY_PER_JOB_BYTES))


def explain_failure(lines: Sequence[str], log: str) -> str:
    """One sentence for what went wrong, from the last lines of the package client."""
    text = "".join(lines)
    again = f"then run the command again; it goes on from here (details: {log})."
    if NO_SPACE.search(text):
        return f"The disk is full; make room, {again}"
    if NO_MEMORY.search(text):
        return f"The memory ran out; close programs or add swap, {again}"
    if NO_NETWORK.search(text):
        return f"The package index cannot be reached; connect this machine, {again}"
    return f"Installing failed; the last lines of {log} say why. Mend it, {again}"


def estimate_minutes(jobs: int) -> int:
    return max(1, round(BUILD_CPU_MINUTES / jobs + 1))


class BuildProgress:
    """Ninja's `[12/83]` as a bar on a terminal, as a line for each tenth elsewhere."""

    def __init__(self, is_terminal: bool, now_s: Callable[[], float] = time.monotonic) -> None:
        self._is_terminal = is_terminal
        self._now_s = now_s
        self._began_s = now_s()
        self._told_tenth = 0

    def hear(self, line: str) -> None:
        step = STEP.match(line)
        if step is None:
            return
        done, total = int(step[1]), int(step[2])
        if not 0 < done <= total:
            return
        left_s = (self._now_s() - self._began_s) * (total - done) / done
        self._show(done, total, left_s)

    def _show(self, done: int, total: int, left_s: float) -> None:
        left = f"{left_s / 60:.0f} min left" if left_s >= 60 else f"{left_s:.0f} s left"
        tenth = 10 * done // total
        if self._is_terminal:
            bar = "#" * (30 * done // total)
            end = "\n" if done == total else ""
            print(
                f"\r  [{bar:.<30}] {done}/{total}, {left}   ", end=end, file=sys.stderr, flush=True
            )
        elif tenth > self._told_tenth:
            say(f"  {done} of {total} steps, {left}")
        self._told_tenth = tenth


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _giga(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
