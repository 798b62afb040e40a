"""The power is cut at many moments of one tape, and every folder that is left is judged.

It decides nothing itself. The rule that must not break: the same tape and count give the same
cuts, so a fault that was found can be found again.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from random import Random

import pytest

from appliance.store import recovery
from tests.faults.replay import Disk, read_marks
from tests.faults.tape import Mark, Operation, SyncFolder
from tests.faults.verdict import Verdict, judge, judge_lie

MAIN = "appliance.db"
NEXT_BOOT = "the boot after the power cut"
AT_ONCE = 6


async def cut(
    operations: list[Operation], folder: Path, count: int, *, is_lying: bool
) -> list[Verdict]:
    """The verdicts over `count` moments of the tape, in their order."""
    chance = Random(20_240_613)
    disk = Disk(chance, is_lying=is_lying)
    at, left = 0, asyncio.Semaphore(AT_ONCE)
    judging: list[asyncio.Task[Verdict]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "read_boot_id", lambda: NEXT_BOOT)
        for moment in choose_moments(operations, count, chance):
            for operation in operations[at:moment]:
                disk.feed(operation)
            at = moment
            await left.acquire()
            here = folder / f"{'lying' if is_lying else 'honest'}-{moment}"
            here.mkdir()
            disk.cut(here)
            marks = read_marks(operations[:moment])
            task = asyncio.create_task(look_at(here, marks, is_lying=is_lying))
            task.add_done_callback(lambda _: left.release())
            judging.append(task)
        return list(await asyncio.gather(*judging))


async def look_at(folder: Path, marks: list[Mark], *, is_lying: bool) -> Verdict:
    """The folder is kept only where something is wrong with it."""
    verdict = await (judge_lie(folder) if is_lying else judge(folder, marks))
    if not verdict.faults:
        shutil.rmtree(folder)
    return verdict


def choose_moments(operations: list[Operation], count: int, chance: Random) -> list[int]:
    """Half of them anywhere, half at the main database: most operations are `live.db`'s."""
    at_main = [
        at
        for at, operation in enumerate(operations)
        if not isinstance(operation, Mark | SyncFolder) and operation.file.startswith(MAIN)
    ]
    moments = {*chance.sample(at_main, min(count // 2, len(at_main)))}
    while len(moments) < count:
        moments.add(chance.randrange(len(operations) + 1))
    return sorted(moments)
