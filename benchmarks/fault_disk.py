"""A disk that is full, and a database that was damaged, at start and while the house runs."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

from appliance.engine.scripted import ScriptedEngine
from benchmarks.fault_report import Row, tell, tell_faults
from tests.faults.client import Client
from tests.faults.failing import take_a_turn
from tests.faults.listening import choose_settings, listening
from tests.faults.script import pace
from tests.faults.script import tell as tell_answer
from tests.faults.verdict import check_integrity

PHRASES = 4
TURNS = 20
TMPFS_BYTES = 80 << 20
RECOVERY_S = 60.0
MAX_TRIES = 50
PAGE_BYTES = 4096
NAME = "appliance.db"


def build_engine() -> ScriptedEngine:
    return ScriptedEngine(pace(0, PHRASES), parallel=8)


async def works(client: Client, question: str) -> bool:
    _, run_id, watcher = await take_a_turn(client, question)
    return bool(run_id) and watcher.text_of(run_id) == tell_answer(question, PHRASES)


async def prepare(folder: Path) -> list[str]:
    """A folder after an orderly stop; its sessions' ids."""
    async with listening(choose_settings(folder), build_engine()) as client:
        return [(await take_a_turn(client, f"第{number}个问题"))[0] for number in range(TURNS)]


def scribble(file: Path, start: float, share: float, chance: Random) -> None:
    """Random bytes over a `share` of the file, from a fraction of it on."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(int(size * start))
        opened.write(chance.randbytes(max(1, int(size * share))))


def empty(file: Path, _: Random) -> None:
    file.write_bytes(b"")


def break_header(file: Path, chance: Random) -> None:
    with file.open("r+b") as opened:
        opened.write(chance.randbytes(100))


def break_middle(file: Path, chance: Random) -> None:
    scribble(file, 0.2 + chance.random() * 0.5, 0.2, chance)


def break_wal(file: Path, chance: Random) -> None:
    """A log of many commits that a dead process left, broken in its middle."""
    scribble(file.with_name(f"{NAME}-wal"), 0.3, 0.1, chance)


DAMAGES: tuple[tuple[str, Callable[[Path, Random], None]], ...] = (
    ("zero length", empty),
    ("header", break_header),
    ("middle", break_middle),
    ("-wal", break_wal),
)


async def measure_damage(folder: Path, *, is_quick: bool) -> list[Row]:
    chance, faults, count = Random(7), list[str](), 2 if is_quick else 20
    for name, damage in DAMAGES:
        tell(f"database damaged at start: {name} …")
        for number in range(count):
            here = folder / f"{name.replace(' ', '-')}-{number}"
            await (leave_log(here) if damage is break_wal else prepare(here))
            damage(here / NAME, chance)
            faults += [f"{name}: {fault}" for fault in await start_damaged(here)]
    tell("database damaged while running …")
    for number in range(count):
        faults += await damage_running(folder / f"running-{number}", chance)
    tell_faults(faults)
    return [
        Row(
            f"database damaged by random bytes, at start ({len(DAMAGES)} places) and running: "
            f"{(len(DAMAGES) + 1) * count} times",
            f"{len(faults)} faults",
            "set aside, never deleted; told; a fresh one works without help",
            not faults,
        )
    ]


async def leave_log(folder: Path) -> None:
    """The folder of a house that died with a long log: copied away while it runs."""
    live = folder.with_name(f"{folder.name}-live")
    async with listening(choose_settings(live), build_engine()) as client:
        for number in range(TURNS):
            assert await works(client, f"第{number}个问题")
        folder.mkdir()
        for part in (NAME, f"{NAME}-wal"):
            (folder / part).write_bytes((live / part).read_bytes())


async def start_damaged(folder: Path) -> list[str]:
    began_s = time.monotonic()
    async with listening(choose_settings(folder), build_engine()) as client:
        is_working = await works(client, "还在吗？")
        notes = (await client.call("GET", "/readyz")).json()["notes"]
    faults = [] if is_working else ["no turn works after the start"]
    if time.monotonic() - began_s > 10:
        faults.append("the start took more than 10 s")
    return faults + check_kept(folder, notes)


async def damage_running(folder: Path, chance: Random) -> list[str]:
    """All pages but the first, behind the back of the house; then old histories are read."""
    old = await prepare(folder)
    in_a_row = 0
    async with listening(choose_settings(folder), build_engine()) as client:
        assert await works(client, "坏掉之前")
        with (folder / NAME).open("r+b") as file:
            file.seek(PAGE_BYTES)
            file.write(chance.randbytes((folder / NAME).stat().st_size - PAGE_BYTES))
        for number in range(MAX_TRIES):
            await client.call("GET", f"/sessions/{old[number % TURNS]}/messages")
            in_a_row = in_a_row + 1 if await works(client, f"之后第{number}个") else 0
            notes = (await client.call("GET", "/readyz")).json()["notes"]
            if in_a_row >= 3 and any("set aside" in note for note in notes):
                break
    faults = [] if in_a_row >= 3 else ["running: no turn works after the damage"]
    return faults + [f"running: {fault}" for fault in check_kept(folder, notes)]


def check_kept(folder: Path, notes: list[str]) -> list[str]:
    faults = check_integrity(folder)
    if not any("set aside" in note for note in notes):
        faults.append(f"nobody is told: {notes}")
    if not list(folder.glob(f"{NAME}.corrupt.*")):
        faults.append("the damaged file is gone")
    return faults


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Whether there is one: mounting takes root."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    is_mounted = subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", str(folder)], check=True)


async def measure_full(folder: Path, *, is_quick: bool) -> list[Row]:
    tell("a full disk …")
    bar = "503 in plain words, reading works, back by itself ≤ 60 s"
    with small_disk(folder / "small") as is_mounted:
        if not is_mounted:
            return [Row("disk full", "not measured: mounting a small disk takes root", bar, False)]
        faults, back_s = await fill(folder / "small")
    tell_faults(faults)
    return [
        Row(
            f"disk full (tmpfs of {TMPFS_BYTES >> 20} MB)",
            f"{len(faults)} faults; back {back_s:.1f} s after there was room again",
            bar,
            not faults,
        )
    ]


async def fill(disk: Path) -> tuple[list[str], float]:
    faults: list[str] = []
    async with listening(choose_settings(disk / "data"), build_engine()) as client:
        session_id, run_id, watcher = await take_a_turn(client, "之前的问题")
        filler = disk / "filler"
        fill_up(filler)
        saved = sum([await works(client, f"满了{number}") for number in range(MAX_TRIES)])
        refused = await client.call(
            "POST", f"/sessions/{session_id}/messages", {"message": "还能记吗？"}
        )
        words = refused.json().get("error", {}).get("message", "")
        if refused.status != 503 or "full" not in words:
            faults.append(f"{saved} turns went on, then {refused.status} {words!r}")
        read = await client.call("GET", f"/sessions/{session_id}/messages")
        if watcher.text_of(run_id) not in [one["text"] for one in read.json()["messages"]]:
            faults.append("history cannot be read on a full disk")
        filler.unlink()
        freed_s = time.monotonic()
        while not await works(client, "又有地方了") and time.monotonic() - freed_s < RECOVERY_S:
            # Asking as fast as it can would only slow the house down.
            await asyncio.sleep(0.25)
        back_s = time.monotonic() - freed_s
        if back_s >= RECOVERY_S:
            faults.append("no turn works 60 s after there was room again")
    return faults + check_integrity(disk / "data"), back_s


def fill_up(filler: Path) -> None:
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(64 << 10))
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(512))
