"""Parked conversations in memory: random ones against a mirror that counts by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.parking import ID_BYTES, Parked, Parking, choose_budget

MIB = 1 << 20


def park(size: int, tokens: int = 0, mark: int = 0) -> Parked:
    """A state of `size` bytes of data and so many ids."""
    return Parked((mark,) * tokens, 0, bytes([mark]) * size)


def test_what_is_parked_is_found_and_taken_once() -> None:
    parking = Parking(100)
    parked = park(10)
    assert parking.put("a", parked) == ()
    assert parking.find("a") is parked
    assert (parking.take("a"), parking.take("a")) == (parked, None)
    assert (parking.count, parking.size_bytes, parking.find("a")) == (0, 0, None)


def test_the_budget_counts_data_and_ids() -> None:
    parking = Parking(2 * (10 + 3 * ID_BYTES))
    assert parking.put("a", park(10, tokens=3)) == ()
    assert parking.put("b", park(10, tokens=3)) == ()
    assert parking.size_bytes == 2 * (10 + 3 * ID_BYTES)
    assert [conversation for conversation, _ in parking.put("c", park(0, tokens=1))] == ["a"]


def test_who_was_parked_longest_ago_goes_first() -> None:
    parking = Parking(30)
    states = {name: park(10) for name in "abc"}
    for name, parked in states.items():
        parking.put(name, parked)
    parking.put("a", states["a"])
    parking.find("b")  # looking is not using
    assert parking.put("d", park(20)) == (("b", states["b"]), ("c", states["c"]))
    assert [name for name, _ in parking.list_recent()] == ["d", "a"]


def test_a_newer_state_takes_the_place_of_the_older_and_pushes_nobody_out() -> None:
    parking = Parking(30)
    parking.put("a", park(20))
    parking.put("b", park(10))
    newer = park(20, mark=1)
    assert parking.put("a", newer) == ()
    assert (parking.find("a"), parking.count, parking.size_bytes) == (newer, 2, 30)


def test_a_state_larger_than_the_budget_goes_itself_and_its_older_one_with_it() -> None:
    parking = Parking(30)
    parking.put("a", park(10))
    parking.put("b", park(10))
    large = park(31)
    assert parking.put("a", large) == (("a", large),)
    assert [name for name, _ in parking.list_recent()] == ["b"]


def test_without_a_budget_nothing_is_kept() -> None:
    parking = Parking(0)
    parked = park(1)
    assert parking.put("a", parked) == (("a", parked),)
    parking.check_integrity()


def test_forgetting_says_whether_there_was_anything() -> None:
    parking = Parking(30)
    parking.put("a", park(10))
    assert parking.forget("a")
    assert not parking.forget("a")
    assert parking.size_bytes == 0


def test_integrity_notices_a_sum_that_is_wrong() -> None:
    parking = Parking(30)
    parking.put("a", park(10))
    parking._size_bytes -= 1
    with pytest.raises(AssertionError, match="sum"):
        parking.check_integrity()


def test_integrity_notices_more_than_the_budget() -> None:
    parking = Parking(30)
    parking.put("a", park(10))
    parking._budget_bytes = 9
    with pytest.raises(AssertionError, match="budget"):
        parking.check_integrity()


@pytest.mark.parametrize("shared_tokens", [-1, 4])
def test_no_more_tokens_are_shared_than_there_are(shared_tokens: int) -> None:
    with pytest.raises(ValueError, match="shared of 3 tokens"):
        Parked((1, 2, 3), shared_tokens, b"")


@pytest.mark.parametrize(
    ("wanted_mb", "memory_bytes", "budget_bytes"),
    [
        (0, 1000 * MIB, 100 * MIB),
        (0, 16_000 * MIB, 256 * MIB),
        (0, 0, 0),
        (7, 1000 * MIB, 7 * MIB),
        (512, 1000 * MIB, 512 * MIB),
    ],
)
def test_the_budget_is_as_set_or_a_tenth_of_the_memory(
    wanted_mb: int, memory_bytes: int, budget_bytes: int
) -> None:
    assert choose_budget(wanted_mb, memory_bytes) == budget_bytes


NAMES = st.sampled_from("abcdef")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), NAMES, st.builds(park, st.integers(0, 260), st.integers(0, 3))),
        st.tuples(st.just("take"), NAMES, st.none()),
        st.tuples(st.just("forget"), NAMES, st.none()),
    ),
    max_size=60,
)


@given(st.integers(0, 400), STEPS)
def test_nothing_is_lost_and_nothing_is_kept_beyond_the_budget(
    budget_bytes: int, steps: list[tuple[str, str, Parked | None]]
) -> None:
    parking = Parking(budget_bytes)
    mirror: list[tuple[str, Parked]] = []  # the oldest first
    for verb, name, parked in steps:
        held = next((state for other, state in mirror if other == name), None)
        assert parking.find(name) is held
        mirror = [(other, state) for other, state in mirror if other != name]
        if verb == "put" and parked is not None:
            everybody = [*mirror, (name, parked)]
            pushed_out = list(parking.put(name, parked))
            stays = [pair for pair in everybody if pair not in pushed_out]
            if parked.size_bytes > budget_bytes:
                assert pushed_out == [(name, parked)]
            else:
                assert everybody == pushed_out + stays, "not the oldest went"
                # The last that went was one too many.
                total = sum(state.size_bytes for _, state in [*pushed_out[-1:], *stays])
                assert not pushed_out or total > budget_bytes
            mirror = stays
        elif verb == "take":
            assert parking.take(name) is held
        else:
            assert parking.forget(name) == (held is not None)
        parking.check_integrity()
        assert parking.list_recent() == tuple(reversed(mirror))
        assert parking.count == len(mirror)
        assert parking.size_bytes == sum(state.size_bytes for _, state in mirror) <= budget_bytes
