"""Backups of the main database: made while the server runs, checked, and put back.

A backup is one file that any SQLite can read; `live.db` is not in it. The rules that must not
break: a backup has its name only after its copy was opened and found whole, nothing is written
over, and what a restore replaces is kept.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from appliance.errors import StoreUnavailable
from appliance.store.ballast import BALLAST_BYTES
from appliance.store.chunks import skip_numbers
from appliance.store.connections import MAGIC, connect_reader, connect_writer, explain, wrap
from appliance.store.figures import get_free_bytes, get_size
from appliance.store.folder import (
    BEFORE_RESTORE,
    FILE_NAME,
    announce_successor,
    install_successor,
    lock_folder,
    make_private,
    remove_parts,
    sync_folder,
)
from appliance.store.migrations import find_unknown_step

PAGES_A_STEP = 256
LEFT_FREE_BYTES = 3 * BALLAST_BYTES
OURS = ("sessions", "turns", "messages")
# Called with the pages that are left and all pages.
Watch: TypeAlias = Callable[[int, int], None]
CHECK_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Contents:
    """A database file that was found whole, and how much is in it."""

    path: Path
    file_bytes: int
    conversations: int
    messages: int


@dataclass(frozen=True, slots=True)
class Restored:
    """`kept` is the database that was replaced; None where there was none."""

    contents: Contents
    kept: Path | None


def make_backup(
    database: Path,
    target: Path,
    watch: Watch | None = None,
    is_unwanted: Callable[[], bool] | None = None,
) -> Contents:
    """Copy `database` as it is at this moment to the new file `target`; a server may run.

    It ends soon once `is_unwanted`. Raises StoreUnavailable with what is wrong; then nothing is
    left of it.
    """
    if not get_size(database):
        raise StoreUnavailable(f"There is no database to back up at {database}.")
    if target.exists():
        raise StoreUnavailable(f"{target} is there already; name a file that is not.")
    building = Path(f"{target}.part")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_room(database, target.parent)
        remove_parts(building)
        _copy(database, building, watch, is_unwanted)
        contents = check_database(building, is_unwanted)
        with building.open("rb") as content:
            os.fsync(content.fileno())
        building.rename(target)
        sync_folder(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"{target} cannot be made: {_tell(error)}") from error
    finally:
        remove_parts(building)
    return Contents(target, contents.file_bytes, contents.conversations, contents.messages)


def check_database(file: Path, is_unwanted: Callable[[], bool] | None = None) -> Contents:
    """Open `file` and look through all of it. Raises StoreUnavailable naming what is wrong."""
    try:
        with file.open("rb") as content:
            if content.read(len(MAGIC)) != MAGIC:
                raise StoreUnavailable(f"{file} is no SQLite database.")
        with closing(connect_reader(file, is_immutable=not get_size(_wal(file)))) as connection:
            connection.set_progress_handler(is_unwanted, CHECK_STEPS)
            _check_content(connection, file)
            counts = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for table in ("sessions", "messages")
            ]
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"{file} is damaged: {error}.") from error
    except OSError as error:
        raise StoreUnavailable(f"{file} cannot be read: {error.strerror}.") from error
    return Contents(file, get_size(file), *counts)


def restore(folder: Path, file: Path, watch: Watch | None = None) -> Restored:
    """Put the backup `file` in the place of the database of `folder`, where no server runs.

    Raises StoreUnavailable; then everything is as it was.
    """
    contents = check_database(file)
    path = folder / FILE_NAME
    fresh = Path(f"{path}.new")
    try:
        with closing(lock_folder(folder)):
            install_successor(path)
            had_database = path.exists()
            _check_room(file, folder)
            remove_parts(fresh)
            _copy(file, fresh, watch)
            _make_next(fresh)
            announce_successor(fresh, path, BEFORE_RESTORE)
            kept = install_successor(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreUnavailable(f"{file} cannot be restored: {_tell(error)}") from error
    finally:
        remove_parts(fresh)
    return Restored(contents, kept if had_database else None)


def _check_content(connection: sqlite3.Connection, file: Path) -> None:
    finding = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if finding != "ok":
        raise StoreUnavailable(f"{file} is damaged: {' '.join(finding.split())}.")
    database = wrap(connection)
    if not {*OURS} <= {*database.table_names()}:
        raise StoreUnavailable(f"{file} is no database of this appliance.")
    if step := find_unknown_step(database):
        raise StoreUnavailable(
            f"{file} was written by a newer appliance, which took the step {step}; "
            "install that version."
        )
    if connection.execute("PRAGMA foreign_key_check").fetchone():
        raise StoreUnavailable(f"{file} is damaged: messages without their conversation.")


def _copy(
    source: Path,
    target: Path,
    watch: Watch | None,
    is_unwanted: Callable[[], bool] | None = None,
) -> None:
    def tell(_: int, left: int, pages: int) -> None:
        if watch is not None:
            watch(left, pages)
        if is_unwanted is not None and is_unwanted():
            raise StoreUnavailable(f"{target} is no longer wanted.")

    make_private(target)
    is_alone = not get_size(_wal(source)) and source.name != FILE_NAME
    with (
        closing(connect_reader(source, is_immutable=is_alone)) as reading,
        closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        # One moment of the database: else every write of the server would begin the copy anew.
        reading.execute("BEGIN")
        reading.execute("SELECT 1 FROM sqlite_master").fetchone()
        reading.backup(writing, pages=PAGES_A_STEP, progress=tell)
        writing.execute("PRAGMA journal_mode = DELETE")


def _make_next(fresh: Path) -> None:
    """Bring the copy's schema up to date, and let no number be given out a second time: watchers
    may have seen numbers that are not in the backup."""
    with closing(connect_writer(fresh)) as database:
        database.conn.execute("BEGIN")
        skip_numbers(database.conn)
        database.conn.execute("COMMIT")
        database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _check_room(source: Path, folder: Path) -> None:
    needed_bytes = get_size(source) + get_size(_wal(source))
    if folder.stat().st_dev == source.stat().st_dev:
        # A copy must not be what fills the disk that the conversations are on.
        needed_bytes += LEFT_FREE_BYTES
    if get_free_bytes(folder) < needed_bytes:
        raise StoreUnavailable(
            f"{folder} has no room for another {needed_bytes / 1e6:,.1f} MB; "
            "free some or name another disk."
        )


def _wal(file: Path) -> Path:
    return Path(f"{file}-wal")


def _tell(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror}."
    return f"{error}. {explain(error)}"
