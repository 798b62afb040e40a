"""Deaths of the process: `kill -9` at random moments, an engine that aborts."""

from __future__ import annotations

import signal
from pathlib import Path

from benchmarks.fault_report import Row, find_percentile, tell, tell_faults
from tests.faults.house import DIES_AT_START, DIES_MIDWAY, DIES_ONCE
from tests.faults.killing import (
    SCRIPTED,
    Figures,
    Plan,
    is_as_told,
    is_whole_text,
    kill_again_and_again,
)
from tests.faults.lives import count_load_deaths, provoke
from tests.faults.script import tell as tell_answer

QUESTIONS = ("怎么退货？", "这双鞋还有四十二码吗？", "什么时候到账？")
REAL_QUESTIONS = ("请详细介绍一下怎样挑选一双跑鞋。", "帮我写一封请假信。")
PAGE_S = 1.5


async def measure_kills(folder: Path, *, is_quick: bool) -> list[Row]:
    rounds = 20 if is_quick else 200
    tell(f"{rounds} kills under 8 streams of scripted answers …")
    plan = Plan(rounds, most=400, questions=QUESTIONS, is_right=is_as_told)
    return describe("`kill -9`, scripted engine", await run(folder / "scripted", plan, *SCRIPTED))


async def measure_model_kills(folder: Path, *, is_quick: bool) -> list[Row]:
    rounds = 3 if is_quick else 30
    tell(f"{rounds} kills under the real model …")
    plan = Plan(rounds, 16, REAL_QUESTIONS, is_whole_text, customers=2, least=1)
    return describe("`kill -9`, real model", await run(folder / "real", plan, "--engine", "model"))


async def run(folder: Path, plan: Plan, *flags: str) -> Figures:
    figures = await kill_again_and_again(folder, plan, *flags)
    tell_faults(figures.faults)
    return figures


def describe(fault: str, figures: Figures) -> list[Row]:
    page_s = find_percentile(figures.page_s, 100)
    added_s = [ready - page for ready, page in zip(figures.ready_s, figures.page_s, strict=False)]
    return [
        Row(
            f"{fault}: {figures.kills} moments",
            f"{len(figures.faults)} faults; {figures.acknowledged} messages acknowledged, "
            f"{figures.continued} answers continued",
            "0 lost, damaged, doubled or cut",
            not figures.faults,
        ),
        Row(
            f"{fault}: page back, median / longest",
            f"{find_percentile(figures.page_s, 50):.2f} / {page_s:.2f} s; "
            f"model {find_percentile(added_s, 50):.2f} s later, next piece of a broken answer "
            f"{find_percentile(figures.first_piece_s, 50):.2f} s after that",
            f"page ≤ {PAGE_S} s",
            page_s <= PAGE_S,
        ),
    ]


async def measure_crashes(folder: Path, *, is_quick: bool) -> list[Row]:
    rounds = 1 if is_quick else 10
    faults: list[str] = []
    for number in range(rounds):
        for word in (DIES_AT_START, DIES_MIDWAY, DIES_ONCE):
            tell(f"the engine aborts: {word} ({number + 1} of {rounds})")
            provoked = await provoke(folder / f"{word}-{number}", word)
            wanted = [-signal.SIGABRT] * (1 if word == DIES_ONCE else 2)
            ending = "done" if word == DIES_ONCE else "interrupted"
            if (provoked.deaths, provoked.ending) != (wanted, ending):
                faults.append(f"{word}: {provoked.deaths}, {provoked.ending}")
            if provoked.other != tell_answer(provoked.other_question, provoked.phrases):
                faults.append(f"{word}: the other's answer is {provoked.other!r}")
        deaths, phase = await count_load_deaths(folder / f"loading-{number}")
        if (deaths, phase) != (2, "unavailable"):
            faults.append(f"while loading: {deaths} deaths, then {phase}")
    tell_faults(faults)
    return [
        Row(
            f"engine aborts while loading, in prefill, in mid-stream: {4 * rounds} times",
            f"{len(faults)} faults",
            "one `error` or a continued answer, others unharmed, the process back",
            not faults,
        )
    ]
