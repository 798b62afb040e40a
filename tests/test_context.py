"""The window over past exchanges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialogue.context import Window, find_window_start, fit_window


@pytest.mark.parametrize(
    ("exchanges", "start"), [(0, 0), (5, 0), (6, 0), (11, 0), (12, 6), (17, 6)]
)
def test_the_window_moves_in_blocks(exchanges: int, start: int) -> None:
    assert find_window_start(exchanges, 6) == start


@given(st.integers(0, 500), st.integers(1, 20))
def test_the_window_holds_at_least_the_last_turns_and_fewer_than_twice_as_many(
    exchanges: int, turns: int
) -> None:
    shown = exchanges - find_window_start(exchanges, turns)
    assert min(exchanges, turns) <= shown < 2 * turns


def test_no_history_is_shown_when_none_is_wanted() -> None:
    assert find_window_start(9, 0) == 9


def test_whole_exchanges_are_left_out_oldest_first() -> None:
    assert fit_window([50, 30, 20], 100, 150, 0) == Window(1, is_trimmed=True)


def test_what_fits_is_left_alone() -> None:
    assert fit_window([50, 30, 20], 100, 200, 0) == Window(0, is_trimmed=False)


def test_a_question_too_long_for_the_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="101 tokens do not fit into 100"):
        fit_window([], 101, 100, 0)


@given(st.lists(st.integers(0, 50), max_size=12), st.integers(0, 100))
def test_the_rest_always_fits_and_no_exchange_is_dropped_without_need(
    exchange_tokens: list[int], spare: int
) -> None:
    window = fit_window(exchange_tokens, 10, 10 + spare, 0)
    assert sum(exchange_tokens[window.start :]) <= spare
    if window.start:
        assert sum(exchange_tokens[window.start - 1 :]) > spare
