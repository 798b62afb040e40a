"""What the embedder is fitted to: pairs of one shop at a time, each of another thing."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from appliance.knowledge.frames import find_essence
from benchmarks.embedder_groups import SHARES, Groups, Kind, Text
from benchmarks.reranker_pairs import read_all

LONGEST = 12


class Letters:
    """A tokenizer whose pieces are characters."""

    words = np.random.default_rng(1).normal(size=(256, 8)).astype(np.float32)

    def cut(self, kind: str, text: str) -> list[int]:
        return [ord(one) % 256 for one in text]


def cut(question: str) -> Text:
    pieces = Letters().cut("entry", find_essence(question))
    return (*pieces[: LONGEST - 1], pieces[-1])


@pytest.fixture(scope="module")
def groups() -> Groups:
    return Groups(Letters(), LONGEST)


@pytest.mark.parametrize("kind", list(SHARES))
def test_a_shop_gives_a_pair_of_each_thing(groups: Groups, kind: Kind) -> None:
    chance = random.Random(2)
    for _ in range(50):
        pairs, rivals = groups.draw(kind, 24, 12, chance)
        assert 1 < len(pairs) <= 24
        assert min(12, len(pairs)) <= len(rivals) <= 12
        texts = [text for pair in pairs for text in pair] + rivals
        assert all(0 < len(text) <= LONGEST for text in texts)


@pytest.mark.parametrize("most", [0, 1, 24, 48])
@pytest.mark.parametrize("most_rivals", [0, 12])
def test_wishes_fill_up_what_is_wanted(groups: Groups, most: int, most_rivals: int) -> None:
    pairs, rivals = groups.draw("wish", most, most_rivals, random.Random(3))
    assert (len(pairs), len(rivals)) == (most, most_rivals)


def test_a_rival_is_asked_where_no_text_of_the_pairs_answers(groups: Groups) -> None:
    near = {cut(text) for record in read_all("entry") for text in record["near"]}
    chance = random.Random(6)
    for _ in range(50):
        _, rivals = groups.draw("entry", 24, 12, chance)
        assert set(rivals) <= near
        pairs, rivals = groups.draw("wish", 24, 12, chance)
        assert len(set(rivals) - {text for pair in pairs for text in pair}) > 10


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
    pairs = [pair for _ in range(40) for pair in groups.draw("wish", 24, 0, chance)[0]]
    assert sum(first == second for first, second in pairs) < len(pairs) / 50
