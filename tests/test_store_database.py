"""The database file: opened safely, written by one thread, set aside when damaged."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlite_utils

from appliance.errors import StoreUnavailable
from appliance.store.database import PRAGMAS, Store
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions

PAGE_BYTES = 4096


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
        database.conn.execute("INSERT INTO sessions VALUES ('half', 1, 1)")
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


async def test_a_second_appliance_on_one_folder_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as first:
        second = Store(tmp_path)
        with pytest.raises(StoreUnavailable, match=r"Another appliance .* APPLIANCE_DATA"):
            await second.open()
        assert not second.is_open
        with pytest.raises(StoreUnavailable, match="Another appliance"):
            await second.write(insert_session("foreign"))
        await second.close()
        await first.write(insert_session("own"))
    async with opened(tmp_path) as third:
        assert await count_sessions(third) == 1


async def test_a_clean_close_leaves_one_file_and_no_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(insert_session("kept"))
        assert (tmp_path / "appliance.db-wal").stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["appliance.db", "lock"]
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


async def test_a_full_disk_refuses_the_message_and_keeps_what_was_kept(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        sessions = Sessions(store, PLAIN, lambda: 0)
        session_id = await sessions.create()
        await sessions.accept(session_id, "kept")
        await store.write(fill_up)
        with pytest.raises(StoreUnavailable, match="the disk is full") as refusal:
            for _ in range(50):
                await store.write(insert_session(os.urandom(20_000).hex()))
        assert isinstance(refusal.value.__cause__, sqlite3.Error)
        kept = await sessions.read_messages(session_id)
        assert [message.text for message in kept] == ["kept"]
        await store.write(lambda database: database.conn.execute("PRAGMA max_page_count=100000"))
        await store.write(insert_session("room again"))


def fill_up(database: sqlite_utils.Database) -> None:
    database.conn.execute("PRAGMA max_page_count=1")


async def test_a_locked_file_is_an_error_and_never_set_aside(tmp_path: Path) -> None:
    await make_file_with_a_message(tmp_path)
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
        (sqlite3.SQLITE_FULL, "disk is full"),
        (sqlite3.SQLITE_CORRUPT, "restarting the appliance sets it aside"),
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


def scribble(start: int, length: int) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[start : start + length] = random.Random(start).randbytes(length)
        file.write_bytes(content)

    return damage


def replace(file: Path, content: bytes) -> None:
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "the first bytes": scribble(0, 64),
    "the whole first page": scribble(0, PAGE_BYTES),
    "the schema's tree": scribble(100, 400),
    "the middle": scribble(PAGE_BYTES, 3 * PAGE_BYTES),
    "no database at all": lambda file: replace(file, b"hello " * 4000),
    "only zeros": lambda file: replace(file, bytes(3 * PAGE_BYTES)),
    "cut short": lambda file: os.truncate(file, 2 * PAGE_BYTES),
    "nothing in it": lambda file: os.truncate(file, 0),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_file_is_set_aside_and_reported(tmp_path: Path, name: str) -> None:
    await make_file_with_a_message(tmp_path)
    DAMAGES[name](tmp_path / "appliance.db")
    damaged = (tmp_path / "appliance.db").read_bytes()

    async with opened(tmp_path) as store:
        [kept] = list_set_aside(tmp_path)
        assert (tmp_path / kept).read_bytes() == damaged
        [note] = store.notes
        assert kept in note
        assert "damaged" in note
        assert await count_sessions(store) == 0
        await store.write(insert_session("fresh"))
    async with opened(tmp_path) as store:
        assert await count_sessions(store) == 1
        assert store.notes == ()


async def test_a_log_of_a_killed_process_is_replayed(tmp_path: Path) -> None:
    await leave_a_log(tmp_path, tmp_path / "left")
    async with opened(tmp_path / "left") as store:
        assert await count_sessions(store) == 30
        assert store.notes == ()


@pytest.mark.parametrize("start", [0, 32 + 24 + 100, 32 + 8 * (24 + PAGE_BYTES)])
async def test_a_damaged_log_is_set_aside_with_its_file(tmp_path: Path, start: int) -> None:
    folder = tmp_path / "left"
    await leave_a_log(tmp_path, folder)
    scribble(start, 1000)(folder / "appliance.db-wal")
    damaged = (folder / "appliance.db-wal").read_bytes()

    async with opened(folder) as store:
        kept = list_set_aside(folder)
        assert [name[-4:] for name in kept] == [kept[0][-4:], "-wal"]
        assert (folder / kept[1]).read_bytes() == damaged
        assert "write-ahead log" in store.notes[0]


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_log_beside_no_file_is_never_thrown_away(tmp_path: Path, is_there: bool) -> None:
    folder = tmp_path / "left"
    await leave_a_log(tmp_path, folder)
    (folder / "appliance.db").unlink()
    if is_there:
        (folder / "appliance.db").touch()
    log = (folder / "appliance.db-wal").read_bytes()

    async with opened(folder) as store:
        kept = list_set_aside(folder)
        assert (folder / kept[-1]).read_bytes() == log
        assert len(store.notes) == 1


async def test_two_damaged_files_in_one_second_take_two_names(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "appliance.db").write_text(f"damaged {number}")
        async with opened(tmp_path):
            pass
    kept = {(tmp_path / name).read_text() for name in list_set_aside(tmp_path)}
    assert kept == {"damaged 0", "damaged 1", "damaged 2"}


def insert_session(key: str) -> Callable[[sqlite_utils.Database], None]:
    def change(database: sqlite_utils.Database) -> None:
        database.conn.execute("INSERT INTO sessions VALUES (?, 1, 1)", (key,))

    return change


async def count_sessions(store: Store) -> int:
    return await store.read(
        lambda connection: int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])
    )


async def make_file_with_a_message(folder: Path) -> None:
    async with opened(folder) as store:
        sessions = Sessions(store, PLAIN, lambda: 0)
        await sessions.accept(await sessions.create(), "问题" * 1000)


async def leave_a_log(living: Path, left: Path) -> None:
    """What `kill -9` leaves: the files of a store that was never closed."""
    left.mkdir()
    async with opened(living / "living") as store:
        for number in range(30):
            await store.write(insert_session(f"{number}"))
        for part in ("appliance.db", "appliance.db-wal"):
            (left / part).write_bytes((living / "living" / part).read_bytes())


def list_set_aside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".corrupt." in path.name)
