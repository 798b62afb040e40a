"""KV bookkeeping: random conversations against a mirror of what the cells really hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.engine.sequences import (
    PREFIX_SLOT,
    Copy,
    Evict,
    Operation,
    Remove,
    SequenceTable,
)

PREFIX = (1, 2, 3, 4)


class Cells:
    """What llama.cpp would hold: the ids of each sequence."""

    def __init__(self, slots: int) -> None:
        self.ids: list[list[int]] = [[] for _ in range(slots)]
        self.parked: dict[str, tuple[tuple[int, ...], int]] = {}

    def apply(self, operations: tuple[Operation, ...]) -> None:
        for operation in operations:
            match operation:
                case Copy(source, target, tokens):
                    assert not self.ids[target], "a copy onto cells that are held"
                    self.ids[target] = self.ids[source][:tokens]
                case Remove(slot, start):
                    del self.ids[slot][start:]
                case Evict(slot, conversation, ids, shared_tokens):
                    assert self.ids[slot] == list(ids), "the books name other cells"
                    self.parked[conversation] = (ids, shared_tokens)
                    self.ids[slot] = []


def make_table(slots: int = 4, cells: int = 40) -> tuple[SequenceTable, Cells]:
    table, mirror = SequenceTable(slots, cells), Cells(slots)
    table.extend(PREFIX_SLOT, PREFIX)
    mirror.ids[PREFIX_SLOT] = list(PREFIX)
    return table, mirror


def test_a_new_conversation_starts_from_the_shared_prefix() -> None:
    table, _ = make_table()
    placement = table.place("a", (*PREFIX, 9, 9), 4)
    assert placement is not None
    assert placement.cached_tokens == len(PREFIX)
    assert placement.operations == (Copy(PREFIX_SLOT, placement.slot, 4),)


def test_a_follow_up_computes_only_what_is_new() -> None:
    table, _ = make_table()
    first = table.place("a", (*PREFIX, 9, 9), 4)
    assert first is not None
    table.extend(first.slot, [9, 9, 50, 51])
    table.release(first.slot)
    second = table.place("a", (*PREFIX, 9, 9, 50, 51, 7), 4)
    assert second is not None
    assert (second.cached_tokens, second.operations) == (8, ())


def test_one_token_is_always_left_to_decode() -> None:
    table, _ = make_table()
    placement = table.place("a", PREFIX, 4)
    assert placement is not None
    assert placement.cached_tokens == len(PREFIX) - 1


def test_a_prompt_that_differs_early_goes_back_to_the_prefix() -> None:
    table, _ = make_table()
    first = table.place("a", (1, 8, 8), 2)
    assert first is not None
    table.extend(first.slot, [8, 8])
    table.release(first.slot)
    second = table.place("a", (*PREFIX, 5), 2)
    assert second is not None
    assert second.operations == (Remove(first.slot, 0), Copy(PREFIX_SLOT, first.slot, 4))


def test_the_least_recently_used_conversation_goes_first() -> None:
    table, _ = make_table(slots=3)
    slots = {}
    for name in ("a", "b"):
        placement = table.place(name, (*PREFIX, 9), 2)
        assert placement is not None
        slots[name] = placement.slot
        table.extend(placement.slot, [9])
        table.release(placement.slot)
    third = table.place("c", (*PREFIX, 9), 2)
    assert third is not None
    assert third.slot == slots["a"]


def test_running_conversations_are_never_dropped_for_a_new_one() -> None:
    table, _ = make_table(cells=20)
    assert table.place("a", (*PREFIX, 9), 7) is not None
    assert table.place("b", (*PREFIX, 9), 9) is None


def test_a_conversation_that_runs_is_not_placed_twice() -> None:
    table, _ = make_table()
    assert table.place("a", (*PREFIX, 9), 2) is not None
    assert table.place("a", (*PREFIX, 9), 2) is None


def test_a_prompt_longer_than_the_context_is_refused_with_both_figures() -> None:
    table, _ = make_table(cells=20)
    with pytest.raises(ValueError, match="30 tokens do not fit into 16 cells"):
        table.place("a", tuple(range(20)), 10)


def test_a_forgotten_conversation_leaves_no_cell() -> None:
    table, mirror = make_table()
    placement = table.place("a", (*PREFIX, 9), 2)
    assert placement is not None
    mirror.apply(placement.operations)
    table.extend(placement.slot, [9])
    table.release(placement.slot)
    mirror.apply(table.forget("a"))
    assert mirror.ids[placement.slot] == []
    assert table.used_cells == len(PREFIX)


def say(table: SequenceTable, mirror: Cells, name: str, words: tuple[int, ...]) -> int:
    """A whole turn of `name`; the slot it was in."""
    placement = table.place(name, (*PREFIX, *words), 2)
    assert placement is not None
    mirror.apply(placement.operations)
    new = (*PREFIX, *words)[placement.cached_tokens :]
    table.extend(placement.slot, new)
    mirror.ids[placement.slot] += new
    table.release(placement.slot)
    return placement.slot


def test_what_a_prompt_does_not_continue_is_told() -> None:
    table, mirror = make_table()
    say(table, mirror, "a", (9, 9, 8))
    placement = table.place("a", (*PREFIX, 9, 7), 2)
    assert placement is not None
    assert (placement.cached_tokens, placement.dropped_tokens) == (5, 2)


def test_an_evicted_conversation_is_told_with_its_ids_and_comes_back() -> None:
    table, mirror = make_table(slots=2)
    say(table, mirror, "a", (9, 9))
    say(table, mirror, "b", (8,))
    assert mirror.parked["a"] == ((*PREFIX, 9, 9), len(PREFIX))
    placement = table.readmit("a", *mirror.parked["a"])
    assert placement is not None
    mirror.apply(placement.operations)
    assert table.held == ("a",)
    assert mirror.parked["b"] == ((*PREFIX, 8), len(PREFIX))


def test_reading_ahead_needs_no_logits_and_evicts_nobody_for_a_stranger() -> None:
    table, mirror = make_table(slots=2)
    say(table, mirror, "a", (9,))
    assert table.place_ahead("a", (*PREFIX, 9)) is None
    placement = table.place_ahead("a", (*PREFIX, 9, 8))
    assert placement is not None
    assert placement.cached_tokens == len(PREFIX) + 1
    table.release(placement.slot)
    assert table.place_ahead("b", (*PREFIX, 9)) is None


def test_a_conversation_that_speaks_is_not_read_ahead() -> None:
    table, _ = make_table()
    assert table.place("a", (*PREFIX, 9), 2) is not None
    assert table.place_ahead("a", (*PREFIX, 9, 9)) is None


turns = st.tuples(
    st.sampled_from("abcdef"),
    st.lists(st.integers(5, 8), max_size=8),
    st.integers(1, 8),
    st.sampled_from(["whole", "part", "break", "overlap", "forget", "ahead", "readmit"]),
)


@settings(max_examples=400)
@given(st.lists(turns, max_size=60), st.integers(2, 5), st.integers(16, 60))
def test_any_order_of_turns_keeps_books_and_cells_equal(
    story: list[tuple[str, list[int], int, str]], slots: int, cells: int
) -> None:
    table, mirror = make_table(slots, cells)
    running: list[int] = []
    for name, words, new_tokens, ending in story:
        prompt = (*PREFIX, *words, 9)
        if len(prompt) + new_tokens > table.longest_tokens:
            continue
        if ending == "readmit" and name in mirror.parked:
            held, shared_tokens = mirror.parked.pop(name)
            back = table.readmit(name, held, shared_tokens)
            if back is not None:
                mirror.apply(back.operations)
                assert not mirror.ids[back.slot]
                mirror.ids[back.slot] = list(held)
        ahead = table.place_ahead(name, prompt) if ending == "ahead" else None
        if ahead is not None:
            mirror.apply(ahead.operations)
            table.extend(ahead.slot, prompt[ahead.cached_tokens :])
            mirror.ids[ahead.slot] += prompt[ahead.cached_tokens :]
            assert mirror.ids[ahead.slot] == list(prompt)
            table.release(ahead.slot)
        placement = table.place(name, prompt, new_tokens)
        if placement is not None:
            mirror.apply(placement.operations)
            slot = placement.slot
            assert mirror.ids[slot] == list(prompt[: placement.cached_tokens])
            rest = list(prompt[placement.cached_tokens :]) + [99] * (new_tokens - 1)
            decoded = rest if ending != "part" else rest[: len(rest) // 2]
            table.extend(slot, decoded)
            mirror.ids[slot] += decoded
            running.append(slot)
        if ending == "break" and running:
            mirror.apply(table.discard(running.pop()))
        if ending != "overlap" or placement is None:
            for slot in running:
                table.release(slot)
            running.clear()
        if ending == "forget":
            mirror.apply(table.forget(name))
        table.check_integrity()
        for slot, ids in enumerate(mirror.ids):
            assert table.get_length(slot) == len(ids)
