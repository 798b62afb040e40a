"""What operators see and set beside the conversations, built together: figures, receivers, files.

It decides nothing; `app.py` gives it the rooms it stands on. The rule that must not break: nothing
here is on the way of a customer's question.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from appliance.admission import Admission
from appliance.dialogue.desk import Desk
from appliance.draft_settings import DraftSettings, Running
from appliance.drafting import Drafting, ReadWordings
from appliance.engine.engine import Engine
from appliance.http.access_settings import AccessSettings, Doors, list_access_settings
from appliance.http.changes import ChangeCalls, PutBack, list_changes
from appliance.http.insight import Insight, Sight, list_insight
from appliance.http.insight_shapes import ShownKnowledge
from appliance.http.metrics import Figures
from appliance.http.noted import Noted
from appliance.http.openapi import Operation
from appliance.http.ops import Readiness
from appliance.http.outbox import OutboxCalls, list_outbox
from appliance.http.shop_files import ShopFiles, list_shop_routes
from appliance.http.tool_settings import ToolSettings, list_tool_routes
from appliance.knowing import KnowledgeRung
from appliance.reloading import Reloading
from appliance.settings import Settings
from appliance.settings_file import SettingsFile
from appliance.store.access_file import AccessFile
from appliance.store.changes import Act, Kind
from appliance.store.database import Store
from appliance.store.insight import InsightRows
from appliance.store.keys import Keys
from appliance.store.lasting import make_lasting
from appliance.store.outbox import Outbox
from appliance.store.retention import count_before
from appliance.store.versions import Versions
from appliance.telling import Telling
from appliance.tool_desk import ToolDesk
from appliance.vault import Vault, read_clock_ms


@dataclass(frozen=True, slots=True)
class Adjusting:
    """What it takes to change a setting while the appliance runs."""

    engine: Engine
    reloading: Reloading
    file: SettingsFile | None
    desk: Desk
    read_wordings: ReadWordings


@dataclass(frozen=True, slots=True)
class Seeing:
    """How the house is at this moment."""

    measure: Callable[[], Figures]
    report: Callable[[], Readiness]


class Overseeing:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        vault: Vault,
        admission: Admission,
        knowledge: KnowledgeRung,
        adjusting: Adjusting,
        seeing: Seeing,
    ) -> None:
        self._knowledge = knowledge

        async def note_act(account: str, act: str) -> None:
            await store.write(lambda database: vault.accounts.keep_act(database.conn, account, act))

        rows = InsightRows(store, vault.keyring.seals, read_clock_ms)
        measure, report = seeing.measure, seeing.report
        sight = Sight(rows, measure, report, self._tell_knowledge, note_act, read_clock_ms)
        changes = vault.make_changes(store)
        lasting = make_lasting(lambda: vault.keyring.chain_key)
        outbox = Outbox(store, lasting, vault.keyring.seals, vault.accounts, read_clock_ms, changes)
        self.telling = Telling(outbox, read_clock_ms, vault.clock.read_house_ms)
        versions = Versions(store, vault.accounts, read_clock_ms)
        reloading = adjusting.reloading
        running = Running(
            adjusting.engine,
            lambda: reloading.settings,
            reloading.take,
            lambda until_ms: count_before(store, until_ms),
            vault.clock.read_house_ms,
        )
        values = DraftSettings(adjusting.file, running)
        self.drafting = Drafting(settings, knowledge, versions, values, adjusting.read_wordings)
        tools = ToolDesk(knowledge.folder, settings.data, self.drafting)
        keys = Keys(AccessFile(settings.data), read_clock_ms)
        doors = Doors(admission.accounts, keys, read_clock_ms, note_act, changes)
        access = AccessSettings(doors)
        operations = (
            *list_insight(Insight(sight)),
            *list_outbox(OutboxCalls(outbox, self.telling.look)),
            *list_shop_routes(ShopFiles(self.drafting, note_act)),
            *list_tool_routes(ToolSettings(tools, note_act, is_example=knowledge.is_example)),
            *list_access_settings(access),
            *list_changes(
                ChangeCalls(changes, _list_undoers(access, outbox, adjusting.desk), note_act)
            ),
        )
        self.operations: tuple[Operation, ...] = Noted(note_act, time.monotonic).wrap(operations)

    def _tell_knowledge(self) -> ShownKnowledge:
        state = self._knowledge.state
        told = None if state == "loading" else self._knowledge.library.state
        done, total = self._knowledge.vectors
        return {
            "version": told.version if told else "",
            "state": state,
            "entries": told.entries if told else 0,
            "passages": told.passages if told else 0,
            "vectors_done": done,
            "vectors_total": total,
        }


def _list_undoers(
    access: AccessSettings, outbox: Outbox, desk: Desk
) -> dict[tuple[Kind, Act], PutBack]:
    return {
        ("account", "changed"): access.put_back,
        ("account", "removed"): access.put_back,
        ("key", "removed"): access.put_key_back,
        ("webhook", "removed"): outbox.put_back,
        ("replies", "changed"): desk.put_back,
    }
