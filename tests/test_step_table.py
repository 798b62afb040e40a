"""What a step costs: the line between timed widths, what steps teach, the plan of the timing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.step_table import (
    ASSUMED_BODY_MS,
    CHUNK_TOKENS,
    PROBES,
    Probe,
    StepTable,
    StepTimes,
    plan_reading,
)


def test_between_two_timed_widths_the_cost_lies_on_the_line() -> None:
    table = StepTable(StepTimes({1: 20.0, 4: 50.0, 8: 90.0}, {1: 0.0, 5: 20.0}))
    assert [table.predict_ms(width, 1) for width in (1, 2, 4, 6, 8)] == [20, 30, 50, 70, 90]
    assert table.predict_ms(8, 3) == 100
    assert table.predict_ms(16, 1) == 180


def test_what_was_timed_takes_the_place_of_what_was_assumed_and_sets_the_pace_of_the_rest() -> None:
    table = StepTable()
    timed = {Probe(width, 1): 2 * StepTable().predict_ms(width, 1) for width in (1, 4, 8, 16)}
    table.time({**timed, Probe(4, 4): 120.0})
    assert table.predict_ms(4, 1) == 2 * ASSUMED_BODY_MS[4]
    assert table.predict_ms(128, 1) == 2 * ASSUMED_BODY_MS[128]
    assert table.predict_ms(4, 4) == 120.0


def test_nothing_timed_changes_nothing() -> None:
    table = StepTable()
    table.time({})
    assert table.snapshot() == StepTable().snapshot()


def test_a_machine_that_stalls_once_is_not_believed() -> None:
    table = StepTable(StepTimes({1: 20.0, 8: 100.0}, {1: 0.0}))
    table.learn(8, 1, 60_000.0)
    assert table.predict_ms(8, 1) == pytest.approx(110.0)


def test_steps_that_take_longer_for_good_are_learnt() -> None:
    table = StepTable(StepTimes({1: 20.0, 8: 100.0}, {1: 0.0, 8: 30.0}))
    for _ in range(60):
        table.learn(8, 1, 150.0)
        table.learn(8, 8, 200.0)
    assert table.predict_ms(8, 1) == pytest.approx(150.0, rel=0.02)
    assert table.predict_ms(8, 8) == pytest.approx(200.0, rel=0.02)


def test_a_table_that_was_timed_on_a_busy_machine_recovers_beside_open_streams() -> None:
    right = StepTimes({1: 20.0, 4: 50.0, 12: 120.0, 16: 150.0, 128: 900.0}, {1: 0.0, 4: 20.0})
    table = StepTable(StepTimes({one: 3 * ms for one, ms in right.body_ms.items()}, right.head_ms))
    for _ in range(80):
        table.learn(16, 4, StepTable(right).predict_ms(16, 4))
    assert table.predict_ms(16, 4) == pytest.approx(170.0, rel=0.05)
    assert table.predict_ms(12, 4) < 1.2 * StepTable(right).predict_ms(12, 4)


def test_what_was_learnt_can_be_kept() -> None:
    table = StepTable()
    table.learn(5, 1, 70.0)
    assert StepTable(table.snapshot()).predict_ms(5, 1) == table.predict_ms(5, 1)


@given(st.integers(0, 2000))
def test_a_prefix_of_any_length_is_read_whole_and_the_first_step_is_not_believed(
    tokens: int,
) -> None:
    plan = list(plan_reading(tokens))
    assert sum(probe.width for probe in plan) == tokens
    assert all(0 < probe.width <= CHUNK_TOKENS and probe.rows <= probe.width for probe in plan)
    assert not plan or plan[0].rows == 0
    if tokens >= sum(width for width, _ in PROBES):
        assert {Probe(*probe) for probe in PROBES[1:]} <= set(plan)
