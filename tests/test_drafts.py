"""Answers that are held back: an operator sends, changes or drops them before a word is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.dialogue.drafts import CHANGED_BY_PERSON, DROPPED, UNDECIDED, Decision
from appliance.dialogue.feed import TO_CUSTOMERS, TO_OPERATORS
from appliance.dialogue.speech import Speech
from appliance.dialogue.turn import Turn
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import EngineFailure, HandoffRefused, StoreUnavailable
from appliance.events import Done, Draft, Event, Handoff, Message, Numbered, Started, Token
from appliance.store.calls import StoredCall
from appliance.store.decisions import Action, Decided
from tests.scripted_house import choose_settings
from tests.shop_tools import count_returns, make_shop, say
from tests.test_takeover import ANSWER, QUESTION, Paced, Place, end, living, visited


async def ask_held(place: Place) -> Turn:
    await place.desk.hold(place.key, "wang", is_on=True)
    return await place.ask()


async def keep_nowhere(_: Decided) -> None:
    """For a turn that has no row."""


async def wait_whole(place: Place) -> Numbered:
    """The draft once it is whole; from then on it waits for an operator."""
    async for one in place.house.conversations.feeds.follow(place.key, 0, TO_OPERATORS):
        if isinstance(one.event, Draft) and one.event.is_whole:
            return one
    raise AssertionError("there was none")


@asynccontextmanager
async def held_back(folder: Path) -> AsyncIterator[tuple[Place, Turn, Numbered]]:
    """An answer of the bot that is whole and waits for an operator."""
    async with visited(folder, ScriptedEngine(lambda question: list(ANSWER))) as place:
        turn = await ask_held(place)
        yield place, turn, await wait_whole(place)


async def test_of_a_held_answer_nothing_is_shown_or_kept_before_an_operator_says_so(
    tmp_path: Path,
) -> None:
    async with held_back(tmp_path) as (place, turn, draft):
        assert draft == Numbered(0, turn.run_id, Draft(ANSWER, "model", True))
        assert [type(one.event) for one in await place.read()] == [Message]
        assert [type(one.event) for one in turn.events] == [Message]
        await place.desk.decide(place.key, "wang", turn.run_id, Decision("send"))
        done = await end(turn)
        assert isinstance(done, Done) and (done.source, done.finish_reason) == ("model", "stop")
        assert turn.text == ANSWER
        events = await place.read()
    assert [type(one.event) for one in events[:2]] == [Message, Started]
    assert [one.number for one in events] == list(range(1, len(events) + 1))


async def test_a_changed_answer_is_the_operator_s_words_and_a_dropped_one_is_none(
    tmp_path: Path,
) -> None:
    async with held_back(tmp_path) as (place, turn, _):
        await place.desk.decide(place.key, "wang", turn.run_id, Decision("edit", "下午三点到。"))
        done = await end(turn)
        assert isinstance(done, Done) and (done.source, done.rule) == ("human", CHANGED_BY_PERSON)
        assert turn.text == "下午三点到。"
        again = await place.ask("那运费呢，要多少")
        await wait_whole(place)
        await place.desk.decide(place.key, "wang", again.run_id, Decision("drop"))
        done = await end(again)
        assert isinstance(done, Done) and (done.source, done.rule) == ("human", DROPPED)
        assert again.text == ""
        events = [one.event for one in await place.read()]
    assert [one.text for one in events if isinstance(one, Token)] == ["下午三点到。"]


async def test_a_draft_grows_before_the_operator_s_eyes_and_no_customer_gets_it(
    tmp_path: Path,
) -> None:
    paced = Paced()
    async with visited(tmp_path, ScriptedEngine(paced.script)) as place:
        turn = await ask_held(place)
        feeds = place.house.conversations.feeds
        customer = feeds.follow(place.key, 0, TO_CUSTOMERS)
        operator = feeds.follow(place.key, 0, TO_OPERATORS)
        assert isinstance((await anext(customer)).event, Message)
        assert isinstance((await anext(operator)).event, Message)
        await paced.stand_at(len(ANSWER) // 2)
        drafts: list[Draft] = []
        while not drafts or not drafts[-1].text:
            event = (await anext(operator)).event
            assert isinstance(event, Draft)
            drafts.append(event)
        assert ANSWER.startswith(drafts[-1].text) and not drafts[-1].is_whole
        with pytest.raises(HandoffRefused, match="not whole"):
            await place.desk.decide(place.key, "wang", turn.run_id, Decision("send"))
        paced.go_on()
        await wait_whole(place)
        await place.desk.decide(place.key, "wang", turn.run_id, Decision("send"))
        seen: list[Event] = []
        while not seen or not isinstance(seen[-1], Done):
            seen.append((await anext(customer)).event)
        assert not [one for one in seen if isinstance(one, Draft)]
        await operator.aclose()
        await customer.aclose()


@pytest.mark.parametrize("action", ["edit", "drop"])
async def test_what_is_not_wanted_need_not_be_made_to_its_end(
    tmp_path: Path, action: Action
) -> None:
    paced = Paced()
    async with visited(tmp_path, ScriptedEngine(paced.script)) as place:
        turn = await ask_held(place)
        await paced.stand_at(5)
        await place.desk.decide(place.key, "wang", turn.run_id, Decision(action, "我来。"))
        await end(turn)
        assert turn.text == ("我来。" if action == "edit" else "")


async def test_whoever_takes_the_conversation_over_drops_the_draft(tmp_path: Path) -> None:
    async with held_back(tmp_path) as (place, turn, _):
        await place.desk.take(place.key, "wang", "finish")
        await end(turn)
        events = await place.read()
        assert Handoff("human", name="wang") in [one.event for one in events]
        assert not [one for one in events if isinstance(one.event, Token)]
        with pytest.raises(HandoffRefused, match="not held back any more"):
            await place.desk.decide(place.key, "wang", turn.run_id, Decision("send"))


async def test_a_customer_who_stops_a_held_answer_is_not_shown_it(tmp_path: Path) -> None:
    async with held_back(tmp_path) as (place, turn, _):
        assert await place.house.conversations.stop(place.session_id)
        done = await end(turn)
        assert isinstance(done, Done) and done.finish_reason == "cancelled"
        assert turn.text == ""


async def test_a_draft_that_nobody_looks_at_calls_a_person(tmp_path: Path) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: list(ANSWER))) as place:
        place.house.staff.drafts._patience_s = 0.0
        turn = await ask_held(place)
        done = await end(turn)
        assert isinstance(done, Done) and (done.source, done.rule) == ("rule", UNDECIDED)
        assert "您的请求已经记下" in turn.text and ANSWER not in turn.text
        assert (await place.desk.show(place.key)).row.state == "waiting"


async def test_a_restart_makes_the_draft_anew_and_still_holds_it(tmp_path: Path) -> None:
    settings = choose_settings(tmp_path)
    engine = ScriptedEngine(lambda question: list(ANSWER))
    async with living(settings, engine) as house:
        place = Place(house, await house.conversations.open())
        turn = await ask_held(place)
        await wait_whole(place)
        run_id = turn.run_id
    async with living(settings, ScriptedEngine(lambda question: list(ANSWER))) as house:
        place = Place(house, place.session_id)
        draft = await wait_whole(place)
        assert (draft.run_id, draft.event) == (run_id, Draft(ANSWER, "model", True))
        again = house.conversations.find_turn(place.key)
        assert again is not None
        await place.desk.decide(place.key, "wang", run_id, Decision("send"))
        await end(again)
        assert again.text == ANSWER


async def test_the_hold_of_all_holds_every_conversation_until_it_ends(tmp_path: Path) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: list(ANSWER))) as place:
        await place.desk.hold_all("wang", is_on=True)
        assert (await place.desk.show(place.key)).is_held
        turn = await place.ask()
        await wait_whole(place)
        await place.desk.hold_all("wang", is_on=False)
        await place.desk.decide(place.key, "wang", turn.run_id, Decision("drop"))
        await end(turn)
        free = await place.ask("那运费呢，要多少")
        await end(free)
        assert free.text == ANSWER


async def test_a_held_answer_is_not_kept_for_others_to_get_from_before(tmp_path: Path) -> None:
    """What an operator drops in one conversation must not be said in the next."""
    async with held_back(tmp_path) as (place, turn, _):
        kept: list[object] = []
        answering = place.house._answering
        assert answering is not None
        answering._ladder.keep_answer = lambda *said: kept.append(said)  # type: ignore[method-assign]
        await place.desk.decide(place.key, "wang", turn.run_id, Decision("drop"))
        await end(turn)
        again = await place.ask("那运费呢，要多少")
        await wait_whole(place)
        await asyncio.sleep(0)
        await place.desk.decide(place.key, "wang", again.run_id, Decision("send"))
        await end(again)
    assert kept == []


@pytest.mark.parametrize(("action", "is_open"), [("send", True), ("drop", False)])
async def test_a_question_that_the_customer_never_saw_is_not_open(
    tmp_path: Path, action: Action, is_open: bool
) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: list(ANSWER))) as place:
        drafts = place.desk._drafts
        await place.desk.hold(place.key, "wang", is_on=True)
        turn = Turn("run", place.key, "取消订单")
        heard = Speech(turn, place.house.conversations._events, lambda: True)

        async def answer(_: Turn, speech: Speech) -> Done:
            speech.calls += [StoredCall("find_order", "found"), StoredCall("cancel", "confirming")]
            return Done("stop", "tool")

        drafting = asyncio.create_task(drafts.lead(turn, heard, answer))
        await wait_whole(place)
        await drafts.decide(place.key, "run", Decision(action), keep_nowhere)
        await drafting
        states = [call.state for call in heard.calls]
        assert states == (["found", "confirming"] if is_open else ["found"])


async def test_of_two_operators_one_decides_and_what_he_decided_is_kept_sealed_until_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with held_back(tmp_path) as (place, turn, _):
        book = place.desk._book
        kept: list[object] = []
        hold, keep, found = asyncio.Event(), book.decisions.keep, dict[str, Decided]()

        async def keep_and_wait(*given: Any) -> None:
            await keep(*given)
            kept.append(given)
            await hold.wait()

        monkeypatch.setattr(book.decisions, "keep", keep_and_wait)
        edit = place.desk.decide(place.key, "wang", turn.run_id, Decision("edit", "三点到。"))
        drop = place.desk.decide(place.key, "li", turn.run_id, Decision("drop"))
        deciding = asyncio.gather(edit, drop, return_exceptions=True)
        while not kept:
            await asyncio.sleep(0)
        assert turn.text == ""
        found.update(await book.decisions.read_open())
        sealed = await place.house.store.read(
            lambda connection: connection.execute("SELECT decision FROM turns").fetchone()[0]
        )
        hold.set()
        first, second = await deciding
        assert first is None and isinstance(second, HandoffRefused)
        await end(turn)
        assert turn.text == "三点到。" and len(kept) == 1
        assert await book.decisions.read_open() == {}
    assert [type(event) for event in found[turn.run_id].events] == [Started, Token]
    assert "三点到".encode() not in sealed and b"edit" not in sealed


async def test_a_decision_that_the_disk_refuses_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with held_back(tmp_path) as (place, turn, _):

        async def refuse(*_: object) -> None:
            raise StoreUnavailable("The disk is full.")

        with monkeypatch.context() as broken:
            broken.setattr(place.desk._book.decisions, "keep", refuse)
            with pytest.raises(StoreUnavailable):
                await place.desk.decide(place.key, "wang", turn.run_id, Decision("drop"))
        assert await place.desk._book.decisions.read_open() == {}
        await place.desk.decide(place.key, "wang", turn.run_id, Decision("send"))
        await end(turn)
        assert turn.text == ANSWER


@pytest.mark.parametrize("is_held_before", [False, True])
async def test_under_hold_nothing_is_written_that_no_operator_has_looked_at(
    tmp_path: Path, is_held_before: bool
) -> None:
    """A question that an operator sent is one that he looked at; another is asked once more."""
    make_shop(tmp_path / "knowledge")
    settings = choose_settings(tmp_path)
    async with living(settings, ScriptedEngine(lambda question: list(ANSWER))) as house:
        place = Place(house, await house.conversations.open())

        async def ask_and_send(text: str) -> str:
            turn = await place.ask(text)
            await wait_whole(place)
            await place.desk.decide(place.key, "wang", turn.run_id, Decision("send"))
            await end(turn)
            return turn.text

        await say(house, place.session_id, "帮我申请退货 A10023")
        if is_held_before:
            await place.desk.hold(place.key, "wang", is_on=True)
            question = await ask_and_send("6688")
        else:
            question = (await say(house, place.session_id, "6688")).text
            await place.desk.hold(place.key, "wang", is_on=True)
        assert question == "为 A10023 申请退货吗？"
        if not is_held_before:
            assert await ask_and_send("确认") == question
            assert count_returns(settings.data) == 0
        assert await ask_and_send("确认") == "已申请，R1。"
        assert count_returns(settings.data) == 1


async def test_what_was_decided_goes_before_a_fault_of_the_engine(tmp_path: Path) -> None:
    async with visited(tmp_path, ScriptedEngine(lambda question: list(ANSWER))) as place:
        drafts = place.desk._drafts
        await place.desk.hold(place.key, "wang", is_on=True)
        turn = Turn("run", place.key, QUESTION)
        heard = Speech(turn, place.house.conversations._events, lambda: True)
        has_begun = asyncio.Event()

        async def fail(copy: Turn, _: Speech) -> Done:
            has_begun.set()
            await copy.stop_asked.wait()
            raise EngineFailure("It broke.")

        drafting = asyncio.create_task(drafts.lead(turn, heard, fail))
        await has_begun.wait()
        await drafts.decide(place.key, "run", Decision("drop"), keep_nowhere)
        ended = await drafting
    assert isinstance(ended, Done) and ended.rule == DROPPED
