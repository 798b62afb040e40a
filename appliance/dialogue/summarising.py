"""Between two questions: the model writes what will stand for exchanges that leave the window.

Nobody waits for it. It begins once all is quiet, is broken off when any customer speaks, and begins
again later. The rules that must not break: what it writes is kept only before a prompt needs it,
holds no literal that does not stand in the exchanges it tells of, and no fault here reaches a
customer.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from appliance.dialogue.context import find_window_start
from appliance.dialogue.language import Language, language_of
from appliance.dialogue.literals import find_literals
from appliance.dialogue.sources import Sources
from appliance.dialogue.summaries import MAX_SUMMARY_CHARS, Summaries, find_coming, shorten
from appliance.engine.engine import Engine, Finished, Generation, Piece, Run, Sampling
from appliance.errors import ApplianceError
from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.exchanges import StoredExchange
from appliance.store.facts import Facts, StoredSummary
from appliance.store.sessions import Sessions

# By then the next prompt's head has mostly been read ahead, which comes first.
QUIET_S = 8.0
MAX_NEW_TOKENS = 120
DEADLINE_S = 60.0
MAX_SAID_CHARS = 160
MAX_TOLD_CHARS = 1500
ORDER = {
    "zh": "用两句话概括下面的对话：顾客想要什么，客服怎么答复。只写概括，号码和数字照抄。\n\n",
    "en": "Sum up the conversation below in two sentences: what the customer wants, what was "
    "answered. Write only the summary and copy all numbers.\n\n",
}
ROLES = {"zh": ("顾客", "客服"), "en": ("Customer", "Assistant")}
SENTENCE = re.compile(r"[^。！？!?\n]*?(?:[。！？!?\n]+|\.(?=\s|$)|$)")


@dataclass(frozen=True, slots=True)
class _Work:
    """Summarise `exchanges` behind the text `before`, for the first `boundary` of the session."""

    boundary: int
    before: str
    exchanges: tuple[StoredExchange, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        said = (text for past in self.exchanges for text in (past.question, past.said))
        return (self.before, *said)


class Summarising:
    """One conversation at a time, the oldest wish first."""

    def __init__(
        self, engine: Engine, sessions: Sessions, settings: Settings, quiet_s: float = QUIET_S
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._facts: Facts = sessions.facts
        self._summaries = Summaries(self._facts, sessions)
        self._settings = settings
        self._quiet_s = quiet_s
        self._wishes: dict[str, None] = {}
        self._talking = 0
        self._spoken = asyncio.Event()
        self._silent = asyncio.Event()
        self._silent.set()
        self._run: Run | None = None
        self._work: asyncio.Task[None] | None = None
        self._is_closing = False
        self._log = structlog.get_logger(__name__)

    def begin(self, session_key: str) -> None:
        """Have written what the conversation will need next, some time when nobody speaks."""
        if self._is_closing or not self._settings.history_turns:
            return
        self._wishes[session_key] = None
        if self._work is None:
            self._work = asyncio.create_task(self._write_all())
            self._work.add_done_callback(self._end_work)

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """While any customer is answered nothing is written."""
        self._talking += 1
        self._silent.clear()
        self._spoken.set()
        if self._run is not None:
            self._run.cancel()
        try:
            yield
        finally:
            self._talking -= 1
            if not self._talking:
                self._spoken.clear()
                self._silent.set()

    def drop(self, session_key: str) -> None:
        self._wishes.pop(session_key, None)

    async def close(self) -> None:
        self._is_closing = True
        self._wishes.clear()
        self._silent.set()
        self._spoken.set()
        if self._run is not None:
            self._run.cancel()
        if self._work is not None:
            await asyncio.wait((self._work,))

    async def _write_all(self) -> None:
        while self._wishes:
            await self._silent.wait()
            if self._is_closing or await wait_at_most(self._spoken, self._quiet_s):
                continue
            session_key = next(iter(self._wishes), None)
            if session_key is None or self._engine.status.phase != "ready":
                self._wishes.clear()
                continue
            try:
                is_done = await self._write(session_key)
            except ApplianceError as error:
                self._log.warning("summary not written", reason=str(error))
                is_done = True
            if is_done:
                self._wishes.pop(session_key, None)

    async def _write(self, session_key: str) -> bool:
        """False where it was broken off and is still to be done."""
        work = await self._find_work(session_key)
        if work is None:
            return True
        language = language_of(work.exchanges[-1].question)
        generation = await self._make_generation(session_key, work, language)
        if generation is None:
            return True
        if self._talking:
            return False
        text = await self._generate(generation)
        if text is None:
            return self._is_closing
        kept = keep_true(text, work.sources)
        if kept and session_key in self._wishes:
            await self._facts.keep_summary(session_key, StoredSummary(work.boundary, "model", kept))
        return True

    async def _find_work(self, session_key: str) -> _Work | None:
        turns = self._settings.history_turns
        count = await self._sessions.count_exchanges(session_key)
        start = find_window_start(
            count, turns, is_sliding=self._settings.history_window == "sliding"
        )
        boundary = find_coming(start, turns, count)
        kept = await self._facts.read_summaries(session_key)
        if not boundary or any(one.exchanges >= boundary for one in kept):
            return None
        # Where the model was late the last time, it reads again what was only extracted.
        by_model = [one for one in kept if one.author == "model"]
        before = by_model[-1] if by_model else StoredSummary(0, "model", "")
        exchanges = await self._summaries.read_between(session_key, before.exchanges, boundary)
        return _Work(boundary, before.text, exchanges) if exchanges else None

    async def _make_generation(
        self, session_key: str, work: _Work, language: Language
    ) -> Generation | None:
        """The instructions of every conversation stand first: their cells are there already."""
        told = tell(work.before, work.exchanges, language)
        system, asked = await self._engine.encode(
            [self._settings.system_prompt, f"{ORDER[language]}{told}"]
        )
        prompt = self._engine.template.render(system, [], asked)
        if len(prompt.ids) > self._engine.max_prompt_tokens:
            return None
        return Generation(
            conversation=f"{session_key}/summary",
            prompt=prompt,
            max_new_tokens=min(MAX_NEW_TOKENS, self._settings.max_new_tokens),
            sampling=Sampling(temperature=0.0),
            deadline_s=DEADLINE_S,
        )

    async def _generate(self, generation: Generation) -> str | None:
        """What the model wrote; None where it was broken off."""
        pieces: list[str] = []
        self._run = self._engine.generate(generation)
        try:
            async for output in self._run:
                if isinstance(output, Piece):
                    pieces.append(output.text)
                elif isinstance(output, Finished):
                    return None if output.reason == "cancelled" else "".join(pieces)
        finally:
            self._run = None
            await self._engine.forget(generation.conversation)
        return ""

    def _end_work(self, work: asyncio.Task[None]) -> None:
        self._work = None
        if not work.cancelled() and (error := work.exception()):
            # Not its repr: that of a UnicodeDecodeError holds customers' words.
            self._log.error("summary failed", error=type(error).__name__, exc_info=error)
            for session_key in [*self._wishes][:1]:
                self.drop(session_key)
        for session_key in [*self._wishes][:1]:
            self.begin(session_key)


def tell(before: str, exchanges: Sequence[StoredExchange], language: Language) -> str:
    """The conversation as lines, the latest of it where it is long."""
    customer, assistant = ROLES[language]
    lines = [
        line
        for past in exchanges
        for line in (
            f"{customer}: {shorten(past.question, MAX_SAID_CHARS)}",
            f"{assistant}: {shorten(past.said, MAX_SAID_CHARS)}",
        )
    ]
    while len(lines) > 2 and sum(map(len, lines)) > MAX_TOLD_CHARS:
        del lines[:2]
    return "\n".join([before, *lines] if before else lines)


def keep_true(text: str, sources: Sequence[str]) -> str:
    """The sentences of a summary whose every literal stands in what it tells of."""
    known = Sources.of(sources)
    kept = [
        sentence
        for sentence in SENTENCE.findall(text.strip())
        if sentence.strip() and not any(known.lacks(one) for one in find_literals(sentence))
    ]
    return shorten("".join(kept), MAX_SUMMARY_CHARS)
