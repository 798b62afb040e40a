"""A person takes over: at every token of an answer, at random ones, in every state, for good.

Every word of the bot comes before the event that says that a person has taken over, and nothing
that either side said is lost.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from appliance.app import House
from appliance.dialogue.board import Removed, ShownRow
from appliance.dialogue.desk import Desk
from appliance.dialogue.rounds import Rounds
from appliance.dialogue.turn import Turn
from appliance.engine.scripted import Line, ScriptedEngine, Wait
from appliance.errors import AlreadyTaken, HandoffRefused
from appliance.events import Done, Event, Handoff, HandoffState, Message, Numbered, Token
from appliance.settings import Settings
from appliance.store.sessions import key_of
from tests.scripted_house import choose_settings

ANSWER = "您好，您的订单昨天已经发出，请您在家里等一等，快递员会给您打电话，谢谢您的耐心！"
QUESTION = "我的包裹现在走到哪里了呢"
Running = Literal["stop", "finish"]


class Step(asyncio.Event):
    """The script waits for it; `reached` says that it does."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.reached.set()
        return await super().wait()


class Paced:
    """A script whose answer stands still before the sign that a test names."""

    def __init__(self) -> None:
        self.steps = [Step() for _ in range(len(ANSWER) + 1)]

    def script(self, question: str) -> list[Line]:
        signs = [*ANSWER, ""]
        return [
            line
            for step, sign in zip(self.steps, signs, strict=True)
            for line in (Wait(step), sign)
        ]

    async def stand_at(self, place: int) -> None:
        for step in self.steps[:place]:
            step.set()
        await self.steps[place].reached.wait()

    def go_on(self) -> None:
        for step in self.steps:
            step.set()


@dataclass
class Place:
    """A house and one customer in it."""

    house: House
    session_id: str

    @property
    def key(self) -> str:
        return key_of(self.session_id)

    @property
    def desk(self) -> Desk:
        return self.house.staff.desk

    async def ask(self, question: str = QUESTION) -> Turn:
        asked = await self.house.conversations.say(question, self.session_id)
        assert asked.turn is not None
        return asked.turn

    async def read(self) -> list[Numbered]:
        """Every event that is kept."""
        found: list[Numbered] = []
        while page := await self.house._events.read(self.key, found[-1].number if found else 0):
            found += page
        return found


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def living(
    settings: Settings, engine: ScriptedEngine, clock: Clock | None = None
) -> AsyncIterator[House]:
    """Its clock stands still but for what a test does to it."""
    house = House(settings, engine, read_seconds=clock or Clock())
    async with house.application.router.lifespan_context(house.application):
        await engine.wait_ready()
        await house.conversations._recovered.wait()
        yield house


@asynccontextmanager
async def visited(folder: Path, engine: ScriptedEngine) -> AsyncIterator[Place]:
    async with living(choose_settings(folder), engine) as house:
        yield Place(house, await house.conversations.open())


async def end(turn: Turn) -> Event:
    async for one in turn.watch():
        last = one.event
    return last


def is_word_of_the_bot(event: Event) -> bool:
    is_offer = isinstance(event, Done) and bool(event.suggestions)
    return isinstance(event, Token) or is_offer


def check_silence(events: list[Numbered]) -> str:
    """That the bot says nothing after the first takeover; what it had said."""
    at = next(at for at, one in enumerate(events) if one.event == Handoff("human", name="wang"))
    assert not [one for one in events[at:] if is_word_of_the_bot(one.event)]
    assert [one.number for one in events] == list(range(1, len(events) + 1))
    return "".join(one.event.text for one in events[:at] if isinstance(one.event, Token))


async def take_over_at(place: Place, paced: Paced, tokens: int, running: Running) -> None:
    """With words of both sides around it, which must all be there at the end."""
    turn = await place.ask()
    await paced.stand_at(tokens)
    taking = asyncio.create_task(place.desk.take(place.key, "wang", running))
    if running == "finish":
        await asyncio.sleep(0)
        paced.go_on()
    shown = await taking
    assert (shown.row.state, shown.row.account) == ("human", "wang")
    first = asyncio.create_task(place.desk.say(place.key, "wang", "我是小王，我来帮您。"))
    paced.go_on()
    await asyncio.gather(first, end(turn))
    silent = await place.ask("好的，谢谢你！")
    second = asyncio.create_task(place.desk.say(place.key, "wang", "包裹今天下午送到。"))
    ended = await end(silent)
    await second
    assert isinstance(ended, Done) and (ended.source, silent.text) == ("human", "")

    events = await place.read()
    spoken = check_silence(events)
    said = [one.event.text for one in events if isinstance(one.event, Message)]
    words = [QUESTION, "我是小王，我来帮您。", "好的，谢谢你！", "包裹今天下午送到。"]
    assert sorted(said) == sorted(words)
    opened = (await place.desk.open(place.key, "wang")).opened
    kept = [message.text for message in opened.messages if message.text]
    assert sorted(kept) == sorted([*words, turn.text] if turn.text else words)
    assert turn.text == spoken == ANSWER[: len(spoken)]
    assert spoken == ANSWER or running == "stop"


