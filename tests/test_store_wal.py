"""A write-ahead log is judged before SQLite replays it: torn is whole enough, broken is not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from appliance.store.wal import FRAME, HEADER, find_damage

PAGE_BYTES = 4096
FRAME_BYTES = FRAME.size + PAGE_BYTES


def test_a_log_of_a_killed_process_is_whole(tmp_path: Path) -> None:
    wal = make_wal(tmp_path, commits=20)
    assert find_damage(wal) == ""


def test_no_log_and_an_empty_log_are_whole(tmp_path: Path) -> None:
    assert find_damage(tmp_path / "none-wal") == ""
    (tmp_path / "empty-wal").touch()
    assert find_damage(tmp_path / "empty-wal") == ""


@pytest.mark.parametrize("at", [0, 4, 8, 16, 24])
def test_a_broken_header_is_found(tmp_path: Path, at: int) -> None:
    wal = make_wal(tmp_path, commits=3)
    flip(wal, at)
    assert find_damage(wal) == "its write-ahead log has a broken header"


@pytest.mark.parametrize("at", [0, 8, 16, FRAME.size, FRAME.size + 2000])
def test_a_flip_in_the_middle_is_found_by_the_commits_behind_it(tmp_path: Path, at: int) -> None:
    wal = make_wal(tmp_path, commits=20)
    flip(wal, HEADER.size + 5 * FRAME_BYTES + at)
    assert find_damage(wal) == "its write-ahead log is broken in the middle"


@pytest.mark.parametrize("cut_bytes", [1, 512, PAGE_BYTES, FRAME_BYTES + 1])
def test_a_log_cut_short_is_torn_and_not_broken(tmp_path: Path, cut_bytes: int) -> None:
    wal = make_wal(tmp_path, commits=5)
    content = wal.read_bytes()
    wal.write_bytes(content[:-cut_bytes])
    assert find_damage(wal) == ""


def test_a_last_change_that_reached_the_disk_out_of_order_is_torn(tmp_path: Path) -> None:
    wal = make_wal(tmp_path, commits=5, rows_of_last=2000)
    frames = (wal.stat().st_size - HEADER.size) // FRAME_BYTES
    assert frames > 10, "the last change takes several pages"
    flip(wal, HEADER.size + (frames - 3) * FRAME_BYTES + FRAME.size)
    assert find_damage(wal) == ""


def test_the_rest_of_an_older_log_is_not_counted(tmp_path: Path) -> None:
    wal = make_wal(tmp_path, commits=20, begun_again=True)
    assert wal.stat().st_size > HEADER.size + 10 * FRAME_BYTES
    assert find_damage(wal) == ""


def make_wal(
    folder: Path, commits: int, rows_of_last: int = 0, *, begun_again: bool = False
) -> Path:
    """A log as `kill -9` leaves it: copied while the connection is open."""
    connection = sqlite3.connect(folder / "living.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE said (text TEXT)")
    for number in range(commits):
        connection.execute("INSERT INTO said VALUES (?)", (f"{number}" * 500,))
    if begun_again:
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
        connection.execute("INSERT INTO said VALUES ('first of the new log')")
    if rows_of_last:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO said VALUES (?)", [("x" * 40,)] * rows_of_last)
        connection.execute("COMMIT")
    copy = folder / "copy-wal"
    copy.write_bytes((folder / "living.db-wal").read_bytes())
    connection.close()
    return copy


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 0x10
    file.write_bytes(content)
