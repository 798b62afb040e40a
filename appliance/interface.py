"""The open interface put together: what programs ask, beside what customers do on the page.

It decides nothing; `app.py` gives it the rooms it stands on. The rule that must not break: it knows
no store and no rung, and is closed while both are still there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.dialogue.bare import Bare
from appliance.dialogue.briefs import Briefs
from appliance.dialogue.callers import Callers
from appliance.dialogue.conversations import Conversations
from appliance.engine.engine import Engine
from appliance.http.api_routes import list_ollama, list_openai, list_responses
from appliance.http.ollama import Ollama
from appliance.http.openai import OpenAi
from appliance.http.openapi import Operation
from appliance.http.responses import Responses
from appliance.settings import Settings

if TYPE_CHECKING:
    from appliance.knowledge.embedder import Embedder


class Interface:
    def __init__(
        self,
        engine: Engine,
        conversations: Conversations,
        settings: Settings,
        find_embedder: Callable[[], Embedder | None],
    ) -> None:
        self.briefs = Briefs()
        self._callers = Callers(conversations, self.briefs)
        self._bare = Bare(engine, settings)
        openai = OpenAi(
            self._callers,
            self._bare,
            lambda: engine.status.model_id,
            find_embedder,
            settings.max_message_chars,
        )
        responses = Responses(openai, self._callers, conversations, settings.max_message_chars)
        self.operations: tuple[Operation, ...] = (
            *list_openai(openai),
            *list_responses(responses),
            *list_ollama(Ollama(openai, settings.max_message_chars)),
        )

    async def close(self) -> None:
        """After the turns are parked and before the store closes."""
        await self._bare.close()
        await self._callers.close()
