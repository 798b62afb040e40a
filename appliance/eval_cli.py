"""The command `appliance eval`: how well the ladder answers a set of cases.

It reads the command line and prints; the cases are asked in `evaluation.py` and judged in
`eval_judging.py`. The rule that must not break: bad answers are a result and end with exit 0,
only a bad file or setting ends with 2 and one sentence.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from appliance.app import House
    from appliance.engine.engine import Engine
    from appliance.eval_cases import Case, Kind, Split
    from appliance.eval_figures import Judged
    from appliance.eval_memory import FactCase
    from appliance.settings import Settings

EXIT_BAD_CASES = 2
# A log that is no terminal gets a line for each so many per cent.
STEP_PERCENT = 10
KIND_NAMES = ("paraphrase", "near", "far", "grounded", "unanswerable", "injection", "innocent")
WITHOUT_MODEL = "This evaluation runs without the model."


@click.command("eval")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@click.option(
    "--split",
    type=click.Choice(["tune", "report", "all"]),
    default="report",
    show_default=True,
    help="Cases to look at while something is changed, or those kept to report it.",
)
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KIND_NAMES), help="This kind alone."
)
@click.option("--without-model", is_flag=True, help="Only the rungs that need no model; quick.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Keep all of it there.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many, some of each kind.")
def evaluate(
    files: tuple[Path, ...],
    split: str,
    kinds: tuple[Kind, ...],
    without_model: bool,
    json_file: Path | None,
    limit: int | None,
) -> None:
    """Ask a set of cases and print how they were answered.

    Every case goes through the whole ladder, in a data folder of its own, with the knowledge and
    the model of the settings. FILE holds [[case]] tables; evals/ has some to begin with. The
    figures say how many were right, and the failures are listed one by one.

    \b
    Example: appliance eval evals/*.toml
             appliance eval evals/zh.toml --without-model --kind paraphrase --split tune
             appliance eval evals/memory/facts.toml
    """
    from appliance.config import load_settings
    from appliance.errors import ApplianceError
    from appliance.eval_cases import BadCases, choose_cases, read_cases
    from appliance.eval_memory import is_fact_file, read_fact_cases

    try:
        settings = load_settings().settings
        wanted: Split | None = None if split == "all" else "tune" if split == "tune" else "report"
        of_memory = [file for file in files if is_fact_file(file)]
        asked = [file for file in files if file not in of_memory]
        cases = choose_cases(read_cases(asked), wanted, kinds, limit or 0)
        facts = [one for one in read_fact_cases(of_memory) if wanted in (None, one.split)]
    except (ApplianceError, BadCases) as error:
        click.echo(error, err=True)
        sys.exit(EXIT_BAD_CASES)
    if facts:
        _tell_memory(settings, facts)
    if not asked:
        return
    if not cases:
        click.echo("No case is of this split and kind.", err=True)
        return
    with quieted():
        judged = asyncio.run(_run(settings, make_engine(settings, without_model), cases))
    _tell(judged, json_file)


def make_engine(settings: Settings, without_model: bool) -> Engine:
    from appliance.engine import makers
    from appliance.engine.scripted import ScriptedEngine

    if not without_model:
        return makers.make_engine(settings)
    engine = ScriptedEngine(lambda _: [])
    engine.refuse(WITHOUT_MODEL)
    return engine


def _tell_memory(settings: Settings, cases: Sequence[FactCase]) -> None:
    """By the kinds of the shop's own memory.toml."""
    from appliance.dialogue.charter import MEMORY_FILE
    from appliance.dialogue.memory_kinds import read_memory_book
    from appliance.eval_memory import count_memory_figures, describe_wrong, read_each
    from appliance.eval_report import tell_figures
    from appliance.knowledge.folders import find_folder

    read = read_each(read_memory_book(find_folder(settings.knowledge)[0] / MEMORY_FILE), cases)
    for title, lines in (
        ("What the memory got wrong", describe_wrong(read)),
        ("Figures of the memory", tell_figures(count_memory_figures(read))),
    ):
        click.echo(f"\n{title}")
        for line in lines:
            click.echo(f"  {line}")


async def _run(settings: Settings, engine: Engine, cases: Sequence[Case]) -> list[Judged]:
    from appliance.eval_figures import Judged
    from appliance.eval_judging import Judge
    from appliance.evaluation import ask_all, open_house

    click.echo("Opening the house: knowledge and model …", err=True)
    watch = make_watch(len(cases))
    judged: list[Judged] = []
    async with open_house(settings, engine) as house:
        click.echo(describe_house(house), err=True)
        judge = Judge.of(settings)
        async for case, seen in ask_all(house, cases):
            judged.append(Judged(case, seen, judge.judge(case, seen)))
            watch(len(judged))
    return judged


def describe_house(house: House) -> str:
    """What the figures below were measured with."""
    knowledge, model = house.library.state, house.engine.status
    with_vectors = f", {knowledge.vectors_total} vectors" if knowledge.vectors_total else ""
    named = model.model_name or model.model_id
    return (
        f"Knowledge: {knowledge.phase}, {knowledge.entries} entries, {knowledge.passages} "
        f"passages{with_vectors}. Model: {named if model.phase == 'ready' else model.reason}"
    )


def make_watch(total: int) -> Callable[[int], None]:
    """Tells how far it is: on a terminal all the time, else once in a while."""
    began_s = time.monotonic()
    told_percent = 0

    def watch(done: int) -> None:
        nonlocal told_percent
        percent = 100 * done // total
        left_s = (time.monotonic() - began_s) / done * (total - done)
        line = f"{done} of {total} cases, about {left_s:.0f} s to go"
        if sys.stderr.isatty():
            click.echo(f"\r{line}  " + ("\n" if done == total else ""), err=True, nl=False)
        elif percent >= told_percent + STEP_PERCENT or done == total:
            told_percent = percent
            click.echo(line, err=True)

    return watch


def _tell(judged: Sequence[Judged], json_file: Path | None) -> None:
    from appliance.eval_figures import count_figures
    from appliance.eval_report import (
        describe,
        tell_confusion,
        tell_failures,
        tell_figures,
        tell_latency,
    )

    figures = count_figures(judged)
    parts = (
        ("What happened", tell_confusion(judged)),
        ("Milliseconds per rung", tell_latency(judged)),
        ("Failures", tell_failures(judged)),
        ("Figures", tell_figures(figures)),
    )
    for title, lines in parts:
        click.echo(f"\n{title}")
        for line in lines:
            click.echo(f"  {line}")
    if json_file is not None:
        text = json.dumps(describe(judged, figures), ensure_ascii=False, indent=1)
        try:
            json_file.write_text(text + "\n", "utf-8")
        except OSError as error:
            click.echo(f"{json_file} cannot be written: {error.strerror}.", err=True)
            sys.exit(EXIT_BAD_CASES)


@contextmanager
def quieted() -> Iterator[None]:
    """What goes wrong in a case is in the report; the table must not be cut by log lines."""
    import structlog

    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        yield
    finally:
        structlog.configure(**before)
