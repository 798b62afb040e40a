"""The dialogue with a scripted engine and a real store: what is kept, and how every turn ends."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from appliance.app import read_clock_ms
from appliance.config import Settings
from appliance.dialogue.conversations import Conversations, Transcript
from appliance.dialogue.turn import TRIMMED, Turn
from appliance.engine.scripted import CONTROL_IDS, Fail, Line, Script, ScriptedEngine, Wait
from appliance.errors import (
    ApplianceError,
    Busy,
    ModelUnavailable,
    SessionNotFound,
    StoreUnavailable,
    TurnRunning,
)
from appliance.events import Done, Event, Failed, Queued, Started, Token
from appliance.store.database import Store
from appliance.store.sealing import PLAIN
from appliance.store.sessions import INTERRUPTED, Answer, Sessions, StoredMessage
from tests.scripted_house import LoadingEngine

FULL_DISK = "The conversation cannot be saved: the disk is full."


class FrailSessions(Sessions):
    """Refuses to keep an end while `is_full`; with `gate` it waits after having kept it."""

    is_full = False
    gate: asyncio.Event | None = None

    async def finish(self, run_id: str, answer: Answer, done: Done) -> None:
        if self.is_full:
            raise StoreUnavailable(FULL_DISK)
        await super().finish(run_id, answer, done)
        if self.gate is not None:
            await self.gate.wait()

    async def fail(self, run_id: str, answer: Answer, failed: Failed) -> None:
        if self.is_full:
            raise StoreUnavailable(FULL_DISK)
        await super().fail(run_id, answer, failed)


@dataclass(frozen=True, slots=True)
class Desk:
    conversations: Conversations
    engine: ScriptedEngine
    sessions: FrailSessions
    store: Store

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What is on disk, as another process would see it."""
        connection = sqlite3.connect(f"{self.store.path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@asynccontextmanager
async def desk(
    folder: Path,
    script: Script | None = None,
    engine: ScriptedEngine | None = None,
    **chosen: object,
) -> AsyncIterator[Desk]:
    settings = Settings.model_validate({"data": folder, **chosen})
    engine = engine or ScriptedEngine(script or echo, parallel=settings.parallel)
    store = Store(folder)
    sessions = FrailSessions(store, PLAIN, read_clock_ms)
    conversations = Conversations(engine, sessions, settings)
    await store.open()
    await conversations.recover()
    start = asyncio.create_task(engine.start())
    await asyncio.sleep(0)
    try:
        yield Desk(conversations, engine, sessions, store)
    finally:
        await conversations.close()
        await engine.stop()
        await start
        await store.close()


def echo(question: str) -> Sequence[Line]:
    return ["你说：", question]


def waiting_for(gate: asyncio.Event) -> Script:
    return lambda question: ["先说", Wait(gate), question]


async def hear(turn: Turn) -> list[Event]:
    return [event async for event in turn.watch()]


async def hear_until(turn: Turn, kind: type[Event]) -> None:
    async for event in turn.watch():
        if isinstance(event, kind):
            return


def texts(transcript: Transcript) -> list[str]:
    return [message.text for message in transcript.messages]


async def test_the_message_is_on_disk_before_it_is_accepted(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        await at.conversations.say("您好", None)
        assert at.rows("SELECT role, text FROM messages") == [("customer", "您好".encode())]


async def test_the_answer_is_on_disk_before_its_end_is_published(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        turn = await at.conversations.say("您好", None)
        async for event in turn.watch():
            if isinstance(event, Done):
                assert at.rows("SELECT text FROM messages WHERE role = 'assistant'") == [
                    ("你说：您好".encode(),)
                ]


async def test_a_caller_cancelled_while_its_message_is_taken_leaves_no_open_turn(
    tmp_path: Path,
) -> None:
    """The message was committed and its turn never led: the session refused everything after."""
    async with desk(tmp_path) as here:
        session_id = await here.conversations.open()
        caller = asyncio.ensure_future(here.conversations.say("你好", session_id))
        await asyncio.sleep(0)
        caller.cancel()
        with suppress(asyncio.CancelledError):
            await caller
        while (transcript := await here.conversations.read(session_id)).running is None:
            if len(transcript.messages) == 2:
                break
        if transcript.running is not None:
            assert isinstance([event async for event in transcript.running.watch()][-1], Done)
        turn = await here.conversations.say("还在吗", session_id)
        assert isinstance([event async for event in turn.watch()][-1], Done)


async def test_a_second_message_while_one_is_answered_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        turn = await at.conversations.say("一", None)
        with pytest.raises(TurnRunning):
            await at.conversations.say("二", turn.session_id)
        assert texts(await at.conversations.read(turn.session_id)) == ["一"]


async def test_stopping_keeps_what_was_said(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        turn = await at.conversations.say("问", None)
        await hear_until(turn, Token)
        assert await at.conversations.stop(turn.session_id)
        transcript = await at.conversations.read(turn.session_id)
        assert transcript.running is None
        assert texts(transcript) == ["问", "先说"]
        assert transcript.messages[-1].finish_reason == "cancelled"
        assert not await at.conversations.stop(turn.session_id)


async def test_stopping_while_the_model_loads_ends_the_turn(tmp_path: Path) -> None:
    async with desk(tmp_path, engine=LoadingEngine(echo)) as at:
        turn = await at.conversations.say("问", None)
        assert await at.conversations.stop(turn.session_id)
        queued, done = await hear(turn)
        assert queued == Queued(0, 0, "model_loading")
        assert isinstance(done, Done) and done.finish_reason == "cancelled"


async def test_a_turn_waits_for_the_model_and_is_answered(tmp_path: Path) -> None:
    engine = LoadingEngine(echo)
    async with desk(tmp_path, engine=engine) as at:
        turn = await at.conversations.say("问", None)
        assert (await at.conversations.read(turn.session_id)).running is turn
        engine.loaded.set()
        await hear(turn)
        assert turn.text == "你说：问"


async def test_a_model_that_will_not_come_fails_the_turns_that_waited(tmp_path: Path) -> None:
    engine = LoadingEngine(echo)
    async with desk(tmp_path, engine=engine) as at:
        turn = await at.conversations.say("问", None)
        engine.refuse("The file is damaged.")
        assert (await hear(turn))[-1] == Failed("model_unavailable", "The file is damaged.")


async def test_a_watcher_who_leaves_changes_nothing(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        turn = await at.conversations.say("问", None)
        watcher = asyncio.create_task(hear(turn))
        await hear_until(turn, Token)
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        gate.set()
        await hear(turn)
        assert texts(await at.conversations.read(turn.session_id)) == ["问", "先说问"]


async def test_watchers_early_and_late_see_the_same_events(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        turn = await at.conversations.say("问", None)
        early = [asyncio.create_task(hear(turn)) for _ in range(2)]
        await hear_until(turn, Token)
        middle = asyncio.create_task(hear(turn))
        gate.set()
        heard = [*await asyncio.gather(*early), await middle, await hear(turn)]
        assert all(events == heard[0] for events in heard)
        assert [type(event) for event in heard[0]] == [Started, Token, Token, Done]


async def test_forgetting_ends_the_answer_and_leaves_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        turn = await at.conversations.say("问", None)
        await hear_until(turn, Token)
        forgotten = await at.conversations.forget(turn.session_id)
        assert (forgotten.messages, forgotten.turns) == (2, 1)
        assert isinstance((await hear(turn))[-1], Done)
        assert at.engine.forgotten == [turn.session_key]
        assert at.rows("SELECT * FROM messages") == []
        with pytest.raises(SessionNotFound):
            await at.conversations.read(turn.session_id)


async def test_a_message_that_came_in_while_forgetting_is_not_answered_on(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id = await at.conversations.open()
        asking = asyncio.create_task(at.conversations.say("问", session_id))
        # One round for the caller, one for the task that takes the message to the store.
        for _ in range(2):
            await asyncio.sleep(0)
        await at.conversations.forget(session_id)
        assert (await asking).is_ended


async def test_without_a_model_nothing_is_stored(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.engine.refuse("There is no model.")
        with pytest.raises(ModelUnavailable, match="There is no model"):
            await at.conversations.say("问", None)
        assert at.rows("SELECT * FROM sessions") == []


async def test_of_a_crowd_that_comes_at_once_no_more_than_the_places_are_taken(
    tmp_path: Path,
) -> None:
    """All of them once passed the door while none had been counted yet."""
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate), parallel=2, queue=1) as at:
        said = await asyncio.gather(
            *[at.conversations.say("问", None) for _ in range(9)], return_exceptions=True
        )
        assert sum(isinstance(outcome, Turn) for outcome in said) == 3
        assert sum(isinstance(outcome, Busy) for outcome in said) == 6
        assert at.rows("SELECT count(*) FROM sessions") == [(3,)]
        gate.set()


async def test_an_answer_goes_into_the_next_prompt_as_the_very_ids_that_were_said(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, system_prompt="规") as at:
        first = await at.conversations.say("一", None)
        await hear(first)
        await hear(await at.conversations.say("二", first.session_id))
        told = "".join(
            "|" if token in CONTROL_IDS else chr(token) for token in at.engine.prompts[1]
        )
        assert told == "|规|一|你说：一|二|"
        assert at.engine.prompts[1][: len(at.engine.prompts[0])] == at.engine.prompts[0]


async def test_the_window_of_history_moves_in_blocks(tmp_path: Path) -> None:
    async with desk(tmp_path, history_turns=2) as at:
        session_id = await at.conversations.open()
        for number in range(7):
            await hear(await at.conversations.say(f"问{number}", session_id))
        shown = [
            sum(token == CONTROL_IDS[2] for token in prompt) - 1 for prompt in at.engine.prompts
        ]
        assert shown == [0, 1, 2, 3, 2, 3, 2]


class SmallEngine(ScriptedEngine):
    @property
    def max_prompt_tokens(self) -> int:
        return 40


async def test_history_beyond_the_budget_is_left_out_with_a_notice(tmp_path: Path) -> None:
    async with desk(tmp_path, engine=SmallEngine(echo), system_prompt="规") as at:
        first = await at.conversations.say("长" * 20, None)
        assert TRIMMED not in await hear(first)
        assert TRIMMED in await hear(await at.conversations.say("短", first.session_id))


async def test_a_question_that_fits_no_prompt_fails_in_plain_words(tmp_path: Path) -> None:
    async with desk(tmp_path, engine=SmallEngine(echo), system_prompt="规") as at:
        *_, end = await hear(await at.conversations.say("长" * 50, None))
        assert isinstance(end, Failed)
        assert (end.code, "shorten" in end.message) == ("invalid_field", True)


async def test_an_answer_that_breaks_keeps_what_was_said(tmp_path: Path) -> None:
    async with desk(tmp_path, lambda _: ["一半", Fail("The engine fell.")]) as at:
        turn = await at.conversations.say("问", None)
        assert (await hear(turn))[-1] == Failed("engine_failed", "The engine fell.")
        last = (await at.conversations.read(turn.session_id)).messages[-1]
        assert (last.text, last.error_code) == ("一半", "engine_failed")


async def test_an_answer_that_cannot_be_kept_fails_and_is_kept_later(tmp_path: Path) -> None:
    """Its turn once stayed open on disk, and the session took no more messages until a restart."""
    async with desk(tmp_path) as at:
        at.sessions.is_full = True
        turn = await at.conversations.say("一", None)
        assert (await hear(turn))[-1] == Failed("store_unavailable", FULL_DISK)
        with pytest.raises(StoreUnavailable):
            await at.conversations.say("二", turn.session_id)
        at.sessions.is_full = False
        await hear(await at.conversations.say("二", turn.session_id))
        transcript = await at.conversations.read(turn.session_id)
        assert texts(transcript) == ["一", "你说：一", "二", "你说：二"]
        assert transcript.messages[1].error_code == "store_unavailable"


async def test_a_fault_while_keeping_the_answer_still_ends_the_turn(tmp_path: Path) -> None:
    """An exception that was not the store's own once left every watcher waiting for ever."""
    async with desk(tmp_path, lambda _: ["半个字符\ud83d"]) as at:
        turn = await at.conversations.say("问", None)
        end = (await asyncio.wait_for(hear(turn), 5))[-1]
        assert isinstance(end, Failed) and end.code == "internal"


async def test_closing_keeps_partial_answers_and_refuses_new_messages(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        turns = [await at.conversations.say("问", None) for _ in range(2)]
        await asyncio.gather(*[hear_until(turn, Token) for turn in turns])
        await at.conversations.close()
        with pytest.raises(ModelUnavailable, match="shutting down"):
            await at.conversations.say("还有", None)
        for turn in turns:
            last = (await at.conversations.read(turn.session_id)).messages[-1]
            assert (last.text, last.finish_reason) == ("先说", "cancelled")


async def test_a_message_that_came_in_while_closing_is_ended_too(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        arriving = asyncio.create_task(at.conversations.say("问", None))
        await asyncio.sleep(0)
        await at.conversations.close()
        end = (await hear(await arriving))[-1]
        assert isinstance(end, Done) and end.finish_reason == "cancelled"


async def test_turns_of_a_dead_process_are_closed_at_the_next_start(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        session_id = await at.conversations.open()
        await at.sessions.accept(session_id, "没人回答")
    async with desk(tmp_path) as at:
        last = (await at.conversations.read(session_id)).messages[-1]
        assert (last.error_code, last.error_message) == (INTERRUPTED.code, INTERRUPTED.message)
        await hear(await at.conversations.say("再问", session_id))


async def test_no_message_is_taken_before_the_last_process_is_cleared_up(tmp_path: Path) -> None:
    """A message at the very start was once itself taken for one of the dead process."""
    store = Store(tmp_path)
    sessions = Sessions(store, PLAIN, read_clock_ms)
    engine = ScriptedEngine(echo)
    conversations = Conversations(engine, sessions, Settings(data=tmp_path))
    await asyncio.gather(store.open(), engine.start())
    early = asyncio.create_task(conversations.say("早", None))
    await asyncio.sleep(0)
    assert await conversations.recover() == 0
    assert isinstance((await hear(await early))[-1], Done)
    await conversations.close()
    await store.close()


async def test_history_shows_an_answer_once_at_every_moment_of_its_end(tmp_path: Path) -> None:
    """Kept but not yet published, it was shown twice; published in mid-read, not at all."""
    async with desk(tmp_path) as at:
        at.sessions.gate = gate = asyncio.Event()
        turn = await at.conversations.say("问", None)
        while not at.rows("SELECT 1 FROM messages WHERE role = 'assistant'"):
            await asyncio.sleep(0)
        transcript = await at.conversations.read(turn.session_id)
        assert (texts(transcript), transcript.running) == (["问"], turn)
        reading = asyncio.create_task(at.conversations.read(turn.session_id))
        gate.set()
        assert shows_once(await reading, turn)


async def test_history_shows_an_answer_once_whenever_it_is_read(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for _ in range(20):
            turn = await at.conversations.say("问", None)
            while not turn.is_ended:
                assert shows_once(await at.conversations.read(turn.session_id), turn)


def shows_once(transcript: Transcript, turn: Turn) -> bool:
    is_kept = any(message.role == "assistant" for message in transcript.messages)
    return is_kept is not (transcript.running is turn)


async def test_a_read_that_began_before_the_end_is_done_again(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        turn = await at.conversations.say("问", None)
        read_messages = at.sessions.read_messages

        async def read_then_end(session_id: str) -> tuple[StoredMessage, ...]:
            messages = await read_messages(session_id)
            gate.set()
            await hear(turn)
            return messages

        at.sessions.read_messages = read_then_end  # type: ignore[method-assign]
        transcript = await at.conversations.read(turn.session_id)
        assert (texts(transcript), transcript.running) == (["问", "先说问"], None)


def tell_at_random(chance: Random) -> Script:
    def tell(question: str) -> list[Line]:
        lines: list[Line] = []
        for letter in question * chance.randint(0, 3):
            lines += [letter, Wait(seconds=chance.choice((0.0, 0.0, 0.002)))]
        if chance.random() < 0.2:
            lines.insert(chance.randint(0, len(lines)), Fail())
        return lines

    return tell


@pytest.mark.parametrize("seed", range(4))
async def test_every_accepted_turn_ends_exactly_once(tmp_path: Path, seed: int) -> None:
    """80 turns with stops, forgets, engine failures and full disks; the last ones by shutdown."""
    chance = Random(seed)
    async with desk(tmp_path, tell_at_random(chance), parallel=3, queue=6) as at:
        watchers: list[asyncio.Task[list[Event]]] = []

        async def disturb(session_id: str) -> None:
            for _ in range(chance.randint(0, 8)):
                await asyncio.sleep(0)
            with suppress(ApplianceError):
                match chance.choice(("stop", "forget", "read")):
                    case "stop":
                        await at.conversations.stop(session_id)
                    case "forget":
                        await at.conversations.forget(session_id)
                    case _:
                        await at.conversations.read(session_id)

        async def visit() -> None:
            session_id: str | None = None
            while len(watchers) < 80:
                at.sessions.is_full = chance.random() < 0.1
                try:
                    turn = await at.conversations.say("问题", session_id)
                except ApplianceError:
                    session_id = None
                    # A loop that spins here would keep the store's threads from running.
                    answering = [watcher for watcher in watchers if not watcher.done()]
                    if answering:
                        await asyncio.wait(answering, return_when=asyncio.FIRST_COMPLETED)
                    else:
                        await asyncio.sleep(0)
                    continue
                session_id = turn.session_id
                watchers.append(asyncio.create_task(hear(turn)))
                if chance.random() < 0.6:
                    await disturb(session_id)

        await asyncio.gather(*[visit() for _ in range(8)])
        at.sessions.is_full = False
        await at.conversations.close()
        for events in await asyncio.wait_for(asyncio.gather(*watchers), 30):
            assert sum(isinstance(event, Done | Failed) for event in events) == 1
            assert isinstance(events[-1], Done | Failed)


@pytest.mark.parametrize("seed", range(4))
async def test_an_engine_that_stops_ends_every_turn_once(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    async with desk(tmp_path, tell_at_random(chance), parallel=2) as at:
        turns = [await at.conversations.say("问题", None) for _ in range(6)]
        watchers = [asyncio.create_task(hear(turn)) for turn in turns]
        for _ in range(chance.randint(0, 20)):
            await asyncio.sleep(0)
        await at.engine.stop()
        for events in await asyncio.wait_for(asyncio.gather(*watchers), 30):
            assert sum(isinstance(event, Done | Failed) for event in events) == 1
        assert at.rows("SELECT count(*) FROM turns WHERE state = 'running'") == [(0,)]
