"""Sessions: what is reported as kept is on disk, what is forgotten is gone, nothing is half."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import SessionNotFound, TurnRunning
from appliance.events import Done, Ending, Failed, Numbered, Timings, Usage
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.live import LiveLog
from appliance.store.messages import Answer, StoredMessage
from appliance.store.sealing import PLAIN, Label, Seals
from appliance.store.sessions import Accepted, Forgotten, Sessions, key_of

ROOT = Path(__file__).parents[1]
DONE = Done("stop", "model", Usage(10, 4, 3), Timings(1.0, 2.0, 3.0, 4.0, 5.5))
BROKEN = Failed("engine_failed", "The engine stopped.")


@asynccontextmanager
async def opened(folder: Path, seals: Seals = PLAIN) -> AsyncIterator[Sessions]:
    store = Store(folder)
    log = EventLog(store, LiveLog(folder, seals), seals)
    clock = count(1_000)
    try:
        await store.open()
        for left in await log.open():
            log.begin(left.session_key, left.next_number)
        yield Sessions(store, log, seals, lambda: next(clock))
    finally:
        await log.close()
        await store.close()


async def end_turn(
    sessions: Sessions, accepted: Accepted, answer: Answer, ending: Ending = DONE
) -> Numbered:
    return await sessions.finish(accepted.session_key, accepted.run_id, answer, ending)


async def answer_question(
    sessions: Sessions, session_id: str, question: str, answer: Answer, ending: Ending = DONE
) -> None:
    await end_turn(sessions, await sessions.accept(session_id, question), answer, ending)


async def read_messages(sessions: Sessions, session_id: str) -> tuple[StoredMessage, ...]:
    return (await sessions.read_messages(session_id))[0]


async def test_a_session_id_has_128_bits_and_fits_in_a_path(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        ids = {await sessions.create() for _ in range(20)}
    assert len(ids) == 20
    assert all(re.fullmatch(r"[\w-]{22}", session_id) for session_id in ids)


async def test_an_exchange_is_read_back_as_it_was_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        accepted = await sessions.accept(session_id, "退款多久到账？")
        assert accepted.session_key == key_of(session_id)
        assert (accepted.number, accepted.is_repeat) == (1, False)
        end = await end_turn(sessions, accepted, Answer("三天。", (5, 151_642), "qwen"))
        assert end == Numbered(2, accepted.run_id, DONE)
        (question, answer), last_number = await sessions.read_messages(session_id)
    assert last_number == 2
    assert (question.position, question.role, question.text) == (1, "customer", "退款多久到账？")
    assert (question.source, question.finish_reason, question.error_code) == (None, None, None)
    assert (answer.position, answer.role, answer.text) == (2, "assistant", "三天。")
    assert (answer.source, answer.finish_reason, answer.total_ms) == ("model", "stop", 5.5)
    assert question.run_id == answer.run_id == accepted.run_id
    assert question.created_ms < answer.created_ms


@pytest.mark.parametrize(
    "text",
    ["a\0b", "👨‍👩‍👧 𠮷 🏳️‍🌈", "长" * 100_000, "' OR 1=1; --", " \n\t", "e\u0301\u202e\ufeff"],
    ids=["nul", "emoji", "long", "sql", "blank", "marks"],
)
async def test_any_text_comes_back_unchanged(tmp_path: Path, text: str) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        await answer_question(sessions, session_id, text, Answer(text))
        assert [message.text for message in await read_messages(sessions, session_id)] == [text] * 2
    check_integrity(tmp_path)


async def test_a_text_that_is_no_unicode_leaves_nothing_half(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        with pytest.raises(UnicodeEncodeError):
            await sessions.accept(session_id, "\ud800")
        assert await sessions.read_messages(session_id) == ((), 0)
        await sessions.accept(session_id, "whole")


async def test_a_flipped_bit_in_a_text_costs_one_sign_and_not_the_history(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        await answer_question(sessions, session_id, "WORN?", Answer("yes"))
    file = tmp_path / "appliance.db"
    file.write_bytes(file.read_bytes().replace(b"WORN?", b"WO\xd2N?"))
    async with opened(tmp_path) as sessions:
        texts = [message.text for message in await read_messages(sessions, session_id)]
    assert texts == ["WO\ufffdN?", "yes"]


@pytest.mark.parametrize("session_id", ["", "nobody", "../../etc", "x" * 10_000, "\ud800", "a\0"])
async def test_an_id_that_was_never_given_is_not_found(tmp_path: Path, session_id: str) -> None:
    async with opened(tmp_path) as sessions:
        await sessions.create()
        for call in (
            sessions.check(session_id),
            sessions.accept(session_id, "hello"),
            sessions.read_messages(session_id),
            sessions.forget(session_id),
        ):
            with pytest.raises(SessionNotFound):
                await call
        assert await sessions.read_exchanges(key_of(session_id), lambda _: 0) == ()


async def test_the_key_of_a_session_does_not_open_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        with pytest.raises(SessionNotFound):
            await sessions.check(key_of(session_id))


async def test_a_second_message_waits_for_the_end_of_the_turn(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        accepted = await sessions.accept(session_id, "first")
        with pytest.raises(TurnRunning):
            await sessions.accept(session_id, "second")
        await end_turn(sessions, accepted, Answer(""), BROKEN)
        assert (await sessions.accept(session_id, "third")).number == 3


async def test_of_200_messages_at_once_one_session_accepts_one(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        outcomes = await asyncio.gather(
            *[sessions.accept(session_id, f"{number}") for number in range(200)],
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, TurnRunning)]
        assert len(refused) == 199
        assert len(await read_messages(sessions, session_id)) == 1


async def test_200_sessions_at_once_all_keep_their_own_message(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        ids = await asyncio.gather(*[sessions.create() for _ in range(200)])
        await asyncio.gather(
            *[sessions.accept(session_id, f"of {session_id}") for session_id in ids]
        )
        histories = await asyncio.gather(*[read_messages(sessions, one) for one in ids])
    assert [[message.text for message in history] for history in histories] == [
        [f"of {session_id}"] for session_id in ids
    ]


async def test_a_failed_turn_keeps_its_error_after_the_question(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        silent = await sessions.accept(session_id, "one")
        await end_turn(sessions, silent, Answer(""), BROKEN)
        partial = await sessions.accept(session_id, "two")
        await end_turn(sessions, partial, Answer("half a", (1,)), BROKEN)
        messages = await read_messages(sessions, session_id)
    assert [(message.text, message.error_code) for message in messages] == [
        ("one", None),
        ("", "engine_failed"),
        ("two", None),
        ("half a", "engine_failed"),
    ]
    assert messages[1].error_message == "The engine stopped."
    assert messages[1].finish_reason is None


async def test_a_turn_ends_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        accepted = await sessions.accept(session_id, "hello")
        await end_turn(sessions, accepted, Answer("first"))
        for late in (DONE, BROKEN):
            assert await end_turn(sessions, accepted, Answer("second"), late) == Numbered(
                0, accepted.run_id, late
            )
        (_, answer), last_number = await sessions.read_messages(session_id)
    assert (answer.text, answer.error_code, last_number) == ("first", None, 2)


async def test_exchanges_are_the_answered_ones_oldest_first(tmp_path: Path) -> None:
    cancelled = Done("cancelled", "model")
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        await answer_question(sessions, session_id, "q1", Answer("a1", (7, 2**32 - 1), "m"))
        failing = await sessions.accept(session_id, "q2")
        await end_turn(sessions, failing, Answer("half", (8,), "m"), BROKEN)
        await answer_question(sessions, session_id, "q3", Answer(""), cancelled)
        await answer_question(sessions, session_id, "q4", Answer("a4"), cancelled)
        await sessions.accept(session_id, "q5")

        exchanges = await sessions.read_exchanges(key_of(session_id), lambda n: n - 2)
        latest = await sessions.read_exchanges(key_of(session_id), lambda n: n - 1)
    assert [(one.question, one.answer) for one in exchanges] == [("q1", "a1"), ("q4", "a4")]
    assert [one.answer_token_ids for one in exchanges] == [(7, 2**32 - 1), ()]
    assert [one.model_id for one in exchanges] == ["m", ""]
    assert latest == exchanges[1:]


async def test_forgetting_leaves_nothing_of_a_session_and_all_of_the_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        gone, other = await sessions.create(), await sessions.create()
        await answer_question(sessions, gone, "q1", Answer("a1"))
        await answer_question(sessions, other, "kept", Answer("too"))
        running = await sessions.accept(gone, "q2")
        assert await sessions.forget(gone) == Forgotten(messages=3, turns=2)

        assert (await end_turn(sessions, running, Answer("too late"))).number == 0
        for call in (sessions.read_messages(gone), sessions.forget(gone)):
            with pytest.raises(SessionNotFound):
                await call
        assert len(await read_messages(sessions, other)) == 2
    assert read_rows(tmp_path, "SELECT count(*) FROM messages") == [(2,)]
    assert read_rows(tmp_path, "SELECT count(*) FROM turns") == [(1,)]
    assert read_rows(tmp_path, "SELECT DISTINCT session_key FROM events") == [(key_of(other),)]


async def test_the_same_client_id_again_finds_what_it_began(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id, other = await sessions.create(), await sessions.create()
        assert await sessions.find_asked(session_id, "a") is None
        first = await sessions.accept(session_id, "hello", "a")
        again = Accepted(first.run_id, first.session_key, first.number, is_repeat=True)
        assert await sessions.accept(session_id, "hello", "a") == again
        assert await sessions.find_asked(session_id, "a") == again
        with pytest.raises(TurnRunning):
            await sessions.accept(session_id, "hello", "b")
        await end_turn(sessions, first, Answer("yes"))
        assert await sessions.accept(session_id, "whatever it says", "a") == again
        elsewhere = await sessions.accept(other, "hello", "a")
        assert (elsewhere.is_repeat, elsewhere.number) == (False, 1)
    async with opened(tmp_path) as sessions:
        assert await sessions.accept(session_id, "hello", "a") == again
        assert (await sessions.accept(session_id, "next", "b")).number == 3
        with pytest.raises(SessionNotFound):
            await sessions.find_asked("nobody", "a")


async def test_messages_without_a_client_id_are_never_taken_for_one_another(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        for number in (1, 3, 5):
            accepted = await sessions.accept(session_id, "the same")
            assert (accepted.number, accepted.is_repeat) == (number, False)
            await end_turn(sessions, accepted, Answer("yes"))


async def test_of_200_calls_at_once_with_one_client_id_one_begins_the_turn(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        outcomes = await asyncio.gather(
            *[sessions.accept(session_id, "hello", "a") for _ in range(200)]
        )
        assert len({(one.run_id, one.number) for one in outcomes}) == 1
        assert sum(not one.is_repeat for one in outcomes) == 1
        assert len(await read_messages(sessions, session_id)) == 1


async def test_a_turn_left_running_keeps_its_question_and_takes_no_second(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        session_id = await sessions.create()
        accepted = await sessions.accept(session_id, "还在吗？")
    async with opened(tmp_path) as sessions:
        question = await sessions.read_question(accepted.session_key, accepted.run_id)
        assert question == "还在吗？"
        with pytest.raises(TurnRunning):
            await sessions.accept(session_id, "again")
        await end_turn(sessions, accepted, Answer("在的。"))
        assert [one.text for one in await read_messages(sessions, session_id)] == [
            "还在吗？",
            "在的。",
        ]
        assert await sessions.read_question(accepted.session_key, "no such run") == ""


async def test_usage_and_timings_are_kept_as_json(tmp_path: Path) -> None:
    async with opened(tmp_path) as sessions:
        await answer_question(sessions, await sessions.create(), "q", Answer("a", (1,), "m"))
    [(usage, timings, model_id)] = read_rows(tmp_path, "SELECT usage, timings, model_id FROM turns")
    assert usage == '{"prompt_tokens": 10, "cached_tokens": 4, "completion_tokens": 3}'
    assert json.loads(str(timings)) == asdict(DONE.timings)
    assert model_id == "m"


async def test_no_word_and_no_id_of_a_customer_reaches_the_disk_unsealed(tmp_path: Path) -> None:
    labels: list[Label] = []

    def seal(value: bytes, label: Label) -> bytes:
        labels.append(label)
        return repr(label).encode() + b"|" + value[::-1]

    def unseal(value: bytes, label: Label) -> bytes:
        bound, _, reversed_value = value.partition(b"|")
        assert bound == repr(label).encode(), "opened under another label"
        return reversed_value[::-1]

    async with opened(tmp_path, Seals(seal, unseal)) as sessions:
        session_id = await sessions.create()
        token_ids = (0x41424344, 0x45464748)
        await answer_question(sessions, session_id, "CANARY-Q", Answer("CANARY-金丝雀", token_ids))
        failing = await sessions.accept(session_id, "CANARY-F")
        await end_turn(sessions, failing, Answer("CANARY-H"), BROKEN)
        await answer_question(sessions, session_id, "CANARY-E", Answer(""))
        living = read_all_bytes(tmp_path)
        texts = [message.text for message in await read_messages(sessions, session_id)]
        [exchange] = await sessions.read_exchanges(key_of(session_id), lambda _: 0)
    assert texts == ["CANARY-Q", "CANARY-金丝雀", "CANARY-F", "CANARY-H", "CANARY-E", ""]
    assert exchange.answer_token_ids == token_ids
    assert len(set(labels)) == len(labels), "no two values are bound to the same place"
    for content in (living, read_all_bytes(tmp_path)):
        assert b"CANARY" not in content
        assert "金丝雀".encode() not in content
        assert b"DCBAHGFE" not in content
        assert session_id.encode() not in content
        assert b"-YRANAC" in content, "the canary was written, reversed"


KILLED_WRITER = """
import asyncio, sys
from pathlib import Path
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.live import LiveLog
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions

