"""What older versions wrote in clear is sealed by the first start, once, and nothing of it is left.

The rule that must not break: a start that is cut off at any batch loses nothing and seals nothing
twice.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import StoreUnavailable
from appliance.events import Cited, Done, Token
from appliance.store import resealing
from appliance.store.backup import make_backup
from appliance.store.backups import Backups, is_in_clear, list_backups
from appliance.store.calls import StoredCall
from appliance.store.connections import wrap
from appliance.store.database import Store
from appliance.store.events import EventLog
from appliance.store.facts import StoredSummary
from appliance.store.identities import Identity, IdentityRows
from appliance.store.live import LiveLog
from appliance.store.messages import Answer
from appliance.store.migrations import build_migrations
from appliance.store.resealing import SEALED_COLUMNS, reseal
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions, key_of
from tests.sealed_house import SMALL_BALLAST_BYTES, Calendar, make_keyring, open_sealed

WORDS = "我的电话是13800138000"
EXCHANGES = 12


async def write_in_clear(folder: Path, calendar: Calendar) -> str:
    """A database as it was before there were keys; the id of its session."""
    store = Store(folder, SMALL_BALLAST_BYTES)
    await store.open()
    log = EventLog(store, LiveLog(folder, PLAIN), PLAIN)
    await log.open()
    sessions = Sessions(store, log, PLAIN, calendar.read_ms)
    session = await sessions.create()
    for number in range(EXCHANGES):
        await say(sessions, log, session, f"{WORDS} {number}")
    key = key_of(session)
    await sessions.facts.keep(key, (await sessions.read_messages(session))[0][0].run_id, FACTS)
    await sessions.facts.keep_summary(key, StoredSummary(3, "extract", WORDS))
    await IdentityRows(store, PLAIN).keep(session, Identity(WORDS, "王芳"))
    await log.close()
    await store.close()
    return session


FACTS = [("phone", WORDS)]


async def say(sessions: Sessions, log: EventLog, session: str, text: str) -> None:
    accepted = await sessions.accept(session, text)
    key, run_id = accepted.session_key, accepted.run_id
    await log.append(key, run_id, Token(text, (1, 2)))
    cited = (Cited("faq", "1", WORDS),)
    done = Done("stop", "faq", sources=cited, suggestions=(WORDS,))
    calls = (StoredCall("lookup", "done", {"phone": WORDS}),)
    await sessions.finish(key, run_id, Answer(text, (1, 2), "tiny"), done, (), calls)


def find_in_clear(folder: Path) -> list[str]:
    needles = (WORDS.encode(), "王芳".encode(), WORDS.encode("unicode_escape"))
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    ]


async def read_all(folder: Path, calendar: Calendar, session: str) -> tuple[object, ...]:
    async with open_sealed(folder, calendar) as sealed:
        key = key_of(session)
        messages = (await sealed.sessions.read_messages(session))[0]
        exchanges = await sealed.sessions.read_exchanges(key, lambda count: 0)
        facts = await sealed.sessions.facts.read(key)
        summaries = await sealed.sessions.facts.read_summaries(key)
        calls = await sealed.sessions.calls.read_all(key)
        events = await sealed.log.read(key, 0)
        identity = await IdentityRows(sealed.store, sealed.keyring.seals).find(session)
        assert [one.answer_token_ids for one in exchanges] == [(1, 2)] * EXCHANGES
        return messages, exchanges, facts, summaries, calls, events, identity


async def seal_all(folder: Path, calendar: Calendar) -> int:
    keyring, store = make_keyring(folder, calendar), Store(folder, SMALL_BALLAST_BYTES)
    keyring.unlock()
    await store.open()
    try:
        return await reseal(store, keyring)
    finally:
        await store.close()


async def test_everything_is_sealed_once_and_reads_as_before(tmp_path: Path) -> None:
    calendar = Calendar()
    session = await write_in_clear(tmp_path, calendar)
    assert find_in_clear(tmp_path)
    # Question, answer, ids, sources, suggestions, call and events of each; one of all others.
    assert await seal_all(tmp_path, calendar) >= 6 * EXCHANGES + 3
    assert find_in_clear(tmp_path) == []
    assert await seal_all(tmp_path, calendar) == 0
    messages, _, facts, summaries, calls, events, identity = await read_all(
        tmp_path, calendar, session
    )
    assert isinstance(messages, tuple) and messages[0].text == f"{WORDS} 0"
    assert messages[1].sources == (Cited("faq", "1", WORDS),)
    assert messages[1].suggestions == (WORDS,)
    assert isinstance(facts, tuple) and facts[0].value == WORDS
    assert summaries == (StoredSummary(3, "extract", WORDS),)
    assert isinstance(calls, tuple) and calls[0].arguments == {"phone": WORDS}
    # A page of history: two blocks of events for each exchange.
    assert isinstance(events, list) and len(events) == 24
    assert identity == Identity(WORDS, "王芳")


async def test_a_start_that_is_cut_off_at_any_batch_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 5)
    calendar, cuts = Calendar(), 0
    session = await write_in_clear(tmp_path, calendar)
    while True:
        left, written = cuts, Store.write

        async def write(store: Store, change: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise StoreUnavailable("cut off")
            return await written(store, change)  # type: ignore[arg-type]  # noqa: B023

        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", write)
            try:
                await seal_all(tmp_path, calendar)
                break
            except StoreUnavailable:
                cuts += 1
    assert cuts > len(SEALED_COLUMNS)
    assert find_in_clear(tmp_path) == []
    messages = (await read_all(tmp_path, calendar, session))[0]
    assert isinstance(messages, tuple) and messages[-1].text == f"{WORDS} {EXCHANGES - 1}"


# What came after there were keys.
NEVER_IN_CLEAR = {
    ("sessions", "contact"),
    ("notes", "text"),
    ("ratings", "comment"),
    ("webhooks", "target"),
    ("turns", "decision"),
    ("changes", "content"),
}


def test_every_column_that_the_schema_keeps_as_bytes_is_sealed(tmp_path: Path) -> None:
    """Or is a sign or a hash of the audit log, which holds no words but in its body."""
    with closing(sqlite3.connect(":memory:")) as connection:
        build_migrations().apply(wrap(connection))
        tables = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        kept = {
            (table, row[1])
            for table in tables
            for row in connection.execute(f"PRAGMA table_info({table})")
            if row[2] == "BLOB" and not table.startswith("audit")
        }
    assert kept == {(sealed.table, sealed.column) for sealed in SEALED_COLUMNS} | NEVER_IN_CLEAR


async def test_backups_in_clear_give_way_to_a_sealed_one(tmp_path: Path) -> None:
    data, backups = tmp_path / "data", tmp_path / "data" / "backups"
    calendar = Calendar()
    await write_in_clear(data, calendar)
    old = backups / "appliance-20200101T000000Z.db"
    make_backup(data / "appliance.db", old)
    assert is_in_clear(old)
    await seal_all(data, calendar)
    keyring, store = make_keyring(data, calendar), Store(data, SMALL_BALLAST_BYTES)
    keyring.unlock()
    await store.open()
    try:
        schedule = Backups(store, backups, 24, 3, keyring.copy_to_mirror)
        await schedule.run()
    finally:
        await store.close()
    (new,) = list_backups(backups)
    assert new != old and not is_in_clear(new)
    assert find_in_clear(data) == []
    # With its keys beside it, it can be read on another machine.
    assert (backups / "keys" / "master.json").exists()
