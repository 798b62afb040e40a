"""What stands for exchanges that left the window, and that nobody ever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialogue.context import find_window_start
from appliance.dialogue.summaries import (
    HEAD,
    MAX_SUMMARY_CHARS,
    choose_boundary,
    find_coming,
    write_extract,
)
from appliance.dialogue.summarising import ORDER, Summarising, keep_true
from appliance.engine.letters import CONTROL_IDS
from appliance.engine.scripted import Fail, Line, ScriptedEngine, Wait
from appliance.events import Done, Notice
from appliance.settings import Settings
from appliance.store.exchanges import StoredExchange
from appliance.store.facts import StoredSummary
from appliance.store.sessions import key_of
from tests.test_prewarming import Desk, desk

TURNS = 2
WRITTEN = "顾客想退货。客服说可以。"


def is_order(question: str) -> bool:
    return question.startswith(tuple(ORDER.values()))


def speak(question: str) -> Sequence[Line]:
    return [WRITTEN] if is_order(question) else ["好的。"]


def read(ids: Sequence[int]) -> str:
    return "".join(chr(token) for token in ids if token not in CONTROL_IDS)


def summarise_at_once(at: Desk) -> Summarising:
    """A summariser that takes any silence for quiet."""
    settings = Settings(history_turns=TURNS)
    summarising = Summarising(at.engine, at.sessions, settings, quiet_s=0.0)
    at.answering._summarising = summarising
    return summarising


async def settle(summarising: Summarising) -> None:
    while (work := summarising._work) is not None:
        await asyncio.wait((work,))


@given(st.integers(0, 60), st.integers(1, 9))
def test_a_boundary_covers_all_that_is_left_out_and_serves_a_block(count: int, turns: int) -> None:
    for is_sliding in (False, True):
        left = find_window_start(count, turns, is_sliding=is_sliding)
        boundary = choose_boundary(left, turns, count)
        assert left <= boundary <= count and boundary < left + turns
        assert bool(boundary) == bool(left)
        coming = find_coming(left, turns, count)
        assert coming == 0 or boundary < coming <= count


@given(st.integers(1, 60), st.integers(2, 9))
def test_a_block_is_whole_some_turns_before_it_leaves(count: int, turns: int) -> None:
    """So there is idle time in which the model can write."""
    before, after = (find_window_start(each, turns) for each in (count - 1, count))
    if after > before:
        assert find_coming(before, turns, count - 1) == after


def test_an_extract_holds_the_customer_s_last_questions_and_is_bounded() -> None:
    past = [StoredExchange(f"问题{at}" + "长" * 90, "答", (), "") for at in range(20)]
    text = write_extract("", past, "zh")
    assert "问题19" in text and "问题0长" not in text
    assert len(write_extract("前文" * 500, past, "zh")) <= MAX_SUMMARY_CHARS


def test_a_sentence_with_a_literal_of_its_own_is_not_kept() -> None:
    sources = ("订单A10023多少钱", "99元。")
    text = "顾客问订单A10023的价格。客服说是99元。三天内到，运费12元。谢谢。"
    assert keep_true(text, sources) == "顾客问订单A10023的价格。客服说是99元。谢谢。"
    assert keep_true("It costs $5. Fine.", ("x",)) == "Fine."


async def test_an_extract_stands_in_and_the_prompt_s_beginning_stays(tmp_path: Path) -> None:
    async with desk(tmp_path, ScriptedEngine(speak), history_turns=TURNS) as at:
        session_id, _ = await at.ask("模一")
        for question in ("模二", "模三", "模四"):
            await at.ask(question, session_id)
        _, head = at.engine.prepared[-1]
        assert read(head.ids).startswith(f"规则{HEAD['zh']}顾客问过：模一；模二\n\n模三")
        # A model that is late does not change what a prompt held.
        summary = StoredSummary(TURNS, "model", WRITTEN)
        await at.sessions.facts.keep_summary(key_of(session_id), summary)
        await at.ask("模五", session_id)
        assert at.engine.prompts[-1][: len(head.ids)] == head.ids


async def test_the_model_writes_before_the_block_leaves_and_is_told_all_of_it(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, ScriptedEngine(speak), history_turns=TURNS) as at:
        summarising = summarise_at_once(at)
        session_id, _ = await at.ask("模一")
        for question in ("模二", "模三", "模四"):
            await at.ask(question, session_id)
            await settle(summarising)
        _, head = at.engine.prepared[-1]
        assert read(head.ids).startswith(f"规则{HEAD['zh']}{WRITTEN}\n\n模三")
        orders = [read(ids) for ids in at.engine.prompts if ORDER["zh"] in read(ids)]
        assert "模一" in orders[0] and "模二" in orders[0] and "模三" not in orders[0]
        # Its cells are given up at once.
        assert f"{key_of(session_id)}/summary" in at.engine.forgotten
        for question in ("模五", "模六"):
            await at.ask(question, session_id)
            await settle(summarising)
        kept = await at.sessions.facts.read_summaries(key_of(session_id))
        assert [(one.exchanges, one.author) for one in kept] == [
            (boundary, "model") for boundary in (2, 4, 6)
        ]


async def test_who_speaks_breaks_a_summary_off_even_where_there_is_one_place(
    tmp_path: Path,
) -> None:
    begun, never = asyncio.Event(), asyncio.Event()
    calls: list[str] = []

    def slow(question: str) -> Sequence[Line]:
        if not is_order(question):
            return ["好的。"]
        calls.append(question)
        begun.set()
        return [WRITTEN] if len(calls) > 1 else [Wait(never), WRITTEN]

    async with desk(tmp_path, ScriptedEngine(slow, parallel=1), history_turns=TURNS) as at:
        summarising = summarise_at_once(at)
        session_id, _ = await at.ask("模一")
        await at.ask("模二", session_id)
        await begun.wait()
        # The one place is the summary's; somebody else speaks and is answered at once.
        _, end = await at.ask("模型")
        assert isinstance(end, Done) and end.finish_reason == "stop"
        await settle(summarising)
        kept = await at.sessions.facts.read_summaries(key_of(session_id))
        assert [one.text for one in kept] == [WRITTEN] and len(calls) == 2


@pytest.mark.parametrize("lines", [[Fail()], [""], ["共计 77 元。"]])
async def test_what_fails_or_invents_is_not_kept(tmp_path: Path, lines: list[Line]) -> None:
    def fail(question: str) -> Sequence[Line]:
        return lines if is_order(question) else ["好的。"]

    async with desk(tmp_path, ScriptedEngine(fail), history_turns=TURNS) as at:
        summarising = summarise_at_once(at)
        session_id, _ = await at.ask("模一")
        await at.ask("模二", session_id)
        await settle(summarising)
        assert await at.sessions.facts.read_summaries(key_of(session_id)) == ()


async def test_of_a_forgotten_conversation_nothing_is_written(tmp_path: Path) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    def slow(question: str) -> Sequence[Line]:
        if is_order(question):
            begun.set()
            return [Wait(gate), WRITTEN]
        return ["好的。"]

    async with desk(tmp_path, ScriptedEngine(slow), history_turns=TURNS) as at:
        summarising = summarise_at_once(at)
        session_id, _ = await at.ask("模一")
        await at.ask("模二", session_id)
        await begun.wait()
        await at.conversations.forget(session_id)
        gate.set()
        await settle(summarising)
        rows = await at.sessions._store.read(
            lambda connection: connection.execute("SELECT * FROM summaries").fetchall()
        )
        assert rows == []


async def test_what_was_left_out_is_announced_once(tmp_path: Path) -> None:
    async with desk(tmp_path, ScriptedEngine(speak), history_turns=TURNS) as at:
        session_id = await at.conversations.open()
        told = []
        for number in range(9):
            asked = await at.conversations.say(f"模{number}", session_id)
            assert asked.turn is not None
            events = [one.event async for one in asked.turn.watch()]
            told.append(any(isinstance(event, Notice) for event in events))
            await at.settle()
        assert told == [False] * 4 + [True] + [False] * 4


async def test_a_sliding_window_shows_exactly_the_last_turns(tmp_path: Path) -> None:
    engine = ScriptedEngine(speak)
    async with desk(tmp_path, engine, history_turns=TURNS, history_window="sliding") as at:
        session_id = await at.conversations.open()
        for number in range(7):
            await at.ask(f"模{number}", session_id)
            shown = at.engine.prepared[-1][1].ids.count(CONTROL_IDS[3])
            assert shown == min(number + 1, TURNS)
