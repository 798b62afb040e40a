"""The model's part of a turn: its run, its second try, and what of its words may be shown.

It decides no rung and stores no end. The rules that must not break: every piece passes the screen
before it is shown, and where the model cannot, is late, or says what stands in no source, fixed
words are returned instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog

from appliance.dialogue.answer import Answer
from appliance.dialogue.briefs import Briefs
from appliance.dialogue.guard import Rules
from appliance.dialogue.literals import KNOWLEDGE_KINDS, MODEL_KINDS
from appliance.dialogue.moderation import Moderation
from appliance.dialogue.prompting import Built, Prompting
from appliance.dialogue.screen import Refused, Screen
from appliance.dialogue.sources import Sources
from appliance.dialogue.speech import Speech
from appliance.dialogue.steps import Task, Words
from appliance.dialogue.suspects import Suspects
from appliance.dialogue.turn import Turn
from appliance.engine.engine import (
    Engine,
    Generation,
    Prefilled,
    Run,
)
from appliance.engine.prompt import TokenIds
from appliance.errors import EngineFailure, ModelUnavailable
from appliance.events import QUOTED, Done, Notice, Queued
from appliance.settings import Settings
from appliance.store.events import EventLog
from appliance.store.verdicts import StoredVerdict

TRIMMED = Notice("trimmed", "The beginning of this conversation no longer fits into my memory.")
# The literal lock has the model try once more, and no third time.
TRIES = 2


class Asking:
    def __init__(
        self,
        engine: Engine,
        log: EventLog,
        get_rules: Callable[[], Rules],
        moderation: Moderation | None,
        prompting: Prompting,
        settings: Settings,
        briefs: Briefs,
    ) -> None:
        self._briefs = briefs
        self._engine = engine
        self._events = log
        self._get_rules = get_rules
        self._moderation = moderation
        self._settings = settings
        self._prompting = prompting
        self.suspects = Suspects()
        self._room = settings.parallel + settings.queue
        self._asking = 0
        self._log = structlog.get_logger(__name__)

    def adopt(self, settings: Settings) -> None:
        self._settings = settings

    async def ask(self, turn: Turn, task: Task, speech: Speech) -> Done | Words:
        """The answer's end, or the words to say in the model's place.

        Raises ModelUnavailable and EngineFailure only where part of an answer was shown."""
        if self._asking >= self._room and not turn.has_spoken:
            return task.resting
        self._asking += 1
        try:
            await self._wait_ready(turn)
            async with self.suspects.apart(turn):
                return await self._try(turn, task, speech)
        except (ModelUnavailable, EngineFailure) as error:
            if turn.has_spoken:
                raise
            self._log.warning("answered without the model", run=turn.run_id, reason=str(error))
            return task.resting
        finally:
            self._asking -= 1

    async def _wait_ready(self, turn: Turn) -> None:
        """A broken answer waits as long as it takes; a new one no longer than a customer does.
        Raises ModelUnavailable."""
        if self._engine.status.phase == "ready":
            return
        if self._engine.status.phase in ("starting", "loading", "warming"):
            turn.pass_by(Queued(0, 0, "model_loading"))
        patience_s = None if turn.has_spoken else self._settings.model_wait_s
        try:
            async with asyncio.timeout(patience_s):
                await turn.wait_unless_stopped(self._engine.wait_ready())
        except TimeoutError:
            raise ModelUnavailable("The model is still being loaded.") from None

    async def _try(self, turn: Turn, task: Task, speech: Speech) -> Done | Words:
        if turn.stop_asked.is_set():
            return speech.conclude("cancelled", task.source)
        said = await self._find_said(turn)
        await self._events.mark_handed_over(turn.run_id, turn.deaths)
        absent: tuple[str, ...] = ()
        for _ in range(TRIES):
            built = await self._prompting.build(turn, task, absent)
            if built.is_trimmed and not turn.has_noticed(TRIMMED.code):
                await speech.publish(TRIMMED)
                await self._prompting.note_trim_told(turn.session_key)
            screen = self._make_screen(turn, task, built)
            model_id = self._engine.status.model_id
            answer = Answer(turn, task, speech, screen, model_id, self._moderation)
            end = await self._speak(turn, built, said, answer)
            if not isinstance(end, Refused):
                return end
            absent = tuple(literal.text for literal in end.literals)
            speech.verdicts.append(StoredVerdict("lock", "lock/literal", "literal", "retry"))
            said = await self._find_said(turn)
        return quote_instead(task)

    def _make_screen(self, turn: Turn, task: Task, built: Built) -> Screen:
        """What the screen saw before the process died it is shown again, for nobody else."""
        kinds = KNOWLEDGE_KINDS if task.source == "knowledge" else MODEL_KINDS
        passages = (one.source for one in task.excerpts)
        screen = Screen(Sources.of((*passages, *built.own_words)), self._get_rules(), kinds)
        if turn.has_spoken:
            screen.resume(turn.text)
        return screen

    async def _find_said(self, turn: Turn) -> TokenIds:
        """What the answer begins with because it was said before a restart or a second try."""
        if turn.started_model == self._engine.status.model_id and turn.is_verbatim:
            return turn.token_ids
        return (await self._engine.encode([turn.text]))[0] if turn.has_spoken else ()

    async def _speak(
        self, turn: Turn, built: Built, said: TokenIds, answer: Answer
    ) -> Done | Words | Refused:
        settings, terms = self._settings, self._briefs.find(turn.session_key).terms
        longest_tokens = self._engine.max_prompt_tokens + settings.max_new_tokens
        run = self._engine.generate(
            Generation(
                conversation=turn.session_key,
                prompt=built.prompt,
                said=said,
                max_new_tokens=terms.choose_length(
                    settings, settings.max_new_tokens, longest_tokens - len(built.prompt.ids)
                ),
                sampling=terms.choose_sampling(settings),
                stop=terms.stop,
                deadline_s=settings.answer_deadline_s,
                top_logprobs=terms.top_logprobs,
            )
        )
        watcher = asyncio.create_task(_cancel_when_asked(turn, run))
        try:
            return await self._follow(turn, run, answer)
        finally:
            watcher.cancel()
            # Where the disk failed in mid-answer the engine would speak on for nobody.
            run.cancel()

    async def _follow(self, turn: Turn, run: Run, answer: Answer) -> Done | Words | Refused:
        """One queue for all: who waits in it longer than a customer does gets other words."""
        outputs = aiter(run)
        patience_s = None if turn.has_spoken else self._settings.queue_wait_s
        try:
            async with asyncio.timeout(patience_s) as patience:
                async for output in outputs:
                    if isinstance(output, Prefilled):
                        patience.reschedule(None)
                    if (end := await answer.take(output)) is not None:
                        return end
        except TimeoutError:
            raise ModelUnavailable("The queue was too long for this question.") from None
        raise EngineFailure("The engine ended without a word.")


async def _cancel_when_asked(turn: Turn, run: Run) -> None:
    await turn.stop_asked.wait()
    run.cancel()


def quote_instead(task: Task) -> Words:
    """The model would not keep to the sources: what stands written, or that nobody knows."""
    if not task.excerpts:
        return task.unknown
    best = task.excerpts[0]
    return replace(
        task.resting, text=f"《{best.passage.title}》\n{best.text}", rule=QUOTED, score=task.score
    )
