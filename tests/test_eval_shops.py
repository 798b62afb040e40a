"""The shops beside the example shop: whole, read without a fault, and asked what they answer.

It measures nothing; `appliance eval` does. The rule that must not break: no case is asked in the
owner's own words, and none is a sentence that the matcher was told.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from appliance.eval_cases import LANGUAGES, read_cases
from appliance.eval_judging import says_all
from appliance.knowledge.folding import normalise
from appliance.knowledge.importer import read_folder
from benchmarks.intents import read_sentences

EVALS = Path(__file__).parents[1] / "evals"
SHOPS = ("workshop", "bakery")
# Those whose paraphrases ask for some entries twice and for some not at all.
WIDER_SHOPS = ("guesthouse", "phones", "tailor")
# Those of documents alone.
READ_SHOPS = ("dentist", "gym", "rental", "campsite")
EVERYDAY = EVALS / "everyday" / "cases.toml"
EXAMPLE = EVALS.parent / "examples" / "shop"


@pytest.mark.parametrize("shop", SHOPS)
def test_each_entry_is_asked_for_once_and_never_in_its_own_words(shop: str) -> None:
    entries = read_folder(EVALS / shop / "shop").entries
    cases = read_cases([EVALS / shop / "cases.toml"])
    asked = Counter(case.entry for case in cases if case.kind == "paraphrase")
    assert asked == Counter(entry.question for entry in entries)
    written = {normalise(text) for entry in entries for text in entry.questions}
    assert [case.id for case in cases if normalise(case.question) in written] == []


@pytest.mark.parametrize("shop", WIDER_SHOPS)
def test_most_entries_are_asked_for_and_never_in_their_own_words(shop: str) -> None:
    read = read_folder(EVALS / shop / "shop")
    assert read.faults == ()
    cases = read_cases([EVALS / shop / "cases.toml"])
    asked = Counter(case.entry for case in cases if case.kind == "paraphrase")
    questions = {entry.question for entry in read.entries}
    assert asked.keys() <= questions and len(asked) >= 0.85 * len(questions)
    assert max(asked.values()) <= 2
    written = {normalise(text) for entry in read.entries for text in entry.questions}
    assert [case.id for case in cases if normalise(case.question) in written] == []


@pytest.mark.parametrize("shop", (*SHOPS, *WIDER_SHOPS))
def test_both_languages_have_questions_near_and_far(shop: str) -> None:
    counts = Counter(
        (case.kind, case.language) for case in read_cases([EVALS / shop / "cases.toml"])
    )
    for language in LANGUAGES:
        assert counts["near", language] >= 20
        assert counts["far", language] >= 10


@pytest.mark.parametrize("shop", READ_SHOPS)
def test_half_of_the_questions_to_a_shop_of_documents_are_answered_there(shop: str) -> None:
    read = read_folder(EVALS / shop / "shop")
    assert (len({one.origin.file for one in read.passages}), read.faults) == (3, ())
    cases = read_cases([EVALS / shop / "cases.toml"])
    counts = Counter((case.kind, case.language) for case in cases)
    for language in LANGUAGES:
        assert counts["grounded", language] >= 8
        assert counts["unanswerable", language] >= 8
    assert abs(2 * sum(case.kind == "grounded" for case in cases) - len(cases)) <= 3
    answered = [case for case in cases if case.kind == "grounded"]
    for case in answered:
        texts = (one.text for one in read.passages if one.language == case.language)
        assert any(says_all(text, case.literals) for text in texts), case.id


def test_everyday_messages_are_nowhere_else_and_answered_where_they_say() -> None:
    read = read_folder(EXAMPLE)
    cases = read_cases([EVERYDAY])
    others = {normalise(case.question) for case in read_cases(sorted(EVALS.glob("*.toml")))}
    written = {normalise(text) for entry in read.entries for text in entry.questions}
    known = others | written
    assert [case.id for case in cases if normalise(case.question) in known] == []
    questions = {entry.question for entry in read.entries}
    assert {case.entry for case in cases if case.kind == "paraphrase"} <= questions
    documents = "\n".join(one.text for one in read.passages)
    answered = [case for case in cases if case.kind == "grounded"]
    assert [case.id for case in answered if not says_all(documents, case.literals)] == []


def test_no_case_is_a_sentence_of_the_intents() -> None:
    told = {normalise(sentence) for wish in read_sentences() for sentence in wish}
    files = [
        *EVALS.glob("*.toml"),
        *(EVALS / shop / "cases.toml" for shop in (*SHOPS, *WIDER_SHOPS, *READ_SHOPS)),
        EVERYDAY,
    ]
    asked = [case for file in files for case in read_cases([file])]
    assert [case.id for case in asked if normalise(case.question) in told] == []
