"""An engine that takes the whole process along: while loading, at a turn's start, in mid-answer."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.house import BREAKS_MIDWAY, DIES_AT_START, DIES_MIDWAY, DIES_ONCE
from tests.faults.lives import HARMLESS, PHRASES, count_load_deaths, provoke
from tests.faults.script import tell


@pytest.mark.slow
@pytest.mark.parametrize("word", [DIES_AT_START, DIES_MIDWAY])
async def test_a_turn_that_killed_the_process_twice_ends_in_an_error_and_others_go_on(
    tmp_path: Path, word: str
) -> None:
    provoked = await provoke(tmp_path / "data", word)
    assert provoked.deaths == [-signal.SIGABRT] * 2
    assert provoked.ending == "interrupted"
    assert tell(word, PHRASES).startswith(provoked.text)
    assert provoked.other == tell(HARMLESS, PHRASES)


async def test_an_answer_whose_engine_aborted_once_goes_on_to_its_whole_text(
    tmp_path: Path,
) -> None:
    provoked = await provoke(tmp_path / "data", DIES_ONCE)
    assert provoked.deaths == [-signal.SIGABRT]
    assert (provoked.ending, provoked.text) == ("done", tell(DIES_ONCE, PHRASES))
    assert provoked.rewinds == 0
    assert provoked.other == tell(HARMLESS, PHRASES)


async def test_an_answer_that_breaks_is_one_error_and_kills_nothing(tmp_path: Path) -> None:
    provoked = await provoke(tmp_path / "data", BREAKS_MIDWAY)
    assert provoked.deaths == []
    assert provoked.ending == "engine_failed"
    assert provoked.other == tell(HARMLESS, PHRASES)


async def test_a_model_that_kills_every_start_is_withheld_after_two_deaths(tmp_path: Path) -> None:
    assert await count_load_deaths(tmp_path / "data") == (2, "unavailable")
