"""A question's way to its answer, told from top to bottom in `Answering.run`.

It decides the order of things and nothing else: the ladder chooses the rung, `asking.py` has the
model speak, the store keeps. The rule that must not break: every accepted turn is published
exactly one `Done` or `Failed`, after what it ends with is on disk; a turn that is parked gets it
after the restart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import structlog
from structlog.contextvars import bind_contextvars

from appliance.dialogue.answer import REPETITION
from appliance.dialogue.asking import Asking
from appliance.dialogue.briefs import PLAIN, Briefs
from appliance.dialogue.canned import WITHDRAWN
from appliance.dialogue.drafts import Drafts
from appliance.dialogue.handoff import Handoffs
from appliance.dialogue.ladder import Asked, Ladder
from appliance.dialogue.language import Language, has_words, language_of
from appliance.dialogue.prewarming import Prewarming
from appliance.dialogue.prompting import Prompting
from appliance.dialogue.speech import Speech, TakenOver
from appliance.dialogue.steps import Act, Step, Task, Words
from appliance.dialogue.summarising import Summarising
from appliance.dialogue.tooling import RUNNING, is_open, leave, tell
from appliance.dialogue.turn import Stopped, Turn
from appliance.engine.engine import Engine
from appliance.errors import ApplianceError, StoreUnavailable
from appliance.events import PARTLY_QUOTED, QUOTED, Done, Ending, Failed, Numbered, Tool
from appliance.settings import Settings
from appliance.store.events import EventLog
from appliance.store.messages import Answer
from appliance.store.sessions import Sessions

# A disk that failed once may not do so again.
TRIES = 2
WENT_WRONG = Failed("internal", "Something went wrong here; please ask again.")
CHANGED = Failed("interrupted", "The answer was interrupted and has changed; please ask again.")
# Fixed words are shown as quickly as they can be kept, a few at a time as any answer is.
PIECE = re.compile(r"\S{1,12}\s*|\s+")
BY_MODEL = ("knowledge", "model")
# So many messages back the language of one without a word is looked for.
MOST_WORDLESS = 8


class Answering:
    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        log: EventLog,
        ladder: Ladder,
        handoffs: Handoffs,
        settings: Settings,
        briefs: Briefs,
        drafts: Drafts | None = None,
    ) -> None:
        """Without `drafts` no answer is ever held back."""
        self._drafts = drafts
        self._briefs = briefs
        self._engine = engine
        self._sessions = sessions
        self._events = log
        self._ladder = ladder
        self._handoffs = handoffs
        self._settings = settings
        prompting = Prompting(engine, sessions, settings, ladder.memory, briefs)
        self._asking = Asking(
            engine,
            log,
            lambda: ladder.charter.rules,
            ladder.moderation,
            prompting,
            settings,
            briefs,
        )
        self._prewarming = Prewarming(engine, sessions, prompting, settings.parallel)
        self._summarising = Summarising(engine, sessions, settings)
        self._log = structlog.get_logger(__name__)

    async def run(self, turn: Turn) -> None:
        """Lead `turn` to its end, or to where it is parked; never raises."""
        # Every line that is logged on the way names both.
        bind_contextvars(session=turn.session_key[:12], run=turn.run_id)
        with self._summarising.giving_way(), self._prewarming.giving_way(turn.session_key):
            is_kept = await self._lead(turn)
        if is_kept:
            # What it says next is asked behind this answer, whichever rung gave it.
            self._prewarming.begin(turn.session_key)
            self._summarising.begin(turn.session_key)

    async def prepare_recent(self) -> None:
        """Have the engine read the conversations that most likely go on; the model is ready."""
        await self._prewarming.begin_recent()

    def adopt(self, settings: Settings) -> None:
        self._asking.adopt(settings)

    def forget(self, session_key: str) -> None:
        """Nothing of this conversation is given to the engine from here on."""
        self._prewarming.drop(session_key)
        self._summarising.drop(session_key)

    async def close(self) -> None:
        await self._summarising.close()
        await self._prewarming.close()
        if self._ladder.tools is not None:
            self._ladder.tools.close()

    async def _lead(self, turn: Turn) -> bool:
        """Whether it came to an end, and its conversation is still there."""
        speech = Speech(turn, self._events, lambda: self._handoffs.is_bots(turn.session_key))
        ending: Ending
        try:
            if self._drafts is not None:
                ending = await self._drafts.lead(turn, speech, self._answer)
            else:
                ending = await self._answer(turn, speech)
        except TakenOver:
            ending = speech.conclude("handed_over", speech.source)
        except ApplianceError as error:
            ending = Failed(error.code, str(error))
        except Exception:
            self._log.exception("turn failed")
            ending = WENT_WRONG
        if not self._handoffs.is_bots(turn.session_key):
            ending = leave_to_person(ending, speech)
        is_whole = isinstance(ending, Done) and ending.finish_reason != "cancelled"
        if turn.is_parked and not is_whole:
            turn.leave()
            return False
        kept = await self._store(turn, speech, ending)
        turn.publish(kept)
        self._log.info("turn ended", **describe_end(kept.event))
        return bool(kept.number)

    def tell_words(self, key: str, language: Language, **moments: str) -> str:
        """A text of the shop."""
        return self._ladder.charter.shop.words(key, language, **moments)

    async def _answer(self, turn: Turn, speech: Speech) -> Ending:
        # Counted before anything is waited for: who comes later must find all suspects.
        with self._asking.suspects.counted(turn):
            try:
                return await self._climb(turn, speech)
            except Stopped:
                return speech.conclude("cancelled", speech.source)

    async def _climb(self, turn: Turn, speech: Speech) -> Ending:
        asked = await self._look_at(turn)
        step = await self._choose(turn, asked)
        if isinstance(step, Act):
            if speech.is_draft and not step.is_looked_at:
                # Held since then: nothing is written that no operator has looked at.
                step = step.without_yes()
            await self._announce(turn, step, speech)
            if turn.stop_asked.is_set():
                return speech.conclude("cancelled", "tool")
            step = await self._act(turn, step)
        if isinstance(step, Words):
            return await self._tell(turn, step, speech)
        end = await self._asking.ask(turn, step, speech)
        if isinstance(end, Words):
            return await self._tell(turn, end, speech, step)
        is_whole = end.finish_reason == "stop" and not turn.has_noticed(REPETITION.code)
        if is_whole and not (speech.verdicts or speech.is_draft):
            self._ladder.keep_answer(asked, step, turn.text, *self._name_speaker())
        return replace(end, sources=step.sources, score=step.score, suggestions=step.suggestions)

    async def _look_at(self, turn: Turn) -> Asked:
        await self._ladder.memory.take(turn.session_key, turn.run_id, turn.question)
        before = await self._sessions.count_exchanges(turn.session_key)
        # What was drawn on other terms, or after other words, is no answer for the next to ask.
        is_first = not before and self._briefs.find(turn.session_key) == PLAIN
        said = ""
        if before and not has_words(turn.question):
            said = await self._find_worded(turn.session_key)
        return Asked(turn.question, turn.session_key, is_first, turn.run_id, said, turn.heed)

    async def _find_worded(self, session_key: str) -> str:
        """The last question before that has a word in it."""
        recent = await self._sessions.read_exchanges(
            session_key, lambda count: max(0, count - MOST_WORDLESS)
        )
        return next((one.question for one in reversed(recent) if has_words(one.question)), "")

    async def _choose(self, turn: Turn, asked: Asked) -> Step:
        """The rung; an answer that the model had begun when the process died stays on its own."""
        if turn.started is not None and turn.started.source in BY_MODEL:
            return await self._ladder.take_up(asked, turn.started.source)
        return await self._ladder.climb(asked, *self._name_speaker())

    async def _announce(self, turn: Turn, act: Act, speech: Speech) -> None:
        """Before anything is done: so nothing is done once a person has taken over."""
        for call in act.calls:
            await self._show_tool(turn, Tool(call.tool, RUNNING), speech)

    async def _act(self, turn: Turn, act: Act) -> Words:
        assert self._ladder.tools is not None, "who has no tools chooses none"
        work = self._ladder.tools.act(turn.session_key, act)
        # What writes is waited for: what came of it must be kept.
        is_writing = any(call.is_confirmed for call in act.calls)
        return tell(await work if is_writing else await turn.heed(work))

    async def _show_tool(self, turn: Turn, event: Tool, speech: Speech) -> None:
        """Once, also where a restart has the turn done again."""
        if all(one.event != event for one in turn.events):
            await speech.publish(event)

    async def _tell(
        self, turn: Turn, words: Words, speech: Speech, task: Task | None = None
    ) -> Ending:
        """Say fixed words; behind what the model said of `task`, where it said anything."""
        speech.verdicts += words.verdicts
        before = len(speech.calls)
        speech.calls += leave(words.calls)
        for call in words.calls:
            await self._show_tool(turn, Tool(call.tool, call.state), speech)
        if words.asks_handoff:
            language = language_of(turn.question)
            await self._handoffs.ask(turn.session_key, words.rule, language)
        elif words.rule == WITHDRAWN:
            await self._handoffs.withdraw(turn.session_key)
        text, source, rule = words.text, words.source, words.rule
        if task is not None and turn.has_spoken:
            text, source = f"\n\n{words.text}", task.source
            rule = PARTLY_QUOTED if rule == QUOTED else rule
        elif not words.text.startswith(turn.text):
            return CHANGED
        else:
            text = words.text.removeprefix(turn.text)
        for piece in _cut(text):
            if turn.stop_asked.is_set():
                return speech.conclude("cancelled", source)
            await speech.say(piece, source)
        # Heard to the end: a question can be answered now, and stands last.
        speech.calls[before:] = sorted(words.calls, key=is_open)
        return replace(
            speech.conclude(words.finish_reason, source),
            sources=words.sources,
            score=words.score,
            rule=rule,
            is_cached=words.is_cached,
            suggestions=words.suggestions,
        )

    def _name_speaker(self) -> tuple[str, str]:
        """What an answer of the model depends on besides the passages."""
        return self._settings.system_prompt, self._engine.status.model_id

    async def _store(self, turn: Turn, speech: Speech, ending: Ending) -> Numbered:
        """Put the end on disk and return it, or the failure to do so."""
        answer = Answer(turn.text, speech.token_ids, self._engine.status.model_id)
        for _ in range(TRIES):
            try:
                kept = await self._sessions.finish(
                    turn.session_key,
                    turn.run_id,
                    answer,
                    ending,
                    tuple(speech.verdicts),
                    tuple(speech.calls),
                )
            except StoreUnavailable as error:
                turn.unsaved = Failed(error.code, str(error))
            except Exception:
                self._log.exception("answer not saved")
                turn.unsaved = WENT_WRONG
            else:
                turn.unsaved = None
                return kept
        assert turn.unsaved is not None
        return Numbered(0, turn.run_id, turn.unsaved)


def leave_to_person(ending: Ending, speech: Speech) -> Ending:
    """A person has taken over: nothing is offered any more, and no fault is the customer's."""
    if isinstance(ending, Failed) or ending.finish_reason == "cancelled":
        return speech.conclude("handed_over", speech.source)
    return replace(ending, suggestions=())


def describe_end(end: object) -> dict[str, object]:
    """How a turn ended, for the log: codes and numbers, nothing that was said."""
    match end:
        case Done(finish_reason, source, usage, timings):
            return {
                "source": source,
                "finish_reason": finish_reason,
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "ttft_ms": timings.ttft_ms,
                "total_ms": timings.total_ms,
            }
        case Failed(code):
            return {"error": code}
    return {}


def _cut(text: str) -> Iterator[str]:
    return (piece[0] for piece in PIECE.finditer(text))
