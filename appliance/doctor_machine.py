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

from appliance.doctor import Finding, Look, Words, giga
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
DISKS = {
    "ssd": "固态硬盘",
    "disk": "机械硬盘",
    "flash_card": "SD 卡或 eMMC",
    "unknown": "看不出是哪种磁盘",
}
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
            seen = Words(
                f"{name}: the kernel does not say what it can do.",
                f"{name}：内核没有说它有哪些指令。",
            )
            return Finding(subject, "watch", seen)
        has = [flag for flag in (*quick, *more) if flag in flags]
        missing = [flag for flag in quick if flag not in flags]
        told = f"{name}: {', '.join(has) or 'none of what makes a model quick'}."
        told_zh = f"{name}：{'、'.join(has) or '没有能让模型跑得快的指令'}。"
        if not missing:
            return Finding(subject, "good", Words(told, told_zh))
        advice = Words(
            "Answers come slowly on it; a Raspberry Pi 5 or any PC of the last ten years is "
            "several times as quick. `appliance bench` says what this one carries.",
            "在它上面回答会很慢；树莓派 5 或近十年的电脑要快好几倍。"
            "`appliance bench` 会说明这台机器能承担多少。",
        )
        seen = Words(
            f"{told} It has no {', '.join(missing)}.", f"{told_zh}缺少 {'、'.join(missing)}。"
        )
        return Finding(subject, "watch", seen, advice)

    def look_at_threads(self, subject: str) -> Finding:
        choice = choose_threads(self.wanted_threads, self.read)
        most = choose_threads(0, self.read)
        if choice.value > most.value:
            seen = Words(
                f"{choice.why}; the machine has {most.value}.",
                f"设置为 {choice.value} 个线程；本机只有 {most.value} 个。",
            )
            advice = Words(
                "Set threads to 0: more threads than cores make it many times slower.",
                "请把 threads 设为 0：线程比核心多会慢很多倍。",
            )
            return Finding(subject, "bad", seen, advice)
        seen = Words(f"{choice.why}.", f"模型用 {choice.value} 个线程。")
        if choice.value == 1:
            advice = Words(
                "Give it two cores or more: while one customer is answered the others wait.",
                "请给它两个或更多核心：否则回答一位顾客时，别的顾客要等。",
            )
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_limits(self, subject: str) -> Finding:
        quota = read_cpu_quota(self.read)
        memory, total = read_memory_bytes(self.read), read_meminfo("MemTotal", self.read)
        told = []
        if quota is not None:
            told.append(Words(f"{quota:g} cores", f"{quota:g} 个核心"))
        if memory < total:
            told.append(Words(f"{giga(memory)} of memory", f"{giga(memory)} 内存"))
        if not told:
            seen = Words(
                "No container or service limits cores or memory.", "没有容器或服务限制核心或内存。"
            )
            return Finding(subject, "good", seen)
        seen = Words(
            f"A container or service allows {' and '.join(told)}.",
            f"容器或服务只允许用 {'、'.join(one.zh for one in told)}。",
        )
        if quota is not None and quota != int(quota):
            advice = Words(
                "Give whole cores: what is left of a core stops every answer in mid-step.",
                "请给整数个核心：零头会让每次回答中途卡住。",
            )
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_memory(self, subject: str) -> Finding:
        memory = read_memory_bytes(self.read)
        free = min(read_meminfo("MemAvailable", self.read), memory)
        seen = Words(
            f"{giga(memory)} of memory, {giga(free)} of it free now.",
            f"内存 {giga(memory)}，现在空闲 {giga(free)}。",
        )
        if memory < LEAST_MEMORY_BYTES:
            advice = Words(
                "1 GB is needed, 2 GB are good; add memory.", "至少要 1 GB，2 GB 为好；请加内存。"
            )
            return Finding(subject, "bad", seen, advice)
        if memory < GOOD_MEMORY_BYTES:
            advice = Words(
                "It works; with 2 GB or more it keeps more conversations ready.",
                "可以用；有 2 GB 以上能让更多对话随时接得上。",
            )
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_disk(self, subject: str) -> Finding:
        storage = find_storage(self.data)
        seen = Words(f"{self.data}: {storage.why}.", f"{self.data}：{DISKS[storage.kind]}。")
        if storage.kind == "flash_card":
            advice = Words(
                "Cards wear out and lie about what is written. Put `data` on an SSD, or keep "
                "backups elsewhere (the setting `backups`) and a spare card in the drawer.",
                "存储卡会磨损，还会谎报已经写入。请把 `data` 放到固态硬盘上，"
                "或把备份放到别处（设置项 `backups`），抽屉里留一张备用卡。",
            )
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_speed(self, subject: str) -> Finding:
        speed = (self.measure_disk or measure_disk)(self.data)
        rate, took = giga(speed.bytes_per_s), f"{speed.commit_s * 1000:.1f}"
        seen = Words(
            f"{rate} a second are written; a commit takes {took} ms.",
            f"每秒写入 {rate}；提交一次要 {took} 毫秒。",
        )
        advice = Words(
            "Put `data` on a quicker disk: every message waits for one commit.",
            "请把 `data` 放到快一点的磁盘上：每条消息都要等一次提交。",
        )
        if speed.commit_s > BAD_COMMIT_S:
            return Finding(subject, "bad", seen, advice)
        if speed.commit_s > SLOW_COMMIT_S or speed.bytes_per_s < SLOW_BYTES_PER_S:
            return Finding(subject, "watch", seen, advice)
        return Finding(subject, "good", seen)

    def look_at_space(self, subject: str) -> Finding:
        free = get_free_bytes(_find_standing(self.data))
        seen = Words(
            f"{giga(free)} are free where the conversations are.",
            f"对话所在的磁盘还有 {giga(free)}。",
        )
        advice = Words(
            "Remove old backups and logs, or move `data` to a larger disk.",
            "请删掉旧备份和日志，或把 `data` 移到更大的磁盘。",
        )
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
                Words(
                    f"It shows {shown}, which is before this program was installed.",
                    f"显示 {shown}，比本程序安装的时间还早。",
                ),
                Words(
                    "Set it: `sudo date -s '2027-01-31 09:00'`, or connect the network once; a "
                    "clock with a battery keeps it over a power cut.",
                    "请调好：`sudo date -s '2027-01-31 09:00'`，或联一次网；"
                    "带电池的时钟断电也不会忘。",
                ),
            )
        if not SET_BY_NET.exists():
            return Finding(
                subject,
                "watch",
                Words(
                    f"It shows {shown}; no time service of the system says that it is right.",
                    f"显示 {shown}；系统没有时间服务能证明它是对的。",
                ),
                Words(
                    "Look whether that is the time. Opening hours and dates are told by this "
                    "clock.",
                    "请看看时间对不对。营业时间和日期都按这个时钟说。",
                ),
            )
        seen = Words(f"It shows {shown}, set by the network.", f"显示 {shown}，由网络校准。")
        return Finding(subject, "good", seen)

    def look_at_heat(self, subject: str) -> Finding:
        told = (self.read(f"/sys/class/thermal/thermal_zone{zone}/temp") for zone in range(ZONES))
        degrees = [int(text) / 1000 for text in told if text and text.lstrip("-").isdigit()]
        if not degrees:
            seen = Words("The machine tells no temperature.", "这台机器不报告温度。")
            return Finding(subject, "good", seen)
        warmest = f"{max(degrees):.0f} °C"
        seen = Words(f"{warmest} at the warmest place.", f"最热处 {warmest}。")
        if max(degrees) < HOT_C:
            return Finding(subject, "good", seen)
        advice = Words(
            "It slows down when hot: give it a fan or air.", "太热会变慢：请加风扇或保证通风。"
        )
        return Finding(subject, "watch", seen, advice)


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
