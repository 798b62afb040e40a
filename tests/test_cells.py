"""Cells parked, restored, adopted and forgotten, on a toy context that refuses any gap."""

from __future__ import annotations

import random

import pytest
from structlog.testing import capture_logs

from appliance.engine.cells import Cells
from appliance.engine.loop import EngineLoop
from appliance.engine.parking import Parked
from appliance.engine.sequences import Placement
from tests.toy_backend import PREFIX, ToyBackend, make_loop

WORDS = tuple(range(50, 62))


def open_cells(
    backend: ToyBackend, parking_bytes: int = 1 << 20
) -> tuple[Cells, EngineLoop, list[tuple[str, Parked]]]:
    loop, cells, given_away = make_loop(backend, parking_bytes=parking_bytes)
    return cells, loop, given_away


def say(cells: Cells, backend: ToyBackend, name: str, words: tuple[int, ...]) -> Placement:
    """A whole turn of `name`, read but not answered."""
    prompt = (*PREFIX, *words)
    placement = cells.place(name, prompt, 4)
    assert placement is not None
    read(cells, backend, placement, prompt)
    return placement


def read(cells: Cells, backend: ToyBackend, placement: Placement, prompt: tuple[int, ...]) -> None:
    for position in range(placement.cached_tokens, len(prompt)):
        backend._cells[placement.slot][position] = prompt[position]
    cells.extend(placement.slot, prompt[placement.cached_tokens :])
    cells.release(placement.slot)
    assert backend.held[placement.slot] == list(prompt)


def test_a_conversation_that_gave_up_its_cells_comes_back_without_being_read_again() -> None:
    backend = ToyBackend(slots=2)
    cells, loop, _ = open_cells(backend)
    say(cells, backend, "a", WORDS)
    say(cells, backend, "b", (9,))
    assert cells.parked_conversations == 1
    placement = say(cells, backend, "a", (*WORDS, 7))
    assert placement.cached_tokens == len(PREFIX) + len(WORDS)
    assert loop.measure().restores == {"memory": 1, "disk": 0}
    cells.check_integrity()


def test_only_what_is_behind_the_prefix_is_copied_out() -> None:
    backend = ToyBackend(slots=2)
    cells, _, given_away = open_cells(backend, parking_bytes=1)
    say(cells, backend, "a", WORDS)
    say(cells, backend, "b", (9,))
    ((name, parked),) = given_away
    assert (name, parked.ids, parked.shared_tokens) == ("a", (*PREFIX, *WORDS), len(PREFIX))
    assert str(WORDS[0]).encode() in parked.data
    assert b"[0, 1]" not in parked.data


def test_a_state_that_is_refused_is_computed_again_and_counted() -> None:
    backend = ToyBackend(slots=2)
    cells, loop, _ = open_cells(backend)
    say(cells, backend, "a", WORDS)
    say(cells, backend, "b", (9,))
    backend.is_refusing = True
    with capture_logs() as lines:
        placement = say(cells, backend, "a", (*WORDS, 7))
    assert placement.cached_tokens == len(PREFIX)
    assert loop.measure().restores_failed == 1
    assert [line["event"] for line in lines] == ["a parked conversation was refused"]
    cells.check_integrity()


def test_a_state_that_cannot_be_copied_is_dropped() -> None:
    backend = ToyBackend(slots=2)
    cells, _, given_away = open_cells(backend)
    say(cells, backend, "a", WORDS)
    backend.is_refusing = True
    say(cells, backend, "b", (9,))
    assert cells.parked_conversations == 0
    assert not given_away


def test_a_few_words_are_not_worth_a_copy() -> None:
    backend = ToyBackend(slots=2)
    cells, _, _ = open_cells(backend)
    say(cells, backend, "a", (9, 9))
    say(cells, backend, "b", (9,))
    assert cells.parked_conversations == 0


def test_a_parked_conversation_whose_prompt_is_another_gives_its_memory_back() -> None:
    backend = ToyBackend(slots=2)
    cells, loop, _ = open_cells(backend)
    say(cells, backend, "a", WORDS)
    say(cells, backend, "b", (9,))
    say(cells, backend, "a", (99, 98))
    assert cells.parked_conversations == 0
    assert loop.measure().restores == {"memory": 0, "disk": 0}