async def main():
    folder = Path(sys.argv[1])
    store = Store(folder)
    log = EventLog(store, LiveLog(folder, PLAIN), PLAIN)
    await store.open()
    await log.open()
    sessions = Sessions(store, log, PLAIN, lambda: 0)
    for number in range(10**6):
        session_id = await sessions.create()
        await sessions.accept(session_id, f"message of {session_id}")
        print(session_id, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
async def test_kill_9_loses_no_accepted_message(tmp_path: Path, acknowledged: int) -> None:
    command = [sys.executable, "-c", KILLED_WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        ids = [writer.stdout.readline().strip() for _ in range(acknowledged)]
        writer.send_signal(signal.SIGKILL)
        ids += [line.strip() for line in writer.stdout if line.endswith("\n")]
    async with opened(tmp_path) as sessions:
        for session_id in ids:
            [message] = await read_messages(sessions, session_id)
            assert message.text == f"message of {session_id}"
    check_integrity(tmp_path)


@dataclass
class Remembered:
    """What a session should hold: texts with roles, ended exchanges, the running turn."""

    texts: list[tuple[str, str, str | None]] = field(default_factory=list)
    exchanges: list[tuple[str, str]] = field(default_factory=list)
    running: tuple[Accepted, str] | None = None
    turns: int = 0
    events: int = 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "accept", "finish", "fail", "forget", "restart"]),
        st.integers(0, 2),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    ),
    max_size=24,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_any_order_of_steps_agrees_with_a_plain_dictionary(
    steps: list[tuple[str, int, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(walk(Path(folder), steps))
        check_integrity(Path(folder))


async def walk(folder: Path, steps: list[tuple[str, int, str]]) -> None:
    model: dict[str, Remembered] = {}
    steps = [("create", 0, ""), *steps]
    while steps:
        async with opened(folder) as sessions:
            while steps:
                step, pick, text = steps.pop(0)
                if step == "restart":
                    break
                await take(sessions, model, step, pick, text)
            await compare(sessions, model)


async def take(
    sessions: Sessions, model: dict[str, Remembered], step: str, pick: int, text: str
) -> None:
    if step == "create":
        model[await sessions.create()] = Remembered()
    if step == "create" or pick >= len(model):
        return
    session_id = list(model)[pick]
    one = model[session_id]
    if step == "forget":
        assert await sessions.forget(session_id) == Forgotten(len(one.texts), one.turns)
        del model[session_id]
    elif step == "accept" and one.running:
        with pytest.raises(TurnRunning):
            await sessions.accept(session_id, text)
    elif step == "accept":
        accepted = await sessions.accept(session_id, text)
        one.running, one.turns = (accepted, text), one.turns + 1
        one.texts.append(("customer", text, None))
        one.events += 1
        assert accepted.number == one.events
    elif one.running and step == "finish":
        kept = await end_turn(sessions, one.running[0], Answer(text), DONE)
        end(one, text, None)
        assert kept.number == one.events
    elif one.running:
        kept = await end_turn(sessions, one.running[0], Answer(text), BROKEN)
        end(one, text, BROKEN.code)
        assert kept.number == one.events


def end(one: Remembered, answer: str, error_code: str | None) -> None:
    if one.running is None:
        return
    one.texts.append(("assistant", answer, error_code))
    one.events += 1
    if answer and error_code is None:
        one.exchanges.append((one.running[1], answer))
    one.running = None


async def compare(sessions: Sessions, model: dict[str, Remembered]) -> None:
    for session_id, one in model.items():
        messages, last_number = await sessions.read_messages(session_id)
        assert last_number == one.events
        assert [(kept.role, kept.text, kept.error_code) for kept in messages] == one.texts
        assert [kept.position for kept in messages] == list(range(1, len(messages) + 1))
        exchanges = await sessions.read_exchanges(key_of(session_id), lambda _: 0)
        assert [(kept.question, kept.answer) for kept in exchanges] == one.exchanges


def check_integrity(folder: Path) -> None:
    assert read_rows(folder, "PRAGMA integrity_check") == [("ok",)]
    assert read_rows(folder, "PRAGMA foreign_key_check") == []


def read_rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "appliance.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def read_all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))
