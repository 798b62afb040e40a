"""Answers that quote a passage and answers that do not, with guesses verified and without.

Two appliances side by side, alike but for the setting `drafts`, asked in turns. It judges no text:
what is said may differ, because a step of many tokens and a step of one differ in their last bits.
The rule that must not break: a pair counts only where both answers are whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.engine_answer import median
from benchmarks.engine_peers import Appliance, Setup, Talk, settle
from benchmarks.engine_report import Measured
from benchmarks.engine_words import PASSAGE, ask_long
from benchmarks.fault_report import tell
from benchmarks.ladder_report import Part, Row

QUOTING = (
    f"把下面这段话原样重复一遍，一个字也不要改：\n{PASSAGE}",
    f"请把这段话抄写一遍，只改掉开头的“清晨”为“傍晚”：\n{PASSAGE}",
    "Repeat this text word for word: The lamp has a base of oak, a shade of linen and a cord of "
    "two metres. The shade can be washed by hand in cold water. The oak is oiled once a year.",
)
OTHERS = tuple(map(ask_long, (1, 2, 3)))
WAYS = ("auto", "off")
LEAST_QUOTING, LEAST_OTHERS = 1.1, 0.97


async def measure_drafts(folder: Path, *, is_quick: bool) -> Measured:
    rounds, tokens = (1, 16) if is_quick else (3, 128)
    tell(f"answers with guesses and without, {rounds} rounds …")
    servers = [
        Appliance(folder / way, Setup(max_new_tokens=tokens, more={"drafts": way})) for way in WAYS
    ]
    try:
        for server in servers:
            await server.start()
        quoting = await compare(servers, QUOTING, rounds)
        others = await compare(servers, OTHERS, rounds)
    finally:
        for server in servers:
            await server.stop()
    return report_drafts(quoting, others)


async def compare(
    servers: Sequence[Appliance], questions: Sequence[str], rounds: int
) -> list[float]:
    """Tokens a second with guesses, by those without."""
    ratios = []
    for number in range(rounds):
        for question in questions:
            answers = {}
            # Who goes first changes from round to round.
            for server in servers if number % 2 else servers[::-1]:
                answers[id(server)] = await server.ask(Talk(), question)
                await settle(server)
            guessed, plain = (answers[id(server)] for server in servers)
            if guessed.is_whole and plain.is_whole:
                ratios.append(guessed.tokens_per_s / plain.tokens_per_s)
    return ratios


def report_drafts(quoting: Sequence[float], others: Sequence[float]) -> Measured:
    """Each a list of ratios, question by question; an empty one is not ticked."""
    row = Row(
        "answers that quote a passage, guesses verified / not",
        f"{show(quoting)}; answers that quote nothing {show(others)}",
        f"≥ {LEAST_QUOTING} × and ≥ {LEAST_OTHERS} ×",
        (median([*quoting]) >= LEAST_QUOTING and median([*others]) >= LEAST_OTHERS)
        if quoting and others
        else None,
    )
    return Measured(Part((row,)), {"quoting": [*quoting], "others": [*others]})


def show(ratios: Sequence[float]) -> str:
    if not ratios:
        return "-"
    return f"{median([*ratios]):.2f} × ({min(ratios):.2f} to {max(ratios):.2f})"
