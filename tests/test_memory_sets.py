"""The memory's own sets: what is found, what is taken by mistake, what long conversations keep.

It asks no model. The rule that must not break: a bar holds on the split that the patterns were not
written with, and no case stands in both.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from random import Random

import pytest

from appliance.dialogue.memory import Memory
from appliance.dialogue.memory_kinds import read_memory_book
from appliance.dialogue.memory_reading import read_message
from appliance.eval_cases import read_cases
from appliance.store.sessions import key_of
from tests.test_memory import Desk, opened

EVALS = Path(__file__).parents[1] / "evals"
BOOK = read_memory_book()
KINDS = tuple(kind.name for kind in BOOK.kinds)
LEAST_RECALL, MOST_TRAPPED = 0.95, 0.02
CONVERSATIONS, TURNS = 60, 30


@dataclass(frozen=True, slots=True)
class FactCase:
    id: str
    language: str
    split: str
    message: str
    facts: tuple[tuple[str, str], ...]


def read_facts() -> tuple[FactCase, ...]:
    rows = tomllib.loads((EVALS / "memory" / "facts.toml").read_text("utf-8"))["case"]
    return tuple(
        FactCase(
            row["id"],
            row["language"],
            row["split"],
            row["message"],
            tuple((kind, value) for kind, value in row["facts"]),
        )
        for row in rows
    )


CASES = read_facts()


def read(message: str) -> set[tuple[str, str]]:
    return {(said.kind, said.value) for said in read_message(BOOK, message, KINDS).facts}


def test_no_message_stands_in_the_set_twice() -> None:
    assert len({case.message for case in CASES}) == len({case.id for case in CASES}) == len(CASES)
    assert {kind for case in CASES for kind, _ in case.facts} == {
        kind.name for kind in BOOK.kinds if kind.is_kept
    }


@pytest.mark.parametrize("split", ["tune", "report"])
def test_facts_are_found_and_traps_are_not_taken(split: str) -> None:
    cases = [case for case in CASES if case.split == split]
    assert {case.language for case in cases} == {"zh", "en"}
    wanted = sum(len(case.facts) for case in cases)
    found = sum(len(read(case.message) & {*case.facts}) for case in cases)
    traps = [case for case in cases if not case.facts]
    trapped = sum(bool(read(case.message)) for case in traps)
    assert found >= wanted * LEAST_RECALL and wanted >= 25
    assert trapped <= len(traps) * MOST_TRAPPED and len(traps) >= 90


def test_questions_of_all_other_sets_hold_hardly_a_fact() -> None:
    shops = [EVALS / shop / "cases.toml" for shop in ("bakery", "workshop")]
    files = [*EVALS.glob("*.toml"), *shops]
    questions = [case.question for file in files for case in read_cases([file])]
    taken = [question for question in questions if read(question)]
    assert len(questions) > 900 and len(taken) <= len(questions) * 0.005


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
