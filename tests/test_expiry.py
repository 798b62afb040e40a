"""What is kept how long, to the day: words 30 days, requests and rows of the audit log 190.

The rule that must not break: no day too early, no day too late, and a cut in between is made good.
"""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
import sqlite_utils

from appliance.errors import StoreUnavailable
from appliance.store.clock import Clocks, HouseClock
from appliance.store.network_log import NetworkLog, Request
from appliance.store.retention import Retention
from appliance.store.sealed_values import DAY_AT
from tests.sealed_house import DAY_MS, FIRST_DAY, Calendar, Sealed, answer, open_sealed

COUNTED = ("messages", "events", "turns")


async def count(sealed: Sealed) -> dict[str, int]:
    return await sealed.store.read(
        lambda connection: {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in COUNTED
        }
    )


@pytest.mark.parametrize(("days", "is_there"), [(29, True), (30, True), (31, False)])
async def test_words_stay_thirty_days_also_in_a_conversation_that_goes_on(
    tmp_path: Path, days: int, is_there: bool
) -> None:
    async with open_sealed(tmp_path) as sealed:
        session = await sealed.sessions.create()
        await answer(sealed, session, "the first day")
        before = await count(sealed)
        sealed.calendar.day += days
        await answer(sealed, session, "today")
        await sealed.end_days()
        texts = [one.text for one in (await sealed.sessions.read_messages(session))[0]]
        after = await count(sealed)
        # The other half of the rows are today's.
        assert after == {name: rows * (2 if is_there else 1) for name, rows in before.items()}
    first = ["the first day", "You said: the first day"] if is_there else []
    assert texts == [*first, "today", "You said: today"]
    keys = [*(tmp_path / "keys").glob("[0-9]*.keys")]
    assert len(keys) == 1 + is_there


async def test_what_was_copied_before_is_unreadable_after_its_days(tmp_path: Path) -> None:
    """With the master key at hand: a copy of the database, and the copy of the keys."""
    folder, copied = tmp_path / "data", tmp_path / "copied"
    async with open_sealed(folder) as sealed:
        session = await sealed.sessions.create()
        await answer(sealed, session, "the first day")
    shutil.copytree(folder, copied)
    async with open_sealed(folder) as sealed:
        sealed.keyring.copy_to_mirror()
        sealed.calendar.day += 31
        await sealed.end_days()
    shutil.rmtree(copied / "keys")
    shutil.copytree(folder / "backups" / "keys", copied / "keys")
    async with open_sealed(copied) as old:
        texts = [one.text for one in (await old.sessions.read_messages(session))[0]]
        assert texts == ["", ""]
        (entry,) = await old.store.read(lambda one: [*old.audit.read(one)])
        assert entry.said is None


async def test_numbers_go_on_where_the_old_events_are_gone(tmp_path: Path) -> None:
    async with open_sealed(tmp_path) as sealed:
        session = await sealed.sessions.create()
        await answer(sealed, session, "the first day")
        last = (await sealed.sessions.read_messages(session))[1]
        sealed.calendar.day += 31
        await sealed.end_days()
        accepted = await sealed.sessions.accept(session, "today")
        assert accepted.number == last + 1


