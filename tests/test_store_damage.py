"""A damaged database: found at the start or later, set aside, and what can be read of it saved."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import sqlite_utils

from appliance.errors import StoreUnavailable
from appliance.store.chunks import get_last_number
from appliance.store.connections import connect_writer
from appliance.store.database import Store
from appliance.store.folder import CORRUPT, announce_successor
from appliance.store.salvage import list_shapes, salvage
from tests.store_rows import fill, insert_exchange, insert_session, make_database, read_texts

PAGE_BYTES = 4096
SESSIONS, EXCHANGES = 12, 10


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    store = Store(folder)
    try:
        await store.open()
        yield store
    finally:
        await store.close()


def scribble(start: int, length: int) -> Callable[[Path], None]:
    """Random bytes; a start below 0 counts from the end."""

    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        at = start % len(content)
        content[at : at + length] = random.Random(start).randbytes(length)
        with file.open("r+b") as living:
            living.write(content)

    return damage


def put(content: bytes) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        file.write_bytes(content)

    return damage


def cut(length: int) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, length)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "the first bytes": scribble(0, 64),
    "the header": scribble(0, 100),
    "the whole first page": scribble(0, PAGE_BYTES),
    "the mark of who may write": scribble(18, 1),
    "the schema's tree": scribble(100, 400),
    "the middle": scribble(8 * PAGE_BYTES, 3 * PAGE_BYTES),
    "the end": scribble(-2 * PAGE_BYTES, 2 * PAGE_BYTES),
    "no database at all": put(b"hello " * 4000),
    "only zeros": put(bytes(3 * PAGE_BYTES)),
    "cut short": cut(20 * PAGE_BYTES),
    "cut in a page": cut(20 * PAGE_BYTES + 1000),
}


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_file_is_set_aside_and_reported(tmp_path: Path, name: str) -> None:
    await make_database(tmp_path, SESSIONS, EXCHANGES)
    DAMAGES[name](tmp_path / "appliance.db")
    damaged = (tmp_path / "appliance.db").read_bytes()

    store = Store(tmp_path)
    await store.open()
    kept = list_set_aside(tmp_path)[0]
    assert (tmp_path / kept).read_bytes() == damaged
    [note] = store.notes
    assert kept in note
    assert "damaged" in note
    assert "已损坏" in note
    assert store.measure().damages == 1
    await store.write(insert_session("fresh"))
    await store.close()
    assert is_whole(tmp_path)
    async with opened(tmp_path) as again:
        assert await count(again, "sessions WHERE session_key = 'fresh'") == 1
        assert again.notes == ()
    assert no_trace_of_the_work(tmp_path)


@pytest.mark.parametrize("name", ["the first bytes", "the header", "the whole first page"])
async def test_nothing_is_lost_with_the_first_page(tmp_path: Path, name: str) -> None:
    await make_database(tmp_path, SESSIONS, EXCHANGES)
    texts = read_all(tmp_path)
    DAMAGES[name](tmp_path / "appliance.db")
    async with opened(tmp_path) as store:
        assert await store.read(read_texts) == texts
        assert f"{SESSIONS} conversations" in store.notes[0]
        assert f"{len(texts)} messages" in store.notes[0]
        assert f"{len(texts)} 条消息" in store.notes[0]


async def test_every_message_outside_a_damaged_page_is_saved(tmp_path: Path) -> None:
    """Page by page, those that only lead to others too."""
    whole = tmp_path / "whole"
    await make_database(whole, 6, 6)
    content = (whole / "appliance.db").read_bytes()
    texts = set(read_all(whole))
    pages = range(1, len(content) // PAGE_BYTES)
    assert len(pages) > 25
    for page in pages:
        path = tmp_path / "appliance.db"
        path.write_bytes(content)
        scribble(page * PAGE_BYTES, PAGE_BYTES)(path)
        with closing(connect_writer(tmp_path / f"{page}.db")) as fresh:
            salvage(path, fresh.conn)
            saved = set(read_texts(fresh.conn))
            assert fresh.conn.execute("PRAGMA foreign_key_check").fetchall() == []
        lost = {text for text in texts - saved if text[2].encode() not in page_of(content, page)}
        assert lost == set()


async def test_no_two_tables_have_rows_of_one_shape(tmp_path: Path) -> None:
    """By its shape alone a saved row is told which table it belongs to."""
    with closing(connect_writer(tmp_path / "fresh.db")) as fresh:
        shapes = list_shapes(fresh.conn)
    for shape in shapes:
        row = (1, *[None if column.is_rowid else column.kind() for column in shape.columns])
        for other in shapes:
            padding = (None,) * (len(other.columns) - len(shape.columns))
            if other is shape:
                assert shape.read(row)
            else:
                with pytest.raises(ValueError):
                    other.read((*row, *padding))


async def test_a_lost_session_and_a_lost_turn_do_not_cost_the_messages(tmp_path: Path) -> None:
    await make_database(tmp_path, SESSIONS, EXCHANGES)
    texts = read_all(tmp_path)
    with closing(sqlite3.connect(tmp_path / "appliance.db", isolation_level=None)) as connection:
        connection.execute("DELETE FROM turns WHERE session_key = 'session-3'")
        connection.execute("DELETE FROM sessions WHERE session_key = 'session-3'")
        connection.execute("UPDATE sessions SET touched_ms = 777 WHERE session_key = 'session-1'")
        connection.execute(
            "INSERT INTO turns (run_id, session_key, state, accepted_ms) "
            "VALUES ('mute', 'session-1', 'running', 1)"
        )
    DAMAGES["the header"](tmp_path / "appliance.db")
    async with opened(tmp_path) as store:
        assert await store.read(read_texts) == texts
        turns = await store.read(
            lambda connection: connection.execute(
                "SELECT state, error_code FROM turns WHERE session_key = 'session-3'"
            ).fetchall()
        )
        assert {tuple(turn) for turn in turns} == {("failed", "interrupted")}
        assert len(turns) == EXCHANGES
        assert await count(store, "sessions WHERE touched_ms = 777") == 2
        assert await count(store, "turns WHERE state = 'running'") == 0


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("the whole first page", "a read"),
        ("the middle", "a read"),
        ("the middle", "a write"),
        ("the end", "a read"),
        ("the end", "a write"),
    ],
)
async def test_damage_while_it_runs_is_mended_and_the_call_succeeds(
    tmp_path: Path, name: str, by: str
) -> None:
    await make_database(tmp_path, 60, EXCHANGES)
    texts = read_all(tmp_path)
    async with opened(tmp_path) as store:
        await store.write(lambda database: database.conn.execute("PRAGMA shrink_memory"))
        DAMAGES[name](store.path)
        if by == "a read":
            left = await store.read(read_texts)
        else:
            left = await store.write(lambda database: read_texts(database.conn))
        assert set(left) <= set(texts)
        assert len(left) > len(texts) * 0.9
        assert store.measure().damages == 1
        assert store.state == "ready"
        await store.write(insert_session("afterwards"))
        assert await count(store, "sessions WHERE session_key = 'afterwards'") == 1
    assert is_whole(tmp_path)
    assert no_trace_of_the_work(tmp_path)


async def test_no_event_number_is_given_out_twice_after_damage(tmp_path: Path) -> None:
    await make_database(tmp_path, 2, 2)
    DAMAGES["the header"](tmp_path / "appliance.db")
    async with opened(tmp_path) as store:
        lasts = await store.read(
            lambda connection: [get_last_number(connection, f"session-{n}") for n in range(2)]
        )
    assert min(lasts) > 1000


async def test_calls_that_come_while_it_is_mended_wait_and_find_it_mended_once(
    tmp_path: Path,
) -> None:
    await make_database(tmp_path, SESSIONS, EXCHANGES)
    async with opened(tmp_path) as store:
        DAMAGES["the whole first page"](store.path)
        put_out_of_mind = "PRAGMA shrink_memory"
        await store.write(lambda database: database.conn.execute(put_out_of_mind))
        outcomes = await asyncio.gather(
            *[store.read(read_texts) for _ in range(10)],
            *[store.write(insert_session(f"meanwhile-{number}")) for number in range(10)],
        )
        assert all(len(texts) == 2 * SESSIONS * EXCHANGES for texts in outcomes[:10] if texts)
        assert await count(store, "sessions WHERE session_key LIKE 'meanwhile%'") == 10
        assert store.measure().damages == 1
        assert len(store.notes) == 1


async def test_what_the_log_of_a_damaged_file_holds_is_saved_too(tmp_path: Path) -> None:
    await make_database(tmp_path, SESSIONS, EXCHANGES)
    async with opened(tmp_path) as store:
        await store.write(insert_session("late"))
        await store.write(insert_exchange("late", 0, "still in the log"))
        DAMAGES["the header"](store.path)
        damaged = [Path(f"{store.path}{part}").read_bytes() for part in ("", "-wal")]
        error = sqlite3.DatabaseError("found")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        await store.write(fail_once(error))
        texts = await store.read(read_texts)
        assert ("late", 1, "still in the log 1") in texts
        assert len(texts) == 2 * SESSIONS * EXCHANGES + 2
        file, _, log = list_set_aside(tmp_path)
        assert [(tmp_path / name).read_bytes() for name in (file, log)] == damaged


@pytest.mark.parametrize(
    "code",
    [
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOMEM,
    ],
)
async def test_no_other_error_ever_sets_the_file_aside(tmp_path: Path, code: int) -> None:
    def fail(_: object) -> None:
        error = sqlite3.OperationalError("from below")
        error.sqlite_errorcode = code
        raise error

    async with opened(tmp_path) as store:
        for call in (store.write(fail), store.read(fail)):
            with pytest.raises(StoreUnavailable):
                await call
        await store.write(insert_session("afterwards"))
        assert store.measure().damages == 0
    assert list_set_aside(tmp_path) == []


async def test_damage_that_cannot_be_mended_refuses_every_later_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError("no such luck")

    await make_database(tmp_path)
    monkeypatch.setattr("appliance.store.database.renew", refuse)
    async with opened(tmp_path) as store:
        error = sqlite3.DatabaseError("found")
        error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match=r"damaged \(found\).*no such luck"):
                await store.write(fail_once(error))
        assert store.state == "unavailable"
    assert list_set_aside(tmp_path) == []


async def test_a_replacement_that_a_power_cut_ended_is_taken_up_at_the_next_start(
    tmp_path: Path,
) -> None:
    """The successor is whole; the damaged file is not yet, half or quite set aside."""
    await make_database(tmp_path / "good", SESSIONS, EXCHANGES)
    texts = read_all(tmp_path / "good")
    for number, standing in enumerate((("", "-wal"), ("-wal",), ())):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for suffix in standing:
            (folder / f"appliance.db{suffix}").write_bytes(b"damaged")
        (folder / "built.db").write_bytes((tmp_path / "good" / "appliance.db").read_bytes())
        announce_successor(folder / "built.db", folder / "appliance.db", CORRUPT)
        async with opened(folder) as store:
            assert await store.read(read_texts) == texts
            assert len(store.notes) == 1
        assert len(list_set_aside(folder)) == len(standing)
        assert no_trace_of_the_work(folder)


async def test_a_damaged_file_of_a_newer_appliance_is_left_where_it_is(tmp_path: Path) -> None:
    await make_database(tmp_path, SESSIONS, EXCHANGES)
    with closing(sqlite_utils.Database(tmp_path / "appliance.db")) as database:
        database.table("_sqlite_migrations").insert(
            {"migration_set": "appliance", "name": "m999_future", "applied_at": "2030-01-01"}
        )
    DAMAGES["the middle"](tmp_path / "appliance.db")
    damaged = (tmp_path / "appliance.db").read_bytes()
    with pytest.raises(StoreUnavailable, match="newer appliance, which took the step m999_future"):
        async with opened(tmp_path):
            pass
    assert (tmp_path / "appliance.db").read_bytes() == damaged
    assert list_set_aside(tmp_path) == []


async def test_an_empty_file_alone_is_set_aside_and_told(tmp_path: Path) -> None:
    (tmp_path / "appliance.db").touch()
    store = Store(tmp_path)
    await store.open()
    await store.close()
    assert store.measure().damages == 1
    assert "the file is empty" in store.notes[0]
    assert [file.stat().st_size for file in tmp_path.glob("appliance.db.corrupt.*")] == [0]


async def test_a_first_start_that_a_power_cut_ended_is_begun_anew_without_alarm(
    tmp_path: Path,
) -> None:
    """Zeros where the file was to grow, and the journal that takes that back."""
    connection = sqlite3.connect(tmp_path / "appliance.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = 2")
    connection.execute("BEGIN")
    connection.execute("PRAGMA cache_spill = 1")
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("CREATE TABLE big (content)")
    connection.execute("INSERT INTO big VALUES (zeroblob(100000))")
    journal = (tmp_path / "appliance.db-journal").read_bytes()
    length = (tmp_path / "appliance.db").stat().st_size
    connection.execute("ROLLBACK")
    connection.close()
    assert len(journal) > 0
    assert length > 0
    (tmp_path / "appliance.db").write_bytes(bytes(length))
    (tmp_path / "appliance.db-journal").write_bytes(journal)
    async with opened(tmp_path) as store:
        assert store.notes == ()
    assert list_set_aside(tmp_path) == []


async def test_a_log_of_a_killed_process_is_replayed(tmp_path: Path) -> None:
    await leave_a_log(tmp_path, tmp_path / "left")
    async with opened(tmp_path / "left") as store:
        assert await count(store, "sessions") == 30
        assert store.notes == ()


@pytest.mark.parametrize("start", [0, 32 + 24 + 100, 32 + 8 * (24 + PAGE_BYTES)])
async def test_a_damaged_log_is_set_aside_with_its_file(tmp_path: Path, start: int) -> None:
    folder = tmp_path / "left"
    await leave_a_log(tmp_path, folder)
    before = (folder / "appliance.db").read_bytes()
    scribble(start, 1000)(folder / "appliance.db-wal")
    damaged = (folder / "appliance.db-wal").read_bytes()

    async with opened(folder) as store:
        kept = list_set_aside(folder)
        assert (folder / kept[0]).read_bytes() == before
        assert (folder / kept[-1]).read_bytes() == damaged
        assert "write-ahead log" in store.notes[0]
        assert store.measure().damages == 1


async def test_the_log_before_its_first_break_is_saved(tmp_path: Path) -> None:
    folder = tmp_path / "left"
    await leave_a_log(tmp_path, folder)
    log = folder / "appliance.db-wal"
    # The schema's own pages fill the first part.
    scribble(log.stat().st_size * 9 // 10, 100)(log)
    async with opened(folder) as store:
        assert 0 < await count(store, "sessions") < 30


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
        assert await count(store, "sessions") == 30


async def test_two_damaged_files_in_one_second_take_two_names(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "appliance.db").write_text(f"damaged {number}")
        async with opened(tmp_path):
            pass
    kept = {(tmp_path / name).read_text() for name in list_set_aside(tmp_path)}
    assert kept == {"damaged 0", "damaged 1", "damaged 2"}


def fail_once(error: sqlite3.Error) -> Callable[[sqlite_utils.Database], None]:
    """A change that finds damage the first time it is run."""
    findings = [error]

    def change(_: sqlite_utils.Database) -> None:
        if findings:
            raise findings.pop()

    return change


def page_of(content: bytes, page: int) -> bytes:
    return content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]


def read_all(folder: Path) -> list[tuple[str, int, str]]:
    with closing(sqlite3.connect(folder / "appliance.db")) as connection:
        return read_texts(connection)


def is_whole(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / "appliance.db")) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        return found == [("ok",)] and not connection.execute("PRAGMA foreign_key_check").fetchall()


async def count(store: Store, what: str) -> int:
    return await store.read(
        lambda connection: int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])
    )


async def leave_a_log(living: Path, left: Path) -> None:
    """What `kill -9` leaves: the files of a store that was never closed."""
    left.mkdir()
    async with opened(living / "living") as store:
        await fill(store, 0, 0)
        for number in range(30):
            await store.write(insert_session(f"{number}"))
        for part in ("appliance.db", "appliance.db-wal"):
            (left / part).write_bytes((living / "living" / part).read_bytes())


def list_set_aside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".corrupt." in path.name)


def no_trace_of_the_work(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir() if ".corrupt." not in path.name}
    return names <= {"appliance.db", "ballast", "lock"}
