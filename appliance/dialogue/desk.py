"""The operators' desk: who takes a conversation, answers in it, gives it back, and who finds whom.

It knows no HTTP and says nothing by itself. The rules that must not break: a conversation has one
operator at most, only he speaks in it, and every act is a row of the audit log that is on disk
with what it tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from appliance.dialogue.board import AtDesk, Board, ShownRow, Writing
from appliance.dialogue.drafts import Decision, Drafts
from appliance.dialogue.feed import TO_OPERATORS, TYPING_CUSTOMER, TYPING_OPERATOR, Feeds
from appliance.dialogue.handoff import OPEN_STATES, TRIES, Handoffs
from appliance.dialogue.language import language_of
from appliance.dialogue.presence import Presence
from appliance.dialogue.turn import Turn
from appliance.dialogue.waiting import Waiting
from appliance.errors import AlreadyTaken, HandoffRefused, TurnRunning
from appliance.events import Message, Numbered, Typing
from appliance.store.changes import Change
from appliance.store.decisions import Decided
from appliance.store.desk import DeskBook, Reply
from appliance.store.desk_rows import DeskRows, Listed, Opened, Row
from appliance.store.handoffs import Owner, OwnerChange, Owners

Running: TypeAlias = Literal["stop", "finish"]
Release: TypeAlias = Literal["bot", "waiting", "closed"]
TAKE_FIRST = "Take the conversation over before you answer in it."


@dataclass(frozen=True, slots=True)
class OpenedConversation:
    """`opened` up to its `last_number`; the events behind it tell the rest."""

    shown: ShownRow
    opened: Opened
    changes: tuple[OwnerChange, ...]


class Desk:
    def __init__(
        self,
        handoffs: Handoffs,
        owners: Owners,
        feeds: Feeds,
        find_turn: Callable[[str], Turn | None],
        book: DeskBook,
        rows: DeskRows,
        waiting: Waiting,
        presence: Presence,
        drafts: Drafts,
        now_ms: Callable[[], int],
    ) -> None:
        self._handoffs = handoffs
        self._owners = owners
        self._feeds = feeds
        self._find_turn = find_turn
        self._book = book
        self._rows = rows
        self._waiting = waiting
        self._drafts = drafts
        self._now_ms = now_ms
        self.presence = presence
        self.board = Board(handoffs, find_turn, self.show)
        feeds.on_news, feeds.on_end = self.board.look, self.board.end
        presence.on_change = self._tell_at_desk
        self._claims: dict[str, str] = {}

    async def list_page(self, before: int | None, limit: int) -> tuple[Listed, list[ShownRow]]:
        listed = await self._rows.list_page(before, limit)
        waiting = enumerate(self._handoffs.list_owned("waiting"), start=1)
        places = {key: place for place, (key, _) in waiting}
        return listed, [self._show(row, places.get(row.session_key, 0)) for row in listed.rows]

    async def note_view(self, account: str, act: str, session_key: str = "") -> None:
        """Also what is only looked at is a row of the audit log."""
        await self._book.note_act(account, act, session_key)

    async def show(self, session_key: str) -> ShownRow:
        """Raises SessionNotFound."""
        return self._place(await self._rows.find(session_key))

    async def open(self, session_key: str, account: str) -> OpenedConversation:
        """All of it. Raises SessionNotFound."""
        await self._rows.find(session_key)
        # Before it is read: whose it is may change while this is written.
        await self._book.note_act(account, "open", session_key)
        while True:
            turn = self._find_turn(session_key)
            opened = await self._rows.open(session_key)
            changes = await self._owners.read_changes(session_key)
            if turn is self._find_turn(session_key):
                break
        if turn is not None:
            opened = cut_before_answer(opened, turn)
        return OpenedConversation(self._place(opened.row), opened, changes)

    async def watch(self, session_key: str, after: int, account: str) -> AsyncGenerator[Numbered]:
        """The conversation's events above `after`, and what only operators see. Raises
        SessionNotFound."""
        await self._rows.find(session_key)
        await self._book.note_act(account, "watch", session_key)
        return self._feeds.follow(session_key, after, TO_OPERATORS)

    async def take(self, session_key: str, account: str, running: Running) -> ShownRow:
        """Make the conversation `account`'s; an answer under way is stopped, or ends first. Who is
        cancelled while it ends takes nothing.

        Raises AlreadyTaken, SessionNotFound, TurnRunning.
        """
        row = await self._rows.find(session_key)
        if (claimed := self._claims.get(session_key, account)) != account:
            raise AlreadyTaken(claimed)
        before = self._handoffs.find(session_key)
        if before.state == "human" and before.account != account:
            raise AlreadyTaken(before.account)
        self._claims[session_key] = account
        try:
            # A draft ends only when somebody decides on it: he who takes over does.
            if running == "finish" and self._drafts.find(session_key) is None:
                await self._wait_for_end(session_key)
            self.presence.expect(account)
            self._handoffs.languages[session_key] = language_of(row.asked)
            taking = asyncio.create_task(self._take(session_key, account, running, before))
            # What is on disk is done whole, even if the caller is cancelled.
            await asyncio.shield(taking)
        finally:
            self._claims.pop(session_key, None)
        return await self.show(session_key)

    async def release(
        self, session_key: str, account: str, state: Release, *, is_owner: bool
    ) -> ShownRow:
        """Give the conversation back. Raises AlreadyTaken, HandoffRefused, SessionNotFound."""
        also = self._book.audit(account, f"release, {state}", session_key)
        whose = None if is_owner else account
        await self._handoffs.move(session_key, state, "operator", also, whose)
        return await self.show(session_key)

    async def assign(self, session_key: str, account: str, to: str) -> ShownRow:
        """Make it `to`'s. Raises HandoffRefused, AlreadyTaken, SessionNotFound."""

        def check(owner: Owner) -> None:
            if owner.state not in ("waiting", "human"):
                raise HandoffRefused("Nobody waits for a person in this conversation.")
            if owner.state == "human" and owner.account != account:
                raise AlreadyTaken(owner.account)

        also = self._book.audit(account, "assign", session_key)
        self.presence.expect(to)
        await self._handoffs.assign(session_key, to, check, also)
        self.board.note(session_key)
        return await self.show(session_key)

    async def say(
        self, session_key: str, account: str, text: str, client_id: str | None = None
    ) -> int:
        """The event's number. Raises HandoffRefused, AlreadyTaken, SessionNotFound, TurnRunning."""
        saying = asyncio.create_task(
            self._say(session_key, Message("operator", text, account), client_id)
        )
        # What is on disk is shown, even if the caller is cancelled.
        return await asyncio.shield(saying)

    async def load(self) -> None:
        """Whose answers are held back, and what was decided on them. Raises StoreUnavailable."""
        self._drafts.is_all, keys = await self._book.read_held()
        self._drafts.keys = set(keys)
        self._drafts.left = dict(await self._book.decisions.read_open())
        waiting, human = map(self._handoffs.list_owned, OPEN_STATES)
        for session_key, _ in (*waiting, *human):
            asked = (await self._rows.find(session_key)).asked
            self._handoffs.languages[session_key] = language_of(asked)

    @property
    def is_all_held(self) -> bool:
        return self._drafts.is_all

    async def hold(self, session_key: str, account: str, *, is_on: bool) -> ShownRow:
        """From the next answer on. Raises SessionNotFound."""
        await self._book.hold(session_key, account, is_on=is_on)
        (self._drafts.keys.add if is_on else self._drafts.keys.discard)(session_key)
        self.board.note(session_key)
        return await self.show(session_key)

    async def hold_all(self, account: str, *, is_on: bool) -> None:
        await self._book.hold_all(account, is_on=is_on)
        self._drafts.is_all = is_on
        self._tell_at_desk()

    @property
    def at_desk(self) -> AtDesk:
        return AtDesk(self.presence.names, self.is_all_held)

    def _tell_at_desk(self) -> None:
        self.board.tell("operators", self.at_desk)

    async def decide(self, session_key: str, account: str, run_id: str, decision: Decision) -> None:
        """What becomes of an answer that is held back. Raises HandoffRefused."""
        also = self._book.audit(account, f"draft, {decision.action}", session_key)

        async def keep(decided: Decided) -> None:
            await self._book.decisions.keep(session_key, run_id, decided, also)

        # What is on disk counts, even if the caller is cancelled.
        deciding = asyncio.create_task(self._drafts.decide(session_key, run_id, decision, keep))
        await asyncio.shield(deciding)

    async def read_replies(self, account: str) -> tuple[Reply, ...]:
        await self.note_view(account, "read replies")
        return await self._book.read_replies()

    async def keep_replies(self, account: str, replies: Sequence[Reply]) -> None:
        await self._book.keep_replies(account, replies)

    async def put_back(self, change: Change, account: str) -> None:
        """The canned replies as they were before that change."""
        replies = [Reply(*one) for one in change.before.items()]
        await self._book.keep_replies(account, replies)

    async def note(self, session_key: str, account: str, text: str) -> None:
        await self._book.note(session_key, account, text)

    def type(self, session_key: str, account: str) -> None:
        """The customer and the other operators see that he writes."""
        self._feeds.pass_by(session_key, TYPING_OPERATOR, Typing("operator"))
        self.board.tell(("typing", session_key), Writing(session_key, account))

    def type_as_customer(self, session_key: str) -> None:
        self._feeds.pass_by(session_key, TYPING_CUSTOMER, Typing("customer"))
        self.board.tell(("typing", session_key), Writing(session_key, "customer"))

    def _place(self, row: Row) -> ShownRow:
        is_waiting = row.state == "waiting"
        return self._show(row, self._waiting.find_place(row.session_key) if is_waiting else 0)

    def _show(self, row: Row, place: int) -> ShownRow:
        turn = self._find_turn(row.session_key)
        return ShownRow(
            row,
            is_running=turn is not None and not turn.is_ended,
            is_held=self._drafts.is_held(row.session_key),
            place=place,
        )

    async def _wait_for_end(self, session_key: str) -> None:
        if turn := self._find_turn(session_key):
            async for _ in turn.watch():
                continue

    async def _take(self, session_key: str, account: str, running: Running, before: Owner) -> None:
        also = self._book.audit(account, f"take, {running}", session_key)
        await self._handoffs.take(session_key, account, also)
        if before.state == "waiting":
            self._waiting.note_wait(self._now_ms() - before.since_ms)
        # Its next word would be refused anyway; so no word more is computed.
        if turn := self._find_turn(session_key):
            turn.stop()

    async def _say(self, session_key: str, said: Message, client_id: str | None) -> int:
        def check(owner: Owner) -> None:
            if owner.state != "human":
                raise HandoffRefused(TAKE_FIRST)
            if owner.account != said.name:
                raise AlreadyTaken(owner.account)

        for tries_left in reversed(range(TRIES)):
            turn = self._find_turn(session_key)
            run_id = turn.run_id if turn is not None else ""
            try:
                kept = await self._book.say(session_key, run_id, said, client_id, check)
            except TurnRunning:
                if not tries_left:
                    raise
                continue
            if kept is None:
                break
            # From here to the end nothing waits: the turn's next event comes after this one.
            if turn is not None and kept.run_id:
                turn.publish(kept)
            else:
                self._feeds.tell(session_key)
            self.board.note(session_key)
            return kept.number
        assert client_id is not None, "only a call with an id of its own is known again"
        known = await self._book.find_said(session_key, client_id)
        return known.number if known else 0


def cut_before_answer(opened: Opened, turn: Turn) -> Opened:
    """What is known before the answer that is under way: its events tell it from the first on."""
    places = [
        at
        for at, message in enumerate(opened.messages, start=1)
        if message.run_id == turn.run_id and message.role == "customer"
    ]
    before = opened.messages[: places[0]] if places else opened.messages
    return replace(opened, messages=before, last_number=turn.events[0].number)
