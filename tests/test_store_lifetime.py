"""The store from its first call to its last: who waits, who is refused, what is left behind."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from types import TracebackType

import pytest
import sqlite_utils

from appliance.errors import StoreUnavailable
from appliance.events import Done
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.live import LiveLog
from appliance.store.messages import Answer
from appliance.store.sealing import PLAIN, Label, Seals
from appliance.store.sessions import Sessions, key_of

DONE = Done("stop", "model")


async def test_closing_saves_what_is_queued_and_refuses_what_comes_later(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.open()
    may_go_on = threading.Event()
    first = asyncio.create_task(store.write(lambda _: may_go_on.wait(10)))
    queued = [asyncio.create_task(insert_session(store, f"{number}")) for number in range(100)]
    await asyncio.sleep(0)

    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    for call in (insert_session(store, "late"), store.read(lambda _: None)):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call
    may_go_on.set()
    await asyncio.gather(first, closing, *queued)
    assert read_rows(tmp_path, "SELECT count(*) FROM sessions") == [(100,)]


async def test_closing_a_store_that_was_never_opened_frees_those_who_wait(tmp_path: Path) -> None:
    store = Store(tmp_path)
    waiting = asyncio.create_task(store.read(lambda _: None))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await waiting
    assert list(tmp_path.iterdir()) == []


async def test_a_refused_store_forgets_the_calls_it_refused(tmp_path: Path) -> None:
    """One kept exception was raised each time and held the frames, with the words in them."""
    (tmp_path / "data").touch()
    store = Store(tmp_path / "data")
    with pytest.raises(StoreUnavailable):
        await store.open()
    lengths = []
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="APPLIANCE_DATA") as refusal:
            await store.read(lambda _: None)
        lengths.append(count_frames(refusal.value.__traceback__))
    await store.close()
    assert len(set(lengths)) == 1


async def test_a_store_that_was_refused_frees_the_folder_when_closed(tmp_path: Path) -> None:
    (tmp_path / "appliance.db").mkdir()
    refused = Store(tmp_path)
    with pytest.raises(StoreUnavailable):
        await refused.open()
    await refused.close()
    (tmp_path / "appliance.db").rmdir()

    store = Store(tmp_path)
    await store.open()
    await insert_session(store, "kept")
    await store.close()


async def test_the_files_are_their_owners_only_even_in_an_open_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    store = Store(tmp_path)
    await store.open()
    await insert_session(store, "kept")
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.glob("appliance.db*")}
    await store.close()
    assert modes == dict.fromkeys(("appliance.db", "appliance.db-wal", "appliance.db-shm"), 0o600)


async def test_a_database_of_a_newer_appliance_is_refused_and_not_touched(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.open()
    await insert_session(store, "kept")
    await store.close()
    database = sqlite_utils.Database(store.path)
    database.table("_sqlite_migrations").insert(
        {"migration_set": "appliance", "name": "m999_future", "applied_at": "2030-01-01"}
    )
    database.close()
    before = store.path.read_bytes()

    older = Store(tmp_path)
    with pytest.raises(StoreUnavailable, match=r"newer appliance.*m999_future.*install"):
        await older.open()
    await older.close()
    assert store.path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "appliance.db",
        "ballast",
        "lock",
    ]


async def test_no_byte_of_a_forgotten_session_is_left_after_the_closing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    await store.open()
    log = EventLog(store, LiveLog(tmp_path, PLAIN), PLAIN)
    await log.open()
    sessions = Sessions(store, log, PLAIN, lambda: 0)
    gone, other = await sessions.create(), await sessions.create()
    for session_id, word in ((gone, "CANARY"), (other, "KEPT")):
        for number in range(20):
            accepted = await sessions.accept(session_id, f"{word} {number} " * 300)
            answer = Answer(f"{word} {number} " * 300)
            await sessions.finish(accepted.session_key, accepted.run_id, answer, DONE)
    assert b"CANARY" in read_all_bytes(tmp_path)
    await sessions.forget(gone)
    await log.close()
    await store.close()

    left = read_all_bytes(tmp_path)
    assert b"KEPT" in left
    assert b"CANARY" not in left
    assert key_of(gone).encode() not in left


@pytest.mark.parametrize("column", ["text", "token_ids"])
async def test_answers_swapped_on_disk_are_refused_by_the_seal(tmp_path: Path, column: str) -> None:
    def seal(value: bytes, label: Label) -> bytes:
        return f"{label}|".encode() + value

    def unseal(value: bytes, label: Label) -> bytes:
        bound, _, plain = value.partition(b"|")
        if bound != f"{label}".encode():
            raise ValueError("swapped")
        return plain

    store = Store(tmp_path)
    await store.open()
    seals = Seals(seal, unseal)
    log = EventLog(store, LiveLog(tmp_path, seals), seals)
    await log.open()
    sessions = Sessions(store, log, seals, lambda: 0)
    ids = [await sessions.create() for _ in range(2)]
    for session_id in ids:
        accepted = await sessions.accept(session_id, "hello")
        answer = Answer("yes", (0, 151_935, 2**31))
        await sessions.finish(accepted.session_key, accepted.run_id, answer, DONE)
    [exchange] = await sessions.read_exchanges(key_of(ids[0]), lambda _: 0)
    assert exchange.answer_token_ids == (0, 151_935, 2**31)

    swap = f"""
    UPDATE messages SET {column} = (
        SELECT {column} FROM messages AS other
        WHERE other.session_key != messages.session_key AND other.position = messages.position
    )
    """
    await store.write(lambda database: database.conn.execute(swap))
    with pytest.raises(ValueError, match="swapped"):
        await sessions.read_exchanges(key_of(ids[0]), lambda _: 0)
    await log.close()
    await store.close()


async def insert_session(store: Store, key: str) -> None:
    await store.write(
        lambda database: database.conn.execute(
            "INSERT INTO sessions (session_key, created_ms, touched_ms) VALUES (?, 1, 1)", (key,)
        )
    )


def count_frames(traceback: TracebackType | None) -> int:
    frames = 0
    while traceback is not None:
        frames, traceback = frames + 1, traceback.tb_next
    return frames


def read_rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "appliance.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def read_all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.iterdir()))
