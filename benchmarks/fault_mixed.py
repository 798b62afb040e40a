"""Everything at once for ten minutes, after ten to warm up, and whether the process grows."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.fault_load import hold, read_resident_bytes, take_turn
from benchmarks.fault_report import Row, tell, tell_faults
from tests.faults.client import Client
from tests.faults.process import housing
from tests.faults.script import tell as tell_answer
from tests.faults.watcher import Watcher

PHRASES = 4
ASKERS, IDLERS = 6, 20
# CPython takes memory in arenas of 1 MiB; the last of them comes after six to seven minutes.
WARM_UP_SHARE = 0.5
WAL_CAP_BYTES = 8 << 20
# What the allocator keeps of a burst is no leak.
SLOPE_MB_PER_H = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    at_s: float
    resident_bytes: int
    files: int
    threads: int
    wal_bytes: int


def take_sample(pid: int, folder: Path) -> Sample:
    wal = folder / "appliance.db-wal"
    return Sample(
        time.monotonic(),
        read_resident_bytes(pid),
        len(list(Path(f"/proc/{pid}/fd").iterdir())),
        len(list(Path(f"/proc/{pid}/task").iterdir())),
        wal.stat().st_size if wal.exists() else 0,
    )


async def measure_mixed(folder: Path, *, is_quick: bool) -> list[Row]:
    seconds = 30.0 if is_quick else 1200.0
    tell(f"everything mixed for {seconds:.0f} s …")
    faults: list[str] = []
    async with housing(folder, "--phrases", str(PHRASES)) as house:
        client = await house.start()
        warm = seconds * WARM_UP_SHARE
        first = await mix(client, house.pid, folder, warm, faults)
        second = await mix(client, house.pid, folder, seconds - warm, faults)
        code = await house.stop()
    slope = find_slope_mb_per_h(second)
    files = second[-1].files - first[-1].files
    threads = second[-1].threads - first[-1].threads
    wal_bytes = max(sample.wal_bytes for sample in first + second)
    tell_faults(faults)
    return [
        Row(
            f"{(seconds - warm) / 60:.1f} minutes of everything mixed, after as many to warm up",
            f"{len(faults)} faults; memory {slope:+.1f} MB/h after warm-up "
            f"({second[-1].resident_bytes / 1e6:.0f} MB), descriptors {files:+d}, threads "
            f"{threads:+d}, WAL ≤ {wal_bytes / 1e6:.1f} MB, exit code {code}",
            f"memory ≈ 0 (≤ {SLOPE_MB_PER_H:.0f} MB/h), ±2, ±2, WAL ≤ {WAL_CAP_BYTES >> 20} MiB",
            not faults
            and slope <= SLOPE_MB_PER_H
            and abs(files) <= 2
            and abs(threads) <= 2
            and wal_bytes <= WAL_CAP_BYTES * 1.1
            and code == 0,
        )
    ]


async def mix(
    client: Client, pid: int, folder: Path, seconds: float, faults: list[str]
) -> list[Sample]:
    """Samples under load, and a last one when all is quiet again."""
    end_s = time.monotonic() + seconds
    samples: list[Sample] = []
    living = [asyncio.create_task(live(client, end_s, n, faults)) for n in range(ASKERS)]
    idling = [asyncio.create_task(idle(client, end_s)) for _ in range(IDLERS)]
    while time.monotonic() < end_s:
        samples.append(take_sample(pid, folder))
        await asyncio.sleep(1.0)
    await asyncio.gather(*living, *idling)
    # Closed connections take a moment to be noticed at the other end.
    await asyncio.sleep(2.0)
    return [*samples, take_sample(pid, folder)]


async def live(client: Client, end_s: float, number: int, faults: list[str]) -> None:
    """Ask, drop the stream, come back, stop an answer, be forgotten, begin again."""
    chance = Random(number)
    while time.monotonic() < end_s:
        session_id = (await client.call("POST", "/sessions")).json()["session_id"]
        watcher = Watcher()
        for turn in range(4):
            question = f"{number} 的第 {turn} 个问题"
            if chance.random() < 0.3:
                await stop_midway(client, session_id, question)
                continue
            run_id = await take_turn(client, session_id, question, watcher)
            if watcher.text_of(run_id) != tell_answer(question, PHRASES):
                faults.append(f"{question}: {watcher.text_of(run_id)!r}")
        faults += watcher.complaints
        if chance.random() < 0.5:
            await client.call("DELETE", f"/sessions/{session_id}")


async def stop_midway(client: Client, session_id: str, question: str) -> None:
    asked = await client.call("POST", f"/sessions/{session_id}/messages", {"message": question})
    number, tokens = asked.json()["event_id"], 0
    async for frame in client.watch(session_id, number):
        tokens += frame.event == "token"
        if tokens == 3 or frame.event in ("done", "error"):
            break
    await client.call("POST", f"/sessions/{session_id}/stop")


async def idle(client: Client, end_s: float) -> None:
    session_id = (await client.call("POST", "/sessions")).json()["session_id"]
    while time.monotonic() < end_s:
        try:
            async with asyncio.timeout(min(5.0, max(0.1, end_s - time.monotonic()))):
                await hold(client, session_id)
        except TimeoutError:
            continue


def find_slope_mb_per_h(samples: list[Sample]) -> float:
    """Of the line through all samples."""
    mean_s = sum(one.at_s for one in samples) / len(samples)
    mean_bytes = sum(one.resident_bytes for one in samples) / len(samples)
    over = sum((one.at_s - mean_s) * (one.resident_bytes - mean_bytes) for one in samples)
    under = sum((one.at_s - mean_s) ** 2 for one in samples)
    return over / under * 3600 / 1e6 if under else 0.0
