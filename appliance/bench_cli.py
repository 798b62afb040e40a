"""The command `appliance bench`: how quick this box is, and what load it will carry.

It reads the command line and prints; `bench.py` measures, `bench_load.py` computes. The rule that
must not break: beside each figure of load stands what was assumed for it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from appliance.bench import Speeds
    from appliance.bench_load import Habits, Load
    from appliance.settings import Settings

EXIT_NO_MODEL = 1
EXIT_BAD_SETTINGS = 2
BAR_CHARS = 20


@click.command(short_help="Measure this box and say what load it will carry.")
@click.option("--questions", type=click.FloatRange(0.1, 1000), default=4.0, show_default=True,
              help="Questions that one customer asks.")  # fmt: skip
@click.option("--model-share", type=click.FloatRange(1, 100), default=40.0, show_default=True,
              help="Per cent of them that the model answers; /metrics tells yours.")  # fmt: skip
@click.option("--busiest-hour", type=click.FloatRange(1, 100), default=15.0, show_default=True,
              help="Per cent of a day's customers that come in its busiest hour.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="All figures as one JSON object.")
def bench(questions: float, model_share: float, busiest_hour: float, as_json: bool) -> None:
    """Measure this box for about a minute, and say what load it will carry.

    It needs memory for one more model; for true figures stop the appliance meanwhile, and
    whatever else computes.

    \b
    Example: appliance bench
             appliance bench --questions 6 --model-share 25
    """
    from appliance.bench_load import Habits, compute_load
    from appliance.config import load_settings
    from appliance.errors import ApplianceError, SettingsError
    from appliance.store.boot import find_holder

    try:
        settings = load_settings().settings
    except SettingsError as error:
        click.echo(error, err=True)
        sys.exit(EXIT_BAD_SETTINGS)
    if (holder := find_holder(settings.data)) is not None:
        told = f"The appliance runs (process {holder}) and shares the processor: figures are low."
        click.echo(told, err=True)
    try:
        speeds = asyncio.run(_measure(settings))
    except (ApplianceError, ValueError) as error:
        click.echo(f"Nothing can be measured: {error}", err=True)
        sys.exit(EXIT_NO_MODEL)
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing was changed.", err=True)
        sys.exit(EXIT_NO_MODEL)
    habits = Habits(questions, model_share / 100, busiest_hour / 100)
    load = compute_load(speeds.prefill, speeds.crowd, speeds.faq_ms, habits)
    _tell_json(speeds, habits, load) if as_json else _tell(speeds, habits, load)


async def _measure(settings: Settings) -> Speeds:
    from appliance.bench import measure
    from appliance.engine.models import resolve
    from appliance.eval_cli import make_engine, quieted
    from appliance.evaluation import carry_knowledge, open_house

    # This box is measured, whoever else may speak for it. And before the knowledge is read, which
    # takes a while: is there anything to measure?
    settings = settings.model_copy(update={"engine": "local"})
    resolve(settings)

    def prepare(measured: Settings) -> None:
        carry_knowledge(settings.data, measured.data)

    _watch("loading the model and the knowledge", 0.0)
    engine = make_engine(settings, without_model=False)
    with quieted():
        async with open_house(settings, engine, prepare) as house:
            return await measure(house, settings, _watch)


def _watch(what: str, done: float) -> None:
    """A bar on a terminal, a line for each part elsewhere."""
    if not sys.stderr.isatty():
        click.echo(f"{100 * done:3.0f} %  {what}", err=True)
        return
    bar = "#" * round(BAR_CHARS * done)
    click.echo(f"\r  [{bar:.<{BAR_CHARS}}] {what:<45}", err=True, nl=done == 1.0)


def _tell(speeds: Speeds, habits: Habits, load: Load) -> None:
    from appliance.bench_load import ANSWER_TOKENS, NEW_PROMPT_TOKENS, USED_SHARE

    # With scope = "shop" the ladder keeps from the model what the documents do not hold.
    first = 'not measured: no question came to the model, as with scope = "shop"'
    if speeds.ttft_ms is not None:
        first = f"{speeds.ttft_ms / 1000:.2f} s with nobody before"
    faq = "no entry was found to ask"
    if speeds.faq_ms is not None:
        faq = f"{speeds.faq_ms:.0f} ms, {speeds.faq_slow_ms:.0f} ms at most"
    rows = (
        ("model", f"{speeds.model}, {speeds.threads} threads"),
        ("reading a prompt", f"{speeds.prefill:.0f} tokens a second"),
        ("one answer", f"{speeds.decode:.1f} tokens a second"),
        (f"{speeds.parallel} answers at once", f"{speeds.crowd:.1f} tokens a second together"),
        ("first word", first),
        ("answer of the FAQ", faq),
    )
    for what, told in rows:
        click.echo(f"{what:<20} {told}")
    answer_s, customer_s = f"{load.model_answer_s:.1f} s", f"{load.customer_s:.2f} s"
    click.echo(
        f"\nAbout {load.customers_day:,} customers a day, {load.customers_hour:,} in the busiest "
        f"hour.\n\nEach asks {habits.questions:g} questions, {habits.model_share:.0%} of them of "
        f"the model: {NEW_PROMPT_TOKENS} new tokens read,\n{ANSWER_TOKENS} written, {answer_s} of "
        f"the box each. {habits.busiest_hour:.0%} of the day's customers come in the\nbusiest "
        f"hour, and {USED_SHARE:.0%} of that hour is used, so that few wait.\nCustomers a day = "
        f"{USED_SHARE:g} × 3600 s / {customer_s} a customer / {habits.busiest_hour:g}."
    )


def _tell_json(speeds: Speeds, habits: Habits, load: Load) -> None:
    from dataclasses import asdict

    told = {"speeds": asdict(speeds), "habits": asdict(habits), "load": asdict(load)}
    click.echo(json.dumps(told, ensure_ascii=False, indent=1))
