"""The prompt of a turn: instructions, the window of history, and the question with its excerpts.

It runs no generation and decides no rung. The rule that must not break: what changes from turn to
turn stands last, and excerpts are never part of what a later prompt shows as history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.config import Settings
from appliance.dialogue.context import find_window_start, fit_window
from appliance.dialogue.language import language_of
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
    """`own_words` are what the customer said, now and in the window."""

    prompt: Prompt
    own_words: tuple[str, ...]
    is_trimmed: bool


class Prompting:
    def __init__(self, engine: Engine, sessions: Sessions, settings: Settings) -> None:
        self._engine = engine
        self._sessions = sessions
        self._settings = settings

    async def build(self, turn: Turn, task: Task, absent: Sequence[str] = ()) -> Built:
        """`absent` are literals that a first try invented. Raises InvalidField for a question
        that fits into no prompt."""
        language = language_of(turn.question)
        asked = turn.question
        if task.excerpts:
            asked = compose(turn.question, task.excerpts, language, absent)
        stored = await self._read_window(turn)
        system, question, *rest = await self._engine.encode(
            [
                self._settings.system_prompt,
                asked,
                *(text for past in stored for text in (past.question, past.answer)),
            ]
        )
        template = self._engine.template
        fixed_tokens = len(template.render(system, [], question).ids)
        if fixed_tokens > self._engine.max_prompt_tokens:
            raise InvalidField("message", "This message is too long for me; please shorten it.")
        exchanges = self._as_said(stored, rest)
        window = fit_window(
            [template.count_exchange_tokens(exchange) for exchange in exchanges],
            fixed_tokens,
            self._engine.max_prompt_tokens,
            start=0,
        )
        return Built(
            template.render(system, exchanges[window.start :], question),
            (turn.question, *(past.question for past in stored)),
            window.is_trimmed,
        )

    async def _read_window(self, turn: Turn) -> tuple[StoredExchange, ...]:
        turns = self._settings.history_turns
        return await self._sessions.read_exchanges(
            turn.session_key, lambda count: find_window_start(count, turns)
        )

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
