"""The commands `appliance tools …`: what a shop's assistant may look up and do; check and try it.

They decide nothing themselves. The rule that must not break: nothing is written but by `test` with
`--write`, and a failure is one sentence and exit 1.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from appliance.config import load_settings
from appliance.failures import Failure, failing_plainly
from appliance.knowledge.folders import find_folder

if TYPE_CHECKING:
    from appliance.engine.engine import Engine
    from appliance.eval_tools import SeenCall, ToolCase
    from appliance.settings import Settings
    from appliance.tools.declared import Call, Registry, Result
    from appliance.tools.running import Tools

STOPPED = "Stopped."
# A trial is a key of its own, so that it is never taken for a customer's.
TRIAL = "tools-test"


@click.group()
def tools() -> None:
    """What the assistant may look up and do: list, check and try it.

    Example: appliance tools check
    """


@tools.command("list")
def list_tools() -> None:
    """Show every declared tool with its parameters.

    Example: appliance tools list
    """
    with failing_plainly(STOPPED):
        registry = _read()
    for tool in registry.tools.values():
        way = "writes, after a plain yes" if tool.is_writing else "reads"
        click.echo(f"{tool.name}  ({tool.kind}, {way})")
        click.echo(f"    {tool.description['zh']} / {tool.description['en']}")
        for name in tool.parameters:
            parameter = registry.parameters[name]
            origins = ", ".join(parameter.origins)
            mark = ", identity" if name in tool.identity else ""
            example = f", as {parameter.example}" if parameter.example else ""
            click.echo(f"    {name}: from {origins}{mark}{example}")
    click.echo(_count(registry))


@tools.command("check", short_help="Read tools.toml anew and try everything in it.")
def check() -> None:
    """Read tools.toml anew, try its SQL on the databases and its replies on the results; exit 1
    on errors. Nothing that is written stays.

    Example: appliance tools check
    """
    from appliance.tools.checking import check_tools

    with failing_plainly(STOPPED):
        registry = _read()
        _make_tools(registry).close()
        faults = [*registry.faults, *check_tools(registry)]
    for fault in faults:
        click.echo(f"error: {fault.message}")
    click.echo(f"{_count(registry)}, {len(faults)} error{'' if len(faults) == 1 else 's'}")
    if faults:
        sys.exit(1)


@tools.command("test", short_help="Run the tool NAME and show what a customer would be told.")
@click.argument("name")
@click.option("--arg", "arguments", multiple=True, metavar="KEY=VALUE", help="One argument.")
@click.option("--write", is_flag=True, help="Also do what the tool writes, as if confirmed.")
def try_tool(name: str, arguments: tuple[str, ...], write: bool) -> None:
    """Run the tool NAME and show what a customer would be told, in both languages.

    \b
    Example: appliance tools test query_order_status --arg order_no=A10023 --arg phone_tail=6688
    """
    from appliance.tools.declared import Call
    from appliance.tools.templates import render

    with failing_plainly(STOPPED):
        registry = _read()
        tool = registry.tools.get(name)
        if tool is None:
            known = ", ".join(registry.tools) or "none"
            raise Failure(f"There is no tool {name}; known are {known}.")
        given = _read_arguments(arguments)
        for one in tool.parameters:
            if "session" in registry.parameters[one].origins:
                given.setdefault(one, TRIAL)
        _refuse_wrong(registry, name, given)
        began_s = time.perf_counter()
        result = asyncio.run(
            _run(_make_tools(registry), Call(name, given, TRIAL, is_confirmed=write))
        )
        took_ms = (time.perf_counter() - began_s) * 1000
    rows = f"{len(result.rows)} row{'' if len(result.rows) == 1 else 's'}"
    click.echo(f"{result.outcome}: {rows} in {took_ms:.1f} ms")
    for language in ("zh", "en"):
        click.echo(f"\n[{language}]\n{render(tool, result, given, language)}")


@tools.command("eval")
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
@click.option("--without-model", is_flag=True, help="Only what the patterns decide; quick.")
def evaluate(files: tuple[Path, ...], split: str, without_model: bool) -> None:
    """Say a set of conversations and print which tools they led to.

    Example: appliance tools eval evals/tools/cases.toml
    """
    from appliance.eval_cases import BadCases
    from appliance.eval_cli import make_engine, quieted
    from appliance.eval_report import tell_figures
    from appliance.eval_tools import count_tool_figures, describe_failure, read_tool_cases

    with failing_plainly(STOPPED):
        try:
            cases = [one for one in read_tool_cases(files) if split in ("all", one.split)]
        except BadCases as error:
            raise Failure(str(error)) from None
        settings = load_settings().settings
        with quieted():
            seen = asyncio.run(_ask_all(settings, make_engine(settings, without_model), cases))
    for one in seen:
        if not one.is_right or one.unquoted:
            said, expected, came = describe_failure(one)
            click.echo(f"{one.case.id}: {said}\n    expected  {expected}\n    got       {came}")
    for line in tell_figures(count_tool_figures(seen)):
        click.echo(f"  {line}")


async def _ask_all(settings: Settings, engine: Engine, cases: Sequence[ToolCase]) -> list[SeenCall]:
    from appliance.eval_cli import make_watch
    from appliance.eval_tools import ask_tool_cases
    from appliance.evaluation import open_house

    watch = make_watch(max(1, len(cases)))
    seen: list[SeenCall] = []
    async with open_house(settings, engine) as house:
        assert house.knowledge.tools is not None, "the knowledge is there once the house is open"
        await house.knowledge.tools.is_prepared.wait()
        async for one in ask_tool_cases(house, cases):
            seen.append(one)
            watch(len(seen))
    return seen


async def _run(made: Tools, call: Call) -> Result:
    try:
        return await (made.write(call) if call.is_confirmed else made.look(call))
    finally:
        made.close()


def _refuse_wrong(registry: Registry, name: str, given: dict[str, str]) -> None:
    """Raises Failure with what is missing or cannot be."""
    tool = registry.tools[name]
    for one in tool.parameters:
        parameter = registry.parameters[one]
        if one not in given:
            raise Failure(f"{one} is missing. Try: --arg {one}={parameter.example}")
        if not parameter.schema.allows(given[one]):
            raise Failure(
                f"{one} = “{given[one]}” does not fit its schema; it is as {parameter.example}."
            )
    if unknown := sorted(set(given) - set(tool.parameters)):
        raise Failure(f"{unknown[0]} is no parameter of {name}; {', '.join(tool.parameters)} are.")


def _read_arguments(arguments: tuple[str, ...]) -> dict[str, str]:
    given = {}
    for argument in arguments:
        key, sign, value = argument.partition("=")
        if not sign:
            raise Failure(f"{argument} is no argument; write --arg order_no=A10023.")
        given[key] = value
    return given


def _read() -> Registry:
    from appliance.toolbox import read_registry

    settings = load_settings().settings
    folder, is_example = find_folder(settings.knowledge)
    if is_example:
        click.echo("This is the example shop; `appliance init` makes a folder of yours.", err=True)
    return read_registry(folder, settings.data)


def _make_tools(registry: Registry) -> Tools:
    from appliance.tools.running import Tools

    made = Tools(registry)
    made.prepare()
    return made


def _count(registry: Registry) -> str:
    count = len(registry.tools)
    return f"{count} tool{'' if count == 1 else 's'}"
