"""Who may speak: the table of changes, and that each is one event, kept, in its place."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialogue.handoff import NEXT, OPEN_STATES, Handoffs, check_change
from appliance.dialogue.turn import Turn
from appliance.errors import HandoffRefused, SessionNotFound, StoreUnavailable, TurnRunning
from appliance.events import Done, Event, Handoff, HandoffState, Message, Numbered, Token
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.handoffs import OwnerChange, Owners
from appliance.store.live import LiveLog
from appliance.store.messages import Answer
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions, key_of

DONE = Done("stop", "model")
STATES = st.sampled_from(sorted(NEXT))


@dataclass
class Desk:
    """A store with its hand-overs; `turns` are those that are under way."""

    store: Store
    live: LiveLog
    log: EventLog
    sessions: Sessions
    owners: Owners
    turns: dict[str, Turn] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.handoffs = Handoffs(self.owners, self.turns.get, self.told.append)

    async def ask(self, session_id: str) -> Turn:
        asked = await self.sessions.accept(session_id, "在吗？")
        first = Numbered(asked.number, asked.run_id, Message("customer", "在吗？"))
        turn = Turn(asked.run_id, asked.session_key, "在吗？", [first])
        self.turns[asked.session_key] = turn
        return turn

    async def say(self, turn: Turn, event: Event) -> Numbered:
        def check() -> None:
            if not self.handoffs.is_bots(turn.session_key):
                raise HandoffRefused("A person speaks.")

        numbered = await self.log.append(turn.session_key, turn.run_id, event, check)
        turn.publish(numbered)
        return numbered

    async def end(self, turn: Turn) -> None:
        ended = await self.sessions.finish(turn.session_key, turn.run_id, Answer(turn.text), DONE)
        turn.publish(ended)
        del self.turns[turn.session_key]

    async def read(self, session_key: str) -> list[Numbered]:
        found: list[Numbered] = []
        while page := await self.log.read(session_key, found[-1].number if found else 0):
            found += page
        return found

    async def read_owner(self, session_key: str) -> tuple[str, int]:
        def query(connection: sqlite3.Connection) -> tuple[str, int]:
            row = connection.execute(
                "SELECT owner, owner_since_ms FROM sessions WHERE session_key = ?", (session_key,)
            ).fetchone()
            return row[0], row[1]

        return await self.store.read(query)


async def open_desk(folder: Path) -> Desk:
    store, live = Store(folder), LiveLog(folder, PLAIN)
    log, clock = EventLog(store, live, PLAIN), count(1_000)
    await store.open()
    unfinished = await log.open()
    owners = Owners(store, log, lambda: next(clock))
    desk = Desk(store, live, log, Sessions(store, log, PLAIN, lambda: next(clock)), owners)
    await desk.handoffs.load()
    for left in unfinished:
        log.begin(left.session_key, left.next_number)
        turn = Turn(left.run_id, left.session_key, "", left.events)
        desk.turns[left.session_key] = turn
    return desk


@asynccontextmanager
async def at_desk(folder: Path) -> AsyncIterator[Desk]:
    desk = await open_desk(folder)
    try:
        yield desk
    finally:
        await desk.log.close()
        await desk.store.close()


async def die(desk: Desk) -> None:
    """What is left of a process that was killed."""
    assert desk.log._mover is not None
    desk.log._mover.cancel()
    await desk.live.close(is_clean=False)
    await desk.store.close()


def test_the_table_is_this() -> None:
    assert {now: sorted(then) for now, then in NEXT.items()} == {
        "bot": ["human", "waiting"],
        "waiting": ["bot", "closed", "human"],
        "human": ["bot", "closed", "waiting"],
        "closed": ["bot", "human", "waiting"],
    }


@given(st.lists(STATES, max_size=30))
def test_whatever_is_tried_only_what_the_table_has_is_done(tries: list[HandoffState]) -> None:
    state: HandoffState = "bot"
    for then in tries:
        try:
            check_change(state, then)
        except HandoffRefused as error:
            assert state in str(error) and then in str(error)
            assert then not in NEXT[state]
        else:
            assert then in NEXT[state] and then != state
            state = then
    # From wherever it came to, the bot can have it back, and a person can be asked for.
    assert state == "bot" or "bot" in NEXT[state]
    assert state in OPEN_STATES or "waiting" in NEXT[state]


async def test_a_wish_between_two_turns_is_one_event_of_no_turn(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        session_id = await desk.sessions.create()
        key = key_of(session_id)
        await desk.end(await desk.ask(session_id))
        assert desk.handoffs.find_owner(key) == "bot"
        assert await desk.handoffs.ask(key, "customer") == "waiting"
        assert await desk.handoffs.ask(key, "customer") == "waiting"
        assert desk.handoffs.find_owner(key) == "waiting"
        assert desk.handoffs.is_bots(key)
        assert desk.handoffs.measure() == {"waiting": 1, "human": 0}
        assert desk.told == [key]
        turn = await desk.ask(session_id)
        events = await desk.read(key)
        (change,) = await desk.owners.read_changes(key)
        assert await desk.read_owner(key) == ("waiting", change.at_ms)
    assert events[2] == Numbered(3, "", Handoff("waiting"))
    assert [one.number for one in events] == [1, 2, 3, 4]
    assert turn.events[0].number == 4
    assert change == OwnerChange(3, "", "waiting", "customer", change.at_ms)


async def test_a_wish_in_mid_answer_stands_among_its_words(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        session_id = await desk.sessions.create()
        turn = await desk.ask(session_id)
        await desk.say(turn, Token("您好"))
        await desk.handoffs.ask(turn.session_key, "asked")
        await desk.say(turn, Token("，请稍等"))
        shown = [*turn.events]
        await desk.end(turn)
        kept = await desk.read(turn.session_key)
        (change,) = await desk.owners.read_changes(turn.session_key)
    assert [one.number for one in shown] == [1, 2, 3, 4]
    assert shown[2] == Numbered(3, turn.run_id, Handoff("waiting"))
    assert kept[:4] == shown
    assert (change.number, change.run_id, change.reason) == (3, turn.run_id, "asked")
    assert desk.told == []


@pytest.mark.parametrize("said", range(5))
async def test_no_word_of_the_bot_comes_after_a_person_took_over(tmp_path: Path, said: int) -> None:
    """The bot speaks on as fast as it can while the person comes, wherever it is just then."""
    async with at_desk(tmp_path) as desk:
        turn = await desk.ask(await desk.sessions.create())

        async def speak() -> None:
            for number in range(1000):
                await desk.say(turn, Token(f"{number} "))

        speaking = asyncio.create_task(speak())
        while sum(isinstance(one.event, Token) for one in turn.events) < said:
            await asyncio.sleep(0)
        await desk.handoffs.move(turn.session_key, "human", "operator")
        with pytest.raises(HandoffRefused):
            await speaking
        assert turn.events[-1].event == Handoff("human")
        assert [one.number for one in turn.events] == list(range(1, len(turn.events) + 1))
        assert not desk.handoffs.is_bots(turn.session_key)
        await desk.end(turn)
        kept = await desk.read(turn.session_key)
    assert kept == turn.events


@pytest.mark.parametrize("moved", [False, True])
async def test_a_killed_process_keeps_the_owner_and_every_word(tmp_path: Path, moved: bool) -> None:
    first = await open_desk(tmp_path)
    turn = await first.ask(await first.sessions.create())
    for event in (Token("一"), Token("二")):
        await first.say(turn, event)
    if moved:
        await first.log.move()
    await first.handoffs.ask(turn.session_key, "asked")
    await first.say(turn, Token("三"))
    await die(first)
    async with at_desk(tmp_path) as second:
        again = second.turns[turn.session_key]
        assert again.events == turn.events
        assert again.text == "一二三"
        assert second.handoffs.find_owner(turn.session_key) == "waiting"
        await second.say(again, Token("四"))
        assert again.events[-1].number == 6


@pytest.mark.parametrize("path", [("waiting",), ("human",), ("waiting", "closed")])
async def test_a_restart_in_any_state_keeps_it(
    tmp_path: Path, path: tuple[HandoffState, ...]
) -> None:
    async with at_desk(tmp_path) as first:
        session_id = await first.sessions.create()
        key = key_of(session_id)
        for state in path:
            assert await first.handoffs.move(key, state, "test") == state
        owner = await first.read_owner(key)
    async with at_desk(tmp_path) as second:
        assert second.handoffs.find_owner(key) == path[-1]
        assert second.handoffs.is_bots(key) == (path[-1] != "human")
        assert await second.read_owner(key) == owner
        assert await second.handoffs.take_back(key, "message") == "bot"
        assert second.handoffs.measure() == {"waiting": 0, "human": 0}
        assert [change.state for change in await second.owners.read_changes(key)] == [*path, "bot"]


@pytest.mark.parametrize("is_answering", [False, True])
async def test_a_change_that_is_not_in_the_table_leaves_no_trace(
    tmp_path: Path, is_answering: bool
) -> None:
    async with at_desk(tmp_path) as desk:
        session_id = await desk.sessions.create()
        turn = await desk.ask(session_id)
        if not is_answering:
            await desk.end(turn)
        with pytest.raises(HandoffRefused):
            await desk.handoffs.move(turn.session_key, "closed", "customer")
        assert desk.handoffs.find_owner(turn.session_key) == "bot"
        assert await desk.owners.read_changes(turn.session_key) == ()
        if is_answering:
            assert (await desk.say(turn, Token("在的"))).number == 2
        await desk.log.move()
        kept = await desk.read(turn.session_key)
        assert [type(one.event) for one in kept] == [Message, Token if is_answering else Done]


async def test_a_session_that_is_not_there_belongs_to_nobody(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        with pytest.raises(SessionNotFound):
            await desk.handoffs.ask(key_of("nobody"), "customer")
        session_id = await desk.sessions.create()
        await desk.handoffs.ask(key_of(session_id), "customer")
        await desk.sessions.forget(session_id)
        desk.handoffs.forget(key_of(session_id))
        assert desk.handoffs.measure() == {"waiting": 0, "human": 0}
        assert await desk.owners.read_changes(key_of(session_id)) == ()


async def test_of_many_wishes_at_once_one_is_made_and_all_are_content(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        key = key_of(await desk.sessions.create())
        states = await asyncio.gather(*[desk.handoffs.ask(key, "customer") for _ in range(50)])
        assert set(states) == {"waiting"}
        assert len(await desk.owners.read_changes(key)) == 1


async def test_a_wish_never_takes_the_conversation_from_a_person(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        key = key_of(await desk.sessions.create())
        taken, asked = await asyncio.gather(
            desk.handoffs.move(key, "human", "operator"), desk.handoffs.ask(key, "customer")
        )
        assert (taken, asked) == ("human", "human")
        assert await desk.handoffs.ask(key, "customer") == "human"
        assert await desk.handoffs.move(key, "waiting", "operator left") == "waiting"


@pytest.mark.parametrize(
    ("state", "then"),
    [("bot", "bot"), ("waiting", "closed"), ("human", "human"), ("closed", "closed")],
)
async def test_only_who_waits_has_a_wish_to_withdraw(
    tmp_path: Path, state: HandoffState, then: HandoffState
) -> None:
    async with at_desk(tmp_path) as desk:
        key = key_of(await desk.sessions.create())
        for step in ("waiting", state) if state != "bot" else ():
            await desk.handoffs.move(key, step, "test")
        before = await desk.owners.read_changes(key)
        await desk.handoffs.withdraw(key)
        assert desk.handoffs.find_owner(key) == then
        later = (await desk.owners.read_changes(key))[len(before) :]
    assert [(one.state, one.reason) for one in later] == [("closed", "customer")] * (state != then)


async def test_who_withdraws_while_a_person_comes_has_the_person(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        key = key_of(await desk.sessions.create())
        await desk.handoffs.ask(key, "customer")
        await asyncio.gather(desk.handoffs.take(key, "mei"), desk.handoffs.withdraw(key))
        assert desk.handoffs.find(key).account == "mei"
        assert [one.state for one in await desk.owners.read_changes(key)] == ["waiting", "human"]


async def test_wishes_and_messages_at_once_never_share_a_number(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        session_id = await desk.sessions.create()
        key = key_of(session_id)
        for state in ("waiting", "closed", "bot") * 4:
            turn, _ = await asyncio.gather(
                desk.ask(session_id), desk.handoffs.move(key, state, "test")
            )
            await desk.say(turn, Token("在"))
            await desk.end(turn)
        events = await desk.read(key)
    assert [one.number for one in events] == list(range(1, len(events) + 1))
    assert sum(isinstance(one.event, Handoff) for one in events) == 12


async def test_a_turn_that_nobody_leads_yet_is_not_talked_into(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        session_id = await desk.sessions.create()
        asked = await desk.sessions.accept(session_id, "在吗？")
        with pytest.raises(TurnRunning):
            await desk.handoffs.ask(asked.session_key, "customer")
        assert await desk.owners.read_changes(asked.session_key) == ()


async def test_a_change_the_disk_refused_is_none_and_its_number_is_not_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(change: object) -> None:
        raise StoreUnavailable("The disk is full.")

    async with at_desk(tmp_path) as desk:
        turn = await desk.ask(await desk.sessions.create())
        with monkeypatch.context() as patch:
            patch.setattr(desk.store, "write", refuse)
            with pytest.raises(StoreUnavailable):
                await desk.handoffs.ask(turn.session_key, "asked")
        assert desk.handoffs.find_owner(turn.session_key) == "bot"
        assert (await desk.say(turn, Token("在的"))).number == 3


async def test_a_caller_that_is_cancelled_leaves_memory_and_disk_agreed(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        turn = await desk.ask(await desk.sessions.create())
        await desk.say(turn, Token("在"))
        asking = asyncio.create_task(desk.handoffs.ask(turn.session_key, "customer"))
        while not desk.log._moving.locked():
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await desk.say(turn, Token("的"))
        assert desk.handoffs.find_owner(turn.session_key) == "waiting"
        await desk.end(turn)
        assert await desk.read(turn.session_key) == turn.events
        assert [one.number for one in turn.events] == [1, 2, 3, 4, 5]
