"""What this machine gives the engine: threads and memory, each with the reason in words.

It chooses and explains; it changes nothing. The rule that must not break: never more threads
than the process may really use, because two threads on one core run a model many times slower
than one (ollama issue 17916 measured 45 times).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

ReadText: TypeAlias = Callable[[str], str | None]

# Cells of the KV cache by memory, largest first: (least memory in bytes, cells).
CONTEXT_BY_MEMORY = ((3 << 30, 8192), (3 << 29, 4096), (0, 2048))
# The model is read into memory, not mapped, where this many times its size is free: a read
# error on a mapped page would be a SIGBUS in mid-answer.
MEMORY_PER_MODEL = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A chosen number and the sentence that says why."""

    value: int
    why: str


def read_text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def choose_threads(wanted: int, read: ReadText = read_text) -> Choice:
    """`wanted`, or the least of affinity, cgroup quota and physical cores."""
    if wanted:
        return Choice(wanted, f"{wanted} threads, as set")
    limits = [(len(os.sched_getaffinity(0)), "the cores this process may use")]
    quota = read_cpu_quota(read)
    if quota is not None:
        limits.append((max(1, math.ceil(quota)), f"the container's quota of {quota:g} cores"))
    physical = _count_physical_cores(read)
    if physical is not None:
        limits.append((physical, "the physical cores"))
    count, reason = min(limits, key=lambda limit: limit[0])
    return Choice(count, f"{count} thread{'s' * (count > 1)}: {reason}")


def choose_context(wanted: int, trained_tokens: int, read: ReadText = read_text) -> Choice:
    """`wanted`, or what the memory allows; never more than the model was trained for."""
    memory_bytes = read_memory_bytes(read)
    by_memory = next(cells for least, cells in CONTEXT_BY_MEMORY if memory_bytes >= least)
    cells = wanted or by_memory
    if trained_tokens and cells > trained_tokens:
        return Choice(trained_tokens, f"{trained_tokens} tokens: the model knows no more")
    if wanted:
        return Choice(wanted, f"{wanted} tokens, as set")
    return Choice(cells, f"{cells} tokens: {memory_bytes / (1 << 30):.1f} GiB of memory")


def fits_in_memory(model_bytes: int, read: ReadText = read_text) -> bool:
    """Whether the model may be read into memory rather than mapped from its file."""
    free_bytes = min(read_meminfo("MemAvailable", read), read_memory_bytes(read))
    return free_bytes >= MEMORY_PER_MODEL * model_bytes


def read_memory_bytes(read: ReadText = read_text) -> int:
    """Memory this process may use: the machine's, or its cgroup's limit where that is less."""
    total = read_meminfo("MemTotal", read)
    limit = read("/sys/fs/cgroup/memory.max") or read("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    return min(total, int(limit)) if limit and limit.isdigit() else total


def read_meminfo(key: str, read: ReadText = read_text) -> int:
    """A line of the kernel's account of the memory, in bytes; 0 where it has no such line."""
    for line in (read("/proc/meminfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0]) * 1024
    return 0


def read_cpu_quota(read: ReadText = read_text) -> float | None:
    """The cores that a cgroup allows, or None where it sets no limit."""
    unified = (read("/sys/fs/cgroup/cpu.max") or "").split()
    if len(unified) == 2 and unified[0] != "max":
        return int(unified[0]) / int(unified[1])
    quota = read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    period = read("/sys/fs/cgroup/cpu/cpu.cfs_period_us")
    if quota and period and int(quota) > 0:
        return int(quota) / int(period)
    return None


def _count_physical_cores(read: ReadText) -> int | None:
    """Cores the process may use, two hyper-threads counted once; None where not told."""
    cores = {
        read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        for cpu in os.sched_getaffinity(0)
    }
    return None if None in cores else len(cores)
