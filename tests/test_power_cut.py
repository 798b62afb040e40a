"""The mains plug: the appliance's real workload, recorded, cut at a hundred moments, opened again.

`benchmarks/faults.py --only power` does the same at a thousand.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from tests.faults.cutting import cut
from tests.faults.replay import Disk
from tests.faults.tape import Operation, Sync, Truncate, Write
from tests.faults.workload import record

CUTS = 100
LIES = 30


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> list[Operation]:
    """The tape of a whole life of the house."""
    return asyncio.run(record(tmp_path_factory.mktemp("recorded") / "data"))


@pytest.mark.slow
async def test_no_power_cut_loses_a_word_that_was_acknowledged(
    operations: list[Operation], tmp_path: Path
) -> None:
    verdicts = await cut(operations, tmp_path, CUTS, is_lying=False)
    assert [fault for verdict in verdicts for fault in verdict.faults] == []
    assert any(verdict.rewinds for verdict in verdicts), "no cut met a turn under way"


@pytest.mark.slow
async def test_a_disk_that_lies_about_its_cache_never_gives_a_silent_start_on_a_damaged_file(
    operations: list[Operation], tmp_path: Path
) -> None:
    verdicts = await cut(operations, tmp_path, LIES, is_lying=True)
    assert [fault for verdict in verdicts for fault in verdict.faults] == []
    assert any(verdict.is_set_aside for verdict in verdicts), "no cut did any damage"


def test_an_honest_disk_keeps_what_was_synced_and_may_lose_the_rest(tmp_path: Path) -> None:
    written, later = Write("a", 0, b"1" * 1024), Write("a", 512, b"2" * 1024)
    outcomes = set()
    for seed in range(200):
        disk = Disk(Random(seed))
        disk.adopt("a", b"")
        for operation in (written, Sync("a"), later, Truncate("a", 1200)):
            disk.feed(operation)
        disk.cut(tmp_path)
        content = (tmp_path / "a").read_bytes()
        assert content[:512] == b"1" * 512
        outcomes.add(content)
    assert b"1" * 1024 in outcomes
    assert b"1" * 512 + b"2" * 688 in outcomes
    assert len(outcomes) > 3
