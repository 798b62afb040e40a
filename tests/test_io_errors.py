"""A disk that fails at every write, sync, read and open of a turn, once or for good.

A test fails with the numbers of all operations after which something was wrong.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.failing import fail_each, fail_each_open
from tests.faults.tape import Kind


@pytest.mark.slow
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("kind", ["write", "sync", "read"])
async def test_a_turn_whose_disk_fails_ends_cleanly_and_the_next_one_works(
    tmp_path: Path, kind: Kind, lasts: bool
) -> None:
    struck, faults = await fail_each(tmp_path / "data", kind, lasts=lasts)
    assert faults == []
    assert struck > 2, f"a turn makes no {kind}"


@pytest.mark.slow
async def test_a_house_whose_files_cannot_be_opened_works_once_they_can(tmp_path: Path) -> None:
    struck, faults = await fail_each_open(tmp_path)
    assert faults == []
    assert struck > 2
