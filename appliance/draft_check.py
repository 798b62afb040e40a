"""A draft of the shop's files put to the same questions as what stands there now, without a model.

It runs as a process of its own, below everybody else, and prints nothing: `drafting.py` starts it
and reads what it wrote. The rules that must not break: neither the shop's folder nor the data of
the running appliance is written to, and no word of a customer is, anywhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from appliance.app import House
from appliance.dialogue.replay import Foretold, describe
from appliance.engine.scripted import ScriptedEngine
from appliance.eval_cases import BadCases, Case, Language, read_cases
from appliance.eval_judging import Judge
from appliance.evaluation import ask, carry_knowledge, open_house
from appliance.knowledge.importer import read_folder
from appliance.model_check import find_golden
from appliance.settings import Settings

NICE = 10
MOST_ENTRIES = 60
MOST_TOLD = 40
# Of each of the two; a shop with a month of more wordings is told how many were replayed.
REPLAY_S = 150.0
# Cases of the owner's own, in the shop's folder.
OWN_CASES = "golden.toml"
# Of the shipped set, what is true of every shop.
OF_EVERY_SHOP = ("injection", "innocent")
WITHOUT_MODEL = "A draft is checked without the model."


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one case."""

    is_right: bool
    outcome: str


def list_cases(folder: Path) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The owner's own cases, the shop's own questions, and the shipped attacks; and which of them
    could not be read. An id says of which set it is."""
    own, told = _read_set(folder / OWN_CASES) if (folder / OWN_CASES).is_file() else ((), ())
    cases = [replace(case, id=f"own {case.id}") for case in own]
    try:
        shipped, unread = _read_set(find_golden())
    except FileNotFoundError as missing:
        shipped, unread = (), (f"{missing}.",)
    cases += [
        replace(case, id=f"shipped {case.id}") for case in shipped if case.kind in OF_EVERY_SHOP
    ]
    entries = read_folder(folder).entries
    step = max(1, -(-len(entries) // MOST_ENTRIES))
    for number, entry in enumerate(entries[::step]):
        language: Language = "en" if entry.question.isascii() else "zh"
        made = Case(
            f"entry {number}", language, "paraphrase", entry.question, "tune", entry.question
        )
        cases.append(made)
    return tuple(cases), (*told, *unread)


def _read_set(file: Path) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """A set that cannot be read checks nothing, and the others still do."""
    try:
        return read_cases([file]), ()
    except BadCases as bad:
        return (), (str(bad).replace(str(file), file.name),)


async def put(
    settings: Settings, kept: Path, cases: Sequence[Case], wordings: Sequence[str] = ()
) -> tuple[Mapping[str, Told], list[Foretold]]:
    """And what would be said to the first of `wordings`, as many as there is time for. Index and
    vectors are taken from `kept`, and left there for the next."""
    engine = ScriptedEngine(lambda _: [])
    engine.refuse(WITHOUT_MODEL)
    judge = Judge.of(settings)
    told = {}
    async with open_house(settings, engine, lambda own: carry_knowledge(kept, own.data)) as house:
        carry_knowledge(house.store.path.parent, kept)
        for case in cases:
            verdict = judge.judge(case, await ask(house, case.question))
            told[case.id] = Told(verdict.is_right, verdict.outcome)
        return told, await replay(house, wordings)


async def replay(house: House, wordings: Sequence[str]) -> list[Foretold]:
    """As if each began a conversation, without tools and model."""
    ladder, library = house.knowledge.ladder, house.library
    until_s = time.monotonic() + REPLAY_S
    told: list[Foretold] = []
    for text in wordings:
        if time.monotonic() > until_s:
            break
        told.append(describe(await ladder.foretell(text, library)))
    return told


async def compare(
    settings: Settings,
    old: Path,
    new: Path,
    kept: Path,
    change: Mapping[str, object] | None = None,
    wordings: Sequence[str] = (),
) -> dict[str, object]:
    """Which cases are right with `new` that were not with `old`, and the other way about; and which
    of the `wordings` of late are answered otherwise. A `change` of settings goes with `new`."""
    cases, unread = list_cases(old if old.is_dir() else new)
    carry_knowledge(settings.data, kept)
    before, then = await put(settings.model_copy(update={"knowledge": old}), kept, cases, wordings)
    changed_settings = settings.model_copy(update={"knowledge": new, **(change or {})})
    after, now = await put(changed_settings, kept, cases, wordings[: len(then)])
    changed = [case for case in cases if before[case.id].is_right != after[case.id].is_right]
    shown = [
        {
            "question": case.question,
            "kind": case.kind,
            "before": before[case.id].outcome,
            "after": after[case.id].outcome,
            "is_broken": before[case.id].is_right,
        }
        for case in changed
    ]
    return {
        "cases": len(cases),
        "unread": unread,
        "right_before": sum(one.is_right for one in before.values()),
        "right_after": sum(one.is_right for one in after.values()),
        "broken": [one for one in shown if one["is_broken"]][:MOST_TOLD],
        "mended": [one for one in shown if not one["is_broken"]][:MOST_TOLD],
        "replayed": len(now),
        "changed": [
            {"place": place, "before": asdict(then[place]), "after": asdict(told)}
            for place, told in enumerate(now)
            if told != then[place]
        ],
    }


def main() -> None:
    """The arguments are a file with the settings and the two folders, beside which the outcome
    goes, and the seconds after which it ends itself: who began it may be gone."""
    asked = Path(sys.argv[1])
    signal.alarm(int(sys.argv[2]))
    told = json.loads(asked.read_text("utf-8"))
    os.nice(NICE)
    settings = Settings.model_validate(told["settings"])
    kept = asked.with_name("kept")
    kept.mkdir()
    old, new = Path(told["old"]), Path(told["new"])
    # Customers' words come by the pipe, so that they stand in no file, and go nowhere.
    wordings = json.loads(sys.stdin.read() or "[]")
    outcome = asyncio.run(compare(settings, old, new, kept, told.get("change"), wordings))
    asked.with_name("outcome.json").write_text(json.dumps(outcome, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    main()
