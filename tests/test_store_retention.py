"""Conversations are deleted by the house's own time, which no wrong clock can drive ahead."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count as count_up
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from appliance.store.clock import Clocks, HouseClock, Look, advance
from appliance.store.connections import connect_writer
from appliance.store.database import Store
from appliance.store.retention import BATCH, DAY_MS, Retention
from tests.store_rows import insert_exchange, insert_session

HOUR_MS = 3_600_000
YEAR_MS = 365 * DAY_MS
NOW_MS = 1_800_000_000_000
START = Clocks(NOW_MS, "boot 1", HOUR_MS, is_sure=False)


@dataclass
class Machine:
    """A machine whose clocks the test turns."""

    clocks: Clocks = START

    def __call__(self) -> Clocks:
        return self.clocks

    def let_pass(self, elapsed_ms: int) -> None:
        self.clocks = replace(
            self.clocks,
            wall_ms=self.clocks.wall_ms + elapsed_ms,
            uptime_ms=self.clocks.uptime_ms + elapsed_ms,
        )

    def set_wall(self, step_ms: int) -> None:
        self.clocks = replace(self.clocks, wall_ms=self.clocks.wall_ms + step_ms)

    def reboot(self, wall_step_ms: int, *, is_sure: bool = False) -> None:
        self.clocks = Clocks(
            self.clocks.wall_ms + wall_step_ms, self.clocks.boot_id + "'", 1000, is_sure
        )

    def hear_from_net(self, wall_ms: int) -> None:
        self.clocks = replace(self.clocks, wall_ms=wall_ms, is_sure=True)


@asynccontextmanager
async def opened(
    folder: Path, machine: Machine, days: int = 30
) -> AsyncIterator[tuple[Store, HouseClock, Retention]]:
    store, clock = Store(folder), HouseClock(machine)
    retention = Retention(store, clock, days)
    try:
        await store.open()
        yield store, clock, retention
    finally:
        await store.close()


async def test_a_session_goes_after_the_days_of_the_setting_and_not_before(tmp_path: Path) -> None:
    machine = Machine()
    async with opened(tmp_path, machine) as (store, clock, retention):
        for key in ("early", "late"):
            await store.write(insert_session(key, clock.read_house_ms()))
            await store.write(insert_exchange(key, 0, "words"))
            machine.let_pass(DAY_MS)
        for _ in range(28 * 24):
            machine.let_pass(HOUR_MS)
        assert await retention.run() == 0
        machine.let_pass(HOUR_MS)
        assert await retention.run() == 1
        left = await list_keys(store)
        assert left == ["late"]
        for table in ("turns", "messages", "events"):
            assert await count(store, f"{table} WHERE session_key = 'early'") == 0
            assert await count(store, f"{table} WHERE session_key = 'late'") > 0


@pytest.mark.parametrize("days", [0, 30])
async def test_zero_days_keep_everything_for_good(tmp_path: Path, days: int) -> None:
    machine = Machine()
    async with opened(tmp_path, machine, days) as (store, clock, retention):
        await store.write(insert_session("old", clock.read_house_ms()))
        for _ in range(400):
            machine.let_pass(DAY_MS)
        assert await retention.run() == (1 if days else 0)


@pytest.mark.parametrize(
    "step_ms", [-YEAR_MS, 10 * YEAR_MS, -NOW_MS, 31 * DAY_MS, -DAY_MS, 47 * HOUR_MS]
)
@pytest.mark.parametrize("at", ["while it runs", "while it is closed", "over a reboot"])
@pytest.mark.parametrize("is_sure", [False, True])
async def test_a_clock_that_jumps_deletes_nothing(
    tmp_path: Path, step_ms: int, at: str, is_sure: bool
) -> None:
    """And when it jumps back nothing either."""
    machine = Machine()
    async with opened(tmp_path, machine) as (store, clock, retention):
        await store.write(insert_session("kept", clock.read_house_ms()))
        if at == "while it runs":
            machine.clocks = replace(machine.clocks, is_sure=is_sure)
            for step in (step_ms, -step_ms):
                assert await retention.run() == 0
                machine.set_wall(step)
                assert await retention.run() == 0
    for step in (step_ms, -step_ms):
        if at == "while it is closed":
            machine.set_wall(step)
        elif at == "over a reboot":
            machine.reboot(step)
        async with opened(tmp_path, machine) as (store, _, retention):
            assert await retention.run() == 0
            assert await list_keys(store) == ["kept"]


async def test_a_boot_in_1970_and_the_right_time_from_the_net_later_delete_nothing(
    tmp_path: Path,
) -> None:
    machine = Machine()
    machine.hear_from_net(NOW_MS)
    async with opened(tmp_path, machine) as (store, clock, retention):
        await store.write(insert_session("kept", clock.read_house_ms()))
    machine.reboot(-machine.clocks.wall_ms)
    async with opened(tmp_path, machine) as (store, clock, retention):
        await store.write(insert_session("in 1970", clock.read_house_ms()))
        assert await retention.run() == 0
        machine.let_pass(HOUR_MS)
        machine.hear_from_net(NOW_MS + 2 * HOUR_MS)
        assert await retention.run() == 0
        assert await list_keys(store) == ["in 1970", "kept"]


async def test_weeks_in_a_drawer_count_once_the_net_has_told_the_time_before_and_after(
    tmp_path: Path,
) -> None:
    machine = Machine()
    machine.hear_from_net(NOW_MS)
    async with opened(tmp_path, machine) as (store, clock, _):
        await store.write(insert_session("old", clock.read_house_ms()))
    machine.reboot(-machine.clocks.wall_ms)
    async with opened(tmp_path, machine) as (store, _, retention):
        assert await retention.run() == 0
        machine.hear_from_net(NOW_MS + 40 * DAY_MS)
        assert await retention.run() == 1


async def test_a_first_start_that_never_knew_the_time_keeps_what_it_holds(tmp_path: Path) -> None:
    """The machine begins in 1970, and the net tells the time an hour later."""
    machine = Machine(Clocks(0, "boot 1", 0, is_sure=False))
    async with opened(tmp_path, machine) as (store, clock, retention):
        await store.write(insert_session("young", clock.read_house_ms()))
        machine.let_pass(HOUR_MS)
        machine.hear_from_net(NOW_MS)
        assert await retention.run() == 0
        assert await list_keys(store) == ["young"]


@pytest.mark.parametrize("wall_ms", [0, NOW_MS + 10 * YEAR_MS])
async def test_sessions_of_an_appliance_without_house_time_are_not_suddenly_old(
    tmp_path: Path, wall_ms: int
) -> None:
    """A database from before the house kept its own time, on a machine with a wrong clock."""
    bare = Store(tmp_path)
    await bare.open()
    await bare.write(insert_session("kept", NOW_MS))
    await bare.close()
    machine = Machine(Clocks(wall_ms, "boot 1", 0, is_sure=False))
    async with opened(tmp_path, machine) as (store, clock, retention):
        assert clock.read_house_ms() == NOW_MS
        assert await retention.run() == 0
        assert await list_keys(store) == ["kept"]


async def test_a_conversation_that_is_being_answered_is_left_alone(tmp_path: Path) -> None:
    machine = Machine()
    async with opened(tmp_path, machine) as (store, _, retention):
        await store.write(insert_session("answered", 0))
        await store.write(insert_exchange("answered", 0, "words", state="running"))
        assert await retention.run() == 0
        await store.write(lambda database: database.conn.execute("UPDATE turns SET state = 'done'"))
        assert await retention.run() == 1


async def test_many_sessions_go_in_batches(tmp_path: Path) -> None:
    machine = Machine()
    async with opened(tmp_path, machine) as (store, _, retention):
        await store.write(
            lambda database: [insert_session(f"{n}", 0)(database) for n in range(2 * BATCH + 1)]
        )
        assert await retention.run() == 2 * BATCH + 1
        assert await list_keys(store) == []


async def test_it_runs_at_the_start_and_ends_when_it_is_told(tmp_path: Path) -> None:
    machine = Machine()
    async with opened(tmp_path, machine) as (store, _, retention):
        await store.write(insert_session("old", 0))
        running = asyncio.create_task(retention.run_forever())
        while await list_keys(store):
            await asyncio.sleep(0)
        retention.stop()
        await asyncio.wait_for(running, 10)


async def test_the_order_of_messages_never_depends_on_the_clock(tmp_path: Path) -> None:
    machine = Machine()
    async with opened(tmp_path, machine) as (store, clock, _):
        await store.write(insert_session("one", clock.read_house_ms()))
        for number in range(3):
            await store.write(insert_exchange("one", number, "words"))
            machine.set_wall(-YEAR_MS)
        places = await store.read(
            lambda connection: [
                row[0]
                for row in connection.execute("SELECT position FROM messages ORDER BY position")
            ]
        )
    assert places == [1, 2, 3, 4, 5, 6]


def test_time_that_passes_in_one_boot_counts_exactly_whatever_the_wall_says() -> None:
    last = Look(NOW_MS, NOW_MS, "boot 1", 0)
    for wall_ms in (0, NOW_MS, NOW_MS + 10 * YEAR_MS):
        for is_sure in (False, True):
            now = Clocks(wall_ms, "boot 1", 90 * DAY_MS, is_sure)
            assert advance(last, now).house_ms == NOW_MS + 90 * DAY_MS


@pytest.mark.parametrize(
    ("step_ms", "counted_ms"),
    [(0, 0), (HOUR_MS, HOUR_MS), (2 * DAY_MS, 2 * DAY_MS), (2 * DAY_MS + 1, 0), (-1, 0)],
)
def test_over_a_reboot_a_small_step_of_the_wall_clock_counts(step_ms: int, counted_ms: int) -> None:
    last = Look(NOW_MS, NOW_MS, "boot 1", HOUR_MS)
    now = Clocks(NOW_MS + step_ms, "boot 2", 0, is_sure=False)
    assert advance(last, now).house_ms == NOW_MS + counted_ms


def test_the_machine_s_own_clocks_only_count_up(tmp_path: Path) -> None:
    clock = HouseClock()
    connection = connect_writer(tmp_path / "clock.db").conn
    before_ms = clock.read_house_ms()
    clock.load(connection)
    kept_ms = clock.keep(connection)
    again = HouseClock()
    again.load(connection)
    connection.close()
    assert before_ms <= kept_ms <= again.read_house_ms() < before_ms + HOUR_MS


async def list_keys(store: Store) -> list[str]:
    return await store.read(
        lambda connection: [
            row[0]
            for row in connection.execute("SELECT session_key FROM sessions ORDER BY session_key")
        ]
    )


async def count(store: Store, what: str) -> int:
    return await store.read(
        lambda connection: int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])
    )


async def test_who_holds_more_of_a_deleted_session_is_told_which_it_was(tmp_path: Path) -> None:
    machine, told = Machine(), asyncio.Queue[tuple[str, ...]]()
    store, clock = Store(tmp_path), HouseClock(machine)
    retention = Retention(store, clock, 1, told.put)
    await store.open()
    await store.write(insert_session("old", clock.read_house_ms()))
    for _ in range(3):
        machine.let_pass(DAY_MS)
        await retention.run()
    running = asyncio.create_task(retention.run_forever())
    assert await told.get() == ("old",)
    retention.stop()
    await running
    await store.close()


async def test_a_disk_that_does_not_forget_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.store.retention.PAUSE_S", 0.001)
    asked, was_asked_again = count_up(), asyncio.Event()

    async def refuse(_: tuple[str, ...]) -> None:
        if next(asked):
            was_asked_again.set()
        raise OSError(errno.EIO, "Input/output error")

    store, clock = Store(tmp_path), HouseClock(Machine())
    job = Retention(store, clock, 1, refuse)
    await store.open()
    running = asyncio.create_task(job.run_forever())
    with capture_logs() as lines:
        await asyncio.wait_for(was_asked_again.wait(), 10)
    job.stop()
    await running
    await store.close()
    assert "old conversations not all forgotten" in {line["event"] for line in lines}
