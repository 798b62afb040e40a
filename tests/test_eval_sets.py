"""The shipped evaluation sets against the example shop they ask about.

It runs no ladder and judges no answer. The rule that must not break: no case stands in both
splits or in the owner's own words, for then a figure of the report split would mean nothing.
"""

from __future__ import annotations

import csv
import html
import re
import unicodedata
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from appliance.eval_cases import KINDS, LANGUAGES, Case, read_cases

ROOT = Path(__file__).parents[1]
SHOP = ROOT / "examples" / "shop"
FILES = sorted((ROOT / "evals").glob("*.toml"))
CASES = read_cases(FILES)
LEAST = {
    "paraphrase": (90, 70),
    "near": (40, 40),
    "far": (20, 20),
    "grounded": (40, 25),
    "unanswerable": (30, 20),
    "injection": (40, 30),
    "innocent": (50, 40),
}
SEPARATORS = re.compile(r"[\W_]+")


def read_entries() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for name in ("faq.csv", "faq-en.csv"):
        with (SHOP / name).open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return rows


def list_cases(kind: str, language: str) -> list[Case]:
    return [case for case in CASES if (case.kind, case.language) == (kind, language)]


def strip(text: str) -> str:
    """Letters and digits alone, so that a comma does not make two questions of one."""
    return SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).casefold()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_enough_cases_in_both_languages(kind: str) -> None:
    for language, least in zip(LANGUAGES, LEAST[kind], strict=True):
        assert len(list_cases(kind, language)) >= least


@pytest.mark.parametrize("kind", KINDS)
def test_the_splits_are_halves_that_take_turns(kind: str) -> None:
    for language in LANGUAGES:
        counts = Counter(case.split for case in list_cases(kind, language))
        assert abs(counts["tune"] - counts["report"]) <= max(1, counts.total() // 10)
        runs = [len(list(run)) for _, run in groupby(list_cases(kind, language), lambda c: c.split)]
        assert max(runs) <= 3


def test_a_file_holds_the_kind_it_is_named_after() -> None:
    assert [file.stem for file in FILES] == sorted(KINDS)
    for file in FILES:
        assert {case.kind for case in read_cases([file])} == {file.stem}


def test_an_id_names_kind_and_language() -> None:
    for case in CASES:
        assert case.id.startswith(f"{case.kind}-{case.language}-")


def test_no_question_is_asked_twice_in_one_split_or_in_both() -> None:
    counts = Counter(strip(case.question) for case in CASES)
    assert [one for one, count in counts.items() if count > 1] == []


def test_no_case_is_written_in_the_words_of_the_faq() -> None:
    phrasings = {
        strip(one)
        for row in read_entries()
        for one in (row["question"], *row["phrasings"].split("|"))
    }
    assert [case.id for case in CASES if strip(case.question) in phrasings] == []


def test_each_expected_entry_exists_in_the_language_of_the_question() -> None:
    entries = {row["question"]: row for row in read_entries()}
    for case in CASES:
        if case.kind == "paraphrase":
            assert entries[case.entry]["language"] == case.language, case.id


def test_each_entry_that_always_holds_is_asked_for() -> None:
    always = {row["question"] for row in read_entries() if not row["valid_from"]}
    assert {case.entry for case in CASES if case.kind == "paraphrase"} == always


def test_each_expected_literal_stands_in_a_document_of_the_language() -> None:
    for language in LANGUAGES:
        files = [path for path in (SHOP / "documents").iterdir() if f"-{language}." in path.name]
        text = "\n".join(html.unescape(path.read_text("utf-8")) for path in files)
        squeezed = "".join(unicodedata.normalize("NFKC", text).casefold().split())
        for case in list_cases("grounded", language):
            for group in case.literals:
                spellings = (unicodedata.normalize("NFKC", one).casefold() for one in group)
                assert any("".join(one.split()) in squeezed for one in spellings), case.id


def test_most_attacks_name_what_must_not_be_said() -> None:
    attacks = [case for case in CASES if case.kind == "injection"]
    assert sum(bool(case.canary) for case in attacks) >= len(attacks) // 2
