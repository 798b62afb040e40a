"""The policy of a step, without llama.cpp."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.scheduler import Bounds, Scheduler
from appliance.engine.step_table import StepTable, StepTimes


@dataclass(eq=False)
class Reader:
    unread_tokens: int
    to_say: int = 3


def run_step(scheduler: Scheduler[Reader]) -> int:
    shares = scheduler.plan()
    for share in shares:
        if share.job.unread_tokens:
            share.job.unread_tokens -= share.tokens
        else:
            share.job.to_say -= 1
        if share.job.to_say == 0:
            scheduler.remove(share.job)
    return sum(share.tokens for share in shares)


def test_a_lone_prompt_is_read_in_wide_chunks() -> None:
    scheduler = Scheduler[Reader](4, Bounds(), StepTable())
    scheduler.submit(Reader(300))
    scheduler.admit(lambda job: True)
    assert [run_step(scheduler) for _ in range(3)] == [128, 128, 44]


# Tiles of 4: a step costs 20 ms for each that is begun.
TILES = StepTable(StepTimes({width: 20.0 * -(-width // 4) for width in range(1, 129)}, {1: 0.0}))


def plan_tokens(unread: list[int], bounds: Bounds, table: StepTable = TILES) -> list[int]:
    scheduler = Scheduler[Reader](16, bounds, table)
    for tokens in unread:
        scheduler.submit(Reader(tokens))
    scheduler.admit(lambda job: True)
    return [share.tokens for share in scheduler.plan()]


def test_beside_open_streams_a_prompt_is_read_in_chunks_that_fill_whole_tiles() -> None:
    assert plan_tokens([0, 0, 20], Bounds(gap_ms=60)) == [1, 1, 10]
    assert plan_tokens([0, 0, 0, 20], Bounds(gap_ms=60)) == [1, 1, 1, 9]


def test_a_prompt_that_finds_no_time_gets_what_costs_least() -> None:
    assert plan_tokens([0, 0, 20], Bounds(gap_ms=10)) == [1, 1, 2]
    assert plan_tokens([0, 0, 0, 0, 20], Bounds(gap_ms=10)) == [1, 1, 1, 1, 4]


def test_a_long_prompt_may_stretch_the_gap() -> None:
    bounds = Bounds(gap_ms=60, stretch=2.0, long_tokens=1000)
    assert plan_tokens([0, 500], bounds) == [1, 15]
    assert plan_tokens([0, 1000], bounds) == [1, 23]
    assert plan_tokens([0, 5000], bounds) == [1, 23]


def test_a_short_question_passes_a_long_one_which_still_reads_half() -> None:
    assert plan_tokens([0, 500, 4, 90], Bounds(gap_ms=60, stretch=1.0)) == [1, 6, 4, 1]
    assert plan_tokens([500, 4, 90], Bounds(alone=64)) == [32, 4, 28]


@given(
    st.integers(1, 8),
    st.lists(st.integers(1, 2000), min_size=1, max_size=6),
    st.floats(20, 500),
    st.lists(st.floats(1, 40), min_size=24, max_size=24),
)
def test_no_step_beside_a_stream_is_longer_than_its_bound_if_any_is_not(
    streams: int, unread: list[int], gap_ms: float, costs_ms: list[float]
) -> None:
    bounds = Bounds(gap_ms=gap_ms)
    rising = dict(enumerate(accumulate(costs_ms), start=1))
    table = StepTable(StepTimes(rising, {1: 0.0, 8: 30.0}))
    tokens = plan_tokens([0] * streams + unread, bounds, table)[streams:]
    assert tokens
    step_ms = table.predict_ms(streams + sum(tokens), streams)
    is_least = sum(tokens) <= bounds.least
    assert step_ms <= gap_ms * bounds.stretch or is_least


def test_nobody_passes_the_one_that_finds_no_room() -> None:
    scheduler = Scheduler[Reader](4, Bounds(), StepTable())
    big, small = Reader(900), Reader(1)
    scheduler.submit(big)
    scheduler.submit(small)
    assert scheduler.admit(lambda job: job is small) == []


def test_no_more_run_than_allowed() -> None:
    scheduler = Scheduler[Reader](2, Bounds(), StepTable())
    for _ in range(5):
        scheduler.submit(Reader(1))
    assert len(scheduler.admit(lambda job: True)) == 2
    assert len(scheduler.waiting) == 3


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 20)), max_size=12))
def test_everybody_gets_an_end_and_open_streams_speak_in_every_step(
    jobs: list[tuple[int, int]],
) -> None:
    scheduler = Scheduler[Reader](4, Bounds(), StepTable())
    for unread, to_say in jobs:
        scheduler.submit(Reader(unread, to_say))
    for _ in range(2000):
        scheduler.admit(lambda job: True)
        if scheduler.is_idle:
            break
        speaking = [job for job in scheduler.running if job.unread_tokens == 0]
        before = [job.to_say for job in speaking]
        run_step(scheduler)
        assert [job.to_say for job in speaking] == [count - 1 for count in before]
    assert scheduler.is_idle
