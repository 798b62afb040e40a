"""The audit log: a row for every turn, and no row that can be changed, taken or moved unseen.

The rule that must not break: what an honest purge or an honest forgetting leaves is whole, and
what anybody else leaves is not.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from appliance.events import Failed
from appliance.store.audit import Checked, check_chain
from appliance.store.masters import derive
from appliance.store.messages import Answer
from tests.sealed_house import FIRST_DAY, Calendar, answer, open_sealed

ROWS = 40
TAMPERINGS = 1000
NO_TRIGGERS = (
    "DROP TRIGGER audit_keeps_its_chain",
    "DROP TRIGGER audit_keeps_its_words",
    "DROP TRIGGER audit_keeps_its_rows",
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A database of `ROWS` rows in memory that anybody may write to."""

    content: bytes
    key: bytes

    def check_after(self, tamper: Callable[[sqlite3.Connection], object]) -> Checked:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.deserialize(self.content)
            tamper(connection)
            return check_chain(connection, self.key)


async def build_chain(folder: Path) -> Chain:
    async with open_sealed(folder) as sealed:
        session = await sealed.sessions.create()
        for number in range(ROWS):
            await answer(sealed, session, f"question {number}")
        key = derive(sealed.keyring.chain_key, "audit chain")
    with closing(sqlite3.connect(folder / "appliance.db", isolation_level=None)) as connection:
        for statement in NO_TRIGGERS:
            connection.execute(statement)
        connection.execute("PRAGMA journal_mode = DELETE")
        return Chain(connection.serialize(), key)


def set_bit(value: bytes, chance: random.Random) -> bytes:
    changed = bytearray(value)
    bit = chance.randrange(len(changed) * 8)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def change(connection: sqlite3.Connection, chance: random.Random) -> None:
    seq = chance.randint(1, ROWS)
    column = chance.choice(["day", "at_ms", "kind", "session_key", "body", "body_hash", "mac"])
    query = f"SELECT {column} FROM audit WHERE seq = ?"
    value = connection.execute(query, (seq,)).fetchone()[0]
    if isinstance(value, bytes):
        changed: object = set_bit(value, chance)
    elif isinstance(value, int):
        changed = value + chance.choice([-1, 1])
    else:
        changed = f"{value}x"
    connection.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", (changed, seq))


def remove(connection: sqlite3.Connection, chance: random.Random) -> None:
    connection.execute("DELETE FROM audit WHERE seq = ?", (chance.randint(1, ROWS),))


def remove_and_close_up(connection: sqlite3.Connection, chance: random.Random) -> None:
    seq = chance.randint(1, ROWS - 1)
    connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    connection.execute("UPDATE audit SET seq = -seq WHERE seq > ?", (seq,))
    connection.execute("UPDATE audit SET seq = -seq - 1 WHERE seq < 0")
    connection.execute("UPDATE audit_head SET seq = seq - 1")


def cut_the_end(connection: sqlite3.Connection, chance: random.Random) -> None:
    connection.execute("DELETE FROM audit WHERE seq > ?", (chance.randint(0, ROWS - 1),))


def cut_the_end_and_set_the_head(connection: sqlite3.Connection, chance: random.Random) -> None:
    seq = chance.randint(1, ROWS - 1)
    connection.execute("DELETE FROM audit WHERE seq > ?", (seq,))
    connection.execute(
        "UPDATE audit_head SET seq = ?, mac = (SELECT mac FROM audit WHERE seq = ?)", (seq, seq)
    )


def cut_the_beginning(connection: sqlite3.Connection, chance: random.Random) -> None:
    """With a forged anchor: only the keys could sign one."""
    seq = chance.randint(1, ROWS - 1)
    row = connection.execute("SELECT mac FROM audit WHERE seq = ?", (seq,)).fetchone()
    connection.execute("INSERT INTO audit_anchors VALUES (?, ?, ?)", (seq, row[0], bytes(32)))
    connection.execute("DELETE FROM audit WHERE seq <= ?", (seq,))


def exchange(connection: sqlite3.Connection, chance: random.Random) -> None:
    first, second = chance.sample(range(1, ROWS + 1), 2)
    for old, new in ((first, -1), (second, first), (-1, second)):
        connection.execute("UPDATE audit SET seq = ? WHERE seq = ?", (new, old))


def exchange_words(connection: sqlite3.Connection, chance: random.Random) -> None:
    first, second = chance.sample(range(1, ROWS + 1), 2)
    read = "SELECT body, body_hash FROM audit WHERE seq = ?"
    one, other = (connection.execute(read, (seq,)).fetchone() for seq in (first, second))
    for seq, words in ((first, other), (second, one)):
        connection.execute("UPDATE audit SET body = ?, body_hash = ? WHERE seq = ?", (*words, seq))


def take_the_words(connection: sqlite3.Connection, chance: random.Random) -> None:
    connection.execute("UPDATE audit SET body = NULL WHERE seq = ?", (chance.randint(1, ROWS),))


def repeat(connection: sqlite3.Connection, chance: random.Random) -> None:
    columns = "day, at_ms, kind, session_key, body, body_hash, mac"
    connection.execute(
        f"INSERT INTO audit SELECT {ROWS + 1}, {columns} FROM audit WHERE seq = ?",
        (chance.randint(1, ROWS),),
    )


