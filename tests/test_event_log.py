"""The event log: what was shown is there after the process died, and no number means two things."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from appliance.errors import StoreUnavailable
from appliance.events import (
    Cited,
    Done,
    Event,
    Failed,
    Handoff,
    Message,
    Notice,
    Numbered,
    Rewind,
    Started,
    Timings,
    Token,
    Usage,
)
from appliance.store import live, recovery
from appliance.store.chunks import decode_event, encode_event, skip_numbers
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.folder import LIVE_NAME
from appliance.store.live import LiveLog
from appliance.store.messages import Answer
from appliance.store.recovery import Unfinished
from appliance.store.sealing import PLAIN, Label, Seals
from appliance.store.sessions import Accepted, Sessions, key_of

DONE = Done("stop", "model", Usage(10, 4, 3), Timings(1.0, 2.0, 3.0, 4.0, 5.5))
WORDS = ("您", "好", "，退款", "👨‍👩‍👧", "三天", "到账。")


@dataclass(slots=True)
class Opened:
    store: Store
    live: LiveLog
    log: EventLog
    sessions: Sessions
    unfinished: tuple[Unfinished, ...]

    async def ask(self, session_id: str, question: str = "多久到账？") -> Accepted:
        return await self.sessions.accept(session_id, question)

    async def say(self, asked: Accepted, *events: Event) -> list[Numbered]:
        return [await self.log.append(asked.session_key, asked.run_id, event) for event in events]

    async def read_all(self, session_id: str) -> list[Numbered]:
        found: list[Numbered] = []
        while page := await self.log.read(key_of(session_id), found[-1].number if found else 0):
            found += page
        return found


async def open_log(folder: Path, seals: Seals = PLAIN) -> Opened:
    store, live = Store(folder), LiveLog(folder, seals)
    log, clock = EventLog(store, live, seals), count(1_000)
    await store.open()
    sessions = Sessions(store, log, seals, lambda: next(clock))
    return Opened(store, live, log, sessions, await log.open())


async def die(opened: Opened) -> None:
    """What is left of a process that was killed: its files as they are, nothing carried over."""
    assert opened.log._mover is not None
    opened.log._mover.cancel()
    await opened.live.close(is_clean=False)
    await opened.store.close()


@asynccontextmanager
async def living(folder: Path, seals: Seals = PLAIN) -> AsyncIterator[Opened]:
    opened = await open_log(folder, seals)
    try:
        yield opened
    finally:
        await opened.log.close()
        await opened.store.close()


def texts(events: list[Numbered] | tuple[Numbered, ...]) -> list[str]:
    return [one.event.text for one in events if isinstance(one.event, Token)]


@pytest.fixture
def power_cut(monkeypatch: pytest.MonkeyPatch) -> count[int]:
    """From now on each start is that of another kernel."""
    boots = count()
    monkeypatch.setattr(recovery, "read_boot_id", lambda: f"boot {next(boots)}")
    return boots


@pytest.mark.parametrize(
    "event",
    [
        Message("customer", "a\0b\n”"),
        Started("model", "qwen"),
        Token("👨‍👩", (151_642, 7)),
        Notice("trimmed", "…"),
        Rewind(14, 3),
        DONE,
        Done(
            "stop",
            "faq",
            sources=(Cited("faq", "e1", "退款", "三天到账", "https://shop.example/refund"),),
            score=0.5,
            rule="greeting",
            is_cached=True,
            suggestions=("几天发货？", "怎么退货？"),
        ),
        Handoff("waiting"),
        Failed("engine_failed", "It broke."),
    ],
)
def test_an_event_is_read_back_as_it_was_written(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


def test_an_end_that_0_2_0_wrote_is_read_with_what_it_says_and_no_more() -> None:
    body = (
        '["done", {"finish_reason": "stop", "source": "model", "usage": {"prompt_tokens": 10, '
        '"cached_tokens": 4, "completion_tokens": 3}, "timings": {"queued_ms": 1.0, '
        '"prefill_ms": 2.0, "ttft_ms": 3.0, "decode_ms": 4.0, "total_ms": 5.5}}]'
    )
    assert decode_event(body.encode()) == DONE


async def test_events_are_numbered_from_one_and_come_back_in_order(tmp_path: Path) -> None:
    async with living(tmp_path) as at:
        session_id = await at.sessions.create()
        asked = await at.ask(session_id)
        await at.say(asked, Started("model", "m"), *(Token(word) for word in WORDS))
        await at.sessions.finish(asked.session_key, asked.run_id, Answer("".join(WORDS)), DONE)
        again = await at.ask(session_id, "谢谢")
        events = await at.read_all(session_id)
    assert asked.number == 1
    assert again.number == 10
    assert [one.number for one in events] == list(range(1, 11))
    assert texts(events) == list(WORDS)
    assert events[8].event == DONE


@pytest.mark.parametrize("moved", range(len(WORDS) + 1))
async def test_a_killed_process_loses_nothing_that_was_shown(tmp_path: Path, moved: int) -> None:
    """The batch is carried over at every possible place."""
    first = await open_log(tmp_path)
    session_id = await first.sessions.create()
    asked = await first.ask(session_id)
    for at, word in enumerate(WORDS):
        if at == moved:
            await first.log.move()
        await first.say(asked, Token(word, (at, at + 1)))
    await die(first)

    async with living(tmp_path) as second:
        (left,) = second.unfinished
        assert texts(left.events) == list(WORDS)
        assert [one.number for one in left.events] == list(range(1, 8))
        assert left.next_number == 8
        assert left.deaths == 0


async def test_an_event_the_disk_refused_never_comes_to_light(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(session_key: str, numbered: Numbered) -> None:
        raise StoreUnavailable("The disk is full.")

    async with living(tmp_path) as at:
        session_id = await at.sessions.create()
        asked = await at.ask(session_id)
        with monkeypatch.context() as patch:
            patch.setattr(at.live, "add", refuse)
            with pytest.raises(StoreUnavailable):
                await at.say(asked, Token("没人看见"))
        await at.say(asked, Token("看见了"))
        await at.log.move()
        events = await at.read_all(session_id)
    assert texts(events) == ["看见了"]
    assert [one.number for one in events] == [1, 3]


async def test_a_power_cut_jumps_the_numbers_and_tells_what_still_stands(
    tmp_path: Path, power_cut: count[int]
) -> None:
    first = await open_log(tmp_path)
    session_id = await first.sessions.create()
    asked = await first.ask(session_id)
    await first.say(asked, Started("model", "m"), Token("您好"))
    await first.log.move()
    shown = await first.say(asked, Token("，退款三天到账。"))
    await die(first)

    async with living(tmp_path) as second:
        (left,) = second.unfinished
        *kept, rewind = left.events
        assert texts(kept) == ["您好"]
        assert rewind == Numbered(1003, asked.run_id, Rewind(3, 2))
        assert left.next_number == 1004
        assert shown[0].number not in [one.number for one in left.events]
        second.log.begin(asked.session_key, left.next_number)
        (again,) = await second.say(asked, Token("，请稍等。"))
        assert again.number == 1004


async def test_two_power_cuts_never_give_a_number_twice(
    tmp_path: Path, power_cut: count[int]
) -> None:
    meanings: dict[int, Event] = {}
    session_id = ""
    for round_ in range(5):
        opened = await open_log(tmp_path)
        if not session_id:
            session_id = await opened.sessions.create()
            asked = await opened.ask(session_id)
            meanings[asked.number] = Message("customer", "多久到账？")
        for left in opened.unfinished:
            opened.log.begin(left.session_key, left.next_number)
            meanings |= {one.number: one.event for one in left.events}
        for one in await opened.say(asked, *(Token(f"{round_} {word}") for word in WORDS)):
            assert meanings.setdefault(one.number, one.event) == one.event
        if round_ % 2:
            await opened.log.move()
        await die(opened)


async def test_an_orderly_stop_needs_no_live_file_and_no_rewind(
    tmp_path: Path, power_cut: count[int]
) -> None:
    async with living(tmp_path) as first:
        asked = await first.ask(await first.sessions.create())
        await first.say(asked, Token("您好"))
    assert not list(tmp_path.glob("live.db*"))
    async with living(tmp_path) as second:
        (left,) = second.unfinished
        assert texts(left.events) == ["您好"]
        assert left.next_number == 3


@pytest.mark.parametrize(
    "damage", [b"", b"no database at all", b"SQLite format 3\0" + b"\xff" * 99]
)
async def test_a_damaged_live_file_is_a_loss_that_is_told(tmp_path: Path, damage: bytes) -> None:
    first = await open_log(tmp_path)
    asked = await first.ask(await first.sessions.create())
    await first.say(asked, Token("您好"))
    await die(first)
    for part in tmp_path.glob("live.db*"):
        part.unlink()
    (tmp_path / "live.db").write_bytes(damage)
    async with living(tmp_path) as second:
        (left,) = second.unfinished
        if damage:
            assert isinstance(left.events[-1].event, Rewind)
        assert left.next_number > 2 or not damage


async def test_a_gap_in_the_live_file_cuts_what_stands_behind_it(tmp_path: Path) -> None:
    first = await open_log(tmp_path)
    asked = await first.ask(await first.sessions.create())
    await first.say(asked, *(Token(word) for word in WORDS))
    await die(first)
    connection = sqlite3.connect(tmp_path / "live.db")
    connection.execute("DELETE FROM events WHERE number = 4")
    connection.commit()
    connection.close()
    async with living(tmp_path) as second:
        (left,) = second.unfinished
        assert texts(left.events) == list(WORDS[:2])
        assert left.events[-1].event == Rewind(3, 2)


async def test_recovering_twice_is_recovering_once(tmp_path: Path) -> None:
    """The first recovery died after its commit and before the live file was begun anew."""
    first = await open_log(tmp_path)
    asked = await first.ask(await first.sessions.create())
    await first.log.mark_handed_over(asked.run_id, 0)
    await first.say(asked, *(Token(word) for word in WORDS))
    await die(first)
    copies = {part.name: part.read_bytes() for part in tmp_path.glob("live.db*")}
    second = await open_log(tmp_path)
    await die(second)
    for part in tmp_path.glob("live.db*"):
        part.unlink()
    for name, content in copies.items():
        (tmp_path / name).write_bytes(content)
    async with living(tmp_path) as third:
        (left,) = third.unfinished
        assert texts(left.events) == list(WORDS)
        assert left.deaths == 1


async def test_a_death_counts_for_turns_in_the_engine_and_not_for_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await open_log(tmp_path)
    inside = await first.ask(await first.sessions.create())
    outside = await first.ask(await first.sessions.create())
    await first.log.mark_handed_over(inside.run_id, 0)
    await die(first)
    second = await open_log(tmp_path)
    assert {left.run_id: left.deaths for left in second.unfinished} == {
        inside.run_id: 1,
        outside.run_id: 0,
    }
    await second.log.mark_handed_over(inside.run_id, 1)
    await die(second)
    monkeypatch.setattr(recovery, "read_boot_id", lambda: "another kernel")
    async with living(tmp_path) as third:
        assert {left.deaths for left in third.unfinished} == {0, 1}


async def test_the_live_file_begun_anew_in_mid_answer_loses_nothing_that_is_pending(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as at:
        session_id = await at.sessions.create()
        asked = await at.ask(session_id)
        await at.say(asked, Token("您好"))
        assert at.live._connection is not None
        await at.live._run(at.live._connection.close)
        await at.say(asked, Token("，在的。"))
        await at.log.move()
        assert texts(await at.read_all(session_id)) == ["您好", "，在的。"]


@pytest.mark.parametrize("refuses_mark", [False, True])
async def test_a_loss_stays_told_where_the_event_behind_it_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuses_mark: bool
) -> None:
    first = await open_log(tmp_path)
    asked = await first.ask(await first.sessions.create())
    assert first.log._mover is not None
    first.log._mover.cancel()
    await first.say(asked, Token("您好"))
    assert first.live._connection is not None
    await first.live._run(first.live._connection.close)
    with monkeypatch.context() as patch:
        if refuses_mark:
            patch.setattr(live, "TEAR", "INSERT INTO nowhere VALUES (1)")
        else:
            patch.setattr(live, "ADD", "INSERT INTO nowhere VALUES (?, ?, ?, ?)")
        with pytest.raises(StoreUnavailable):
            await first.say(asked, Token("，在的。"))
    await first.live.mark_handed_over(asked.run_id, 0)
    await die(first)
    async with living(tmp_path) as second:
        (left,) = second.unfinished
        assert isinstance(left.events[-1].event, Rewind)


async def test_what_is_lost_while_the_moved_is_dropped_is_not_healed(tmp_path: Path) -> None:
    first = await open_log(tmp_path)
    asked = await first.ask(await first.sessions.create())
    assert first.log._mover is not None
    first.log._mover.cancel()
    losses = first.live.losses
    await first.say(asked, Token("您好"))
    assert first.live._connection is not None
    await first.live._run(first.live._connection.close)
    await first.live.drop_moved([], losses)
    await die(first)
    async with living(tmp_path) as second:
        (left,) = second.unfinished
        assert isinstance(left.events[-1].event, Rewind)


async def test_a_forgotten_session_leaves_no_word_in_either_file(tmp_path: Path) -> None:
    async with living(tmp_path) as at:
        session_id = await at.sessions.create()
        asked = await at.ask(session_id, "我住在幸福路一号")
        await at.say(asked, Token("记下了，幸福路一号"))
        await at.sessions.forget(session_id)
        await at.log.move()
        assert await at.read_all(session_id) == []
        rows = await at.store.read(lambda c: c.execute("SELECT count(*) FROM events").fetchone())
        assert rows[0] == 0
        leftover = await at.live.read_leftover()
        assert leftover is not None
        assert leftover.events == {}


async def test_many_tokens_take_few_commits(tmp_path: Path) -> None:
    async with living(tmp_path) as at:
        asked = await at.ask(await at.sessions.create())
        await at.say(asked, *(Token("字") for _ in range(300)))
        assert at.log.measure().events_total == 300
        assert at.log.measure().commits_total <= 3


async def test_numbers_skip_far_for_a_copy_that_may_be_old(tmp_path: Path) -> None:
    async with living(tmp_path) as at:
        session_id = await at.sessions.create()
        asked = await at.ask(session_id)
        await at.sessions.finish(asked.session_key, asked.run_id, Answer(""), DONE)
        await at.store.write(lambda database: skip_numbers(database.conn))
        again = await at.ask(session_id)
        assert again.number == 1_000_003


async def test_everything_of_a_customer_passes_the_seals(tmp_path: Path) -> None:
    labels: set[Label] = set()

    def turn_over(value: bytes, label: Label) -> bytes:
        labels.add(label)
        return value[::-1]

    first = await open_log(tmp_path, Seals(turn_over, turn_over))
    asked = await first.ask(await first.sessions.create(), "canary")
    await first.say(asked, Token("canary"))
    await first.log.move()
    await first.say(asked, Token("canary"))
    await die(first)
    assert {label.table for label in labels} == {"messages", "events", "live"}
    for part in tmp_path.iterdir():
        assert b"canary" not in part.read_bytes()
    async with living(tmp_path, Seals(turn_over, turn_over)) as second:
        assert texts(second.unfinished[0].events) == ["canary", "canary"]


async def test_an_illegible_half_second_of_an_unfinished_turn_is_told_as_a_loss(
    tmp_path: Path,
) -> None:
    first = await open_log(tmp_path)
    asked = await first.ask(await first.sessions.create())
    for word in WORDS[:3]:
        await first.say(asked, Token(word))
        await first.log.move()
    await spoil(first.store, 3)
    await die(first)
    async with living(tmp_path) as second:
        (left,) = second.unfinished
        assert texts(left.events) == [WORDS[0]]
        assert left.events[-1] == Numbered(1002, asked.run_id, Rewind(2, len(WORDS[0])))


async def test_an_illegible_event_in_the_live_file_costs_no_other_session_a_word(
    tmp_path: Path,
) -> None:
    first = await open_log(tmp_path)
    spoilt, other = [await first.ask(await first.sessions.create()) for _ in range(2)]
    for word in WORDS:
        await first.say(spoilt, Token(word))
        await first.say(other, Token(word))
    await die(first)
    with closing(sqlite3.connect(tmp_path / LIVE_NAME)) as live, live:
        live.execute(
            "UPDATE events SET body = x'00' WHERE session_key = ? AND number = 4",
            (spoilt.session_key,),
        )
    async with living(tmp_path) as second:
        left = {one.session_key: one.events for one in second.unfinished}
        assert texts(left[other.session_key]) == list(WORDS)
        assert not isinstance(left[other.session_key][-1].event, Rewind)
        assert texts(left[spoilt.session_key]) == list(WORDS[:2])
        assert isinstance(left[spoilt.session_key][-1].event, Rewind)


async def test_an_illegible_half_second_of_an_ended_turn_leaves_the_rest_readable(
    tmp_path: Path,
) -> None:
    async with living(tmp_path) as at:
        session_id = await at.sessions.create()
        asked = await at.ask(session_id)
        for word in WORDS[:3]:
            await at.say(asked, Token(word))
            await at.log.move()
        await at.sessions.finish(asked.session_key, asked.run_id, Answer("…"), DONE)
        await spoil(at.store, 3)
        events = await at.read_all(session_id)
    assert [one.number for one in events] == [1, 2, 4, 5]


async def spoil(store: Store, number: int) -> None:
    """A flipped bit that SQLite's checks do not see."""
    await store.write(
        lambda database: database.conn.execute(
            "UPDATE events SET body = CAST(x'ff' || body AS BLOB) WHERE first_number = ?", (number,)
        )
    )


async def test_a_store_that_is_refused_refuses_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("no folder")
    store = Store(tmp_path / "data")
    log = EventLog(store, LiveLog(tmp_path / "data", PLAIN), PLAIN)
    with pytest.raises(StoreUnavailable):
        await store.open()
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        await log.check()
    await store.close()


async def test_a_mover_that_cannot_move_ends_the_answer_before_numbers_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.store.events.MOST_PENDING", 3)
    async with living(tmp_path) as at:
        asked = await at.ask(await at.sessions.create())
        with pytest.raises(StoreUnavailable):
            await at.say(asked, *(Token(word) for word in WORDS))
        await at.log.move()
        await at.say(asked, Token("又能存了"))