def test_what_was_on_disk_is_adopted_unless_there_is_something_newer() -> None:
    backend = ToyBackend(slots=2)
    cells, loop, _ = open_cells(backend)
    say(cells, backend, "a", WORDS)
    ((name, parked),) = cells.copy_all()
    cells.adopt(name, parked)
    assert cells.parked_conversations == 0
    fresh = ToyBackend(slots=2)
    cells, loop, _ = open_cells(fresh)
    cells.adopt(name, parked)
    placement = say(cells, fresh, "a", (*WORDS, 7))
    assert placement.cached_tokens == len(PREFIX) + len(WORDS)
    assert loop.measure().restores == {"memory": 0, "disk": 1}


def test_all_that_is_kept_is_copied_with_the_last_used_first() -> None:
    backend = ToyBackend(slots=3)
    cells, _, _ = open_cells(backend)
    for name in "abcd":
        say(cells, backend, name, (*WORDS, ord(name)))
    assert [name for name, _ in cells.copy_all()] == ["d", "c", "b", "a"]


def test_forgetting_leaves_nothing_in_cells_or_memory() -> None:
    backend = ToyBackend(slots=2)
    cells, _, _ = open_cells(backend)
    for name in "ab":
        say(cells, backend, name, (*WORDS, ord(name)))
    for name in "ab":
        cells.forget(name)
    assert cells.parked_bytes == 0
    assert not any(backend.held[1:])
    assert not list(cells.copy_all())


def test_where_a_prompt_leaves_what_was_computed_is_said_with_the_reason() -> None:
    backend = ToyBackend()
    cells, loop, _ = open_cells(backend)
    say(cells, backend, "a", WORDS)
    with capture_logs() as lines:
        say(cells, backend, "a", (*WORDS[:5], 7))
        say(cells, backend, "a", (99,))
    assert [(line["reason"], line["at"], line["dropped_tokens"]) for line in lines] == [
        ("history", len(PREFIX) + 5, 7),
        ("window", len(PREFIX), 6),
    ]
    assert loop.measure().divergences == {"history": 1, "window": 1}


def test_random_turns_reading_ahead_and_faults_keep_books_memory_and_cells_equal() -> None:
    """Whatever is placed, the toy's cells are exactly the prompt's own ids."""
    chance = random.Random(11)
    for _ in range(30):
        backend = ToyBackend(slots=chance.randint(2, 5), cells=chance.randint(60, 140))
        cells, _, given_away = open_cells(backend, parking_bytes=chance.choice([1, 3000, 1 << 20]))
        histories: dict[str, tuple[int, ...]] = {name: (ord(name),) * 3 for name in "abcdefgh"}
        for _ in range(150):
            name = chance.choice("abcdefgh")
            backend.is_refusing = chance.random() < 0.1
            prompt = (*PREFIX, *histories[name], *chance.choices(WORDS, k=chance.randint(1, 9)))
            action = chance.random()
            if action < 0.15:
                cells.forget(name)
            elif action < 0.25 and given_away:
                cells.adopt(*chance.choice(given_away))
            elif action < 0.45:
                ahead = cells.place_ahead(name, prompt)
                if ahead is not None:
                    read(cells, backend, ahead, prompt)
            else:
                placement = cells.place(name, prompt, 4)
                assert placement is not None
                read(cells, backend, placement, prompt)
            histories[name] = prompt[len(PREFIX) :][:12] if chance.random() < 0.8 else (ord(name),)
            cells.check_integrity()
            for held in backend.held[1:]:
                assert not held or held[: len(PREFIX)] == list(PREFIX)
                assert len({token for token in held if token >= ord("a")}) <= 1


def test_a_copy_that_raises_leaves_nobody_in_anothers_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = ToyBackend(slots=3)
    cells, loop, _ = open_cells(backend)
    for name in "abc":
        say(cells, backend, name, (*WORDS, ord(name)))

    def fail(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(backend, "save", fail)
    monkeypatch.setattr(backend, "restore", fail)
    with capture_logs():
        placement = say(cells, backend, "a", (*WORDS, ord("a"), 7))
    assert placement.cached_tokens == len(PREFIX)
    assert loop.measure().restores_failed == 1
    cells.check_integrity()
