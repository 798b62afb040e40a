"""One turn: a question's way to its answer, told from top to bottom in `Answering.run`.

It decides the order of things and nothing else: the store keeps, the engine speaks, `context.py`
counts. The rule that must not break: every accepted turn is published exactly one `Done` or
`Failed`, after what it ends with is on disk.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import structlog

from appliance.config import Settings
from appliance.dialogue.context import find_window_start, fit_window
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
from appliance.errors import ApplianceError, EngineFailure, InvalidField
from appliance.events import (
    Done,
    Ending,
    Event,
    Failed,
    FinishReason,
    Notice,
    Queued,
    Started,
    Timings,
    Token,
    Usage,
)
from appliance.store.sessions import Answer, Sessions, StoredExchange

TRIMMED = Notice("trimmed", "The beginning of this conversation no longer fits into my memory.")
WENT_WRONG = Failed("internal", "Something went wrong here; please ask again.")
REPETITION = Notice("repetition", "The answer began to repeat itself and was ended.")


class Turn:
    """A turn under way: its events so far, for any number of watchers."""

    def __init__(self, run_id: str, session_id: str, session_key: str, question: str) -> None:
        self.run_id = run_id
        self.session_id = session_id
        self.session_key = session_key
        self.question = question
        self.accepted_at = time.monotonic()
        self.stop_asked = asyncio.Event()
        # The end that is not on disk, where the disk refused it.
        self.unsaved: Failed | None = None
        self._events: list[Event] = []
        self._grown = asyncio.Event()

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(event.text for event in self._events if isinstance(event, Token))

    @property
    def queued(self) -> Queued | None:
        """Why and how long it waits, while it does."""
        last = self._events[-1] if self._events else None
        return last if isinstance(last, Queued) else None

    @property
    def is_ended(self) -> bool:
        return bool(self._events) and isinstance(self._events[-1], Done | Failed)

    def publish(self, event: Event) -> None:
        assert not self.is_ended, "nothing follows the end of a turn"
        self._events.append(event)
        self._grown.set()
        self._grown = asyncio.Event()

    async def watch(self) -> AsyncIterator[Event]:
        """Every event from the first on, up to the end. Leaving stops nothing."""
        seen = 0
        while True:
            grown = self._grown
            for event in self._events[seen:]:
                yield event
                seen += 1
            if self.is_ended and seen == len(self._events):
                return
            if seen == len(self._events):
                await grown.wait()


class Answering:
    """Answers turns with the model."""

    def __init__(self, engine: Engine, sessions: Sessions, settings: Settings) -> None:
        self._engine = engine
        self._sessions = sessions
        self._settings = settings
        self._log = structlog.get_logger(__name__)

    async def run(self, turn: Turn) -> None:
        """Lead `turn` to its end; never raises."""
        speech = Speech(turn)
        ending: Ending
        try:
            await self._wait_for_engine(turn)
            if turn.stop_asked.is_set():
                ending = speech.conclude("cancelled")
            else:
                prompt = await self._build_prompt(turn)
                ending = await self._speak(turn, prompt, speech)
        except ApplianceError as error:
            ending = Failed(error.code, str(error))
        except Exception:
            self._log.exception("turn failed", session=turn.session_key[:12], run=turn.run_id)
            ending = WENT_WRONG
        turn.publish(await self._store(turn, speech, ending))

    async def _wait_for_engine(self, turn: Turn) -> None:
        if self._engine.status.phase == "ready":
            return
        turn.publish(Queued(0, 0, "model_loading"))
        ready = asyncio.ensure_future(self._engine.wait_ready())
        stop = asyncio.ensure_future(turn.stop_asked.wait())
        await asyncio.wait((ready, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not ready.cancel():
            ready.result()

    async def _build_prompt(self, turn: Turn) -> Prompt:
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
        if window.is_trimmed:
            turn.publish(TRIMMED)
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

    async def _speak(self, turn: Turn, prompt: Prompt, speech: Speech) -> Ending:
        settings = self._settings
        run = self._engine.generate(
            Generation(
                conversation=turn.session_key,
                prompt=prompt,
                max_new_tokens=settings.max_new_tokens,
                sampling=Sampling(
                    settings.temperature, settings.top_k, settings.top_p, settings.repeat_penalty
                ),
                deadline_s=settings.answer_deadline_s,
            )
        )
        watcher = asyncio.create_task(_cancel_when_asked(turn, run))
        try:
            async for output in run:
                match output:
                    case Waiting(position, eta_ms):
                        turn.publish(Queued(position, eta_ms))
                    case Prefilled():
                        speech.begin(output)
                    case Piece(text):
                        speech.say(text)
                    case Finished():
                        return speech.finish(output)
                    case Broken(message):
                        raise EngineFailure(message)
        finally:
            watcher.cancel()
        raise EngineFailure("The engine ended without a word.")

    async def _store(self, turn: Turn, speech: Speech, ending: Ending) -> Ending:
        """Put the end on disk and return it, or the failure to do so."""
        answer = Answer(speech.text, speech.token_ids, self._engine.status.model_id)
        try:
            if isinstance(ending, Done):
                await self._sessions.finish(turn.run_id, answer, ending)
            else:
                await self._sessions.fail(turn.run_id, answer, ending)
        except ApplianceError as error:
            self._log.error("answer not saved", run=turn.run_id, reason=str(error))
            turn.unsaved = Failed(error.code, str(error))
        except Exception:
            self._log.exception("answer not saved", run=turn.run_id)
            turn.unsaved = WENT_WRONG
        return turn.unsaved or ending


class Speech:
    """What the model says in one turn, and what it took."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._prefilled: Prefilled | None = None
        self._first_at: float | None = None
        self._pieces: list[str] = []
        self.token_ids: TokenIds = ()

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def begin(self, prefilled: Prefilled) -> None:
        self._prefilled = prefilled
        self._turn.publish(Started("model"))

    def say(self, text: str) -> None:
        if not self._pieces:
            text = text.lstrip()
        if not text:
            return
        if self._first_at is None:
            self._first_at = time.monotonic()
        self._pieces.append(text)
        self._turn.publish(Token(text))

    def finish(self, finished: Finished) -> Done:
        self.token_ids = finished.token_ids
        if finished.is_repetition:
            self._turn.publish(REPETITION)
        return self.conclude(finished.reason, finished.decode_ms)

    def conclude(self, reason: FinishReason, decode_ms: float = 0.0) -> Done:
        now, begun_at = time.monotonic(), self._turn.accepted_at
        prefilled = self._prefilled or Prefilled(0, 0, 0.0, 0.0)
        usage = Usage(prefilled.prompt_tokens, prefilled.cached_tokens, len(self.token_ids))
        timings = Timings(
            queued_ms=round(prefilled.queued_ms, 1),
            prefill_ms=round(prefilled.prefill_ms, 1),
            ttft_ms=round(((self._first_at or now) - begun_at) * 1000, 1),
            decode_ms=round(decode_ms, 1),
            total_ms=round((now - begun_at) * 1000, 1),
        )
        return Done(reason, "model", usage, timings)


async def _cancel_when_asked(turn: Turn, run: Run) -> None:
    await turn.stop_asked.wait()
    run.cancel()
