"""What the reranker is fitted to: whole records, none of a case or of the example shop.

The rule that must not break: nothing that the appliance is measured with was seen in the fitting.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from appliance.eval_cases import read_cases
from appliance.knowledge.embedder import Matrix
from appliance.knowledge.folding import normalise
from appliance.knowledge.importer import read_folder
from appliance.knowledge.reranker import ANSWER
from benchmarks.reranker_pairs import PAIRS, Record, list_near, pair_entries, pair_lines, read

ROOT = Path(__file__).parents[1]
FILES = sorted(PAIRS.glob("*.jsonl"))
TEXTS = {
    "entry": ({"trade", "question", "answer"}, {"phrasings", "same", "near"}),
    "line": ({"trade", "title", "heading", "line"}, {"yes", "no"}),
}


def list_questions(record: Record) -> list[str]:
    return [text for name in ("same", "near", "yes", "no") for text in record.get(name, ())]


def embed(texts: Sequence[str]) -> Matrix:
    """Its length and an angle by its first letter: enough to be near or far."""
    turns = np.array([ord(text[0]) % 7 for text in texts], np.float32)
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def test_there_are_entries_and_lines_in_both_languages() -> None:
    assert [file.stem for file in FILES] == ["entry-en", "entry-zh", "line-en", "line-zh"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_record_is_whole(file: Path) -> None:
    texts, lists = TEXTS[file.stem.partition("-")[0]]
    for record in read(file):
        assert record.keys() == texts | lists
        assert all(isinstance(record[name], str) for name in texts)
        assert all(text.strip() for name in lists for text in record[name])


def test_no_case_and_no_question_of_the_example_shop_is_among_them() -> None:
    told = {normalise(text) for file in FILES for one in read(file) for text in list_questions(one)}
    files = [*(ROOT / "evals").glob("*.toml"), *(ROOT / "evals").glob("*/cases.toml")]
    others = ("tools", "memory")
    files = [file for file in files if file.parent.name not in others and file.stem not in others]
    asked = [case for file in files for case in read_cases([file])]
    assert [case.id for case in asked if normalise(case.question) in told] == []
    answers = {normalise(entry.answer) for entry in read_folder(ROOT / "examples" / "shop").entries}
    said = (record.get("answer", record.get("line")) for file in FILES for record in read(file))
    assert not answers & set(map(normalise, said))


def test_a_question_answers_its_own_entry_and_neither_a_near_one_nor_another() -> None:
    records = list(read(PAIRS / "entry-en.jsonl"))[:30]
    groups = list(pair_entries(records, embed, random.Random(1)))
    assert all(len({pair.question for pair in group}) == 1 for group in groups)
    assert not any(pair.answers for group in groups for pair in group[1:])
    pairs = [pair for group in groups for pair in group]
    assert {pair.kind for pair in pairs} == {"entry"}
    counts = Counter(pair.answers for pair in pairs)
    assert counts[True] == sum(len(record["same"]) for record in records)
    assert counts[False] > counts[True]
    own = {question: record for record in records for question in record["same"]}
    for pair in pairs:
        if pair.answers:
            shown = pair.text.partition(ANSWER)[0]
            record = own[pair.question]
            assert any(text in shown for text in (record["question"], *record["phrasings"]))


def test_a_line_is_shown_to_its_questions_and_to_those_it_does_not_answer() -> None:
    records = list(read(PAIRS / "line-zh.jsonl"))[:20]
    pairs = [pair for group in pair_lines(records, embed, random.Random(1)) for pair in group]
    for record in records:
        shown = [pair for pair in pairs if record["line"] in pair.text]
        assert {pair.question for pair in shown if pair.answers} == set(record["yes"])
        assert set(record["no"]) <= {pair.question for pair in shown if not pair.answers}


def test_what_lies_near_is_of_the_same_trade_and_never_itself() -> None:
    likeness = np.array([0.9, 1.0, 0.8, 0.7], np.float32)
    assert list_near(likeness, np.array([True, True, False, True]), 1, 2) == [0, 3]
