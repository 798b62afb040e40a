"""A full disk: the ballast is given up, old conversations go, nothing new is taken, it heals."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlite_utils

from appliance.errors import StoreUnavailable
from appliance.store.ballast import BALLAST_BYTES, Ballast
from appliance.store.clock import HouseClock
from appliance.store.database import Store
from appliance.store.figures import WriteMeter
from appliance.store.retention import Retention
from tests.store_rows import insert_session

DISK_BYTES = 6 << 20
SMALL_BALLAST_BYTES = 1 << 20


@asynccontextmanager
async def opened(folder: Path, ballast_bytes: int = BALLAST_BYTES) -> AsyncIterator[Store]:
    store = Store(folder, ballast_bytes)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={DISK_BYTES}"
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
    )
    if mounting.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounting.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_a_full_disk_gives_up_its_ballast_and_heals(small_disk: Path) -> None:
    purged = []

    def purge(connection: sqlite3.Connection) -> None:
        purged.append(
            connection.execute("DELETE FROM sessions WHERE session_key LIKE 'old%'").rowcount
        )

    async with opened(small_disk, SMALL_BALLAST_BYTES) as store:
        store.on_full.append(purge)
        ballast = small_disk / "ballast"
        assert ballast.stat().st_blocks * 512 >= SMALL_BALLAST_BYTES
        await store.write(insert_session("old" + "o" * 200_000))
        await store.write(insert_session("kept"))
        filler = small_disk / "filler"
        fill_up(filler)

        await store.write(insert_session("n" * 100_000))
        assert purged == [1]
        assert not ballast.exists()
        assert tell_state(store) == "full"
        assert store.measure().is_full
        with pytest.raises(StoreUnavailable, match="cannot be saved: the disk is full"):
            store.check_room()
        await store.write(insert_session("an answer that ends meanwhile"))
        assert await count_sessions(store) == 3

        await store.look_for_room()
        assert tell_state(store) == "full"
        filler.unlink()
        await store.look_for_room()
        assert tell_state(store) == "ready"
        assert ballast.exists()
        store.check_room()
    assert is_whole(small_disk)


async def test_a_disk_that_stays_full_refuses_writes_and_still_reads(small_disk: Path) -> None:
    async with opened(small_disk, SMALL_BALLAST_BYTES) as store:
        await store.write(insert_session("kept"))
        fill_up(small_disk / "filler")
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await store.write(insert_session("n" * (2 << 20)))
        assert await count_sessions(store) == 1
    async with opened(small_disk, SMALL_BALLAST_BYTES) as again:
        assert tell_state(again) == "full"
        assert await count_sessions(again) == 1
        (small_disk / "filler").unlink()
        await again.look_for_room()
        assert tell_state(again) == "ready"
        await again.write(insert_session("new"))
    assert is_whole(small_disk)


async def test_a_start_on_a_full_disk_reads_and_purges_by_house_time_only(
    small_disk: Path,
) -> None:
    async with opened(small_disk, SMALL_BALLAST_BYTES) as store:
        await store.write(insert_session("kept"))
    (small_disk / "ballast").write_bytes(bytes(SMALL_BALLAST_BYTES))
    fill_up(small_disk / "filler")
    store, clock = Store(small_disk, SMALL_BALLAST_BYTES), HouseClock()
    Retention(store, clock, 30)
    await store.open()
    assert await count_sessions(store) == 1
    assert clock.read_house_ms() < 86_400_000
    await store.write(insert_session("answer"))
    assert await count_sessions(store) == 2
    await store.close()
    assert is_whole(small_disk)


async def test_damage_on_a_full_disk_is_mended_with_the_ballast_s_room(small_disk: Path) -> None:
    async with opened(small_disk, SMALL_BALLAST_BYTES) as store:
        await store.write(insert_session("kept"))
    with (small_disk / "appliance.db").open("r+b") as file:
        file.write(b"damaged")
    fill_up(small_disk / "filler")
    async with opened(small_disk, SMALL_BALLAST_BYTES) as store:
        assert await count_sessions(store) == 1
        assert tell_state(store) == "full"


async def test_a_database_without_room_refuses_and_keeps_what_was_kept(tmp_path: Path) -> None:
    """As above where nothing can be mounted: SQLite is told the limit."""
    async with opened(tmp_path) as store:
        await store.write(insert_session("kept"))
        await store.write(limit_pages(1))
        with pytest.raises(StoreUnavailable, match="the disk is full") as refusal:
            for _ in range(50):
                await store.write(insert_session(os.urandom(20_000).hex()))
        assert isinstance(refusal.value.__cause__, sqlite3.Error)
        assert tell_state(store) == "full"
        assert not (tmp_path / "ballast").exists()
        assert await count_sessions(store) >= 1
        await store.write(limit_pages(100_000))
        await store.look_for_room()
        assert tell_state(store) == "ready"
        await store.write(insert_session("room again"))


async def test_the_write_that_found_the_disk_full_is_run_once_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        store.on_full.append(lambda connection: limit_pages(100_000)(as_database(connection)))
        await store.write(limit_pages(1))
        await store.write(insert_session("saved after all" * 20_000))
        assert await count_sessions(store) == 1


def test_the_first_ballast_takes_a_third_of_what_is_free_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes = [3 * 4096]
    monkeypatch.setattr("appliance.store.ballast.get_free_bytes", lambda _: free_bytes[0])
    outcomes = []
    for free_pages in (1, 2, 3):
        free_bytes[0] = free_pages * 4096
        ballast = Ballast(tmp_path, 4096)
        ballast.begin()
        outcomes.append((ballast.is_full, (tmp_path / "ballast").exists()))
    assert outcomes == [(True, False), (False, False), (False, True)]


def test_a_ballast_cut_short_by_a_kill_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "ballast").write_bytes(b"short")
    Ballast(tmp_path, 4096).begin()
    assert (tmp_path / "ballast").stat().st_size == 4096


async def test_the_store_looks_for_room_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.store.database.LOOK_PAUSE_S", 0.01)
    async with opened(tmp_path, 4096) as store:
        looks = 0
        await store.write(limit_pages(1))
        with pytest.raises(StoreUnavailable):
            await store.write(insert_session("n" * 100_000))
        while tell_state(store) == "full":
            await store.read(lambda _: None)
            looks += 1
            assert looks < 10_000
        assert (tmp_path / "ballast").exists()


def test_written_bytes_are_counted_since_the_start_and_over_a_day(tmp_path: Path) -> None:
    figures, clock_s = tmp_path / "io", [0.0]
    figures.write_text("rchar: 1\nwrite_bytes: 1000\ncancelled_write_bytes: 7\n")
    meter = WriteMeter(figures, lambda: clock_s[0])
    assert meter.look() == (0, 0)
    outcomes = []
    for hour in range(1, 50):
        clock_s[0] = hour * 3600.0
        figures.write_text(f"write_bytes: {1000 + hour * 10}\n")
        outcomes.append(meter.look())
    assert outcomes[0] == (10, 10)
    assert outcomes[23] == (240, 240)
    assert outcomes[-1] == (490, 240)
    assert WriteMeter(tmp_path / "absent").look() == (0, 0)


def fill_up(filler: Path) -> None:
    """Take all room that is left, to the last byte."""
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def limit_pages(pages: int) -> Callable[[sqlite_utils.Database], None]:
    def change(database: sqlite_utils.Database) -> None:
        database.conn.execute(f"PRAGMA max_page_count = {pages}")

    return change


def as_database(connection: sqlite3.Connection) -> sqlite_utils.Database:
    return sqlite_utils.Database(connection, execute_plugins=False)


async def count_sessions(store: Store) -> int:
    return await store.read(
        lambda connection: int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])
    )


def is_whole(folder: Path) -> bool:
    connection = sqlite3.connect(folder / "appliance.db")
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)])
    finally:
        connection.close()


def tell_state(store: Store) -> str:
    return store.state
