"""Waiting for a person: business hours, places, what is promised, and when the promise changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.dialogue.language import Language
from appliance.dialogue.presence import GONE_S, Presence
from appliance.dialogue.waiting import Waiting
from appliance.engine.scripted import ScriptedEngine
from appliance.errors import HandoffRefused
from appliance.events import Handoff, HandoffState
from appliance.hours import read_hours
from appliance.settings import Settings
from tests.scripted_house import choose_settings
from tests.test_takeover import Clock, Place, living

MONDAY = datetime(2026, 11, 23, 0, 0)
SHOP = "mon-fri 09:00-18:00, sat 10:00-14:00"


@pytest.mark.parametrize(
    ("at", "is_open", "opens"),
    [
        ("2026-11-23 08:59", False, "2026-11-23 09:00"),
        ("2026-11-23 09:00", True, "2026-11-23 09:00"),
        ("2026-11-23 17:59", True, "2026-11-23 17:59"),
        ("2026-11-23 18:00", False, "2026-11-24 09:00"),
        ("2026-11-27 18:00", False, "2026-11-28 10:00"),
        ("2026-11-28 14:00", False, "2026-11-30 09:00"),
        ("2026-11-29 12:00", False, "2026-11-30 09:00"),
    ],
)
def test_hours_say_when_somebody_is_there_and_when_next(at: str, is_open: bool, opens: str) -> None:
    hours, now = read_hours(SHOP), datetime.fromisoformat(at)
    assert hours.is_open(now) == is_open
    assert hours.find_opening(now) == datetime.fromisoformat(opens)


@given(st.integers(0, 7 * 24 * 60), st.sampled_from([SHOP, "sun 23:00-24:00", "sat-mon 0:00-0:01"]))
def test_at_the_next_opening_it_is_open_and_never_before(minute: int, text: str) -> None:
    hours, now = read_hours(text), MONDAY + timedelta(minutes=minute)
    opens = hours.find_opening(now)
    assert hours.is_open(opens) and now <= opens <= now + timedelta(days=7)
    between = range(0, int((opens - now).total_seconds() // 60), 7)
    assert not any(hours.is_open(now + timedelta(minutes=ahead)) for ahead in between)


@pytest.mark.parametrize(
    "text",
    [
        "always",
        "mon 9-18",
        "mon 18:00-09:00",
        "mon 09:00-09:00",
        "mon 09:60-10:00",
        "xyz 9:00-10:00",
        "mon-xyz 9:00-10:00",
        "mon 09:00-24:01",
        "mon 25:00-26:00",
        "mon 09:00-18:00 tue 9:00-10:00",
    ],
)
def test_hours_that_are_not_understood_stop_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="mon-fri 09:00-18:00"):
        Settings(business_hours=text)


def test_without_hours_somebody_is_always_there() -> None:
    assert read_hours("").is_open(MONDAY) and read_hours(" ").find_opening(MONDAY) == MONDAY


@pytest.mark.parametrize(
    ("language", "hours", "here", "waits_min", "said", "asks"),
    [
        ("zh", SHOP, (), (), "明天 09:00起有同事在线", True),
        ("en", SHOP, (), (), "from tomorrow 09:00 on", True),
        ("zh", "", (), (), "现在没有同事在线", True),
        ("en", "", (), (), "nobody is online", True),
        ("zh", "", ("wang",), (), "请稍等，店里的同事会在这里回复您", False),
        ("zh", "", ("wang",), (1, 4, 9), "最近一般等4分钟左右", False),
        ("en", "", ("wang",), (0,), "Lately it took about 1 min", False),
    ],
)
async def test_a_promise_is_what_the_shop_wrote_or_what_was_measured(
    tmp_path: Path,
    language: Language,
    hours: str,
    here: tuple[str, ...],
    waits_min: tuple[int, ...],
    said: str,
    asks: bool,
) -> None:
    async with living(choose_settings(tmp_path), ScriptedEngine(lambda question: [])) as house:
        desk = house.staff.desk
        waiting = Waiting(
            house.conversations.handoffs,
            desk.presence,
            read_hours(hours),
            house.conversations.tell,
            lambda: MONDAY + timedelta(hours=20),
        )
        for minutes in waits_min:
            waiting.note_wait(minutes * 60_000)
        for name in here:
            desk.presence._streams[name] += 1
        await house.conversations._is_answered.wait()
        promise, asks_contact = waiting.promise(language)
        assert said in promise and asks_contact == asks


async def test_places_count_from_one_and_move_up_when_somebody_is_taken(tmp_path: Path) -> None:
    async with living(choose_settings(tmp_path), ScriptedEngine(lambda question: [])) as house:
        places = [Place(house, await house.conversations.open()) for _ in range(3)]
        told = [
            await house.conversations.hand_over(place.session_id, "waiting", "zh")
            for place in places
        ]
        assert sorted(one.place for one in told) == [1, 2, 3]
        last = max(zip(told, places, strict=True), key=lambda pair: pair[0].place)[1]
        events = house.conversations.feeds.follow(last.key, 0)
        assert (await anext(events)).event == max(told, key=lambda one: one.place)
        await house.staff.rounds.go()
        first = min(zip(told, places, strict=True), key=lambda pair: pair[0].place)[1]
        await house.staff.desk.take(first.key, "wang", "stop")
        await house.staff.rounds.go()
        moved = await anext(events)
        assert isinstance(moved.event, Handoff)
        assert (moved.number, moved.event.state, moved.event.place) == (0, "waiting", 2)
        await events.aclose()


async def test_a_restart_knows_in_which_language_a_customer_waits(tmp_path: Path) -> None:
    settings = choose_settings(tmp_path)
    async with living(settings, ScriptedEngine(lambda question: ["Yes."]), Clock()) as house:
        place = Place(house, await house.conversations.open())
        turn = await place.ask("Where does my parcel stand at the moment?")
        async for _ in turn.watch():
            continue
        await house.conversations.hand_over(place.session_id, "waiting", "en")
    async with living(settings, ScriptedEngine(lambda question: ["Yes."]), Clock()) as house:
        await house.conversations._is_answered.wait()
        told = (await house.conversations.read(place.session_id)).handoff
        assert "nobody is online" in told.promise


def test_a_clock_that_was_set_promises_nothing() -> None:
    told: list[str] = []

    def tell(key: str, language: Language, **moments: str) -> str:
        told.append(key)
        return key

    presence = Presence(lambda: 0.0)
    waiting = Waiting(None, presence, read_hours(""), tell, lambda: MONDAY)  # type: ignore[arg-type]
    with presence.attend("wang"):
        for waited_ms in (-1, 30 * 365 * 86_400_000):
            waiting.note_wait(waited_ms)
        waiting.promise("zh")
        waiting.note_wait(120_000)
        waiting.promise("zh")
    assert told == ["handoff_waiting", "handoff_soon"]


def test_who_was_given_a_conversation_has_a_minute_to_come() -> None:
    now_s = 0.0
    presence = Presence(lambda: now_s)
    now_s = 100.0
    assert presence.is_gone("wang")
    presence.expect("wang")
    now_s = 100.0 + GONE_S - 1
    assert not presence.is_gone("wang")
    now_s = 100.0 + GONE_S
    assert presence.is_gone("wang") and presence.is_gone("li")
    presence.begin()
    assert not presence.is_gone("li")


async def test_who_was_taken_while_others_were_closed_stays_with_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    settings = choose_settings(tmp_path).model_copy(update={"wait_minutes": 10})
    async with living(settings, ScriptedEngine(lambda question: ["好。"]), clock) as house:
        handoffs, places = house.conversations.handoffs, []
        for _ in range(2):
            places.append(Place(house, await house.conversations.open()))
            await house.conversations.hand_over(places[-1].session_id, "waiting", "en")
        await house.staff.rounds.go()
        clock.now_s += 600
        taken: list[str] = []
        move = handoffs.move

        async def move_slowly(session_key: str, *wanted: Any, **rest: Any) -> HandoffState:
            # The first one's commit takes its time, in which the other is taken.
            if not taken:
                taken.extend(place.key for place in places if place.key != session_key)
                await house.staff.desk.take(taken[0], "wang", "stop")
            return await move(session_key, *wanted, **rest)

        monkeypatch.setattr(handoffs, "move", move_slowly)
        await house.staff.rounds.go()
        assert [handoffs.find_owner(place.key) for place in places].count("closed") == 1
        assert handoffs.find(taken[0]).account == "wang"


async def test_a_message_takes_no_closed_conversation_back_that_was_just_taken(
    tmp_path: Path,
) -> None:
    async with living(
        choose_settings(tmp_path), ScriptedEngine(lambda question: ["好。"]), Clock()
    ) as house:
        handoffs = house.conversations.handoffs
        place = Place(house, await house.conversations.open())
        await house.conversations.hand_over(place.session_id, "waiting", "en")
        await handoffs.move(place.key, "closed", "customer")
        seen = handoffs.find(place.key)
        await house.staff.desk.take(place.key, "wang", "stop")
        with pytest.raises(HandoffRefused):
            await handoffs.move(place.key, "bot", "message", seen=seen)
        assert handoffs.find(place.key).account == "wang"
