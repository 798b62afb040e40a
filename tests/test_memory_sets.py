"""The memory's own sets: what is found, what is taken by mistake, what long conversations keep.

It asks no model. The rule that must not break: a bar holds on the split that the patterns were not
written with, and no case stands in both.
"""

from __future__ import annotations

import re
from itertools import cycle, islice
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from appliance.cli import main
from appliance.dialogue.memory import Memory
from appliance.dialogue.memory_kinds import read_memory_book
from appliance.dialogue.memory_reading import read_message
from appliance.eval_cases import BadCases, read_cases
from appliance.eval_memory import (
    FactCase,
    count_memory_figures,
    is_fact_file,
    read_each,
    read_fact_cases,
)
from appliance.store.sessions import key_of
from tests.test_memory import Desk, opened

EVALS = Path(__file__).parents[1] / "evals"
BOOK = read_memory_book()
KINDS = tuple(kind.name for kind in BOOK.kinds)
CONVERSATIONS, TURNS = 60, 30


CASES = read_fact_cases([EVALS / "memory" / "facts.toml"])
SPEECH = read_fact_cases([EVALS / "memory" / "speech.toml"])


def read(message: str) -> set[tuple[str, str]]:
    return {(said.kind, said.value) for said in read_message(BOOK, message, KINDS).facts}


def test_no_message_stands_in_the_set_twice() -> None:
    both = (*CASES, *SPEECH)
    assert len({case.message for case in both}) == len({case.id for case in both}) == len(both)
    assert {kind for case in CASES for kind, _ in case.facts} == {
        kind.name for kind in BOOK.kinds if kind.is_kept
    }


@pytest.mark.parametrize("split", ["tune", "report"])
def test_facts_are_found_and_traps_are_not_taken(split: str) -> None:
    cases = [case for case in CASES if case.split == split]
    assert {case.language for case in cases} == {"zh", "en"}
    found, trapped, *_ = count_memory_figures(read_each(BOOK, cases))
    assert found.holds and found.total >= 25
    assert trapped.holds and trapped.total >= 90


@pytest.mark.parametrize("split", ["tune", "report"])
def test_what_a_shop_s_customers_say_is_kept_and_their_traps_are_not(split: str) -> None:
    """The traps were thought of to be hard: their bar is that of all traps together."""
    facts = [case for case in SPEECH if case.split == split]
    found, *_ = count_memory_figures(read_each(BOOK, facts))
    assert found.holds and found.total >= 20
    together = [case for case in (*CASES, *SPEECH) if case.split == split]
    _, trapped, *_ = count_memory_figures(read_each(BOOK, together))
    assert trapped.holds and trapped.total >= 160


def test_questions_of_all_other_sets_hold_hardly_a_fact() -> None:
    shops = [EVALS / shop / "cases.toml" for shop in ("bakery", "workshop")]
    files = [*EVALS.glob("*.toml"), *shops]
    questions = [case.question for file in files for case in read_cases([file])]
    taken = [question for question in questions if read(question)]
    assert len(questions) > 900 and len(taken) <= len(questions) * 0.005


def test_the_command_tells_the_memory_s_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_KNOWLEDGE", "/nowhere")
    told = CliRunner().invoke(main, ["eval", str(EVALS / "memory" / "facts.toml")])
    assert told.exit_code == 0, told.output
    assert "Figures of the memory" in told.output
    assert re.search(r"^ *facts found +[0-9.]+% +\d+/\d+ +≥ 95% +✓", told.output, re.MULTILINE)
    assert re.search(r"^ *zh traps taken ", told.output, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("facts = 3", "facts: must be a list of pairs"),
        ('facts = []\nwhy = "x"', "why: the keys are"),
        ("facts = []", ""),
    ],
)
def test_a_case_that_cannot_be_read_is_named(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "facts.toml"
    rest = 'id = "f1"\nlanguage = "zh"\nsplit = "tune"\nmessage = "你好"'
    file.write_text(f"[[case]]\n{rest}\n{text}\n", "utf-8")
    assert is_fact_file(file)
    if not told:
        assert len(read_fact_cases([file])) == 1
        return
    with pytest.raises(BadCases, match=told):
        read_fact_cases([file])


async def lead(desk: Desk, told: tuple[FactCase, ...], fillers: list[str]) -> str:
    """What is told comes first, then turns that are about something else."""
    session_id = await desk.sessions.create()
    for case in told:
        await desk.say(session_id, case.message)
    for question in fillers:
        await desk.memory.take(key_of(session_id), "none", question)
    return session_id


async def test_long_conversations_keep_what_was_told_over_a_restart(tmp_path: Path) -> None:
    chance = Random(6)
    told = [case for case in CASES if case.facts and read(case.message) == {*case.facts}]
    chance.shuffle(told)
    row = cycle(told)
    conversations = [tuple(islice(row, 3)) for _ in range(CONVERSATIONS)]
    others = [case.question for case in read_cases(sorted(EVALS.glob("*.toml")))]
    fillers = [question for question in others if not read(question)]
    expected: dict[str, dict[str, str]] = {}
    async with opened(tmp_path) as desk:
        for cases in conversations:
            session_id = await lead(desk, cases, chance.sample(fillers, TURNS))
            expected[session_id] = {kind: value for one in cases for kind, value in one.facts}
    assert len(expected) == CONVERSATIONS
    async with opened(tmp_path) as desk:
        for session_id, facts in expected.items():
            assert isinstance(desk.memory, Memory)
            recalled = await desk.recall(session_id)
            assert {kind: values[0] for kind, values in recalled.items()} == facts
