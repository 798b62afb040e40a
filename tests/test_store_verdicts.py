"""What guards said and what an answer rests on: kept with its end, gone with its session."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from appliance.errors import SessionNotFound
from appliance.events import Cited, Done, Failed, Handoff, Message, Numbered, Token
from appliance.store.chunks import encode_event
from appliance.store.connections import connect_writer
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.handoffs import Change, Owners
from appliance.store.live import LiveLog
from appliance.store.messages import Answer
from appliance.store.migrations import m001_sessions_turns_messages, m002_events
from appliance.store.salvage import salvage
from appliance.store.sealing import PLAIN, Label, Seals
from appliance.store.sessions import Sessions, key_of
from appliance.store.verdicts import StoredVerdict

ASKED = Change(Handoff("waiting"), "customer")
ABUSE = StoredVerdict("in", "insult-3", "abuse", "deflect", at_ms=77)
PRICE = StoredVerdict("lock", "literal", "price", "replace")
ANSWER = Done(
    "stop",
    "knowledge",
    sources=(Cited("passage", "p7", "售后政策", "七天内可以退货", "https://shop.example/r"),),
    score=1.0,
    rule="returns",
    is_cached=True,
    suggestions=("怎么退货？",),
)


@asynccontextmanager
async def opened(folder: Path, seals: Seals = PLAIN) -> AsyncIterator[tuple[Store, Sessions]]:
    store = Store(folder)
    log, clock = EventLog(store, LiveLog(folder, seals), seals), count(1_000)
    try:
        await store.open()
        for left in await log.open():
            log.begin(left.session_key, left.next_number)
        yield store, Sessions(store, log, seals, lambda: next(clock))
    finally:
        await log.close()
        await store.close()


async def answer(
    sessions: Sessions, session_id: str, ending: Done | Failed, *verdicts: StoredVerdict
) -> str:
    asked = await sessions.accept(session_id, "能退吗？")
    await sessions.finish(asked.session_key, asked.run_id, Answer("能。"), ending, verdicts)
    return asked.run_id


async def test_verdicts_come_back_in_order_with_their_turn_and_time(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sessions):
        session_id, other = await sessions.create(), await sessions.create()
        first = await answer(sessions, session_id, ANSWER, ABUSE, PRICE)
        await answer(sessions, other, ANSWER, PRICE)
        second = await answer(sessions, session_id, Failed("engine_failed", "It broke."), PRICE)
        verdicts = await sessions.read_verdicts(session_id)
        messages, _ = await sessions.read_messages(session_id)
        with pytest.raises(SessionNotFound):
            await sessions.read_verdicts("nobody")
    assert [(one.run_id, one.stage, one.rule, one.category, one.action) for one in verdicts] == [
        (first, "in", "insult-3", "abuse", "deflect"),
        (first, "lock", "literal", "price", "replace"),
        (second, "lock", "literal", "price", "replace"),
    ]
    assert verdicts[0].at_ms == 77
    assert messages[0].created_ms < verdicts[1].at_ms <= messages[1].created_ms


async def test_a_turn_s_verdicts_are_kept_once_and_counted_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sessions):
        session_id = await sessions.create()
        run_id = await answer(sessions, session_id, ANSWER, ABUSE, PRICE)
        again = await sessions.finish(key_of(session_id), run_id, Answer(""), ANSWER, (ABUSE,))
        await answer(sessions, session_id, Failed("engine_failed", "It broke."), PRICE)
        assert again.number == 0
        assert len(await sessions.read_verdicts(session_id)) == 3
        figures = sessions.measure()
    assert figures.answers_total == {"knowledge": 1}
    assert figures.verdicts_total == {"abuse": 1, "price": 2}


async def test_verdicts_and_hand_overs_go_with_their_session(tmp_path: Path) -> None:
    async with opened(tmp_path) as (store, sessions):
        gone, aged = await sessions.create(), await sessions.create()
        owners = Owners(store, sessions._log, lambda: 5)
        for session_id in (gone, aged):
            await answer(sessions, session_id, ANSWER, ABUSE)
            await owners.change(key_of(session_id), "", ASKED, lambda _: None)
        await sessions.forget(gone)
        await store.write(
            lambda database: database.conn.execute(
                "DELETE FROM sessions WHERE session_key = ?", (key_of(aged),)
            )
        )
    for table in ("verdicts", "handoffs", "turns", "messages", "events"):
        assert read_rows(tmp_path, f"SELECT * FROM {table}") == []


async def test_what_an_answer_rests_on_is_in_the_history(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, sessions):
        session_id = await sessions.create()
        await answer(sessions, session_id, ANSWER)
        await answer(sessions, session_id, Failed("engine_failed", "It broke."))
        (question, said, _, failed), _ = await sessions.read_messages(session_id)
    assert (said.source, said.score, said.rule, said.is_cached) == (
        "knowledge",
        1.0,
        "returns",
        True,
    )
    assert (said.sources, said.suggestions) == (ANSWER.sources, ANSWER.suggestions)
    for other in (question, failed):
        assert (other.score, other.rule, other.is_cached) == (None, "", False)
        assert (other.sources, other.suggestions) == ((), ())


async def test_what_an_answer_rests_on_passes_the_seals(tmp_path: Path) -> None:
    labels: set[Label] = set()

    def turn_over(value: bytes, label: Label) -> bytes:
        labels.add(label)
        return value[::-1]

    async with opened(tmp_path, Seals(turn_over, turn_over)) as (_, sessions):
        session_id = await sessions.create()
        run_id = await answer(sessions, session_id, ANSWER, ABUSE)
        said = (await sessions.read_messages(session_id))[0][1]
    assert (said.sources, said.suggestions) == (ANSWER.sources, ANSWER.suggestions)
    columns = {one.column for one in labels if (one.table, one.row) == ("turns", run_id)}
    assert columns == {"sources", "suggestions"}
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for words in ("售后政策", "七天内可以退货", "怎么退货"):
        assert words.encode() not in content


@pytest.mark.parametrize("column", ["sources", "suggestions"])
async def test_what_a_worn_card_made_illegible_costs_itself_and_not_the_history(
    tmp_path: Path, column: str
) -> None:
    async with opened(tmp_path) as (store, sessions):
        session_id = await sessions.create()
        await answer(sessions, session_id, ANSWER)
        for damage in (b"\xff[", b"7", b'[{"kind": 1}, 2]', b"[[]"):
            await store.write(
                lambda database, damage=damage: database.conn.execute(  # type: ignore[misc]
                    f"UPDATE turns SET {column} = ?", (damage,)
                )
            )
            said = (await sessions.read_messages(session_id))[0][1]
            assert said.text == "能。"
            assert said.sources == (() if column == "sources" else ANSWER.sources)


async def test_a_database_of_0_2_0_keeps_what_it_holds(tmp_path: Path) -> None:
    """Written by the steps of that release, with bodies as it wrote them."""
    key, body = key_of("old"), encode_event(Message("customer", "能退吗？")).decode()
    done = (
        '["done", {"finish_reason": "stop", "source": "model", "usage": {"prompt_tokens": 1, '
        '"cached_tokens": 0, "completion_tokens": 2}, "timings": {"queued_ms": 0.0, '
        '"prefill_ms": 0.0, "ttft_ms": 1.0, "decode_ms": 1.0, "total_ms": 2.5}}]'
    )
    said = encode_event(Token("能。", (7, 9))).decode()
    write_0_2_0(tmp_path, key, f"[{body}, {said}, {done}]")
    async with opened(tmp_path) as (store, sessions):
        (question, answered), last_number = await sessions.read_messages("old")
        events = await sessions._log.read(key, 0)
        owners = Owners(store, sessions._log, lambda: 5)
        assert await owners.read_owned() == {}
        assert await sessions.read_verdicts("old") == ()
        change = await owners.change(key, "", ASKED, lambda now: None)
        assert change.number == 4
        assert (await sessions.accept("old", "还在吗？")).number == 5
        assert (await sessions._log.read(key, 3))[0] == Numbered(4, "", Handoff("waiting"))
    assert (question.text, answered.text, last_number) == ("能退吗？", "能。", 3)
    assert (answered.source, answered.total_ms) == ("model", 2.5)
    assert (answered.score, answered.rule, answered.is_cached) == (None, "", False)
    assert (answered.sources, answered.suggestions) == ((), ())
    assert events[1].event == Token("能。", (7, 9))
    ended = events[2].event
    assert isinstance(ended, Done)
    assert (ended.source, ended.sources, ended.suggestions) == ("model", (), ())
    assert read_rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


def write_0_2_0(folder: Path, key: str, events: str) -> None:
    database = Database(folder / "appliance.db")
    migrations = Migrations("appliance")
    for step in (m001_sessions_turns_messages, m002_events):
        migrations()(step)
    migrations.apply(database)
    database.execute("INSERT INTO sessions VALUES (?, 1, 2, 0)", [key])
    database.execute(
        "INSERT INTO turns VALUES ('r', ?, 'done', 1, 2, 'm', 'model', 'stop', '{}', "
        "'{\"total_ms\": 2.5}', NULL, NULL, 'c', 1, 0)",
        [key],
    )
    for position, role, text in ((1, "customer", "能退吗？"), (2, "assistant", "能。")):
        row = [key, position, "r", role, text.encode()]
        database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, NULL, 1)", row)
    database.execute("INSERT INTO events VALUES (?, 1, 3, 'r', ?)", [key, events.encode()])
    database.execute("INSERT INTO boots VALUES (1, 'some boot', 1)")
    database.conn.commit()
    database.close()


@pytest.mark.parametrize("score", [None, 0.0, 0.25, 1.0])
async def test_verdicts_hand_overs_and_scores_are_saved_from_a_damaged_database(
    tmp_path: Path, score: float | None
) -> None:
    """A whole number in a column of fractions stands on disk as a whole number."""
    async with opened(tmp_path) as (store, sessions):
        session_id = await sessions.create()
        await answer(sessions, session_id, Done("stop", "faq", score=score), ABUSE, PRICE)
        owners = Owners(store, sessions._log, lambda: 5)
        await owners.change(key_of(session_id), "", ASKED, lambda _: None)
    tables = ("sessions", "turns", "verdicts", "handoffs")
    before = {table: read_rows(tmp_path, f"SELECT * FROM {table}") for table in tables}
    with closing(connect_writer(tmp_path / "fresh.db")) as fresh:
        salvage(tmp_path / "appliance.db", fresh.conn)
        for table in tables:
            assert fresh.conn.execute(f"SELECT * FROM {table}").fetchall() == before[table]


def read_rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "appliance.db")) as connection:
        return connection.execute(query).fetchall()
