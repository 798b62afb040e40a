"""Threads and memory: from handed-in files of Linux, never from this machine."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from appliance.engine.hardware import (
    choose_context,
    choose_threads,
    fits_in_memory,
    read_memory_bytes,
)

GIB = 1 << 30
V1 = "/sys/fs/cgroup/cpu/cpu.cfs_{}_us"
V1_MEMORY = "/sys/fs/cgroup/memory/memory.limit_in_bytes"
V2_MEMORY = "/sys/fs/cgroup/memory.max"
SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})


def files(**named: str) -> dict[str, str]:
    """/proc/meminfo of the given sizes in bytes."""
    lines = [f"{name}: {int(size) // 1024} kB" for name, size in named.items()]
    return {"/proc/meminfo": "\n".join(lines)}


def reader(texts: dict[str, str]) -> Callable[[str], str | None]:
    return texts.get


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize(
    ("texts", "threads", "reason"),
    [
        ({}, 4, "the cores this process may use"),
        ({"/sys/fs/cgroup/cpu.max": "max 100000"}, 4, "the cores this process may use"),
        ({"/sys/fs/cgroup/cpu.max": "200000 100000"}, 2, "quota of 2 cores"),
        ({"/sys/fs/cgroup/cpu.max": "150000 100000"}, 2, "quota of 1.5 cores"),
        ({"/sys/fs/cgroup/cpu.max": "20000 100000"}, 1, "quota of 0.2 cores"),
        ({V1.format("quota"): "300000", V1.format("period"): "100000"}, 3, "quota of 3 cores"),
        ({V1.format("quota"): "-1", V1.format("period"): "100000"}, 4, "may use"),
        ({SIBLINGS.format(cpu): "0-1" if cpu < 2 else "2-3" for cpu in range(4)}, 2, "physical"),
        ({SIBLINGS.format(cpu): str(cpu) for cpu in range(4)}, 4, "may use"),
        ({SIBLINGS.format(0): "0-3"}, 4, "may use"),
    ],
)
def test_threads_are_the_least_that_the_machine_gives(
    texts: dict[str, str], threads: int, reason: str
) -> None:
    choice = choose_threads(0, reader(texts))
    assert choice.value == threads
    assert reason in choice.why


def test_threads_that_are_set_are_taken() -> None:
    assert choose_threads(7, reader({})).value == 7


def test_one_thread_is_told_in_the_singular(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    assert choose_threads(0, reader({})).why.startswith("1 thread: ")


@pytest.mark.parametrize(
    ("limits", "memory_gib"),
    [
        ({}, 8),
        ({V2_MEMORY: "max"}, 8),
        ({V2_MEMORY: str(2 * GIB)}, 2),
        ({V2_MEMORY: str(64 * GIB)}, 8),
        ({V1_MEMORY: str(GIB)}, 1),
        ({V1_MEMORY: "9223372036854771712"}, 8),
    ],
)
def test_memory_is_the_machines_or_the_containers(limits: dict[str, str], memory_gib: int) -> None:
    read = reader(files(MemTotal=str(8 * GIB)) | limits)
    assert read_memory_bytes(read) == memory_gib * GIB


@pytest.mark.parametrize(
    ("memory_gib", "cells"), [(0.5, 2048), (1.0, 2048), (1.5, 4096), (3.0, 8192), (64.0, 8192)]
)
def test_the_context_follows_the_memory(memory_gib: float, cells: int) -> None:
    read = reader(files(MemTotal=str(int(memory_gib * GIB))))
    assert choose_context(0, 32768, read).value == cells


def test_the_context_is_never_longer_than_the_model_was_trained_for() -> None:
    read = reader(files(MemTotal=str(8 * GIB)))
    assert choose_context(0, 1024, read).value == 1024
    assert choose_context(4096, 1024, read).why == "1024 tokens: the model knows no more"
    assert choose_context(4096, 0, read).why == "4096 tokens, as set"


def test_a_model_is_read_into_memory_where_twice_its_size_is_free() -> None:
    read = reader(files(MemTotal=str(8 * GIB), MemAvailable=str(2 * GIB)))
    assert fits_in_memory(GIB, read)
    assert not fits_in_memory(GIB + 4096, read)


def test_a_containers_limit_counts_as_memory_that_is_free() -> None:
    """The machine's free memory alone once filled a small container until it was killed."""
    sizes = files(MemTotal=str(8 * GIB), MemAvailable=str(8 * GIB))
    assert not fits_in_memory(GIB, reader(sizes | {V2_MEMORY: str(GIB)}))


def test_where_nothing_is_told_the_least_is_taken() -> None:
    assert not fits_in_memory(1, reader({}))
    assert choose_context(0, 0, reader({})).value == 2048
