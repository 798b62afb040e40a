"""The command `appliance chat`: a conversation in the terminal that shows what happens inside.

It asks the whole house, without HTTP and in a data folder of its own, and prints. The rule that
must not break: it shows no more of the answer than a customer would be shown.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from appliance.config import load_settings
from appliance.failures import failing_plainly

if TYPE_CHECKING:
    from appliance.app import House
    from appliance.settings import Settings

STOPPED = "Goodbye."


@click.command(short_help="Talk to the assistant here, in the terminal.")
@click.option("--without-model", is_flag=True, help="Only the rungs that need no model.")
def chat(without_model: bool) -> None:
    """Talk to the assistant here; rungs, tools and memory are shown as they go.

    Everything is kept in a folder that is deleted at the end. An empty line ends it.

    Example: appliance chat
    """
    with failing_plainly(STOPPED):
        asyncio.run(_chat(load_settings().settings, without_model))


async def _chat(settings: Settings, without_model: bool) -> None:
    from appliance.eval_cli import describe_house, make_engine, quieted
    from appliance.evaluation import open_house

    click.echo("Opening the house: knowledge and model …", err=True)
    with quieted():
        async with open_house(settings, make_engine(settings, without_model)) as house:
            click.echo(describe_house(house), err=True)
            session_id = await house.conversations.open()
            while message := await asyncio.to_thread(_read_line):
                await _answer(house, session_id, message)


def _read_line() -> str:
    if sys.stdin.isatty():
        click.echo("\n> ", nl=False)
    return sys.stdin.readline().strip()


async def _answer(house: House, session_id: str, message: str) -> None:
    """Print one turn: what passes by in dim lines, the answer as it comes."""
    from appliance.errors import ApplianceError
    from appliance.events import Done, Failed, Notice, Queued, Token, Tool

    if not sys.stdin.isatty():
        click.echo(f"\n> {message}")
    try:
        asked = await house.conversations.say(message, session_id)
    except ApplianceError as error:
        click.echo(str(error), err=True)
        return
    assert asked.turn is not None, "a message without a client_id always begins a turn"
    async for numbered in asked.turn.watch():
        match numbered.event:
            case Token(text):
                click.echo(text, nl=False)
            case Tool(name, state):
                _note(f"tool {name}: {state}")
            case Queued(position, eta_ms, reason):
                _note(f"waits: {reason}, {position} before, about {eta_ms} ms")
            case Notice(code, text):
                _note(f"{code}: {text}")
            case Failed(code, text):
                _note(f"failed, {code}: {text}")
            case Done() as done:
                click.echo()
                _note(_describe(done))
    await _show_inside(house, session_id)


async def _show_inside(house: House, session_id: str) -> None:
    """What is remembered, and what was asked of the tools with which arguments."""
    from appliance.store.sessions import key_of

    facts = await house.sessions.facts.read(key_of(session_id))
    if facts:
        _note("memory " + ", ".join(f"{fact.kind}={fact.value}" for fact in facts))
    for call in await house.sessions.calls.read_last(key_of(session_id)):
        arguments = ", ".join(f"{name}={value}" for name, value in call.arguments.items())
        _note(f"call {call.tool}({arguments}) by {call.chosen_by}: {call.state} {call.detail}")


def _describe(done: object) -> str:
    from appliance.events import Done

    assert isinstance(done, Done)
    parts = [f"[{done.source}]", done.rule, done.finish_reason]
    if done.score is not None:
        parts.append(f"score {done.score:.2f}")
    if done.usage.prompt_tokens:
        parts.append(f"{done.usage.prompt_tokens} tokens read, {done.usage.cached_tokens} kept")
    parts += [f"{done.timings.ttft_ms:.0f} ms to the first word", f"{done.timings.total_ms:.0f} ms"]
    parts += [f"source {cited.title}" for cited in done.sources]
    parts += [f"offers {one}" for one in done.suggestions]
    return ", ".join(filter(None, parts))


def _note(text: str) -> None:
    click.echo(click.style(f"  {text}", dim=True))
