"""The appliance as a process of its own, with an engine that says, or does, what a test wants.

    python -m tests.faults --data FOLDER --engine scripted|model|dies-loading

It is served by the same `serve` as the product. The rule that must not break: with the same data
folder and the same question it says the same, in every life.
"""

from __future__ import annotations

import argparse
import os
import resource
from collections.abc import Sequence
from pathlib import Path

from appliance.dialogue import presence
from appliance.engine.engine import Engine
from appliance.engine.local import LocalEngine
from appliance.engine.scripted import Crash, Fail, Line, Script, ScriptedEngine
from appliance.server import serve
from appliance.settings import Settings
from tests.faults.dying_tools import STEPS, die_at
from tests.faults.hanging_drafts import hang_after
from tests.faults.listening import open_empty_shop
from tests.faults.script import pace
from tests.limits import WITHOUT_LIMITS

MODELS = Path(__file__).resolve().parents[2] / "models"
# Words in a question that end the process: at once, in mid-answer, in mid-answer but only once.
DIES_AT_START, DIES_MIDWAY, DIES_ONCE = "开头崩溃", "中途崩溃", "崩溃一次"
BREAKS_MIDWAY = "中途出错"


class DyingEngine(ScriptedEngine):
    """The process aborts while its model loads, as with a damaged file."""

    async def start(self) -> None:
        os.abort()


def crash_on_command(script: Script, folder: Path) -> Script:
    """`script`, and what the words above stand for."""
    mark = folder / "crashed"

    def crashing(question: str) -> Sequence[Line]:
        lines = list(script(question))
        middle = len(lines) // 2
        if DIES_AT_START in question:
            return [Crash(), *lines]
        if BREAKS_MIDWAY in question:
            return [*lines[:middle], Fail()]
        if DIES_MIDWAY in question:
            return [*lines[:middle], Crash(), *lines[middle:]]
        if DIES_ONCE in question and not mark.exists():
            mark.touch()
            return [*lines[:middle], Crash(), *lines[middle:]]
        return lines

    return crashing


def build_engine(kind: str, settings: Settings, piece_s: float, phrases: int) -> Engine:
    if kind == "model":
        return LocalEngine(settings)
    script = crash_on_command(pace(piece_s, phrases), settings.data)
    made = DyingEngine if kind == "dies-loading" else ScriptedEngine
    return made(script, parallel=settings.parallel)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--engine", default="scripted")
    parser.add_argument("--piece-s", type=float, default=0.01)
    parser.add_argument("--phrases", type=int, default=10)
    parser.add_argument("--parallel", type=int, default=8)
    parser.add_argument("--queue", type=int, default=32)
    parser.add_argument("--dies-at", choices=STEPS)
    parser.add_argument("--hangs-after", type=int)
    parser.add_argument("--gone-s", type=float, default=presence.GONE_S)
    chosen = parser.parse_args()
    presence.GONE_S = chosen.gone_s
    if chosen.hangs_after is not None:
        hang_after(chosen.hangs_after)
    if chosen.dies_at:
        die_at(chosen.dies_at, chosen.data.with_name("died"))
    # A process that is meant to die leaves no core behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = Settings(
        host="127.0.0.1",
        port=0,
        data=chosen.data,
        knowledge=open_empty_shop(chosen.data),
        models=MODELS,
        parallel=chosen.parallel,
        queue=chosen.queue,
        max_new_tokens=48 if chosen.engine == "model" else 512,
        context_tokens=4096,
        answer_deadline_s=600.0,
        backup_hours=0,
    ).model_copy(update=WITHOUT_LIMITS)
    return serve(settings, build_engine(chosen.engine, settings, chosen.piece_s, chosen.phrases))
