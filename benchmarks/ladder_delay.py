"""What the screen costs a knowledge answer: from the engine's piece to its showing.

The answer is a passage of the shop itself, word for word, so that no sentence is refused, at the
pace of the real model. What is measured is the waiting for clauses to end, not the machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from appliance.app import House
from appliance.engine.engine import Generation, Output, Piece
from appliance.engine.scripted import Line, ScriptedEngine, Wait
from appliance.eval_cases import Case, Kind, choose_cases
from appliance.evaluation import open_house
from appliance.events import Done, Token
from appliance.settings import Settings
from benchmarks.fault_report import tell
from benchmarks.ladder_report import Part, Row, Sizes, show_times
from benchmarks.ladder_sets import SHOP, read_everyday, read_set

# Qwen2.5-0.5B decodes 40 to 50 tokens a second on two cores; a Chinese token has 1.5 characters.
PACE_S = 0.022
PIECE_CHARS = {"zh": 2, "en": 5}
ANSWER_CHARS = 160
# Those of which some are answered by the model from passages; what a line answers word for word
# is none of them.
KINDS: tuple[Kind, ...] = ("grounded", "unanswerable", "near")


class StampedEngine(ScriptedEngine):
    """It says `text` at the model's pace, whatever is asked, and notes when each character left."""

    def __init__(self) -> None:
        super().__init__(self._say)
        self.text = ""
        self.piece_chars = 1
        self.stamps_s: list[float] = []

    async def _speak(
        self, generation: Generation, cancelled: asyncio.Event
    ) -> AsyncIterator[Output]:
        async for output in super()._speak(generation, cancelled):
            if isinstance(output, Piece):
                self.stamps_s += [time.perf_counter()] * len(output.text)
            yield output

    def _say(self, _: str) -> list[Line]:
        lines: list[Line] = []
        for start in range(0, len(self.text), self.piece_chars):
            lines += [Wait(seconds=PACE_S), self.text[start : start + self.piece_chars]]
        return lines


async def measure_delay(_: Path, sizes: Sizes) -> Part:
    tell("hold-back of the screen on knowledge answers …")
    engine = StampedEngine()
    # A token is a character here, and the answer is one to the end.
    settings = Settings(knowledge=SHOP, max_new_tokens_cap=4096, max_new_tokens=4096)
    firsts_ms: list[float] = []
    clauses_ms: list[float] = []
    others = 0
    async with open_house(settings, engine) as house:
        cases = (*read_set(), *read_everyday())
        for case in choose_cases(cases, None, KINDS, 6 if sizes.is_quick else 0):
            waits_ms = await measure_answer(house, engine, case)
            firsts_ms += waits_ms[:1]
            clauses_ms += waits_ms[1:]
            others += not waits_ms
    return Part(
        rows=(
            Row(
                f"screen: first words later, {len(firsts_ms)} knowledge answers",
                show_times(firsts_ms),
            ),
            Row(
                f"screen: each later clause later, {len(clauses_ms)} of them",
                show_times(clauses_ms),
            ),
        ),
        notes=(
            f"The screen's figures are for an answer of {1 / PACE_S:.0f} tokens a second and count "
            "from the first character of what is shown at once, so they hold the time in which the "
            f"model says the clause; {others} questions were answered by another rung.",
        ),
    )


async def measure_answer(house: House, engine: StampedEngine, case: Case) -> list[float]:
    """Of each showing, how long its first character had waited, in ms; nothing where another
    rung answered or the words were changed on their way."""
    found = await house.library.find_passages(case.question)
    if not found:
        return []
    engine.text = found[0].passage.text.strip()[:ANSWER_CHARS]
    engine.piece_chars = PIECE_CHARS[case.language]
    engine.stamps_s.clear()
    asked = await house.conversations.say(case.question)
    shown: list[tuple[float, str]] = []
    is_knowledge = False
    assert asked.turn is not None
    async for numbered in asked.turn.watch():
        if isinstance(numbered.event, Token):
            shown.append((time.perf_counter(), numbered.event.text))
        elif isinstance(numbered.event, Done):
            is_knowledge = numbered.event.source == "knowledge"
    said = "".join(text for _, text in shown)
    if not is_knowledge or not engine.text.startswith(said):
        return []
    waits_ms, place = [], 0
    for shown_s, text in shown:
        waits_ms.append((shown_s - engine.stamps_s[place]) * 1000)
        place += len(text)
    return waits_ms