@pytest.mark.parametrize("running", ["stop", "finish"])
async def test_no_word_of_the_bot_comes_after_a_takeover_at_any_token(
    tmp_path: Path, running: Running
) -> None:
    places = [*range(len(ANSWER) + 1), *random.Random(9).choices(range(len(ANSWER)), k=20)]
    assert len(places) > 50
    scripts: list[Paced] = []
    engine = ScriptedEngine(lambda question: scripts[-1].script(question))
    async with living(choose_settings(tmp_path), engine) as house:
        for tokens in places:
            scripts.append(Paced())
            place = Place(house, await house.conversations.open())
            await take_over_at(place, scripts[-1], tokens, running)


async def test_no_word_comes_after_a_takeover_while_the_bot_talks_as_fast_as_it_can(
    tmp_path: Path,
) -> None:
    turns = random.Random(7)
    engine = ScriptedEngine(lambda question: list(ANSWER))
    async with living(choose_settings(tmp_path), engine) as house:
        spoken = set()
        for _ in range(50):
            place = Place(house, await house.conversations.open())
            turn = await place.ask()
            for _ in range(turns.randrange(250)):
                await asyncio.sleep(0)
            await place.desk.take(place.key, "wang", "stop")
            await end(turn)
            spoken.add(check_silence(await place.read()))
        assert len(spoken) > 1, "it was always the same place"


async def begin_taking(place: Place) -> asyncio.Task[ShownRow]:
    """By "wang", who waits for the answer's end when this returns."""
    taking = asyncio.create_task(place.desk.take(place.key, "wang", "finish"))
    while not place.desk._claims:
        await asyncio.sleep(0)
    return taking


async def test_while_one_operator_lets_an_answer_end_no_other_takes_it(tmp_path: Path) -> None:
    paced = Paced()
    async with visited(tmp_path, ScriptedEngine(paced.script)) as place:
        turn = await place.ask()
        await paced.stand_at(10)
        taking = await begin_taking(place)
        with pytest.raises(AlreadyTaken, match="wang"):
            await place.desk.take(place.key, "li", "stop")
        paced.go_on()
        assert (await taking).row.account == "wang"
        assert turn.text == ANSWER
        with pytest.raises(AlreadyTaken, match="wang"):
            await place.desk.take(place.key, "li", "stop")


async def test_who_goes_before_an_answer_has_ended_takes_nothing_over(tmp_path: Path) -> None:
    paced = Paced()
    async with visited(tmp_path, ScriptedEngine(paced.script)) as place:
        turn = await place.ask()
        await paced.stand_at(10)
        taking = await begin_taking(place)
        taking.cancel()
        await asyncio.wait([taking])
        assert taking.cancelled()
        paced.go_on()
        await end(turn)
        assert turn.text == ANSWER
        assert (await place.desk.show(place.key)).row.state == "bot"
        assert (await place.desk.take(place.key, "li", "finish")).row.account == "li"


async def test_of_many_operators_at_once_one_has_it(tmp_path: Path) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: ["好。"])) as place:
        names = [f"op{number}" for number in range(10)]
        taken = await asyncio.gather(
            *(place.desk.take(place.key, name, "stop") for name in names), return_exceptions=True
        )
        winners = [one for one in taken if not isinstance(one, BaseException)]
        assert len(winners) == 1
        assert all(isinstance(one, AlreadyTaken) for one in taken if one is not winners[0])
        shown = [one.event for one in await place.read()]
        assert shown == [Handoff("human", name=winners[0].row.account)]


async def test_only_who_has_it_speaks(tmp_path: Path) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: ["好。"])) as place:
        with pytest.raises(HandoffRefused):
            await place.desk.say(place.key, "wang", "我先说")
        await place.desk.take(place.key, "wang", "stop")
        with pytest.raises(AlreadyTaken):
            await place.desk.say(place.key, "li", "我也说")
        with pytest.raises(AlreadyTaken):
            await place.desk.release(place.key, "li", "bot", is_owner=False)
        released = await place.desk.release(place.key, "chef", "bot", is_owner=True)
        assert released.row.state == "bot"
        with pytest.raises(HandoffRefused):
            await place.desk.say(place.key, "wang", "我还说")
        assert not [one for one in await place.read() if isinstance(one.event, Message)]


