"""A question's way to its answer, told from top to bottom in `Answering.run`.

It decides the order of things and nothing else: the store keeps, the engine speaks, `context.py`
counts. The rule that must not break: every accepted turn is published exactly one `Done` or
`Failed`, after what it ends with is on disk; a turn that is parked gets it after the restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog

from appliance.config import Settings
from appliance.dialogue.context import find_window_start, fit_window
from appliance.dialogue.speech import Speech
from appliance.dialogue.turn import Turn
from appliance.engine.engine import (
    Broken,
    Engine,
    Finished,
    Generation,
    Piece,
    Prefilled,
    Run,
    Sampling,
    Waiting,
)
from appliance.engine.prompt import Exchange, Prompt, TokenIds
from appliance.errors import ApplianceError, EngineFailure, InvalidField, StoreUnavailable
from appliance.events import Done, Ending, Failed, Notice, Numbered, Queued
from appliance.store.events import EventLog
from appliance.store.messages import Answer, StoredExchange
from appliance.store.sessions import Sessions

TRIMMED = Notice("trimmed", "The beginning of this conversation no longer fits into my memory.")
# A disk that failed once may not do so again.
TRIES = 2
WENT_WRONG = Failed("internal", "Something went wrong here; please ask again.")


class Answering:
    """Answers turns with the model."""

    def __init__(
        self, engine: Engine, sessions: Sessions, log: EventLog, settings: Settings
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._events = log
        self._settings = settings
        self._one_suspect = asyncio.Lock()
        self._suspects = 0
        self._is_clear = asyncio.Event()
        self._is_clear.set()
        self._log = structlog.get_logger(__name__)

    async def run(self, turn: Turn) -> None:
        """Lead `turn` to its end, or to where it is parked; never raises."""
        speech = Speech(turn, self._events)
        ending: Ending
        try:
            ending = await self._answer(turn, speech)
        except ApplianceError as error:
            ending = Failed(error.code, str(error))
        except Exception:
            self._log.exception("turn failed", session=turn.session_key[:12], run=turn.run_id)
            ending = WENT_WRONG
        is_whole = isinstance(ending, Done) and ending.finish_reason != "cancelled"
        if turn.is_parked and not is_whole:
            turn.leave()
        else:
            turn.publish(await self._store(turn, speech, ending))

    async def _answer(self, turn: Turn, speech: Speech) -> Ending:
        with self._counted_if_suspect(turn):
            if self._engine.status.phase != "ready":
                turn.publish(Numbered(0, turn.run_id, Queued(0, 0, "model_loading")))
                await _wait_unless_stopped(turn, self._engine.wait_ready())
            async with self._apart_from_suspects(turn):
                return await self._ask(turn, speech)

    async def _ask(self, turn: Turn, speech: Speech) -> Ending:
        if turn.stop_asked.is_set():
            return speech.conclude("cancelled")
        prompt = await self._build_prompt(turn, speech)
        said = await self._find_said(turn)
        await self._events.mark_handed_over(turn.run_id, turn.deaths)
        return await self._speak(turn, prompt, said, speech)

    @contextmanager
    def _counted_if_suspect(self, turn: Turn) -> Iterator[None]:
        """A turn that was in the engine when the process died, until it has ended."""
        if not turn.deaths:
            yield
            return
        self._suspects += 1
        self._is_clear.clear()
        try:
            yield
        finally:
            self._suspects -= 1
            if not self._suspects:
                self._is_clear.set()

    @asynccontextmanager
    async def _apart_from_suspects(self, turn: Turn) -> AsyncIterator[None]:
        """Suspects go on one after the other and the rest after them: if the process dies again,
        the one that did it is known and nobody else pays."""
        if not turn.deaths:
            if not self._is_clear.is_set():
                turn.publish(Numbered(0, turn.run_id, Queued(self._suspects, 0)))
                await _wait_unless_stopped(turn, self._is_clear.wait())
            yield
            return
        if self._one_suspect.locked():
            turn.publish(Numbered(0, turn.run_id, Queued(self._suspects - 1, 0)))
        is_mine = await _wait_unless_stopped(turn, self._one_suspect.acquire())
        try:
            yield
        finally:
            if is_mine:
                self._one_suspect.release()

    async def _build_prompt(self, turn: Turn, speech: Speech) -> Prompt:
        turns = self._settings.history_turns
        stored = await self._sessions.read_exchanges(
            turn.session_key, lambda count: find_window_start(count, turns)
        )
        system, question, *rest = await self._engine.encode(
            [
                self._settings.system_prompt,
                turn.question,
                *(text for exchange in stored for text in (exchange.question, exchange.answer)),
            ]
        )
        exchanges = self._as_said(stored, rest)
        template = self._engine.template
        fixed_tokens = len(template.render(system, [], question).ids)
        if fixed_tokens > self._engine.max_prompt_tokens:
            raise InvalidField("message", "This message is too long for me; please shorten it.")
        window = fit_window(
            [template.count_exchange_tokens(exchange) for exchange in exchanges],
            fixed_tokens,
            self._engine.max_prompt_tokens,
            start=0,
        )
        if window.is_trimmed and not turn.has_noticed(TRIMMED.code):
            await speech.publish(TRIMMED)
        return template.render(system, exchanges[window.start :], question)

    def _as_said(
        self, stored: Sequence[StoredExchange], encoded: Sequence[TokenIds]
    ) -> list[Exchange]:
        """Past exchanges by the very ids that this model said, where it was this model."""
        model_id = self._engine.status.model_id
        return [
            Exchange(
                encoded[2 * at],
                past.answer_token_ids
                if past.answer_token_ids and past.model_id == model_id
                else encoded[2 * at + 1],
            )
            for at, past in enumerate(stored)
        ]

    async def _find_said(self, turn: Turn) -> TokenIds:
        """What the answer begins with because it was said before a restart."""
        if turn.started_model == self._engine.status.model_id:
            return turn.token_ids
        return (await self._engine.encode([turn.text]))[0] if turn.has_spoken else ()

    async def _speak(self, turn: Turn, prompt: Prompt, said: TokenIds, speech: Speech) -> Ending:
        settings = self._settings
        run = self._engine.generate(
            Generation(
                conversation=turn.session_key,
                prompt=prompt,
                said=said,
                max_new_tokens=settings.max_new_tokens,
                sampling=Sampling(
                    settings.temperature, settings.top_k, settings.top_p, settings.repeat_penalty
                ),
                deadline_s=settings.answer_deadline_s,
            )
        )
        watcher = asyncio.create_task(_cancel_when_asked(turn, run))
        try:
            return await self._follow(turn, run, speech)
        finally:
            watcher.cancel()
            # Where the disk failed in mid-answer the engine would speak on for nobody.
            run.cancel()

    async def _follow(self, turn: Turn, run: Run, speech: Speech) -> Ending:
        async for output in run:
            match output:
                case Waiting(position, eta_ms):
                    turn.publish(Numbered(0, turn.run_id, Queued(position, eta_ms)))
                case Prefilled():
                    await speech.begin(output, self._engine.status.model_id)
                case Piece():
                    await speech.say(output)
                case Finished():
                    return await speech.finish(output)
                case Broken(message):
                    raise EngineFailure(message)
        raise EngineFailure("The engine ended without a word.")

    async def _store(self, turn: Turn, speech: Speech, ending: Ending) -> Numbered:
        """Put the end on disk and return it, or the failure to do so."""
        answer = Answer(turn.text, speech.token_ids, self._engine.status.model_id)
        for _ in range(TRIES):
            try:
                kept = await self._sessions.finish(turn.session_key, turn.run_id, answer, ending)
            except StoreUnavailable as error:
                turn.unsaved = Failed(error.code, str(error))
            except Exception:
                self._log.exception("answer not saved", run=turn.run_id)
                turn.unsaved = WENT_WRONG
            else:
                turn.unsaved = None
                return kept
        assert turn.unsaved is not None
        return Numbered(0, turn.run_id, turn.unsaved)


async def _cancel_when_asked(turn: Turn, run: Run) -> None:
    await turn.stop_asked.wait()
    run.cancel()


async def _wait_unless_stopped(turn: Turn, coroutine: Coroutine[Any, Any, object]) -> bool:
    """Whether `coroutine` came to its end before the turn was asked for its own."""
    work = asyncio.ensure_future(coroutine)
    stop = asyncio.ensure_future(turn.stop_asked.wait())
    await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if work.cancel():
        return False
    work.result()
    return True
