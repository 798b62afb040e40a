"""The looks of `appliance doctor` at the machine: processor, memory, disk, clock, heat.

What the kernel tells is read through functions that a test hands in; the disk is tried with a
file of its own, which is removed. The rule that must not break: nothing is measured that would
make an open answer stutter, so a try writes 16 MB at most.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.doctor import Finding, Look, giga
from appliance.engine.hardware import (
    ReadText,
    choose_threads,
    read_cpu_quota,
    read_meminfo,
    read_memory_bytes,
    read_text,
)
from appliance.engine.storage import find_storage
from appliance.store.clock import SET_BY_NET
from appliance.store.figures import get_free_bytes

# What llama.cpp computes quickly with, by the names that the kernel has for it.
QUICK_X86 = ("avx2", "fma", "f16c")
MORE_X86 = ("avx512f", "avx512_vnni", "avx_vnni")
QUICK_ARM = ("asimddp",)
MORE_ARM = ("i8mm", "sve")
LEAST_MEMORY_BYTES = 900_000_000
GOOD_MEMORY_BYTES = 1_900_000_000
LEAST_FREE_BYTES = 100_000_000
GOOD_FREE_BYTES = 1_000_000_000
TRIED_BYTES = 16 << 20
BLOCK = bytes(1 << 20)
COMMITS = 8
SLOW_BYTES_PER_S = 10_000_000
# A message is acknowledged after one commit, so a customer waits for each.
SLOW_COMMIT_S = 0.1
BAD_COMMIT_S = 1.0
HOT_C = 80.0
ZONES = 16


@dataclass(frozen=True, slots=True)
class DiskSpeed:
    bytes_per_s: float
    commit_s: float


@dataclass(frozen=True, slots=True)
class Machine:
    """`data` is the folder whose disk is looked at; the rest can be replaced by a test."""

    data: Path
    wanted_threads: int = 0
    read: ReadText = read_text
    measure_disk: Callable[[Path], DiskSpeed] | None = None

    def list_looks(self) -> list[Look]:
        return [
            Look("processor", self.look_at_processor),
            Look("threads", self.look_at_threads),
            Look("limits", self.look_at_limits),
            Look("memory", self.look_at_memory),
            Look("disk", self.look_at_disk),
            Look("disk speed", self.look_at_speed),
            Look("free space", self.look_at_space),
            Look("clock", self.look_at_clock),
            Look("heat", self.look_at_heat),
        ]

    def look_at_processor(self, subject: str) -> Finding:
        text = self.read("/proc/cpuinfo") or ""
        flags = _find(text, r"(?:flags|Features)\s*:\s*(.*)").split()
        name = _find(text, r"(?:model name|Model)\s*:\s*(.*)") or "A processor without a name"
        is_arm = "asimd" in flags
        quick, more = (QUICK_ARM, MORE_ARM) if is_arm else (QUICK_X86, MORE_X86)
        if not flags:
            return Finding(subject, "watch", f"{name}: the kernel does not say what it can do.")
        has = [flag for flag in (*quick, *more) if flag in flags]
        missing = [flag for flag in quick if flag not in flags]
        told = f"{name}: {', '.join(has) or 'none of what makes a model quick'}."
        if not missing:
            return Finding(subject, "good", told)
        advice = (
            "Answers come slowly on it; a Raspberry Pi 5 or any PC of the last ten years is "
            "several times as quick. `appliance bench` says what this one carries."
        )
        return Finding(subject, "watch", f"{told} It has no {', '.join(missing)}.", advice)

    def look_at_threads(self, subject: str) -> Finding:
        choice = choose_threads(self.wanted_threads, self.read)
        most = choose_threads(0, self.read)
        if choice.value > most.value:
            return Finding(
                subject,
                "bad",
                f"{choice.why}; the machine has {most.value}.",
                "Set threads to 0: more threads than cores make it many times slower.",
            )
        if choice.value == 1:
            advice = "Give it two cores or more: while one customer is answered the others wait."
            return Finding(subject, "watch", f"{choice.why}.", advice)
        return Finding(subject, "good", f"{choice.why}.")

    def look_at_limits(self, subject: str) -> Finding:
        quota = read_cpu_quota(self.read)
        memory, total = read_memory_bytes(self.read), read_meminfo("MemTotal", self.read)
        told = []
        if quota is not None:
            told.append(f"{quota:g} cores")
        if memory < total:
            told.append(f"{giga(memory)} of memory")
        if not told:
            return Finding(subject, "good", "No container or service limits cores or memory.")
        seen = f"A container or service allows {' and '.join(told)}."
        if quota is not None and quota != int(quota):
            advice = "Give whole cores: what is left of a core stops every answer in mid-step."
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_memory(self, subject: str) -> Finding:
        memory = read_memory_bytes(self.read)
        free = min(read_meminfo("MemAvailable", self.read), memory)
        seen = f"{giga(memory)} of memory, {giga(free)} of it free now."
        if memory < LEAST_MEMORY_BYTES:
            return Finding(subject, "bad", seen, "1 GB is needed, 2 GB are good; add memory.")
        if memory < GOOD_MEMORY_BYTES:
            advice = "It works; with 2 GB or more it keeps more conversations ready."
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_disk(self, subject: str) -> Finding:
        storage = find_storage(self.data)
        seen = f"{self.data}: {storage.why}."
        if storage.kind == "flash_card":
            advice = (
                "Cards wear out and lie about what is written. Put `data` on an SSD, or keep "
                "backups elsewhere (the setting `backups`) and a spare card in the drawer."
            )
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_speed(self, subject: str) -> Finding:
        speed = (self.measure_disk or measure_disk)(self.data)
        seen = (
            f"{giga(speed.bytes_per_s)} a second are written; a commit takes "
            f"{speed.commit_s * 1000:.1f} ms."
        )
        advice = "Put `data` on a quicker disk: every message waits for one commit."
        if speed.commit_s > BAD_COMMIT_S:
            return Finding(subject, "bad", seen, advice)
        if speed.commit_s > SLOW_COMMIT_S or speed.bytes_per_s < SLOW_BYTES_PER_S:
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_space(self, subject: str) -> Finding:
        free = get_free_bytes(_find_standing(self.data))
        seen = f"{giga(free)} are free where the conversations are."
        advice = "Remove old backups and logs, or move `data` to a larger disk."
        if free < LEAST_FREE_BYTES:
            return Finding(subject, "bad", seen, advice)
        return Finding(subject, "watch" if free < GOOD_FREE_BYTES else "good", seen,
                       advice if free < GOOD_FREE_BYTES else "")  # fmt: skip

    def look_at_clock(self, subject: str) -> Finding:
        now_s, made_s = time.time(), Path(__file__).stat().st_mtime
        shown = time.strftime("%Y-%m-%d %H:%M", time.localtime(now_s))
        if now_s < made_s:
            return Finding(
                subject,
                "bad",
                f"It shows {shown}, which is before this program was installed.",
                "Set it: `sudo date -s '2027-01-31 09:00'`, or connect the network once; a clock "
                "with a battery keeps it over a power cut.",
            )
        if not SET_BY_NET.exists():
            return Finding(
                subject,
                "watch",
                f"It shows {shown}; no time service of the system says that it is right.",
                "Look whether that is the time. Opening hours and dates are told by this clock.",
            )
        return Finding(subject, "good", f"It shows {shown}, set by the network.")

    def look_at_heat(self, subject: str) -> Finding:
        told = (self.read(f"/sys/class/thermal/thermal_zone{zone}/temp") for zone in range(ZONES))
        degrees = [int(text) / 1000 for text in told if text and text.lstrip("-").isdigit()]
        if not degrees:
            return Finding(subject, "good", "The machine tells no temperature.")
        seen = f"{max(degrees):.0f} °C at the warmest place."
        if max(degrees) < HOT_C:
            return Finding(subject, "good", seen)
        return Finding(subject, "watch", seen, "It slows down when hot: give it a fan or air.")


def measure_disk(data: Path) -> DiskSpeed:
    """Write a file beside the conversations, wait for the disk, remove it. Raises OSError."""
    tried = _find_standing(data) / f".doctor-{os.getpid()}"
    try:
        with tried.open("wb") as file:
            began_s = time.perf_counter()
            for _ in range(TRIED_BYTES // len(BLOCK)):
                file.write(BLOCK)
            file.flush()
            os.fsync(file.fileno())
            wrote_s = time.perf_counter() - began_s
            took_s = []
            for _ in range(COMMITS):
                began_s = time.perf_counter()
                file.write(BLOCK[:4096])
                file.flush()
                os.fsync(file.fileno())
                took_s.append(time.perf_counter() - began_s)
    finally:
        with suppress(OSError):
            tried.unlink()
    return DiskSpeed(TRIED_BYTES / max(wrote_s, 1e-6), sorted(took_s)[COMMITS // 2])


def _find_standing(path: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    return next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())


def _find(text: str, pattern: str) -> str:
    found = re.search(f"^{pattern}$", text, re.MULTILINE)
    return found[1].strip() if found else ""
