"""The database file: opened safely, written by one thread, set aside when damaged."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlite_utils

from appliance.errors import StoreUnavailable
from appliance.store.connections import PRAGMAS
from appliance.store.database import WAL_CAP_BYTES, Store
from tests.store_rows import insert_session, make_database


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = Store(folder)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


async def test_every_pragma_holds_on_the_writing_connection(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        held = await store.write(
            lambda database: {
                name: database.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS
            }
        )
    assert held == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "mmap_size": 0,
        "journal_size_limit": 8_388_608,
        "busy_timeout": 2000,
        "secure_delete": 1,
        "temp_store": 2,
        "cache_size": -1024,
    }


async def test_a_pragma_that_does_not_hold_stops_the_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRAGMAS, "synchronous", 7)
    with pytest.raises(StoreUnavailable, match=r"PRAGMA synchronous stays .*, not 7"):
        async with opened(tmp_path):
            pass


async def test_a_reading_connection_cannot_write(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(StoreUnavailable, match="read-only"):
            await store.read(lambda connection: connection.execute("DELETE FROM sessions"))


async def test_writes_share_one_thread_and_reads_use_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        writers = await asyncio.gather(
            *[store.write(lambda _: threading.get_ident()) for _ in range(20)]
        )
        readers = await asyncio.gather(
            *[store.read(lambda _: threading.get_ident()) for _ in range(20)]
        )
    assert len(set(writers)) == 1
    assert 1 <= len(set(readers)) <= 2
    assert not {*writers, threading.get_ident()} & set(readers)
    assert threading.get_ident() not in writers


async def test_a_change_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    def insert_and_stumble(database: sqlite_utils.Database) -> None:
        database.conn.execute(
            "INSERT INTO sessions (session_key, created_ms, touched_ms) VALUES ('half', 1, 1)"
        )
        raise KeyError("stumbled")

    async with opened(tmp_path) as store:
        with pytest.raises(KeyError, match="stumbled"):
            await store.write(insert_and_stumble)
        assert await count_sessions(store) == 0
        await store.write(insert_session("whole"))
        assert await count_sessions(store) == 1


async def test_a_read_sees_one_moment_of_the_database(tmp_path: Path) -> None:
    has_counted, may_go_on = threading.Event(), threading.Event()

    def count_twice(connection: sqlite3.Connection) -> list[int]:
        counts = [connection.execute("SELECT count(*) FROM sessions").fetchone()[0]]
        has_counted.set()
        assert may_go_on.wait(10)
        return [*counts, connection.execute("SELECT count(*) FROM sessions").fetchone()[0]]

    async with opened(tmp_path) as store:
        reading = asyncio.create_task(store.read(count_twice))
        assert await asyncio.to_thread(has_counted.wait, 10)
        await store.write(insert_session("meanwhile"))
        may_go_on.set()
        assert await reading == [0, 0]
        assert await count_sessions(store) == 1


async def test_the_data_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    async with opened(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


async def test_a_second_appliance_on_one_folder_is_refused_by_the_first_one_s_number(
    tmp_path: Path,
) -> None:
    refusal = rf"Another appliance \(process {os.getpid()}\) uses .*APPLIANCE_DATA"
    async with opened(tmp_path) as first:
        second = Store(tmp_path)
        with pytest.raises(StoreUnavailable, match=refusal):
            second.lock()
        with pytest.raises(StoreUnavailable, match=refusal):
            await second.open()
        assert second.state == "unavailable"
        with pytest.raises(StoreUnavailable, match="Another appliance"):
            await second.write(insert_session("foreign"))
        await second.close()
        await first.write(insert_session("own"))
    async with opened(tmp_path) as third:
        assert await count_sessions(third) == 1


async def test_a_folder_locked_before_the_opening_stays_locked_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.lock()
    store.lock()
    with pytest.raises(StoreUnavailable, match="Another appliance"):
        Store(tmp_path).lock()
    await store.open()
    await store.write(insert_session("kept"))
    await store.close()
    again = Store(tmp_path)
    again.lock()
    await again.close()


def test_a_folder_that_cannot_be_locked_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match="set APPLIANCE_DATA to a folder that can be"):
        Store(tmp_path / "data").lock()


async def test_the_state_of_the_store_is_told_in_a_word(tmp_path: Path) -> None:
    store = Store(tmp_path)
    states = [store.state]
    await store.open()
    states.append(store.state)
    await store.close()
    assert [*states, store.state] == ["opening", "ready", "unavailable"]


async def test_the_write_ahead_log_is_folded_when_it_grows_over_its_cap(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        for number in range(12):
            await store.write(insert_session(f"{number}" * 500_000))
            assert store.measure().wal_bytes <= WAL_CAP_BYTES
        assert store.measure().database_bytes > WAL_CAP_BYTES


async def test_a_log_that_somebody_reads_is_folded_later_and_nobody_waits(tmp_path: Path) -> None:
    def insert_after(reading: threading.Event, database: sqlite_utils.Database) -> None:
        assert reading.wait(10)
        insert_session("x" * (WAL_CAP_BYTES + 1))(database)

    has_begun, may_go_on = threading.Event(), threading.Event()

    def read_slowly(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT count(*) FROM sessions").fetchone()
        has_begun.set()
        assert may_go_on.wait(10)

    async with opened(tmp_path) as store:
        await store.write(insert_session("one"))
        reading = asyncio.create_task(store.read(read_slowly))
        await store.write(lambda database: insert_after(has_begun, database))
        assert store.measure().wal_bytes > WAL_CAP_BYTES
        may_go_on.set()
        await reading
        await store.write(insert_session("two"))
        assert store.measure().wal_bytes <= WAL_CAP_BYTES


async def test_a_clean_close_leaves_one_file_and_no_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(insert_session("kept"))
        assert (tmp_path / "appliance.db-wal").stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "appliance.db",
        "ballast",
        "lock",
    ]
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.write(insert_session("late"))


async def test_calls_made_before_the_opening_wait_for_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    writing = asyncio.create_task(store.write(insert_session("early")))
    counting = asyncio.create_task(count_sessions(store))
    await store.open()
    await writing
    assert await counting in (0, 1)
    await store.close()


async def test_a_folder_that_is_a_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(StoreUnavailable, match="set APPLIANCE_DATA to a folder that can be"):
        async with opened(tmp_path / "data"):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_folder_is_refused_with_the_way_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreUnavailable, match="set APPLIANCE_DATA to a folder that can be"):
            async with opened(tmp_path):
                pass
    finally:
        tmp_path.chmod(0o700)


async def test_a_read_only_disk_is_told_in_plain_words(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(lambda database: database.conn.execute("PRAGMA query_only = 1"))
        with pytest.raises(StoreUnavailable, match="the disk is read-only"):
            await store.write(insert_session("unkept"))


async def test_a_locked_file_is_an_error_and_never_set_aside(tmp_path: Path) -> None:
    await make_database(tmp_path)
    before = (tmp_path / "appliance.db").read_bytes()
    intruder = sqlite3.connect(tmp_path / "appliance.db", isolation_level=None)
    intruder.execute("PRAGMA locking_mode=EXCLUSIVE")
    intruder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match="locked"):
        async with opened(tmp_path):
            pass
    intruder.execute("ROLLBACK")
    intruder.close()
    assert list_set_aside(tmp_path) == []
    assert (tmp_path / "appliance.db").read_bytes() == before


@pytest.mark.parametrize("part", ["appliance.db", "appliance.db-wal"])
async def test_a_file_that_cannot_be_read_is_an_error_and_never_set_aside(
    tmp_path: Path, part: str
) -> None:
    (tmp_path / part).mkdir()
    (tmp_path / part / "something").touch()
    if part != "appliance.db":
        (tmp_path / "appliance.db").write_bytes(b"not reached")
    with pytest.raises(StoreUnavailable):
        async with opened(tmp_path):
            pass
    assert list_set_aside(tmp_path) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (sqlite3.SQLITE_IOERR, "just now"),
        (sqlite3.SQLITE_BUSY, "just now"),
        (sqlite3.SQLITE_READONLY, "disk is read-only"),
    ],
)
async def test_an_error_while_serving_is_told_in_words_and_touches_no_file(
    tmp_path: Path, code: int, words: str
) -> None:
    def fail(_: sqlite_utils.Database) -> None:
        error = sqlite3.OperationalError("from below")
        error.sqlite_errorcode = code
        raise error

    async with opened(tmp_path) as store:
        with pytest.raises(StoreUnavailable, match=words) as refusal:
            await store.write(fail)
        assert str(refusal.value.__cause__) == "from below"
        await store.write(insert_session("afterwards"))
    assert list_set_aside(tmp_path) == []


async def count_sessions(store: Store) -> int:
    return await store.read(
        lambda connection: int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])
    )


def list_set_aside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".corrupt." in path.name)
