"""What operators see and set beside the conversations, built together: figures, receivers, files.

It decides nothing; `app.py` gives it the rooms it stands on. The rule that must not break: nothing
here is on the way of a customer's question.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.admission import Admission
from appliance.drafting import Drafting
from appliance.http.access_settings import AccessSettings, Doors, list_access_settings
from appliance.http.insight import Insight, Sight, list_insight
from appliance.http.insight_shapes import ShownKnowledge
from appliance.http.metrics import Figures
from appliance.http.openapi import Operation
from appliance.http.ops import Readiness
from appliance.http.outbox import OutboxCalls, list_outbox
from appliance.http.shop_files import ShopFiles, list_shop_routes
from appliance.knowing import KnowledgeRung
from appliance.settings import Settings
from appliance.store.access_file import AccessFile
from appliance.store.database import Store
from appliance.store.insight import InsightRows
from appliance.store.keys import Keys
from appliance.store.lasting import make_lasting
from appliance.store.outbox import Outbox
from appliance.store.versions import Versions
from appliance.telling import Telling
from appliance.vault import Vault, read_clock_ms


class Overseeing:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        vault: Vault,
        admission: Admission,
        knowledge: KnowledgeRung,
        measure: Callable[[], Figures],
        report: Callable[[], Readiness],
    ) -> None:
        self._knowledge = knowledge

        async def note_act(account: str, act: str) -> None:
            await store.write(lambda database: vault.accounts.keep_act(database.conn, account, act))

        rows = InsightRows(store, vault.keyring.seals, read_clock_ms)
        sight = Sight(rows, measure, report, self._tell_knowledge, note_act, read_clock_ms)
        lasting = make_lasting(lambda: vault.keyring.chain_key)
        outbox = Outbox(store, lasting, vault.keyring.seals, vault.accounts, read_clock_ms)
        self.telling = Telling(outbox, read_clock_ms, vault.clock.read_house_ms)
        versions = Versions(store, vault.accounts, read_clock_ms)
        self.drafting = Drafting(settings, knowledge, versions)
        keys = Keys(AccessFile(settings.data), read_clock_ms)
        doors = Doors(admission.accounts, keys, read_clock_ms, note_act)
        self.operations: tuple[Operation, ...] = (
            *list_insight(Insight(sight)),
            *list_outbox(OutboxCalls(outbox, self.telling.look)),
            *list_shop_routes(ShopFiles(self.drafting)),
            *list_access_settings(AccessSettings(doors)),
        )

    def _tell_knowledge(self) -> ShownKnowledge:
        state = self._knowledge.state
        if state == "loading":
            return {"version": "", "state": state, "entries": 0, "passages": 0}
        told = self._knowledge.library.state
        return {
            "version": told.version,
            "state": state,
            "entries": told.entries,
            "passages": told.passages,
        }
