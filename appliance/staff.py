"""The operators' side put together: who waits, who is there, and what is done at the desk.

It decides nothing; `app.py` gives it the rooms that it stands on. The rule that must not break: it
is told of every conversation that changes hands, and a start finds all of them as they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from appliance.admission import Admission
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.desk import Desk
from appliance.dialogue.presence import Presence
from appliance.dialogue.waiting import Waiting
from appliance.hours import read_hours
from appliance.http.desk import DeskCalls
from appliance.http.desk_routes import list_desk_acts, list_views
from appliance.http.desk_streams import DeskStreams
from appliance.http.openapi import Operation
from appliance.settings import Settings
from appliance.store.database import Store
from appliance.store.desk import DeskBook
from appliance.store.desk_rows import DeskRows
from appliance.store.events import EventLog
from appliance.store.handoffs import Owners
from appliance.store.messages import MessageRows
from appliance.vault import Vault, read_clock_ms


class Staff:
    def __init__(
        self,
        settings: Settings,
        store: Store,
        log: EventLog,
        owners: Owners,
        vault: Vault,
        conversations: Conversations,
        admission: Admission,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        seals = vault.keyring.seals
        rows = MessageRows(seals, read_clock_ms)
        clocks = (read_clock_ms, vault.clock.read_house_ms)
        book = DeskBook(store, log, seals, rows, clocks, vault.accounts)
        handoffs = conversations.handoffs
        presence = Presence(clock)
        hours = read_hours(settings.business_hours)
        waiting = Waiting(
            handoffs, presence, hours, conversations.tell, lambda: datetime.now().astimezone()
        )
        handoffs.describe = waiting.describe
        handoffs.promise = lambda language: waiting.promise(language)[0]
        self.desk = Desk(
            handoffs,
            owners,
            conversations.feeds,
            conversations.find_turn,
            book,
            DeskRows(store, seals, rows),
            waiting,
            presence,
            read_clock_ms,
        )
        calls = DeskCalls(self.desk, settings.max_message_chars)
        streams = DeskStreams(self.desk, admission.accounts)
        self.operations: tuple[Operation, ...] = (
            *list_views(calls, streams),
            *list_desk_acts(calls),
        )

    async def run_forever(self) -> None:
        await self.desk.board.run_forever()

    def stop(self) -> None:
        self.desk.board.close()
