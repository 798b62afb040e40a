"""The policy of a step, without llama.cpp."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.scheduler import Scheduler, Widths


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
    scheduler = Scheduler[Reader](4, Widths(alone=128))
    scheduler.submit(Reader(300))
    scheduler.admit(lambda job: True)
    assert [run_step(scheduler) for _ in range(3)] == [128, 128, 44]


def test_beside_open_streams_a_prompt_is_read_in_small_chunks() -> None:
    scheduler = Scheduler[Reader](4, Widths())
    for unread in (0, 0, 300):
        scheduler.submit(Reader(unread))
    scheduler.admit(lambda job: True)
    assert [share.tokens for share in scheduler.plan()] == [1, 1, 14]


def test_nobody_passes_the_one_that_finds_no_room() -> None:
    scheduler = Scheduler[Reader](4, Widths())
    big, small = Reader(900), Reader(1)
    scheduler.submit(big)
    scheduler.submit(small)
    assert scheduler.admit(lambda job: job is small) == []


def test_no_more_run_than_allowed() -> None:
    scheduler = Scheduler[Reader](2, Widths())
    for _ in range(5):
        scheduler.submit(Reader(1))
    assert len(scheduler.admit(lambda job: True)) == 2
    assert len(scheduler.waiting) == 3


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 20)), max_size=12))
def test_everybody_gets_an_end_and_open_streams_speak_in_every_step(
    jobs: list[tuple[int, int]],
) -> None:
    scheduler = Scheduler[Reader](4, Widths())
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
