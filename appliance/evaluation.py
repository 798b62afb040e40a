"""Cases through the whole ladder, without HTTP: a house is opened, asked, watched and closed.

It judges nothing: `eval_judging.py` does. What is asked takes the way of every message, store and
all, each question in a conversation of its own. The rule that must not break: a case that fails
is seen as a failure and takes no other along, and nothing is written but to a temporary folder.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from appliance.app import House
from appliance.engine.engine import Engine
from appliance.errors import ApplianceError, ModelUnavailable
from appliance.eval_cases import Case
from appliance.events import Cited, Done, Failed, FinishReason, Message, Source, Token
from appliance.knowledge.entries import Match
from appliance.patience import wait_at_most
from appliance.settings import Settings

KNOWLEDGE_FILES = ("knowledge-*.db", "*vectors.db")
# Large, and never written again once it bears its name.
LINKED_FILES = ("embedder-*.bin", "reranker-*.bin")
# How far the vectors are is looked at so often.
LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Seen:
    """What a customer got, and what the matcher alone makes of the question.

    `source` is None where the turn failed with the code `error`; `passages` are the whole texts
    of those that were cited; `shown_ms` is the time until the first words."""

    text: str = ""
    source: Source | None = None
    finish_reason: FinishReason | None = None
    cited: tuple[Cited, ...] = ()
    suggestions: tuple[str, ...] = ()
    score: float | None = None
    rule: str = ""
    is_cached: bool = False
    error: str = ""
    shown_ms: float = 0.0
    whole_ms: float = 0.0
    match: Match = field(default_factory=lambda: Match("none"))
    match_ms: float = 0.0
    passages: Mapping[str, str] = field(default_factory=dict)


@asynccontextmanager
async def open_house(
    settings: Settings, engine: Engine, prepare: Callable[[Settings], None] = lambda _: None
) -> AsyncIterator[House]:
    """A house in a data folder of its own, its knowledge indexed and its model settled. What the
    folder is to hold before that, `prepare` puts there."""
    with TemporaryDirectory(prefix="appliance-eval-") as folder:
        settings = settings.model_copy(update={"data": Path(folder)})
        prepare(settings)
        house = House(settings, engine)
        house.take_folder()
        async with house.application.router.lifespan_context(house.application):
            with suppress(ModelUnavailable):
                await engine.wait_ready()
            await wait_indexed(house)
            yield house


def carry_knowledge(source: Path, target: Path) -> None:
    """Copy indexes and vectors from one data folder to another: what was computed once need not be
    computed again. What cannot be copied, or is half written, is made anew by whoever opens it."""
    for pattern in KNOWLEDGE_FILES:
        for file in source.glob(pattern):
            with suppress(OSError):
                shutil.copyfile(file, target / file.name)
    for pattern in LINKED_FILES:
        for file in source.glob(pattern):
            with suppress(OSError):
                (target / file.name).hardlink_to(file)


async def wait_indexed(house: House) -> None:
    """Until the knowledge answers with all its vectors, or has none to answer with."""
    never = asyncio.Event()
    while house.report().rungs["knowledge"] == "loading" or not house.library.is_settled:
        await wait_at_most(never, LOOK_S)


async def ask(house: House, question: str) -> Seen:
    """Put `question` to the house in a new conversation; what goes wrong in it is in `Seen`."""
    try:
        session_id = await house.conversations.open()
        seen = await _say(house, session_id, question)
        # Hundreds of conversations would only push one another out of the model's cells.
        await house.conversations.forget(session_id)
    except ApplianceError as error:
        seen = Seen(error=error.code, text=str(error))
    return await _add_knowledge(house, question, seen)


async def ask_all(house: House, cases: Iterable[Case]) -> AsyncIterator[tuple[Case, Seen]]:
    """One after the other: what is measured is the ladder and not its queue."""
    for case in cases:
        yield case, await ask(house, case.question)


async def _say(house: House, session_id: str, question: str) -> Seen:
    began_s = time.perf_counter()
    asked = await house.conversations.say(question, session_id)
    assert asked.turn is not None, "a message without a client_id always begins a turn"
    pieces: list[str] = []
    seen = Seen(error="interrupted")
    shown_ms = 0.0
    async for numbered in asked.turn.watch():
        match numbered.event:
            case Token(text) | Message("assistant", text):
                shown_ms = shown_ms or _measure_ms(began_s)
                pieces.append(text)
            case Done() as done:
                seen = _read_done(done)
            case Failed(code, message):
                seen = Seen(error=code)
                pieces.append(message)
    whole_ms = _measure_ms(began_s)
    return replace(seen, text="".join(pieces), shown_ms=shown_ms or whole_ms, whole_ms=whole_ms)


def _read_done(done: Done) -> Seen:
    return Seen(
        source=done.source,
        finish_reason=done.finish_reason,
        cited=done.sources,
        suggestions=done.suggestions,
        score=done.score,
        rule=done.rule,
        is_cached=done.is_cached,
    )


async def _add_knowledge(house: House, question: str, seen: Seen) -> Seen:
    """The matcher's own view, for scores below what the ladder answers with, and the whole texts
    of what was cited, because an answer cites only the beginning."""
    began_s = time.perf_counter()
    match = await house.library.match(question)
    match_ms = _measure_ms(began_s)
    passages = await _read_passages(house, question, seen.cited)
    return replace(seen, match=match, match_ms=match_ms, passages=passages)


async def _read_passages(house: House, question: str, cited: Sequence[Cited]) -> Mapping[str, str]:
    quotes = {one.id: one.quote for one in cited if one.kind == "passage"}
    if not quotes:
        return {}
    passages = [one.passage for one in await house.library.find_passages(question)]
    # A line that is found by its meaning may stand in none of those.
    evidence = await house.library.find_evidence(question)
    if evidence.passage is not None:
        passages.append(evidence.passage)
    texts = {one.id: "\n".join((one.title, *one.headings, one.text)) for one in passages}
    return {id: texts.get(id, quote) for id, quote in quotes.items()}


def _measure_ms(began_s: float) -> float:
    return (time.perf_counter() - began_s) * 1000
