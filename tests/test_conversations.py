"""The dialogue with a scripted engine and a real store: what is kept, and how every turn ends.

`Desk.close` is an orderly stop, `Desk.die` leaves of it what a killed process leaves.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Literal, cast

import pytest
from sqlite_utils import Database, Migrations

from appliance.dialogue import room as room_of_turns
from appliance.dialogue import unsaved
from appliance.dialogue.asking import TRIMMED
from appliance.dialogue.conversations import INTERRUPTED, Conversations
from appliance.dialogue.ladder import RESTING
from appliance.dialogue.room import ROOM_WITHOUT_MODEL
from appliance.dialogue.transcript import Asked, Transcript
from appliance.dialogue.turn import Turn
from appliance.dialogue.unsaved import UnsavedEnds
from appliance.engine.letters import CONTROL_IDS
from appliance.engine.scripted import (
    Fail,
    Line,
    Script,
    ScriptedEngine,
    Wait,
    read_question,
)
from appliance.errors import (
    ApplianceError,
    Busy,
    Restarting,
    SessionNotFound,
    StoreUnavailable,
    TurnRunning,
)
from appliance.events import (
    Bye,
    Done,
    Ending,
    Event,
    Failed,
    Message,
    Numbered,
    Queued,
    Rewind,
    Started,
    Token,
)
from appliance.settings import Settings
from appliance.store import recovery
from appliance.store.calls import StoredCall
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.handoffs import Owners
from appliance.store.live import LiveLog
from appliance.store.messages import Answer, StoredMessage
from appliance.store.migrations import m001_sessions_turns_messages
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions, key_of
from appliance.store.verdicts import StoredVerdict
from appliance.vault import read_clock_ms
from tests.plain_ladder import RESTS, give_plain_answers
from tests.scripted_house import LoadingEngine

FULL_DISK = "The conversation cannot be saved: the disk is full."


class FrailSessions(Sessions):
    """Refuses to keep an end while `is_full`, fails at it in no way that it should while
    `is_faulty`; with `gate` it waits after having kept it."""

    is_full = False
    is_faulty = False
    gate: asyncio.Event | None = None

    async def finish(
        self,
        session_key: str,
        run_id: str,
        answer: Answer,
        ending: Ending,
        verdicts: Sequence[StoredVerdict] = (),
        calls: Sequence[StoredCall] = (),
    ) -> Numbered:
        if self.is_full:
            raise StoreUnavailable(FULL_DISK)
        if self.is_faulty:
            raise ValueError("A fault of ours.")
        kept = await super().finish(session_key, run_id, answer, ending, verdicts, calls)
        if self.gate is not None:
            await self.gate.wait()
        return kept


@dataclass(frozen=True, slots=True)
class Desk:
    conversations: Conversations
    engine: ScriptedEngine
    sessions: FrailSessions
    log: EventLog
    live: LiveLog
    store: Store
    start: asyncio.Task[None]

    async def ask(self, message: str, session_id: str | None = None) -> tuple[str, Turn]:
        """A message that begins a turn: its session and the turn."""
        asked = await self.conversations.say(message, session_id)
        assert asked.turn is not None
        return asked.session_id, asked.turn

    async def hear_to_the_end(self, session_id: str, after: int = 0) -> list[Numbered]:
        """What a watcher is shown and keeps, until the answer under way ends."""
        heard: list[Numbered] = []
        running = (await self.conversations.read(session_id)).running
        watched = cast(AsyncGenerator[Numbered], await self.conversations.watch(session_id, after))
        async with aclosing(watched) as events:
            async for one in events:
                if one.number:
                    heard.append(one)
                if isinstance(one.event, Done | Failed) and (
                    running is None or one.run_id == running.run_id
                ):
                    break
        return heard

    async def hear_all(self, session_id: str) -> list[Numbered]:
        """Every event that is kept of the session."""
        heard: list[Numbered] = []
        while page := await self.log.read(key_of(session_id), heard[-1].number if heard else 0):
            heard += page
        return heard

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """What is on disk, as another process would see it."""
        connection = sqlite3.connect(f"{self.store.path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    async def close(self) -> None:
        await self.conversations.close()
        await self.engine.stop()
        await self.start
        await self.log.close()
        await self.store.close()

    async def die(self) -> None:
        """From one moment to the next nobody does anything more; the files stay as they are."""
        tasks = [*self.conversations._tasks.values(), self.start]
        if self.log._mover is not None:
            tasks.append(self.log._mover)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.live.close(is_clean=False)
        await self.store.close()


async def open_desk(
    folder: Path,
    script: Script | None = None,
    engine: ScriptedEngine | None = None,
    **chosen: object,
) -> Desk:
    settings = Settings.model_validate({"data": folder, **chosen})
    engine = engine or ScriptedEngine(script or echo, parallel=settings.parallel)
    store, live = Store(folder), LiveLog(folder, PLAIN)
    log = EventLog(store, live, PLAIN)
    sessions = FrailSessions(store, log, PLAIN, read_clock_ms)
    owners = Owners(store, log, read_clock_ms)
    conversations = Conversations(engine, sessions, owners, log, settings)
    give_plain_answers(conversations, engine, sessions, log, settings)
    await store.open()
    unfinished = await log.open()
    await conversations.handoffs.load()
    await conversations.resume(unfinished)
    start = asyncio.create_task(engine.start())
    await asyncio.sleep(0)
    return Desk(conversations, engine, sessions, log, live, store, start)


@asynccontextmanager
async def desk(
    folder: Path,
    script: Script | None = None,
    engine: ScriptedEngine | None = None,
    **chosen: object,
) -> AsyncIterator[Desk]:
    opened = await open_desk(folder, script, engine, **chosen)
    try:
        yield opened
    finally:
        await opened.close()


def echo(question: str) -> Sequence[Line]:
    return ["你说，", question]


def waiting_for(gate: asyncio.Event) -> Script:
    return lambda question: ["先说，", Wait(gate), question]


async def hear(turn: Turn) -> list[Event]:
    return [one.event async for one in turn.watch()]


async def hear_until(turn: Turn, kind: type[Event]) -> None:
    async for one in turn.watch():
        if isinstance(one.event, kind):
            return


def events_of(heard: Sequence[Numbered]) -> list[Event]:
    return [one.event for one in heard]


def text_of(heard: Sequence[Numbered]) -> str:
    return "".join(one.event.text for one in heard if isinstance(one.event, Token))


def says_it_rests(end: Event) -> bool:
    return isinstance(end, Done) and (end.source, end.rule) == ("fallback", RESTING)


def texts(transcript: Transcript) -> list[str]:
    return [message.text for message in transcript.messages]


async def test_the_message_is_on_disk_before_it_is_accepted(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        await at.conversations.say("您好", None)
        assert at.rows("SELECT role, text FROM messages") == [("customer", "您好".encode())]


async def test_the_answer_is_on_disk_before_its_end_is_published(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        _, turn = await at.ask("您好")
        async for one in turn.watch():
            if isinstance(one.event, Done):
                assert at.rows("SELECT text FROM messages WHERE role = 'assistant'") == [
                    ("你说，您好".encode(),)
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
            assert isinstance((await hear(transcript.running))[-1], Done)
        _, turn = await here.ask("还在吗", session_id)
        assert isinstance((await hear(turn))[-1], Done)


async def test_a_second_message_while_one_is_answered_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id, _ = await at.ask("一")
        with pytest.raises(TurnRunning):
            await at.conversations.say("二", session_id)
        assert texts(await at.conversations.read(session_id)) == ["一"]


async def test_stopping_keeps_what_was_said(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Token)
        assert await at.conversations.stop(session_id)
        transcript = await at.conversations.read(session_id)
        assert transcript.running is None
        assert texts(transcript) == ["问", "先说，"]
        assert transcript.messages[-1].finish_reason == "cancelled"
        assert not await at.conversations.stop(session_id)


async def test_stopping_while_the_model_loads_ends_the_turn(tmp_path: Path) -> None:
    async with desk(tmp_path, engine=LoadingEngine(echo)) as at:
        session_id, turn = await at.ask("问")
        assert await at.conversations.stop(session_id)
        _, queued, done = await hear(turn)
        assert queued == Queued(0, 0, "model_loading")
        assert isinstance(done, Done) and done.finish_reason == "cancelled"


async def test_a_turn_waits_for_the_model_and_is_answered(tmp_path: Path) -> None:
    engine = LoadingEngine(echo)
    async with desk(tmp_path, engine=engine) as at:
        session_id, turn = await at.ask("问")
        assert (await at.conversations.read(session_id)).running is turn
        engine.loaded.set()
        await hear(turn)
        assert turn.text == "你说，问"


async def test_a_model_that_will_not_come_leaves_fixed_words_to_the_turns_that_waited(
    tmp_path: Path,
) -> None:
    engine = LoadingEngine(echo)
    async with desk(tmp_path, engine=engine) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Queued)
        engine.refuse("The file is damaged.")
        assert says_it_rests((await hear(turn))[-1])
        assert texts(await at.conversations.read(session_id)) == ["问", RESTS.text]


async def test_a_turn_waits_no_longer_for_the_model_than_a_customer_does(tmp_path: Path) -> None:
    async with desk(tmp_path, engine=LoadingEngine(echo), model_wait_s=0.01) as at:
        _, turn = await at.ask("问")
        assert says_it_rests((await hear(turn))[-1])


async def test_a_turn_waits_no_longer_in_the_queue_than_a_customer_does(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event()), parallel=1, queue_wait_s=1.0) as at:
        _, first = await at.ask("一")
        await hear_until(first, Token)
        _, second = await at.ask("二")
        assert says_it_rests((await hear(second))[-1])
        assert not first.is_ended


async def test_a_watcher_who_leaves_changes_nothing(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        session_id, turn = await at.ask("问")
        watcher = asyncio.create_task(hear(turn))
        await hear_until(turn, Token)
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
        gate.set()
        await hear(turn)
        assert texts(await at.conversations.read(session_id)) == ["问", "先说，问"]


async def test_watchers_early_and_late_see_the_same_events(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        _, turn = await at.ask("问")
        early = [asyncio.create_task(hear(turn)) for _ in range(2)]
        await hear_until(turn, Token)
        middle = asyncio.create_task(hear(turn))
        gate.set()
        heard = [*await asyncio.gather(*early), await middle, await hear(turn)]
        assert all(events == heard[0] for events in heard)
        assert [type(event) for event in heard[0]] == [Message, Started, Token, Token, Done]


async def test_forgetting_ends_the_answer_and_leaves_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Token)
        forgotten = await at.conversations.forget(session_id)
        assert (forgotten.messages, forgotten.turns) == (2, 1)
        assert isinstance((await hear(turn))[-1], Done)
        assert at.engine.forgotten == [turn.session_key]
        for table in ("messages", "turns", "events", "sessions"):
            assert at.rows(f"SELECT * FROM {table}") == []
        for call in (at.conversations.read(session_id), at.conversations.watch(session_id, 0)):
            with pytest.raises(SessionNotFound):
                await call


async def test_a_message_that_came_in_while_forgetting_is_not_answered_on(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id = await at.conversations.open()
        asking = asyncio.create_task(at.conversations.say("问", session_id))
        # One round for the caller, one for the task that takes the message to the store.
        for _ in range(2):
            await asyncio.sleep(0)
        await at.conversations.forget(session_id)
        turn = (await asking).turn
        assert turn is not None
        assert turn.is_ended


async def test_without_a_model_a_question_is_kept_and_answered_with_fixed_words(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        at.engine.refuse("There is no model.")
        session_id, turn = await at.ask("问")
        assert says_it_rests((await hear(turn))[-1])
        assert texts(await at.conversations.read(session_id)) == ["问", RESTS.text]


async def test_of_a_crowd_that_comes_at_once_no_more_than_the_places_are_taken(
    tmp_path: Path,
) -> None:
    """All of them once passed the door while none had been counted yet."""
    gate = asyncio.Event()
    room = 3 + ROOM_WITHOUT_MODEL
    async with desk(tmp_path, waiting_for(gate), parallel=2, queue=1) as at:
        said = await asyncio.gather(
            *[at.conversations.say("问", None) for _ in range(room + 6)], return_exceptions=True
        )
        assert sum(isinstance(outcome, Asked) for outcome in said) == room
        assert sum(isinstance(outcome, Busy) for outcome in said) == 6
        assert at.rows("SELECT count(*) FROM sessions") == [(room,)]
        gate.set()


async def test_of_a_crowd_no_more_than_its_places_come_before_the_model(tmp_path: Path) -> None:
    """The others are told at once that it rests, and who has a place keeps it."""
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate), parallel=2, queue=1) as at:
        turns = [turn for _, turn in [await at.ask("问") for _ in range(9)]]
        for turn in turns[3:]:
            assert says_it_rests((await hear(turn))[-1])
        assert not any(turn.is_ended for turn in turns[:3])
        gate.set()
        ends = [(await hear(turn))[-1] for turn in turns[:3]]
        assert [end.source for end in ends if isinstance(end, Done)] == ["model"] * 3


async def test_an_answer_goes_into_the_next_prompt_as_the_very_ids_that_were_said(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, system_prompt="规") as at:
        session_id, first = await at.ask("一")
        await hear(first)
        _, second = await at.ask("二", session_id)
        await hear(second)
        told = "".join(
            "|" if token in CONTROL_IDS else chr(token) for token in at.engine.prompts[1]
        )
        assert told == "|规|一|你说，一|二|"
        assert at.engine.prompts[1][: len(at.engine.prompts[0])] == at.engine.prompts[0]


async def test_the_window_of_history_moves_in_blocks(tmp_path: Path) -> None:
    async with desk(tmp_path, history_turns=2) as at:
        session_id = await at.conversations.open()
        for number in range(7):
            _, turn = await at.ask(f"问{number}", session_id)
            await hear(turn)
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
        session_id, first = await at.ask("长" * 20)
        assert TRIMMED not in await hear(first)
        _, second = await at.ask("短", session_id)
        assert TRIMMED in await hear(second)


async def test_a_question_that_fits_no_prompt_fails_in_plain_words(tmp_path: Path) -> None:
    async with desk(tmp_path, engine=SmallEngine(echo), system_prompt="规") as at:
        _, turn = await at.ask("长" * 50)
        *_, end = await hear(turn)
        assert isinstance(end, Failed)
        assert (end.code, "shorten" in end.message) == ("invalid_field", True)


async def test_an_answer_that_breaks_keeps_what_was_said(tmp_path: Path) -> None:
    async with desk(tmp_path, lambda _: ["一半，", Fail("The engine fell.")]) as at:
        session_id, turn = await at.ask("问")
        assert (await hear(turn))[-1] == Failed("engine_failed", "The engine fell.")
        last = (await at.conversations.read(session_id)).messages[-1]
        assert (last.text, last.error_code) == ("一半，", "engine_failed")


async def test_an_answer_that_breaks_before_a_word_was_shown_becomes_fixed_words(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, lambda _: ["一半", Fail("The engine fell.")]) as at:
        session_id, turn = await at.ask("问")
        assert says_it_rests((await hear(turn))[-1])
        assert texts(await at.conversations.read(session_id)) == ["问", RESTS.text]


async def test_an_answer_that_cannot_be_kept_fails_and_is_kept_later(tmp_path: Path) -> None:
    """Its turn once stayed open on disk, and the session took no more messages until a restart."""
    async with desk(tmp_path) as at:
        at.sessions.is_full = True
        session_id, turn = await at.ask("一")
        [*_, end] = [one async for one in turn.watch()]
        assert end == Numbered(0, turn.run_id, Failed("store_unavailable", FULL_DISK))
        with pytest.raises(StoreUnavailable):
            await at.ask("二", session_id)
        at.sessions.is_full = False
        _, second = await at.ask("二", session_id)
        await hear(second)
        transcript = await at.conversations.read(session_id)
        assert texts(transcript) == ["一", "你说，一", "二", "你说，二"]
        assert transcript.messages[1].error_code == "store_unavailable"
        events = await at.hear_all(session_id)
        assert [one.number for one in events] == list(range(1, 11))
        assert [type(one.event) for one in events[:5]] == [Message, Started, Token, Token, Failed]


async def test_an_end_the_disk_refused_is_no_end_for_the_next_process(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.sessions.is_full = True
        session_id, turn = await at.ask("一")
        await hear(turn)
        assert at.rows("SELECT state FROM turns") == [("running",)]
    async with desk(tmp_path) as at:
        events = await at.hear_to_the_end(session_id)
        assert [type(one) for one in events_of(events)] == [Message, Started, Token, Token, Done]
        assert texts(await at.conversations.read(session_id)) == ["一", "你说，一"]


class AskedDisk:
    """Each try to keep an end waits in `tries` for what shall come of it."""

    def __init__(self) -> None:
        self.tries: asyncio.Queue[asyncio.Future[Numbered]] = asyncio.Queue()

    async def finish(self, *_: object) -> Numbered:
        outcome: asyncio.Future[Numbered] = asyncio.get_running_loop().create_future()
        self.tries.put_nowait(outcome)
        return await outcome


async def test_an_end_is_tried_for_though_its_next_try_met_one_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its saver once found nothing, ended, and nobody was left to try."""
    monkeypatch.setattr(unsaved, "PAUSE_S", 0.0)
    disk, told, turn = AskedDisk(), list[str](), Turn("run", "key", "问", ())
    turn.unsaved = Failed("store_unavailable", FULL_DISK)
    ends = UnsavedEnds(cast(Sessions, disk), told.append)
    ends.keep(turn)
    asked = asyncio.create_task(ends.save("key"))
    first = await disk.tries.get()
    for _ in range(20):
        await asyncio.sleep(0)
    assert ends.find("key") is None
    first.set_exception(StoreUnavailable(FULL_DISK))
    with pytest.raises(StoreUnavailable):
        await asked
    second = await asyncio.wait_for(disk.tries.get(), 5)
    assert disk.tries.empty() and not told
    second.set_result(Numbered(7, "run", turn.unsaved))
    await ends.close()
    assert told == ["key"] and ends.find("key") is None


