"""The prompt of a turn: instructions, the window of history, and the question with its tail.

It runs no generation and decides no rung. The rules that must not break: what changes from turn to
turn stands last, memory and excerpts are never part of what a later prompt shows as history, and
the head that is prepared for a question is made by the same lines as the prompt that asks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from appliance.dialogue.briefs import Briefs
from appliance.dialogue.context import (
    choose_room,
    find_held_start,
    find_window_start,
    fit_window,
)
from appliance.dialogue.language import language_of
from appliance.dialogue.memory import Memory
from appliance.dialogue.steps import Task
from appliance.dialogue.summaries import Summaries, choose_boundary
from appliance.dialogue.tails import compose
from appliance.dialogue.turn import Turn
from appliance.engine.engine import Engine
from appliance.engine.prompt import Exchange, Prompt, TokenIds
from appliance.errors import InvalidField, StoreUnavailable
from appliance.settings import Settings
from appliance.store.exchanges import StoredExchange
from appliance.store.sessions import Sessions

# Of the room that past exchanges have, this part is the summary's.
SUMMARY_SHARE = 8


@dataclass(frozen=True, slots=True)
class Built:
    """`own_words` are what the customer said: now, in the window, and what is remembered of it.
    `is_trimmed`: something is left out, and the customer was not told yet."""

    prompt: Prompt
    own_words: tuple[str, ...]
    is_trimmed: bool


@dataclass(frozen=True, slots=True)
class History:
    """What stands before a question: all of the block's exchanges, of which those from
    `held_start` on are shown, the words of the customer in them, and how many there were before
    the block. The first that is shown begins with `summary`, of those that are not."""

    system: TokenIds
    exchanges: tuple[Exchange, ...]
    exchange_tokens: tuple[int, ...]
    held_start: int
    own_words: tuple[str, ...]
    before: int
    summary: TokenIds

    def show(self, start: int) -> tuple[Exchange, ...]:
        shown = self.exchanges[start:]
        if not shown or not self.summary:
            return shown
        first = Exchange((*self.summary, *shown[0].question), shown[0].answer)
        return (first, *shown[1:])


class Prompting:
    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        settings: Settings,
        memory: Memory,
        briefs: Briefs,
    ) -> None:
        self._briefs = briefs
        self._engine = engine
        self._sessions = sessions
        self._settings = settings
        self._memory = memory
        self._facts = sessions.facts
        self._summaries = Summaries(sessions.facts, sessions)

    async def build(self, turn: Turn, task: Task, absent: Sequence[str] = ()) -> Built:
        """`absent` are literals that a first try invented. Raises InvalidField for a question
        that fits into no prompt."""
        language = language_of(turn.question)
        remembered = await self._memory.describe(turn.session_key, language, turn.run_id)
        asked = compose(turn.question, task.excerpts, language, absent, remembered)
        history = await self._read_history(turn.session_key)
        question = (await self._engine.encode([asked]))[0]
        template, budget_tokens = self._engine.template, self._engine.max_prompt_tokens
        fixed_tokens = len(template.render(history.system, [], question).ids)
        if fixed_tokens > budget_tokens:
            raise InvalidField("message", "This message is too long for me; please shorten it.")
        window = fit_window(
            history.exchange_tokens,
            min(fixed_tokens + len(history.summary), budget_tokens),
            budget_tokens,
            history.held_start,
        )
        left_out = history.before + window.start if self._settings.history_turns else 0
        return Built(
            template.render(history.system, history.show(window.start), question),
            (turn.question, *history.own_words, remembered),
            left_out > 0 and not await self._facts.was_trim_told(turn.session_key),
        )

    async def build_head(self, session_key: str) -> Prompt | None:
        """What the next prompt of the session begins with, whatever is asked; None where that is
        no more than every conversation shares. Raises StoreUnavailable, ModelUnavailable."""
        history = await self._read_history(session_key)
        held = history.show(history.held_start)
        return self._engine.template.render_head(history.system, held) if held else None

    async def note_trim_told(self, session_key: str) -> None:
        """It is announced once in a conversation; a disk that refuses lets it be said again."""
        with suppress(StoreUnavailable):
            await self._facts.note_trim_told(session_key)

    async def _read_history(self, session_key: str) -> History:
        turns, is_sliding = self._settings.history_turns, self._settings.history_window == "sliding"
        count = before = 0

        def choose_start(exchanges: int) -> int:
            nonlocal count, before
            count, before = exchanges, find_window_start(exchanges, turns, is_sliding=is_sliding)
            return before

        if brought := self._briefs.find(session_key).exchanges:
            stored = brought[choose_start(len(brought)) :]
        else:
            stored = await self._sessions.read_exchanges(session_key, choose_start)
        system, *rest = await self._engine.encode(
            [
                self._settings.system_prompt,
                *(text for past in stored for text in (past.question, past.answer, past.rest)),
            ]
        )
        template = self._engine.template
        exchanges = self._as_said(stored, rest)
        exchange_tokens = tuple(map(template.count_exchange_tokens, exchanges))
        left_tokens = self._engine.max_prompt_tokens - len(template.render(system, [], ()).ids)
        room_tokens = choose_room(left_tokens)
        summary_tokens = room_tokens // SUMMARY_SHARE
        held_start = find_held_start(
            exchange_tokens, room_tokens - summary_tokens, is_sliding=is_sliding
        )
        is_shown = held_start < len(exchanges)
        boundary = choose_boundary(before + held_start, turns, count) if is_shown else 0
        return History(
            system,
            exchanges,
            exchange_tokens,
            held_start,
            tuple(past.question for past in stored),
            before,
            await self._encode_summary(session_key, boundary, summary_tokens),
        )

    async def _encode_summary(self, session_key: str, boundary: int, most_tokens: int) -> TokenIds:
        """As much of the summary as its share of the room takes."""
        text = await self._summaries.find(session_key, boundary)
        while text:
            ids = (await self._engine.encode([f"{text}\n\n"]))[0]
            if len(ids) <= most_tokens:
                return ids
            text = text[: len(text) * min(most_tokens, len(ids) - 1) // len(ids)]
        return ()

    def _as_said(
        self, stored: Sequence[StoredExchange], encoded: Sequence[TokenIds]
    ) -> tuple[Exchange, ...]:
        """Past exchanges by the very ids that this model said, where it was this model; what a
        person said stands behind them as the assistant's own words."""
        model_id = self._engine.status.model_id

        def build(past: StoredExchange, question: TokenIds, *words: TokenIds) -> Exchange:
            answer, rest = words
            if past.answer_token_ids and past.model_id == model_id:
                answer = past.answer_token_ids
            return Exchange(question, (*answer, *rest))

        return tuple(build(past, *encoded[3 * at : 3 * at + 3]) for at, past in enumerate(stored))
