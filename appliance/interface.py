"""The open interface put together: what programs ask, beside what customers do on the page.

It decides nothing; `app.py` gives it the rooms it stands on. The rule that must not break: it knows
no store and no rung, and is closed while both are still there.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.dialogue.bare import Bare
from appliance.dialogue.briefs import Briefs
from appliance.dialogue.callers import Callers
from appliance.dialogue.conversations import Conversations
from appliance.engine.engine import Engine
from appliance.http.api_routes import list_ollama, list_openai, list_responses
from appliance.http.ollama import Ollama
from appliance.http.openai import OpenAi
from appliance.http.openapi import Operation
from appliance.http.rates import Rates
from appliance.http.responses import Responses
from appliance.knowing import KnowledgeRung
from appliance.settings import Settings
from appliance.store.recovery import Unfinished
from appliance.store.sessions import Sessions


class Interface:
    def __init__(
        self,
        engine: Engine,
        conversations: Conversations,
        settings: Settings,
        knowledge: KnowledgeRung,
        rates: Rates,
    ) -> None:
        self._conversations = conversations
        self.briefs = Briefs()
        self._callers = Callers(conversations, self.briefs)
        self._bare = Bare(engine, settings)
        openai = OpenAi(
            self._callers,
            self._bare,
            lambda: engine.status.model_id,
            lambda: knowledge.embedder,
            settings.max_message_chars,
            rates,
        )
        responses = Responses(openai, conversations, settings.max_message_chars)
        self.operations: tuple[Operation, ...] = (
            *list_openai(openai),
            *list_responses(responses),
            *list_ollama(Ollama(openai, settings.max_message_chars)),
        )

    async def forget_guests(
        self, sessions: Sessions, unfinished: Sequence[Unfinished]
    ) -> tuple[Unfinished, ...]:
        """Those of `unfinished` that somebody still waits for."""
        left = await self._callers.forget_left(sessions)
        return tuple(turn for turn in unfinished if turn.session_key not in left)

    async def end_talk(self) -> None:
        """Turns are parked, and what is parked nowhere ends: no connection is left to cut."""
        await self._conversations.close()
        await self._bare.close()
        await self._callers.close()
