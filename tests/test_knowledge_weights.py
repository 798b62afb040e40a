"""How much each sign of likeness counts in which shop.

The rule that must not break: a shop whose own wording tells its entries apart is judged by it, and
one whose customers say it otherwise by what they come for.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.knowledge import semantic
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.entries import Entry, Origin
from appliance.knowledge.index import write_index
from appliance.knowledge.intents import Intents
from appliance.knowledge.matching import Matcher
from appliance.knowledge.rows import CHINESE, OTHER, Rows
from appliance.knowledge.semantic import NEAREST, RIDGE, STEEPNESS, Meanings, scale
from appliance.knowledge.weights import (
    TOLD,
    TOLD_BOUNDS,
    WORDED,
    WORDED_BOUNDS,
    mix,
    mix_weights,
    rate_told,
)

ENTRIES, PHRASINGS, NUMBERS = 8, 4, 16


def test_what_finds_more_phrasings_is_believed() -> None:
    assert rate_told(90, 60, 100) == 1
    assert rate_told(60, 90, 100) == 0
    assert 0.4 < rate_told(70, 70, 100) < 0.6
    steps = [rate_told(told, 50, 100) for told in range(101)]
    assert steps == sorted(steps)


def test_without_any_trial_what_customers_come_for_is_believed_a_little_more() -> None:
    assert 0.5 < rate_told(0, 0, 0) < 1


def test_a_mixture_lies_between_the_two_and_its_ends_are_them() -> None:
    ends = mix_weights(TOLD, WORDED, 0.0), mix_weights(TOLD, WORDED, 1.0)
    assert ends == (WORDED, TOLD)
    assert mix(TOLD_BOUNDS, WORDED_BOUNDS, 0.0) == WORDED_BOUNDS
    assert mix(TOLD_BOUNDS, WORDED_BOUNDS, 1.0) == TOLD_BOUNDS
    half = mix_weights(TOLD, WORDED, 0.5)
    for field in fields(half):
        if field.name == "doubts":
            continue
        one, other = getattr(TOLD, field.name), getattr(WORDED, field.name)
        assert getattr(half, field.name) == pytest.approx((one + other) / 2)


def make_rows(seed: int, scatter: float) -> tuple[Matrix, NDArray[np.int32]]:
    """Phrasings strewn about a middle for each entry."""
    random = np.random.default_rng(seed)
    owners = np.repeat(np.arange(ENTRIES), PHRASINGS).astype(np.int32)
    middles = random.normal(size=(ENTRIES, NUMBERS))
    return scale(middles[owners] + scatter * random.normal(size=(len(owners), NUMBERS))), owners


@pytest.mark.parametrize("seed", range(5))
def test_the_regression_is_the_textbook_one(seed: int) -> None:
    rows, owners = make_rows(seed, 0.5)
    meanings = Meanings(rows, rows[:ENTRIES], owners, np.zeros(ENTRIES, np.int8))
    asked = scale(np.random.default_rng(seed + 100).normal(size=(1, NUMBERS)))[0]
    assert len(rows) <= NEAREST
    shares = meanings.regress(asked, CHINESE, np.arange(len(rows)))
    middle = rows.mean(axis=0)
    placed = scale(rows - middle)
    kernel = np.exp(STEEPNESS * (placed @ placed.T - 1)) + RIDGE * np.eye(len(rows))
    wanted = np.linalg.inv(kernel) @ np.exp(
        STEEPNESS * (placed @ scale((asked - middle)[None, :])[0] - 1)
    )
    # The rows are kept in bytes.
    assert np.allclose(shares, wanted, atol=0.02)


def test_what_is_kept_does_not_depend_on_the_pieces_it_was_made_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An entry whose phrasings lie in two pieces among them."""
    rows, owners = make_rows(11, 0.5)
    languages = (np.arange(ENTRIES) % 2).astype(np.int8)
    asked = rows[3]
    every = np.arange(len(rows))
    whole = Meanings(rows, rows[:ENTRIES], owners, languages)
    for size in (1, 2, 3, len(rows) - 1):
        monkeypatch.setattr(semantic, "CHUNK_ROWS", size)
        cut = Meanings(rows, rows[:ENTRIES], owners, languages)
        assert cut.find_entries(asked, 5) == whole.find_entries(asked, 5)
        assert np.array_equal(cut.compare(asked, every), whole.compare(asked, every))
        some = np.arange(ENTRIES)
        assert np.array_equal(cut.compare_answers(asked, some), whole.compare_answers(asked, some))


def test_of_many_phrasings_only_the_nearest_count() -> None:
    random = np.random.default_rng(3)
    rows = scale(random.normal(size=(3 * NEAREST, NUMBERS)))
    owners = np.arange(len(rows), dtype=np.int32)
    meanings = Meanings(rows, rows, owners, np.zeros(len(rows), np.int8))
    shares = meanings.regress(rows[5], CHINESE, np.arange(len(rows)))
    assert np.count_nonzero(shares) <= NEAREST
    assert int(shares.argmax()) == 5


@pytest.mark.parametrize(("knows", "share"), [(True, 1.0), (False, 0.0)])
def test_a_shop_is_judged_by_what_tells_its_entries_apart(
    tmp_path: Path, knows: bool, share: float
) -> None:
    """`knows`: the wishes tell every entry and the wording none, or the other way round."""
    rows, owners = make_rows(7, 3.0 if knows else 0.2)
    path = tmp_path / "knowledge.db"
    names = [[f"x{entry}y{n}" for n in range(PHRASINGS)] for entry in range(ENTRIES)]
    entries = [
        Entry(str(n), name[0], "answer", Origin("faq.csv", n + 2), tuple(name[1:]))
        for n, name in enumerate(names)
    ]
    write_index(path, entries, ())
    # Behind the numbers that are looked at by the meaning is one that only the wishes see.
    sign = np.zeros((len(rows), ENTRIES), np.float32)
    if knows:
        sign[np.arange(len(rows)), owners] = 0.2
    matrix = np.concatenate([rows, sign], axis=1)
    weights = np.zeros((NUMBERS + ENTRIES, ENTRIES), np.float32)
    weights[NUMBERS:] = 100 * np.eye(ENTRIES)
    centres = np.zeros((2, NUMBERS + ENTRIES), np.float32)
    intents = Intents(weights, np.zeros(ENTRIES, np.float32), centres)
    with closing(sqlite3.connect(path)) as db:
        matcher = Matcher(Rows(db))
        matcher.attach(matrix, matrix[::PHRASINGS], intents)
        assert matcher.rate_told(matrix)[OTHER] == pytest.approx(share, abs=0.3)
