"""The wishes of customers: their sentences, what was fitted to them, and what a text is by it."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files

import numpy as np
import pytest

from appliance.knowledge.embedder import WEIGHTS, name_tuned
from appliance.knowledge.folding import normalise
from appliance.knowledge.intents import Intents, Profiles, name_weights, read_intents
from appliance.knowledge.semantic import scale
from benchmarks.intents import fit, list_rows, read_languages, read_sentences

WISHES = [
    ["邮费多少", "how much is postage"],
    ["退货", "send it back", "不要了"],
    ["hello", "你好"],
]
NOISE = np.random.default_rng(7).normal(size=(7, 16)) / 20
SENTENCES, OWNERS = list_rows(WISHES)
ROWS = scale((np.eye(3, 16)[OWNERS] + NOISE).astype(np.float32))
LANGUAGES = read_languages(SENTENCES)
# The first entry has the rows of the first wish, the second all others.
ENTRIES = np.array([0, 0, 1, 1, 1, 1, 1], np.int32)


@pytest.fixture(scope="module")
def fitted() -> Intents:
    return fit(ROWS, LANGUAGES, OWNERS)


def test_no_sentence_stands_twice_and_each_wish_has_some() -> None:
    wishes = read_sentences()
    sentences = [normalise(sentence) for wish in wishes for sentence in wish]
    assert all(sentences)
    assert len(sentences) == len(set(sentences))
    assert min(map(len, wishes)) >= 20


def test_what_is_shipped_was_fitted_to_these_wishes() -> None:
    intents = read_intents(name_tuned(sha256(WEIGHTS.read_bytes()).hexdigest()))
    assert intents is not None
    wishes = len(read_sentences())
    assert intents.bias.shape == (wishes,)
    assert (intents.weights.shape[1], len(intents.centres)) == (wishes, 2)


def test_another_embedder_has_no_intents() -> None:
    assert read_intents("another") is None
    assert not files("appliance.knowledge").joinpath(name_weights("another")).is_file()


def test_a_sentence_is_most_of_all_its_own_wish(fitted: Intents) -> None:
    profiles = fitted.profile(ROWS, LANGUAGES)
    assert profiles.shape == (7, 3)
    assert profiles.argmax(axis=1).tolist() == OWNERS.tolist()
    assert np.allclose(np.linalg.norm(profiles, axis=1), 1, atol=1e-5)


def test_the_same_sentences_are_fitted_alike(fitted: Intents) -> None:
    assert np.array_equal(fit(ROWS, LANGUAGES, OWNERS).weights, fitted.weights)


def test_many_texts_are_the_same_as_one_at_a_time(
    fitted: Intents, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fitted.profile(ROWS, LANGUAGES)
    one = [fitted.profile(ROWS[at : at + 1], LANGUAGES[at : at + 1])[0] for at in range(7)]
    assert np.allclose(one, whole, atol=1e-5)
    monkeypatch.setattr("appliance.knowledge.intents.CHUNK_ROWS", 4)
    assert np.allclose(fitted.profile(ROWS, LANGUAGES), whole, atol=1e-6)


def test_an_entry_is_like_what_its_phrasings_are(fitted: Intents) -> None:
    profiles = Profiles(fitted, ROWS, ENTRIES, LANGUAGES[:2])
    asked = profiles.read(ROWS[0], int(LANGUAGES[0]))
    first, second = profiles.compare(asked, [0, 1])
    assert first > 0.9 > 0.5 > second
    assert profiles.compare(asked, [1, 0]) == [second, first]


def test_a_phrasing_left_out_counts_nothing_for_its_entry(fitted: Intents) -> None:
    # Both of one language, as the entries of a shop are.
    languages = np.zeros(2, np.int8)
    alone = Profiles(fitted, ROWS[:2], np.array([0, 1], np.int32), languages)
    asked = alone.read(ROWS[0], 0)
    assert alone.compare(asked, [0], left_out=0) == [0.0]
    pair = Profiles(fitted, ROWS[:2], np.array([0, 0], np.int32), languages[:1])
    other = Profiles(fitted, ROWS[1:2], np.array([0], np.int32), languages[:1])
    assert pair.compare(asked, [0], left_out=0) == pytest.approx(
        other.compare(asked, [0]), abs=0.01
    )


def test_entries_are_the_same_however_many_are_summed_at_once(
    fitted: Intents, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners = np.array([0, 0, 1, 2, 2, 2, 3], np.int32)
    languages = np.array([0, 1, 0, 1], np.int8)
    whole = Profiles(fitted, ROWS, owners, languages)
    monkeypatch.setattr("appliance.knowledge.intents.CHUNK_ENTRIES", 1)
    single = Profiles(fitted, ROWS, owners, languages)
    asked = whole.read(ROWS[3], 1)
    every = list(range(len(languages)))
    assert whole.compare(asked, every) == single.compare(asked, every)