TAMPER = (
    change,
    change,
    change,
    remove,
    remove_and_close_up,
    cut_the_end,
    cut_the_end_and_set_the_head,
    cut_the_beginning,
    exchange,
    exchange_words,
    take_the_words,
    repeat,
)


async def test_a_thousand_tamperings_are_all_found(tmp_path: Path) -> None:
    chain, chance = await build_chain(tmp_path), random.Random(8)
    assert chain.check_after(lambda connection: None).fault == ""
    missed = []
    for number in range(TAMPERINGS):
        tamper = TAMPER[number % len(TAMPER)]
        if not chain.check_after(partial(tamper, chance=chance)).fault:
            missed.append(tamper.__name__)
    assert not missed


async def test_another_key_does_not_find_the_chain_whole(tmp_path: Path) -> None:
    chain = await build_chain(tmp_path)
    forged = Chain(chain.content, bytes(32))
    assert forged.check_after(lambda connection: None).fault


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit WHERE seq = 1",
        "UPDATE audit SET kind = 'purge'",
        "UPDATE audit SET body = x'00'",
        "UPDATE audit SET seq = seq + 100",
    ],
)
async def test_the_database_itself_refuses_a_change(tmp_path: Path, statement: str) -> None:
    async with open_sealed(tmp_path) as sealed:
        await answer(sealed, await sealed.sessions.create(), "hello")
    with (
        closing(sqlite3.connect(tmp_path / "appliance.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="only grows"),
    ):
        connection.execute(statement)


async def test_a_turn_is_a_row_with_all_that_decided_it(tmp_path: Path) -> None:
    async with open_sealed(tmp_path) as sealed:
        key = await answer(sealed, await sealed.sessions.create(), "我叫王芳")
        (entry,) = await sealed.store.read(lambda one: [*sealed.audit.read(one)])
    assert entry.session_key == key and entry.said is not None
    assert {**entry.said, "run_id": ""} == {
        "run_id": "",
        "rung": "model",
        "finish": "stop",
        "verdicts": [["in", "a-rule", "a-category", "pass"]],
        "model": "tiny",
        "settings": "settings",
    }


async def test_a_forgotten_session_gives_a_receipt_and_the_chain_holds(tmp_path: Path) -> None:
    async with open_sealed(tmp_path) as sealed:
        gone, kept = [await sealed.sessions.create() for _ in range(2)]
        for number in range(3):
            await answer(sealed, gone, f"gone {number}")
            await answer(sealed, kept, f"kept {number}")
        receipt = (await sealed.sessions.forget(gone)).receipt
        assert receipt is not None and receipt.keys_destroyed == 1
        await answer(sealed, kept, "and on")
        entries = await sealed.store.read(lambda one: [*sealed.audit.read(one)])
        checked = await sealed.store.read(sealed.audit.check)
        assert len((await sealed.sessions.read_messages(kept))[0]) == 8
    assert (checked.fault, checked.rows, checked.destroyed) == ("", 8, 3)
    (row,) = [one for one in entries if one.seq == receipt.audit_row]
    assert (row.kind, row.mac.hex(), row.said) == ("forget", receipt.mac, {"keys_destroyed": 1})
    destroyed = [one for one in entries if one.kind == "turn" and one.said is None]
    assert {one.session_key for one in destroyed} == {receipt.session}


async def test_a_session_in_which_nothing_was_answered_can_be_forgotten(tmp_path: Path) -> None:
    async with open_sealed(tmp_path) as sealed:
        session_id = await sealed.sessions.create()
        accepted = await sealed.sessions.accept(session_id, "hello")
        failed = Failed("engine_failed", "The model stopped.")
        await sealed.sessions.finish(accepted.session_key, accepted.run_id, Answer(""), failed)
        receipt = (await sealed.sessions.forget(session_id)).receipt
    assert receipt is not None and receipt.keys_destroyed == 1


async def test_the_chain_holds_over_purges_anchors_and_restarts(tmp_path: Path) -> None:
    calendar = Calendar()
    for _ in range(5):
        async with open_sealed(tmp_path, calendar) as sealed:
            session = await sealed.sessions.create()
            for _ in range(3):
                await answer(sealed, session, "hello")
                calendar.day += 40
                await sealed.end_days()
                checked = await sealed.store.read(sealed.audit.check)
                assert checked.fault == ""
    assert calendar.day == FIRST_DAY + 600
    # What is left is no older than the log of requests: the rest stands behind an anchor.
    assert checked.rows < checked.head_seq


async def test_a_log_that_was_put_back_is_known_by_a_kept_end(tmp_path: Path) -> None:
    """A whole older state cannot be told from inside; the end that a check printed tells it."""
    folder, older = tmp_path / "data", tmp_path / "older"
    async with open_sealed(folder) as sealed:
        await answer(sealed, await sealed.sessions.create(), "first")
    shutil.copytree(folder, older)
    async with open_sealed(folder) as sealed:
        await answer(sealed, await sealed.sessions.create(), "second")
        newer = await sealed.store.read(sealed.audit.check)
    async with open_sealed(older) as sealed:
        checked = await sealed.store.read(sealed.audit.check)
    assert checked.fault == "" and checked.head_seq < newer.head_seq
