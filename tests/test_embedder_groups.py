"""What the embedder is fitted to: pairs of one shop at a time, each of another thing."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from benchmarks.embedder_groups import SHARES, Groups, Kind, Text
from benchmarks.reranker_pairs import read_all

LONGEST = 12


class Letters:
    """A tokenizer whose pieces are characters."""

    words = np.random.default_rng(1).normal(size=(256, 8)).astype(np.float32)

    def cut(self, kind: str, text: str) -> list[int]:
        return [ord(one) % 256 for one in text]


@pytest.fixture(scope="module")
def groups() -> Groups:
    return Groups(Letters(), LONGEST)


@pytest.mark.parametrize("kind", list(SHARES))
def test_a_shop_gives_a_pair_of_each_thing(groups: Groups, kind: Kind) -> None:
    chance = random.Random(2)
    for _ in range(50):
        pairs = groups.draw(kind, 24, chance)
        assert 1 < len(pairs) <= 24
        texts = [text for pair in pairs for text in pair]
        assert all(0 < len(text) <= LONGEST for text in texts)


@pytest.mark.parametrize("most", [0, 1, 24, 48])
def test_wishes_fill_up_what_is_wanted(groups: Groups, most: int) -> None:
    assert len(groups.draw("wish", most, random.Random(3))) == most


def test_each_kind_is_drawn_as_often_as_it_is_to_be(groups: Groups) -> None:
    chance = random.Random(4)
    drawn = Counter(groups.choose(chance) for _ in range(4000))
    total = sum(SHARES.values())
    for kind, share in SHARES.items():
        assert drawn[kind] / 4000 == pytest.approx(share / total, abs=0.04)


def test_an_entry_is_asked_in_two_ways_at_least() -> None:
    """Else a pair among what is asked could not be drawn."""
    assert all(len(set(record["same"])) > 1 for record in read_all("entry"))


def test_the_sides_of_a_pair_are_hardly_ever_the_same(groups: Groups) -> None:
    chance = random.Random(5)
    pairs: list[tuple[Text, Text]] = []
    for _ in range(40):
        pairs += groups.draw("wish", 24, chance)
    assert sum(first == second for first, second in pairs) < len(pairs) / 50
