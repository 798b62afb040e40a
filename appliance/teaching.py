"""Learning from misses, put together: it comes up with the knowledge and is asked by the console.

It decides nothing. The rule that must not break: nothing that it needs is imported before the page
is up, and customers are served before anything is tried here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.http.learning import LearningDesk, list_learning
from appliance.knowing import KnowledgeRung
from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.database import Store
from appliance.store.publications import Publications
from appliance.store.questions import Questions
from appliance.vault import Vault, read_clock_ms

if TYPE_CHECKING:
    from appliance.dialogue.learning import Learning

# While somebody is answered, one question is tried in this time.
PAUSE_S = 0.02


class Teaching:
    def __init__(
        self, settings: Settings, store: Store, vault: Vault, knowledge: KnowledgeRung
    ) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault
        self._knowledge = knowledge
        self._questions = Questions(store, vault.keyring.seals)
        self._publications = Publications(store, read_clock_ms)
        self._learning: Learning | None = None
        self._never = asyncio.Event()
        self.operations = list_learning(LearningDesk(self.find, self._note))

    def find(self) -> Learning | None:
        """None until the knowledge can be asked."""
        if self._learning is None and self._knowledge.state == "ready":
            self._learning = self._build()
        return self._learning

    def _build(self) -> Learning:
        from appliance.dialogue.learning import Learning, Place

        knowledge = self._knowledge
        return Learning(
            self._questions,
            self._publications,
            knowledge.library,
            knowledge.ladder,
            Place(
                knowledge.folder,
                self._settings.data,
                knowledge.is_example,
                knowledge.writing,
            ),
            knowledge.embedder,
            read_clock_ms,
            self._breathe,
        )

    async def read_wordings(self) -> list[tuple[str, int]]:
        """Raises StoreUnavailable."""
        learning = self.find()
        return await learning.read_wordings() if learning is not None else []

    async def close(self) -> None:
        if self._learning is not None:
            await self._learning.end_sweep()

    async def _breathe(self) -> None:
        """Customers go first."""
        if not self._knowledge.may_work():
            await wait_at_most(self._never, PAUSE_S)

    async def _note(self, account: str, act: str) -> None:
        accounts = self._vault.accounts
        await self._store.write(lambda database: accounts.keep_act(database.conn, account, act))