@pytest.mark.parametrize("state", ["bot", "waiting", "human", "closed"])
async def test_a_restart_finds_every_conversation_as_it_was(
    tmp_path: Path, state: HandoffState
) -> None:
    settings = choose_settings(tmp_path)
    async with living(settings, ScriptedEngine(lambda question: ["好的。"])) as house:
        place = Place(house, await house.conversations.open())
        await end(await place.ask())
        await house.conversations.hand_over(place.session_id, "waiting", "en")
        if state != "waiting":
            await place.desk.take(place.key, "wang", "stop")
            await place.desk.say(place.key, "wang", "我在。")
        if state in ("bot", "closed"):
            await place.desk.release(place.key, "wang", state, is_owner=False)
        await place.desk.hold(place.key, "wang", is_on=True)
        before = await place.desk.open(place.key, "wang")
        events = await place.read()
    async with living(settings, ScriptedEngine(lambda question: ["好的。"])) as house:
        again = Place(house, place.session_id)
        after = await again.desk.open(place.key, "wang")
        assert after == before and after.shown.row.state == state
        assert await again.read() == events
        assert again.desk._drafts.is_held(place.key)
        if state == "human":
            await again.desk.say(place.key, "wang", "我还在。")
        assert house.conversations.handoffs.is_bots(place.key) == (state != "human")


async def test_an_operator_whose_streams_are_gone_for_a_minute_loses_what_he_had(
    tmp_path: Path,
) -> None:
    clock = Clock()
    settings = choose_settings(tmp_path)
    async with living(settings, ScriptedEngine(lambda question: ["好。"]), clock) as house:
        place = Place(house, await house.conversations.open())
        rounds: Rounds = house.staff.rounds
        with place.desk.presence.attend("wang"), place.desk.presence.attend("wang"):
            await place.desk.take(place.key, "wang", "stop")
            clock.now_s += 3600
            await rounds.go()
            assert (await place.desk.show(place.key)).row.state == "human"
        clock.now_s += 59
        await rounds.go()
        assert (await place.desk.show(place.key)).row.state == "human"
        with place.desk.presence.attend("wang"):
            clock.now_s += 120
            await rounds.go()
        clock.now_s += 60
        await rounds.go()
        row = (await place.desk.show(place.key)).row
        assert (row.state, row.account, row.reason) == ("waiting", "", "operator left")
        await place.desk.take(place.key, "li", "stop")


async def test_after_a_start_an_operator_has_a_minute_to_come_back(tmp_path: Path) -> None:
    settings = choose_settings(tmp_path)
    async with living(settings, ScriptedEngine(lambda question: ["好。"])) as house:
        place = Place(house, await house.conversations.open())
        await place.desk.take(place.key, "wang", "stop")
    clock = Clock()
    async with living(settings, ScriptedEngine(lambda question: ["好。"]), clock) as house:
        clock.now_s += 59
        await house.staff.rounds.go()
        assert house.conversations.handoffs.find_owner(place.key) == "human"
        clock.now_s += 1
        await house.staff.rounds.go()
        assert house.conversations.handoffs.find_owner(place.key) == "waiting"


async def test_who_waits_in_vain_is_asked_for_a_contact_and_goes_on_with_the_bot(
    tmp_path: Path,
) -> None:
    clock = Clock()
    settings = choose_settings(tmp_path).model_copy(update={"wait_minutes": 10})
    async with living(settings, ScriptedEngine(lambda question: ["好。"]), clock) as house:
        place = Place(house, await house.conversations.open())
        told = await house.conversations.hand_over(place.session_id, "waiting", "en")
        assert (told.state, told.place, told.asks_contact) == ("waiting", 1, True)
        await house.staff.rounds.go()
        clock.now_s += 599
        await house.staff.rounds.go()
        assert house.conversations.handoffs.find_owner(place.key) == "waiting"
        clock.now_s += 1
        await house.staff.rounds.go()
        last = (await place.read())[-1].event
        assert isinstance(last, Handoff) and (last.state, last.asks_contact) == ("closed", True)
        assert last.promise.startswith("Sorry for the long wait")
        transcript = await house.conversations.read(place.session_id)
        assert transcript.handoff == last
        turn = await place.ask("没关系，我再问一个")
        await end(turn)
        assert turn.text == "好。"


async def test_what_is_deleted_for_its_age_is_gone_from_every_list(tmp_path: Path) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: [question])) as at:
        talks, news = at.house.conversations, at.desk.board.watch()
        told = asyncio.create_task(anext(news))
        await asyncio.sleep(0)
        kept_id = await talks.open()
        for session_id in (at.session_id, kept_id):
            await talks.hand_over(session_id, "waiting", "zh")
        seen = [await told]
        while {one.row.session_key for one in seen if isinstance(one, ShownRow)} != {
            at.key,
            key_of(kept_id),
        }:
            seen.append(await anext(news))
        watched = await talks.watch(at.session_id, 0)
        heard = [await anext(watched)]
        await at.house.store.write(
            lambda database: database.conn.execute(
                "DELETE FROM sessions WHERE session_key = ?", (at.key,)
            )
        )
        await talks.drop((at.key,))
        async for numbered in watched:
            heard.append(numbered)
        assert [one.number for one in heard] == [1]
        while not isinstance(gone := await anext(news), Removed):
            pass
        assert gone.session_key == at.key
        assert list(at.desk.board._known) == [key_of(kept_id)]
        assert [key for key, _ in talks.handoffs.list_owned("waiting")] == [key_of(kept_id)]