async def test_a_purge_that_was_cut_off_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar, cuts = Calendar(), 0
    async with open_sealed(tmp_path, calendar) as sealed:
        await answer(sealed, await sealed.sessions.create(), "the first day")
        calendar.day += 31
        written = sealed.store.write
        while True:
            left = cuts

            async def write(change: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    raise StoreUnavailable("cut off")
                return await written(change)  # type: ignore[arg-type]

            monkeypatch.setattr(sealed.store, "write", write)
            try:
                await sealed.end_days()
            except StoreUnavailable:
                cuts += 1
                continue
            break
        assert cuts >= 3
        assert await count(sealed) == {"messages": 0, "events": 0, "turns": 0}
        kinds = [one.kind for one in await sealed.store.read(lambda c: [*sealed.audit.read(c)])]
        assert kinds == ["purge", "turn"]
        assert (await sealed.store.read(sealed.audit.check)).fault == ""


@pytest.mark.parametrize(("days", "rows"), [(182, 3), (190, 3), (191, 2)])
async def test_rows_of_the_audit_log_stay_as_long_as_the_requests(
    tmp_path: Path, days: int, rows: int
) -> None:
    async with open_sealed(tmp_path) as sealed:
        await answer(sealed, await sealed.sessions.create(), "the first day")
        sealed.calendar.day += days
        await answer(sealed, await sealed.sessions.create(), "today")
        await sealed.end_days()
        entries = await sealed.store.read(lambda one: [*sealed.audit.read(one)])
        # The two turns, as long as both are there, and the purge that ended the old words.
        assert len(entries) == rows
        assert sealed.dropped == [FIRST_DAY + days - 191]
        assert (await sealed.store.read(sealed.audit.check)).fault == ""


@pytest.mark.parametrize(("days", "is_there"), [(182, True), (190, True), (191, False)])
def test_requests_are_logged_190_days(tmp_path: Path, days: int, is_there: bool) -> None:
    calendar = Calendar()
    log = NetworkLog(tmp_path, calendar.read_day, lambda: b"key", is_on=True)
    log.note(
        Request(0, "10.0.0.7", "POST", "/sessions/{session_id}/messages", 202, 40, 3.1, "chat")
    )
    log.write()
    log.drop(FIRST_DAY + days - 191)
    assert bool(list((tmp_path / "network").iterdir())) == is_there


async def test_at_each_bound_exactly_the_rows_of_the_days_before_it_are_there(
    tmp_path: Path,
) -> None:
    """One question a day for half a year and more: words 30 days, rows and requests 190."""
    days = {29, 30, 31, 182, 190, 191}
    async with open_sealed(tmp_path / "data") as sealed:
        log = NetworkLog(tmp_path, sealed.calendar.read_day, lambda: b"key", is_on=True)
        session = await sealed.sessions.create()
        for today in range(max(days) + 1):
            sealed.calendar.day = FIRST_DAY + today
            await answer(sealed, session, f"day {today}")
            log.note(Request(0, "10.0.0.7", "POST", "/chat", 202, 40, 3.1, "chat"))
            log.write()
            if today not in days:
                continue
            await sealed.end_days()
            log.drop(sealed.dropped[-1])
            words = list(range(max(0, today - 30), today + 1))
            rows = list(range(max(0, today - 190), today + 1))
            counted = await count(sealed)
            assert (counted["turns"], counted["messages"]) == (len(words), 2 * len(words))
            assert sorted(set(await read_event_days(sealed))) == words
            texts = [one.text for one in (await sealed.sessions.read_messages(session))[0]]
            assert texts[-2 * len(words) :: 2] == [f"day {day}" for day in words]
            entries = await sealed.store.read(lambda one: [*sealed.audit.read(one)])
            turns = sorted(
                (one.day - FIRST_DAY, one.said is not None) for one in entries if one.kind == "turn"
            )
            assert turns == [(day, day in words) for day in rows]
            assert len(list((tmp_path / "network").iterdir())) == len(rows)
            assert (await sealed.store.read(sealed.audit.check)).fault == ""


async def read_event_days(sealed: Sealed) -> list[int]:
    """Of each row of events: the day whose key sealed it."""
    read = f"SELECT substr(body, {DAY_AT + 1}, 4) FROM events"
    rows = await sealed.store.read(lambda one: one.execute(read).fetchall())
    return [int.from_bytes(packed, "big") - FIRST_DAY for (packed,) in rows]


def test_a_request_is_logged_without_its_client_and_without_a_word(tmp_path: Path) -> None:
    calendar = Calendar()
    log = NetworkLog(tmp_path, calendar.read_day, lambda: b"key", is_on=True)
    for client in ("10.0.0.7", "10.0.0.8", "10.0.0.7"):
        log.note(Request(0, client, "POST", "/chat", 200, 40, 3.1, "chat"))
    log.write()
    calendar.day += 1
    log.note(Request(0, "10.0.0.7", "POST", "/chat", 200, 40, 3.1, "chat"))
    log.write()
    first, second = sorted((tmp_path / "network").iterdir())
    lines = [json.loads(line) for file in (first, second) for line in file.read_text().splitlines()]
    names = [line.pop("client") for line in lines]
    # The same one is known again on the same day, and not on the next.
    assert names[0] == names[2] and len({*names}) == 3
    assert "10.0.0" not in first.read_text()
    assert lines[0] == {
        "at": "1970-01-01T00:00:00.000+00:00",
        "method": "POST",
        "route": "/chat",
        "status": 200,
        "sent_bytes": 40,
        "took_ms": 3.1,
        "access": "chat",
    }
    assert first.stat().st_mode & 0o777 == 0o600


def test_no_log_is_written_where_none_is_wanted(tmp_path: Path) -> None:
    log = NetworkLog(tmp_path, Calendar().read_day, lambda: b"key", is_on=False)
    log.note(Request(0, "10.0.0.7", "POST", "/chat", 200, 40, 3.1, "chat"))
    log.write()
    assert not list(tmp_path.iterdir())


class FakeClocks:
    """A machine whose wall clock can be set to anything; the net never sets it."""

    def __init__(self) -> None:
        self.wall_ms = FIRST_DAY * DAY_MS
        self.boot = 0

    def __call__(self) -> Clocks:
        return Clocks(self.wall_ms, f"boot-{self.boot}", 0, is_sure=False)


def load(clock: HouseClock, database: sqlite_utils.Database) -> None:
    clock.load(database.conn)


@pytest.mark.parametrize("jump_days", [-365, 3650, -FIRST_DAY, 31])
async def test_a_clock_that_jumps_ends_no_day(tmp_path: Path, jump_days: int) -> None:
    clocks = FakeClocks()
    for is_second in (False, True):
        clock = HouseClock(clocks)
        calendar = Calendar()
        async with open_sealed(tmp_path, calendar) as sealed:
            retention = Retention(sealed.store, clock, 30)
            await sealed.store.write(partial(load, clock))
            calendar.day = clock.read_house_ms() // DAY_MS
            if not is_second:
                session = await sealed.sessions.create()
                await answer(sealed, session, "the first day")
            await retention.run()
            await sealed.end_days()
            texts = [one.text for one in (await sealed.sessions.read_messages(session))[0]]
            assert texts == ["the first day", "You said: the first day"]
        clocks.wall_ms += jump_days * DAY_MS
        clocks.boot += 1
