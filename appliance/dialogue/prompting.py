"""The prompt of a turn: instructions, the window of history, and the question with its tail.

It runs no generation and decides no rung. The rules that must not break: what changes from turn to
turn stands last, memory and excerpts are never part of what a later prompt shows as history, and
the head that is prepared for a question is made by the same lines as the prompt that asks it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.config import Settings
from appliance.dialogue.context import (
    choose_room,
    find_held_start,
    find_window_start,
    fit_window,
)
from appliance.dialogue.language import language_of
from appliance.dialogue.memory import Memory
from appliance.dialogue.steps import Task
from appliance.dialogue.tails import compose
from appliance.dialogue.turn import Turn
from appliance.engine.engine import Engine
from appliance.engine.prompt import Exchange, Prompt, TokenIds
from appliance.errors import InvalidField
from appliance.store.messages import StoredExchange
from appliance.store.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Built:
    """`own_words` are what the customer said: now, in the window, and what is remembered of it."""

    prompt: Prompt
    own_words: tuple[str, ...]
    is_trimmed: bool


@dataclass(frozen=True, slots=True)
class History:
    """What stands before a question: all of the block's exchanges, of which those from
    `held_start` on are shown, and the words of the customer in them."""

    system: TokenIds
    exchanges: tuple[Exchange, ...]
    exchange_tokens: tuple[int, ...]
    held_start: int
    own_words: tuple[str, ...]


class Prompting:
    def __init__(
        self, engine: Engine, sessions: Sessions, settings: Settings, memory: Memory
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._settings = settings
        self._memory = memory

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
            history.exchange_tokens, fixed_tokens, budget_tokens, history.held_start
        )
        return Built(
            template.render(history.system, history.exchanges[window.start :], question),
            (turn.question, *history.own_words, remembered),
            window.is_trimmed,
        )

    async def build_head(self, session_key: str) -> Prompt | None:
        """What the next prompt of the session begins with, whatever is asked; None where that is
        no more than every conversation shares. Raises StoreUnavailable, ModelUnavailable."""
        history = await self._read_history(session_key)
        held = history.exchanges[history.held_start :]
        return self._engine.template.render_head(history.system, held) if held else None

    async def _read_history(self, session_key: str) -> History:
        turns = self._settings.history_turns
        stored = await self._sessions.read_exchanges(
            session_key, lambda count: find_window_start(count, turns)
        )
        system, *rest = await self._engine.encode(
            [
                self._settings.system_prompt,
                *(text for past in stored for text in (past.question, past.answer)),
            ]
        )
        template = self._engine.template
        exchanges = self._as_said(stored, rest)
        exchange_tokens = tuple(map(template.count_exchange_tokens, exchanges))
        left_tokens = self._engine.max_prompt_tokens - len(template.render(system, [], ()).ids)
        return History(
            system,
            exchanges,
            exchange_tokens,
            find_held_start(exchange_tokens, choose_room(left_tokens)),
            tuple(past.question for past in stored),
        )

    def _as_said(
        self, stored: Sequence[StoredExchange], encoded: Sequence[TokenIds]
    ) -> tuple[Exchange, ...]:
        """Past exchanges by the very ids that this model said, where it was this model."""
        model_id = self._engine.status.model_id
        return tuple(
            Exchange(
                encoded[2 * at],
                past.answer_token_ids
                if past.answer_token_ids and past.model_id == model_id
                else encoded[2 * at + 1],
            )
            for at, past in enumerate(stored)
        )