async def test_an_end_of_a_session_that_went_meanwhile_is_not_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unsaved, "PAUSE_S", 0.0)
    disk, turn = AskedDisk(), Turn("run", "key", "问", ())
    turn.unsaved = Failed("store_unavailable", FULL_DISK)
    ends = UnsavedEnds(cast(Sessions, disk), lambda _: None)
    ends.keep(turn)
    write = await disk.tries.get()
    ends.forget("key")
    write.set_exception(StoreUnavailable(FULL_DISK))
    await ends.close()
    assert ends.find("key") is None and disk.tries.empty()


async def test_a_fault_while_keeping_the_answer_still_ends_the_turn(tmp_path: Path) -> None:
    """An exception that was not the store's own once left every watcher waiting for ever."""
    async with desk(tmp_path) as at:
        at.sessions.is_faulty = True
        _, turn = await at.ask("问")
        end = (await asyncio.wait_for(hear(turn), 5))[-1]
        assert isinstance(end, Failed) and end.code == "internal"
        at.sessions.is_faulty = False


async def test_half_a_character_of_the_model_is_not_shown_and_not_kept(tmp_path: Path) -> None:
    """It could not be saved."""
    async with desk(tmp_path, lambda _: ["半个字符\ud83d"]) as at:
        session_id, turn = await at.ask("问")
        assert isinstance((await hear(turn))[-1], Done)
        assert texts(await at.conversations.read(session_id)) == ["问", "半个字符"]


