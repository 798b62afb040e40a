"""The operators' side put together: who waits, who is there, and what is done at the desk.

It decides nothing; `app.py` gives it the rooms that it stands on. The rule that must not break: it
is told of every conversation that changes hands, and a start finds all of them as they were.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from appliance.admission import Admission
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.desk import Desk
from appliance.dialogue.drafts import Drafts
from appliance.dialogue.presence import Presence
from appliance.dialogue.rounds import PAUSE_S, Rounds
from appliance.dialogue.suggesting import Suggesting
from appliance.dialogue.visiting import Visiting
from appliance.dialogue.waiting import Waiting
from appliance.hours import read_hours
from appliance.http.desk import DeskCalls
from appliance.http.desk_aids import DeskAids, list_aids
from appliance.http.desk_routes import list_desk_acts, list_views
from appliance.http.desk_streams import DeskStreams
from appliance.http.openapi import Operation
from appliance.http.visits import Visits, list_visits
from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.accounts import Accounts
from appliance.store.database import Store
from appliance.store.desk import DeskBook
from appliance.store.desk_rows import DeskRows
from appliance.store.events import EventLog
from appliance.store.handoffs import Owners
from appliance.store.messages import MessageRows
from appliance.store.sessions import Sessions
from appliance.vault import Vault, read_clock_ms

if TYPE_CHECKING:
    from appliance.knowledge.library import Library

Rooms: TypeAlias = tuple[Store, EventLog, Owners, Sessions]
"""Of the store."""


class Staff:
    def __init__(
        self,
        settings: Settings,
        rooms: Rooms,
        vault: Vault,
        conversations: Conversations,
        admission: Admission,
        find_library: Callable[[], Library | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        store, log, owners, sessions = rooms
        seals = vault.keyring.seals
        rows = MessageRows(seals, read_clock_ms)
        clocks = (read_clock_ms, vault.clock.read_house_ms)
        book = DeskBook(store, log, seals, rows, clocks, vault.accounts, vault.make_changes(store))
        handoffs = conversations.handoffs
        presence = Presence(clock)
        hours = read_hours(settings.business_hours)
        waiting = Waiting(
            handoffs, presence, hours, conversations.tell, lambda: datetime.now().astimezone()
        )
        handoffs.describe = waiting.describe
        handoffs.promise = lambda language: waiting.promise(language)[0]
        self.drafts = Drafts(handoffs, conversations.feeds, handoffs.promise)
        desk_rows = DeskRows(store, seals, rows)
        self.desk = Desk(
            handoffs,
            owners,
            conversations.feeds,
            conversations.find_turn,
            book,
            desk_rows,
            waiting,
            presence,
            self.drafts,
            read_clock_ms,
        )
        self.rounds = Rounds(
            handoffs, conversations.feeds, presence, waiting, settings.wait_minutes, clock
        )
        self._stopping = asyncio.Event()
        suggesting = Suggesting(desk_rows, find_library)
        most_chars = settings.max_message_chars
        self.operations = (
            *list_operations(self.desk, suggesting, admission.accounts, most_chars),
            *list_visits(Visits(Visiting(sessions, book, self.desk))),
        )

    async def run_forever(self) -> None:
        self.desk.presence.begin()
        board = asyncio.create_task(self.desk.board.run_forever())
        while not await wait_at_most(self._stopping, PAUSE_S):
            await self.rounds.go()
        await board

    def stop(self) -> None:
        self._stopping.set()
        self.desk.board.close()


def list_operations(
    desk: Desk, suggesting: Suggesting, accounts: Accounts, most_chars: int
) -> tuple[Operation, ...]:
    """What an operator can call."""
    calls = DeskCalls(desk, accounts, most_chars)
    return (
        *list_views(calls, DeskStreams(desk, accounts)),
        *list_desk_acts(calls),
        *list_aids(DeskAids(desk, suggesting, accounts, most_chars)),
    )
