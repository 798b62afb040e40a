"""The window over past exchanges."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialogue.context import (
    QUESTION_TOKENS,
    Window,
    choose_room,
    find_held_start,
    find_window_start,
    fit_window,
)


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


def test_where_held_exchanges_outgrow_their_room_half_of_it_is_cleared() -> None:
    starts = [find_held_start([10] * held, 40) for held in range(10)]
    assert starts == [0, 0, 0, 0, 0, 3, 3, 3, 6, 6]


def test_the_last_exchange_is_held_as_long_as_it_fits() -> None:
    assert find_held_start([5, 5, 38], 40) == 2
    assert find_held_start([5, 5, 41], 40) == 3
    assert find_held_start([41, 5], 40) == 1


HELD = st.lists(st.integers(0, 50), max_size=30)


@given(HELD, st.integers(0, 200))
def test_what_is_held_fits_and_its_beginning_moves_only_where_it_did_not(
    exchange_tokens: list[int], room_tokens: int
) -> None:
    starts = [
        find_held_start(exchange_tokens[:held], room_tokens)
        for held in range(len(exchange_tokens) + 1)
    ]
    for held, start in enumerate(starts):
        assert sum(exchange_tokens[start:held]) <= room_tokens
    for held, (before, after) in enumerate(pairwise(starts), start=1):
        assert before <= after <= held
        assert (after > before) == (sum(exchange_tokens[before:held]) > room_tokens)


@given(HELD, st.integers(0, 3000), st.data())
def test_a_question_within_what_was_kept_free_for_it_moves_nothing(
    exchange_tokens: list[int], budget_tokens: int, data: st.DataObject
) -> None:
    room_tokens = choose_room(budget_tokens)
    question_tokens = data.draw(st.integers(0, budget_tokens - room_tokens))
    start = find_held_start(exchange_tokens, room_tokens)
    window = fit_window(exchange_tokens, question_tokens, budget_tokens, start)
    assert window == Window(start, is_trimmed=start > 0)


@pytest.mark.parametrize(
    ("budget_tokens", "room_tokens"),
    [(-5, 0), (0, 0), (3, 3), (400, 300), (40_000, 40_000 - QUESTION_TOKENS)],
)
def test_a_large_context_keeps_a_question_free_and_a_small_one_a_share(
    budget_tokens: int, room_tokens: int
) -> None:
    assert choose_room(budget_tokens) == room_tokens