async def test_closing_parks_what_is_answered_and_refuses_new_messages(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        asked = [await at.ask("问") for _ in range(2)]
        await asyncio.gather(*[hear_until(turn, Token) for _, turn in asked])
        await at.conversations.close()
        with pytest.raises(Restarting, match="restarts"):
            await at.ask("还有")
        for session_id, turn in asked:
            assert [type(event) for event in await hear(turn)] == [Message, Started, Token]
            assert texts(await at.conversations.read(session_id)) == ["问"]
        assert at.rows("SELECT DISTINCT state FROM turns") == [("running",)]


async def test_an_answer_whose_end_was_asked_for_is_ended_and_not_parked(tmp_path: Path) -> None:
    """It once went on after the restart, although its stop had been answered."""
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Token)
        stopping = asyncio.create_task(at.conversations.stop(session_id))
        await asyncio.sleep(0)
        await at.conversations.close()
        assert await stopping
        last = (await at.conversations.read(session_id)).messages[-1]
        assert (last.text, last.finish_reason) == ("先说，", "cancelled")
    async with desk(tmp_path) as at:
        assert at.conversations.measure().continued_total == 0


async def test_a_message_that_came_in_while_closing_is_answered_after_the_restart(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        arriving = asyncio.create_task(at.ask("问"))
        await asyncio.sleep(0)
        await at.conversations.close()
        session_id, turn = await arriving
        assert Done not in [type(event) for event in await hear(turn)]
    async with desk(tmp_path) as at:
        assert isinstance((await at.hear_to_the_end(session_id))[-1].event, Done)
        assert texts(await at.conversations.read(session_id)) == ["问", "你说，问"]


async def test_a_turn_that_nobody_had_begun_is_begun_at_the_next_start(tmp_path: Path) -> None:
    first = await open_desk(tmp_path, engine=LoadingEngine(echo))
    session_id, _ = await first.ask("没人回答")
    await first.die()
    async with desk(tmp_path) as at:
        await at.hear_to_the_end(session_id)
        assert texts(await at.conversations.read(session_id)) == ["没人回答", "你说，没人回答"]
        assert at.conversations.measure().continued_total == 1


async def test_no_message_is_taken_before_the_last_process_is_cleared_up(tmp_path: Path) -> None:
    """A message at the very start was once itself taken for one of the dead process."""
    store = Store(tmp_path)
    log = EventLog(store, LiveLog(tmp_path, PLAIN), PLAIN)
    sessions = Sessions(store, log, PLAIN, read_clock_ms)
    engine, settings = ScriptedEngine(echo), Settings(data=tmp_path)
    owners = Owners(store, log, read_clock_ms)
    conversations = Conversations(engine, sessions, owners, log, settings)
    give_plain_answers(conversations, engine, sessions, log, settings)
    await asyncio.gather(store.open(), engine.start())
    early = asyncio.create_task(conversations.say("早"))
    await asyncio.sleep(0)
    unfinished = await log.open()
    assert unfinished == ()
    await conversations.resume(unfinished)
    turn = (await early).turn
    assert turn is not None
    assert isinstance((await hear(turn))[-1], Done)
    await conversations.close()
    await log.close()
    await store.close()


async def test_history_shows_an_answer_once_at_every_moment_of_its_end(tmp_path: Path) -> None:
    """Kept but not yet published, it was shown twice; published in mid-read, not at all."""
    async with desk(tmp_path) as at:
        at.sessions.gate = gate = asyncio.Event()
        session_id, turn = await at.ask("问")
        while not at.rows("SELECT 1 FROM messages WHERE role = 'assistant'"):
            await asyncio.sleep(0)
        transcript = await at.conversations.read(session_id)
        assert (texts(transcript), transcript.running) == (["问"], turn)
        assert transcript.last_number == turn.last_number
        reading = asyncio.create_task(at.conversations.read(session_id))
        gate.set()
        assert shows_once(await reading, turn)


async def test_a_message_that_comes_with_the_last_word_of_an_answer_is_answered_too(
    tmp_path: Path,
) -> None:
    """Taken when the end was on disk and not published yet, its turn was lost from sight: the turn
    before cleared it away as its own, and a history read then showed the new question twice."""
    async with desk(tmp_path) as at:
        at.sessions.gate = gate = asyncio.Event()
        session_id, first = await at.ask("一")
        while not at.rows("SELECT 1 FROM messages WHERE role = 'assistant'"):
            await asyncio.sleep(0)
        asking = asyncio.create_task(at.ask("二", session_id))
        while at.rows("SELECT count(*) FROM turns") == [(1,)]:
            await asyncio.sleep(0)
        transcript = await at.conversations.read(session_id)
        assert (texts(transcript), transcript.running) == (["一"], first)
        assert transcript.last_number == first.last_number
        at.sessions.gate = None
        gate.set()
        _, second = await asking
        assert first.is_ended
        assert (await at.conversations.read(session_id)).running is second
        await hear(second)
        transcript = await at.conversations.read(session_id)
        assert texts(transcript) == ["一", "你说，一", "二", "你说，二"]
        assert transcript.running is None


async def test_history_shows_an_answer_once_whenever_it_is_read(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for _ in range(20):
            session_id, turn = await at.ask("问")
            while not turn.is_ended:
                assert shows_once(await at.conversations.read(session_id), turn)


def shows_once(transcript: Transcript, turn: Turn) -> bool:
    is_kept = any(message.role == "assistant" for message in transcript.messages)
    return is_kept is not (transcript.running is turn)


async def test_a_read_that_began_before_the_end_is_done_again(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        session_id, turn = await at.ask("问")
        read_messages = at.sessions.read_messages

        async def read_then_end(session_id: str) -> tuple[tuple[StoredMessage, ...], int]:
            messages = await read_messages(session_id)
            gate.set()
            await hear(turn)
            return messages

        at.sessions.read_messages = read_then_end  # type: ignore[method-assign]
        transcript = await at.conversations.read(session_id)
        assert (texts(transcript), transcript.running) == (["问", "先说，问"], None)


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
    """80 turns with stops, forgets, engine failures and full disks; the last ones go on after a
    restart."""
    chance = Random(seed)
    watchers: list[asyncio.Task[list[Event]]] = []
    asked: dict[str, str] = {}
    async with desk(tmp_path, tell_at_random(chance), parallel=3, queue=6) as at:

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
                    session_id, turn = await at.ask("问题", session_id)
                except ApplianceError:
                    session_id = None
                    # A loop that spins here would keep the store's threads from running.
                    answering = [watcher for watcher in watchers if not watcher.done()]
                    if answering:
                        await asyncio.wait(answering, return_when=asyncio.FIRST_COMPLETED)
                    else:
                        await asyncio.sleep(0)
                    continue
                asked[turn.run_id] = session_id
                watchers.append(asyncio.create_task(hear(turn)))
                if chance.random() < 0.6:
                    await disturb(session_id)

        await asyncio.gather(*[visit() for _ in range(8)])
        at.sessions.is_full = False
        await at.conversations.close()
        for events in await asyncio.wait_for(asyncio.gather(*watchers), 30):
            assert sum(isinstance(event, Done | Failed) for event in events) <= 1
            assert not any(isinstance(event, Done | Failed) for event in events[:-1])

    async with desk(tmp_path, tell_at_random(chance), parallel=3, queue=6) as at:
        for session_id in set(asked.values()):
            with suppress(SessionNotFound):
                if (turn := (await at.conversations.read(session_id)).running) is not None:
                    await asyncio.wait_for(hear(turn), 30)
        assert at.rows("SELECT count(*) FROM turns WHERE state = 'running'") == [(0,)]
        kept = {str(run_id) for (run_id,) in at.rows("SELECT run_id FROM turns")}
        ends = [
            one.run_id
            for session_id in {asked[run_id] for run_id in kept}
            for one in await at.hear_all(session_id)
            if isinstance(one.event, Done | Failed)
        ]
        assert sorted(ends) == sorted(kept)


@pytest.mark.parametrize("seed", range(4))
async def test_an_engine_that_stops_ends_every_turn_once(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    async with desk(tmp_path, tell_at_random(chance), parallel=2) as at:
        turns = [(await at.ask("问题"))[1] for _ in range(6)]
        watchers = [asyncio.create_task(hear(turn)) for turn in turns]
        for _ in range(chance.randint(0, 20)):
            await asyncio.sleep(0)
        await at.engine.stop()
        for events in await asyncio.wait_for(asyncio.gather(*watchers), 30):
            assert sum(isinstance(event, Done | Failed) for event in events) == 1
        assert at.rows("SELECT count(*) FROM turns WHERE state = 'running'") == [(0,)]


async def test_the_same_client_id_gives_the_first_result_and_begins_nothing(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with desk(tmp_path, waiting_for(gate)) as at:
        session_id = await at.conversations.open()
        first = await at.conversations.say("问", session_id, "a")
        assert first.turn is not None
        known = Asked(session_id, first.run_id, first.number, None)
        assert await at.conversations.say("问", session_id, "a") == known
        with pytest.raises(TurnRunning):
            await at.conversations.say("问", session_id, "b")
        gate.set()
        await hear(first.turn)
        assert await at.conversations.say("问", session_id, "a") == known
        at.engine.refuse("There is no model.")
        assert await at.conversations.say("问", session_id, "a") == known
        await at.conversations.close()
        assert await at.conversations.say("问", session_id, "a") == known
        assert texts(await at.conversations.read(session_id)) == ["问", "先说，问"]
    async with desk(tmp_path) as at:
        assert await at.conversations.say("问", session_id, "a") == known
        assert len(at.engine.prompts) == 0


async def test_a_repeated_client_id_needs_no_place_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_of_turns, "ROOM_WITHOUT_MODEL", 0)
    async with desk(tmp_path, waiting_for(asyncio.Event()), parallel=1, queue=0) as at:
        session_id = await at.conversations.open()
        first = await at.conversations.say("问", session_id, "a")
        again = await at.conversations.say("问", session_id, "a")
        assert (again.run_id, again.number) == (first.run_id, first.number)
        with pytest.raises(Busy):
            await at.conversations.say("问", await at.conversations.open(), "a")


async def test_two_calls_at_once_with_one_client_id_begin_one_turn(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        session_id = await at.conversations.open()
        asked = await asyncio.gather(
            *[at.conversations.say("问", session_id, "a") for _ in range(2)]
        )
        assert {(one.run_id, one.number) for one in asked} == {(asked[0].run_id, 1)}
        [turn] = [one.turn for one in asked if one.turn is not None]
        await hear(turn)
        assert texts(await at.conversations.read(session_id)) == ["问", "你说，问"]
        assert len(at.engine.prompts) == 1


# A family, a flag and a letter of four bytes, each cut where a model may cut it.
PIECES = (
    "您",
    "好，",
    "👨",
    "\u200d",
    "👩\u200d👧",
    " 一家",
    "\n\n都",
    "𠮷",
    "利🏳",
    "\ufe0f\u200d🌈",
    "。",
)


# What is shown of them, and after how many pieces: the line feeds come with the seventh.
CLAUSES = ("您好，", "👨\u200d👩\u200d👧 一家", "\n\n都𠮷利🏳\ufe0f\u200d🌈。")
SHOWN_AFTER = (2, 7, 11)


class Hold(asyncio.Event):
    """A script waits here for ever; `reached` once all that stands before was taken."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.reached.set()
        return await super().wait()


def holding(pieces: Sequence[str], held_after: int, hold: Hold) -> Script:
    """Says that many pieces and then waits for ever."""
    return lambda _: [*pieces[:held_after], Wait(hold), *pieces[held_after:]]


def count_shown(pieces: int) -> int:
    """The clauses that are shown after so many pieces."""
    return sum(after <= pieces for after in SHOWN_AFTER)


async def reach(turn: Turn, hold: Hold, pieces: int) -> list[Numbered]:
    """What was shown of the turn once the engine has said so many pieces and holds."""
    await hold.reached.wait()
    assert [one.event.text for one in turn.events if isinstance(one.event, Token)] == [
        *CLAUSES[: count_shown(pieces)]
    ]
    return list(turn.events)


@pytest.mark.parametrize("end", ["in order", "killed"])
@pytest.mark.parametrize("said", range(len(PIECES) + 1))
async def test_an_answer_cut_after_any_piece_goes_on_with_nothing_lost_or_doubled(
    tmp_path: Path, said: int, end: str
) -> None:
    hold = Hold()
    first = await open_desk(tmp_path, holding(PIECES, said, hold))
    session_id, turn = await first.ask("问")
    shown = await reach(turn, hold, said)
    await (first.close() if end == "in order" else first.die())
    assert first.rows("SELECT state FROM turns") == [("running",)]

    async with desk(tmp_path, lambda _: PIECES) as at:
        heard = await at.hear_to_the_end(session_id)
        assert heard[: len(shown)] == shown
        assert [one.number for one in heard] == list(range(1, len(CLAUSES) + 4))
        assert [type(event) for event in events_of(heard)] == [
            Message,
            Started,
            *[Token] * len(CLAUSES),
            Done,
        ]
        assert text_of(heard) == "".join(PIECES)
        assert texts(await at.conversations.read(session_id)) == ["问", "".join(PIECES)]
        assert await at.hear_all(session_id) == heard
        [exchange] = await at.sessions.read_exchanges(key_of(session_id), lambda _: 0)
        assert "".join(map(chr, exchange.answer_token_ids)) == "".join(PIECES)


async def test_an_answer_cut_again_and_again_is_still_one_answer(tmp_path: Path) -> None:
    session_id = ""
    for said in range(len(PIECES)):
        hold = Hold()
        opened = await open_desk(tmp_path, holding(PIECES, said, hold))
        if not session_id:
            session_id, _ = await opened.ask("问")
        turn = (await opened.conversations.read(session_id)).running
        assert turn is not None
        await reach(turn, hold, said)
        await opened.close()
    async with desk(tmp_path, lambda _: PIECES) as at:
        heard = await at.hear_to_the_end(session_id)
        assert [one.number for one in heard] == list(range(1, len(CLAUSES) + 4))
        assert text_of(heard) == "".join(PIECES)
        assert texts(await at.conversations.read(session_id)) == ["问", "".join(PIECES)]


async def test_stopping_in_order_any_number_of_times_is_no_death(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Token)
    for _ in range(3):
        async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
            turns = (await at.conversations.read(session_id)).running
            assert turns is not None
            assert turns.deaths == 0


async def test_a_turn_that_killed_two_processes_is_ended_and_not_tried_again(
    tmp_path: Path,
) -> None:
    hold = Hold()
    first = await open_desk(tmp_path, holding(PIECES, 2, hold))
    session_id, turn = await first.ask("问")
    await reach(turn, hold, 2)
    await first.die()
    hold = Hold()
    second = await open_desk(tmp_path, holding(PIECES, 9, hold))
    again = (await second.conversations.read(session_id)).running
    assert again is not None
    assert again.deaths == 1
    await reach(again, hold, 9)
    await second.die()

    async with desk(tmp_path, lambda _: PIECES) as at:
        heard = await at.hear_to_the_end(session_id)
        assert heard[-1] == Numbered(len(heard), turn.run_id, INTERRUPTED)
        assert INTERRUPTED.code == "interrupted"
        assert text_of(heard) == "".join(CLAUSES[:2])
        last = (await at.conversations.read(session_id)).messages[-1]
        assert (last.text, last.error_code) == ("".join(CLAUSES[:2]), "interrupted")
        assert at.engine.prompts == []
        assert at.conversations.measure().failed_total == {"interrupted": 1}
        _, fresh = await at.ask("别的", session_id)
        assert isinstance((await hear(fresh))[-1], Done)


async def test_suspects_go_on_one_at_a_time_and_the_rest_after_them(tmp_path: Path) -> None:
    first = await open_desk(tmp_path, waiting_for(asyncio.Event()))
    asked = [await first.ask(f"问{number}") for number in range(3)]
    await asyncio.gather(*[hear_until(turn, Token) for _, turn in asked])
    await first.die()

    gates = {f"问{number}": asyncio.Event() for number in range(3)}
    engine = LoadingEngine(lambda question: ["先说，", Wait(gates.get(question))])
    async with desk(tmp_path, engine=engine) as at:
        suspects = []
        for session_id, _ in asked:
            suspect = (await at.conversations.read(session_id)).running
            assert suspect is not None
            suspects.append(suspect)
        engine.loaded.set()
        _, other = await at.ask("新的")
        await hear_until(other, Queued)
        left = {suspect.question: suspect for suspect in suspects}
        for number in range(3):
            while len(at.engine.prompts) < number + 1:
                await asyncio.sleep(0)
            assert len(at.engine.prompts) == number + 1
            assert not other.has_spoken
            question = read_question(at.engine.prompts[number])
            gates[question].set()
            assert isinstance((await hear(left.pop(question)))[-1], Done)
        assert isinstance((await hear(other))[-1], Done)


async def test_a_newcomer_stays_behind_a_suspect_whose_rung_is_still_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once went before, and would have paid for what the suspect does to the process."""
    first = await open_desk(tmp_path, waiting_for(asyncio.Event()))
    _, turn = await first.ask("问")
    await hear_until(turn, Token)
    await first.die()
    gate, count_exchanges = asyncio.Event(), Sessions.count_exchanges

    async def count_late(sessions: Sessions, session_key: str) -> int:
        if session_key == turn.session_key:
            await gate.wait()
        return await count_exchanges(sessions, session_key)

    monkeypatch.setattr(Sessions, "count_exchanges", count_late)
    async with desk(tmp_path) as at:
        _, other = await at.ask("新的")
        await hear_until(other, Queued)
        assert not at.engine.prompts
        gate.set()
        assert isinstance((await hear(other))[-1], Done)
        assert [read_question(prompt) for prompt in at.engine.prompts] == ["问", "新的"]


async def test_of_three_suspects_only_the_one_that_kills_again_is_given_up(tmp_path: Path) -> None:
    first = await open_desk(tmp_path, waiting_for(asyncio.Event()))
    asked = [await first.ask(f"问{number}") for number in range(3)]
    await asyncio.gather(*[hear_until(turn, Token) for _, turn in asked])
    await first.die()
    engine = LoadingEngine(waiting_for(asyncio.Event()))
    second = await open_desk(tmp_path, engine=engine)
    engine.loaded.set()
    while not engine.prompts:
        await asyncio.sleep(0)
    [deadly] = [read_question(prompt) for prompt in engine.prompts]
    await second.die()
    async with desk(tmp_path) as at:
        for session_id, turn in asked:
            end = (await at.hear_to_the_end(session_id))[-1].event
            assert type(end) is (Failed if turn.question == deadly else Done)


async def test_a_suspect_that_waits_for_its_turn_can_be_stopped_and_parked(tmp_path: Path) -> None:
    first = await open_desk(tmp_path, waiting_for(asyncio.Event()))
    asked = [await first.ask(f"问{number}") for number in range(3)]
    await asyncio.gather(*[hear_until(turn, Token) for _, turn in asked])
    await first.die()
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        assert await at.conversations.stop(asked[2][0])
        last = (await at.conversations.read(asked[2][0])).messages[-1]
        assert (last.text, last.finish_reason) == ("先说，", "cancelled")
    async with desk(tmp_path) as at:
        for session_id, _ in asked[:2]:
            assert isinstance((await at.hear_to_the_end(session_id))[-1].event, Done)


async def test_forgetting_a_parked_turn_leaves_nothing_to_go_on_with(tmp_path: Path) -> None:
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        gone = [await at.ask(f"问{number}") for number in range(3)]
        await asyncio.gather(*[hear_until(turn, Token) for _, turn in gone])
        # One while it is being parked, one right after.
        await asyncio.gather(at.conversations.close(), at.conversations.forget(gone[0][0]))
        await at.conversations.forget(gone[1][0])
    async with desk(tmp_path, engine=LoadingEngine(echo)) as at:
        assert at.conversations.measure().continued_total == 1
        await at.conversations.forget(gone[2][0])
        for session_id, _ in gone:
            with pytest.raises(SessionNotFound):
                await at.conversations.read(session_id)
        for table in ("messages", "turns", "events", "sessions"):
            assert at.rows(f"SELECT * FROM {table}") == []
    async with desk(tmp_path) as at:
        assert at.conversations.measure().continued_total == 0


async def test_a_turn_of_the_first_release_is_answered(tmp_path: Path) -> None:
    """It has no events: the release that took the message wrote none."""
    database = Database(tmp_path / "appliance.db")
    migrations = Migrations("appliance")
    migrations()(m001_sessions_turns_messages)
    migrations.apply(database)
    key = key_of("old")
    database.execute("INSERT INTO sessions VALUES (?, 1, 1)", [key])
    database.execute(
        "INSERT INTO turns (run_id, session_key, state, accepted_ms) VALUES ('r', ?, 'running', 1)",
        [key],
    )
    question = "还在吗？".encode()
    database.execute(
        "INSERT INTO messages VALUES (?, 1, 'r', 'customer', ?, NULL, 1)", [key, question]
    )
    database.conn.commit()
    database.close()
    async with desk(tmp_path) as at:
        heard = await at.hear_to_the_end("old")
        assert [type(event) for event in events_of(heard)] == [Rewind, Started, Token, Token, Done]
        assert texts(await at.conversations.read("old")) == ["还在吗？", "你说，还在吗？"]


async def test_after_a_power_cut_the_answer_goes_on_behind_what_still_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots = count()
    monkeypatch.setattr(recovery, "read_boot_id", lambda: f"boot {next(boots)}")
    hold = Hold()
    first = await open_desk(tmp_path, holding(PIECES, 5, hold))
    session_id, turn = await first.ask("问")
    await reach(turn, hold, 5)
    await first.log.move()
    await first.die()
    async with desk(tmp_path, lambda _: PIECES) as at:
        heard = await at.hear_to_the_end(session_id)
        assert heard[3] == Numbered(1003, turn.run_id, Rewind(3, len("您好，")))
        assert text_of(heard) == "".join(PIECES)
        assert texts(await at.conversations.read(session_id)) == ["问", "".join(PIECES)]


async def test_ids_of_an_answer_by_two_models_are_no_model_s(tmp_path: Path) -> None:
    """They were once handed to the second model as its own, half of them another vocabulary's."""
    said = [
        Numbered(1, "run", Message("customer", "问")),
        Numbered(2, "run", Started("model", "small")),
        Numbered(3, "run", Token("您", (7,))),
    ]
    assert Turn("run", "key", "问", said).started_model == "small"
    said += [
        Numbered(4, "run", Started("model", "large")),
        Numbered(5, "run", Token("好", (9,))),
    ]
    turn = Turn("run", "key", "问", said)
    assert turn.started_model is None
    assert turn.text == "您好"


async def test_a_watcher_who_comes_late_is_not_told_of_a_wait_that_is_over(tmp_path: Path) -> None:
    """A slow one once was: the page said "one before you" in the middle of the answer."""
    engine = LoadingEngine(echo)
    async with desk(tmp_path, engine=engine) as at:
        session_id, turn = await at.ask("问")
        slow = cast(AsyncGenerator[Numbered], await at.conversations.watch(session_id, 0))
        async with aclosing(slow):
            assert isinstance((await anext(slow)).event, Message)
            early = await at.conversations.watch(session_id, 1)
            assert (await anext(early)).event == Queued(0, 0, "model_loading")
            engine.loaded.set()
            await hear(turn)
            rest = [(await anext(slow)).event for _ in range(4)]
            assert [type(event) for event in rest] == [Started, Token, Token, Done]
            await at.conversations.close()
            assert isinstance((await anext(slow)).event, Bye)
            seen = [(await anext(early)).event for _ in range(5)]
            assert [type(event) for event in seen] == [Started, Token, Token, Done, Bye]


async def test_a_watcher_who_comes_while_the_turn_is_parked_is_not_told_of_a_loss(
    tmp_path: Path,
) -> None:
    """What was said is on its way to the main file then, and only there would be looked for it."""
    async with desk(tmp_path, waiting_for(asyncio.Event())) as at:
        session_id, turn = await at.ask("问")
        await hear_until(turn, Token)
        last_number = turn.last_number
        await at.conversations.close()
        watched = await at.conversations.watch(session_id, last_number)
        assert [type(event) for event in events_of([one async for one in watched])] == [Bye]
