"""What those who wait are told: from the cost of steps and the length of answers so far."""

from __future__ import annotations

import time

from appliance.engine.engine import Generation, Output, Waiting
from appliance.engine.estimates import Estimates
from appliance.engine.jobs import Job
from appliance.engine.prompt import Prompt
from appliance.engine.scheduler import Bounds, Scheduler
from appliance.engine.step_table import StepTable, StepTimes

# Ten milliseconds a token, whatever the step.
TABLE = StepTable(StepTimes({1: 10.0, 128: 1280.0}, {1: 0.0}))


def make_job(heard: list[Output], prompt_tokens: int = 10, limit: int = 128) -> Job:
    prompt = Prompt(tuple(range(prompt_tokens)))
    return Job(Generation("a", prompt, limit), heard.append, time.monotonic())


def wait_in_line(
    running: int, waiting: int
) -> tuple[Estimates, Scheduler[Job], list[list[Output]]]:
    scheduler = Scheduler[Job](running, Bounds(), TABLE)
    heard: list[list[Output]] = [[] for _ in range(running + waiting)]
    for outputs in heard:
        scheduler.submit(make_job(outputs))
    scheduler.admit(lambda job: True)
    return Estimates(scheduler, TABLE), scheduler, heard


def read_times(heard: list[list[Output]]) -> list[int]:
    return [output.eta_ms for outputs in heard for output in outputs if isinstance(output, Waiting)]


def test_who_comes_later_is_told_a_longer_time_and_a_later_place() -> None:
    estimates, _, heard = wait_in_line(running=2, waiting=3)
    estimates.tell_waiting()
    times = read_times(heard)
    assert times == sorted(set(times))
    assert [outputs[0].position for outputs in heard[2:] if isinstance(outputs[0], Waiting)] == [
        1,
        2,
        3,
    ]
    assert estimates.next_free_ms == times[0]


def test_the_same_place_is_told_once() -> None:
    estimates, _, heard = wait_in_line(running=1, waiting=1)
    estimates.tell_waiting()
    estimates.tell_waiting()
    assert len(heard[1]) == 1


def test_short_answers_shorten_the_wait() -> None:
    estimates, _, heard = wait_in_line(running=1, waiting=1)
    for _ in range(60):
        estimates.learn_answer(10)
    estimates.tell_waiting()
    # 10 tokens to read and 10 to say.
    assert abs(read_times(heard)[0] - 200) < 20


def test_an_empty_house_keeps_nobody_waiting() -> None:
    estimates, _, _ = wait_in_line(running=1, waiting=0)
    estimates.tell_waiting()
    assert estimates.next_free_ms > 0
    free, _, _ = wait_in_line(running=0, waiting=0)
    free.tell_waiting()
    assert free.next_free_ms == 0
