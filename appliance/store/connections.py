"""How a database file is opened, for writing and for reading, and what its errors mean.

It keeps no connection and knows no table. The rule that must not break: a connection that writes
holds every pragma it was asked for, and only certain damage counts as damage: a file that is
busy, unreadable, full or read-only is left where it is.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from appliance.errors import StoreUnavailable
from appliance.store.figures import get_size
from appliance.store.folder import make_private
from appliance.store.migrations import build_migrations, find_unknown_step
from appliance.store.wal import find_damage

if TYPE_CHECKING:
    import sqlite_utils

# What every connection that writes is set to, and what it must read back as.
PRAGMAS: dict[str, str | int] = {
    "busy_timeout": 2000,
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "mmap_size": 0,
    "journal_size_limit": 8 << 20,
    "secure_delete": 1,
    "temp_store": 2,
    "cache_size": -1024,
}
# The operating system caches the file; pages kept twice more would only take memory.
READING_PRAGMAS: dict[str, int] = {
    "query_only": 1,
    "busy_timeout": 2000,
    "temp_store": 2,
    "cache_size": -256,
}
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
HEADER_BYTES = 100
MAGIC = b"SQLite format 3\0"
DISK_IS_FULL = "The conversation cannot be saved: the disk is full."
# A start is not kept waiting longer; damage further in shows itself where it is first read.
CHECK_S = 5.0
CHECK_STEPS = 100_000
CHECKS = ("quick_check", "integrity_check")


class Damaged(sqlite3.DatabaseError):
    """The file is no whole database; the message says in a few words what was found."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def check_parts(path: Path) -> None:
    """Find what SQLite would pass over in silence: it takes an empty file for a new one, throws
    away the log beside it, and replays no log beyond its first broken frame. Raises Damaged."""
    wal = Path(f"{path}-wal")
    # A kill in the very first start leaves it empty too: then the alarm is for nothing.
    if path.exists() and not get_size(path):
        raise Damaged("the file is empty")
    if get_size(wal) and not path.exists():
        raise Damaged("the file is missing beside its write-ahead log")
    if finding := find_damage(wal):
        raise Damaged(finding)
    # With a log SQLite takes the first page from there, or mends it by that.
    if not get_size(wal) and not get_size(Path(f"{path}-journal")):
        _check_header(path)


def _check_header(path: Path) -> None:
    """By some of these bytes SQLite would take the file for one of a future version, or for one
    that must not be written; a file of ours never says so."""
    if not get_size(path):
        return
    with path.open("rb") as content:
        header = content.read(HEADER_BYTES)
    is_whole = (
        len(header) == HEADER_BYTES
        and header.startswith(MAGIC)
        # Written and read with or without a log; no bytes kept free; the fixed fractions.
        and header[18:20] in (b"\1\1", b"\2\2")
        and header[20:24] == b"\x00\x40\x20\x20"
        # Format of the schema, UTF-8; both 0 before the first table.
        and header[44:48] in (bytes(4), b"\0\0\0\4")
        and header[56:60] in (bytes(4), b"\0\0\0\1")
        # No automatic vacuum; bytes for later versions.
        and header[52:56] == bytes(4)
        and header[72:92] == bytes(20)
    )
    if not is_whole:
        raise Damaged("its header is broken")


def connect_writer(path: Path) -> sqlite_utils.Database:
    """Open, set the pragmas, prove that they hold and that the file is whole, bring its schema
    up to date. Raises Damaged, StoreUnavailable, sqlite3.Error, OSError."""
    make_private(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.text_factory = read_text
    try:
        with _legible_errors():
            _set_pragmas(connection, path)
            _check_whole(connection)
        database = wrap(connection)
        refuse_unknown_step(connection, path)
        build_migrations().apply(database)
    except BaseException:
        connection.close()
        raise
    return database


def wrap(connection: sqlite3.Connection) -> sqlite_utils.Database:
    # Imported here: it takes an eighth of a second that the page need not wait for.
    import sqlite_utils

    return sqlite_utils.Database(connection, strict=True, execute_plugins=False)


def refuse_unknown_step(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreUnavailable for the schema of a newer appliance."""
    if step := find_unknown_step(wrap(connection)):
        raise StoreUnavailable(
            f"{path} was written by a newer appliance, which took the step {step}; "
            "install that version, or set APPLIANCE_DATA to another folder."
        )


def connect_reader(path: Path, *, is_immutable: bool = False) -> sqlite3.Connection:
    """`is_immutable` reads a file that nobody has open and leaves no other file beside it."""
    address = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if is_immutable else ''}"
    connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.text_factory = read_text
    try:
        for name, value in READING_PRAGMAS.items():
            connection.execute(f"PRAGMA {name} = {value}")
        with _legible_errors():
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def was_sealed(path: Path) -> bool:
    """Whether a database is there whose words were sealed, as far as it can be read."""
    if not path.exists():
        return False
    with suppress(sqlite3.Error, OSError), closing(connect_reader(path)) as connection:
        return connection.execute("SELECT 1 FROM sealing WHERE is_done").fetchone() is not None
    return False


def read_text(content: bytes) -> str:
    """A worn card may flip a bit that no check sees: it shall cost one sign and no message."""
    return content.decode(errors="replace")


@contextmanager
def _legible_errors() -> Iterator[None]:
    """SQLite quotes a broken schema in its error, and the driver fails to read that."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise Damaged("its schema is broken") from error


def close_untouched(database: sqlite_utils.Database, path: Path) -> None:
    """Close the writing connection so that damaged files stay as they are: the last connection
    to go would fold the log into the file, but one that only reads cannot."""
    with suppress(sqlite3.Error):
        # Without a page SQLite deletes the log, even to read.
        if get_size(path):
            with closing(connect_reader(path)):
                database.conn.close()
    database.conn.close()


def _set_pragmas(connection: sqlite3.Connection, path: Path) -> None:
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}")
    for name, value in PRAGMAS.items():
        held = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if held != value:
            raise StoreUnavailable(
                f"{path} cannot be opened safely: "
                f"PRAGMA {name} stays {held}, not {value}; use another disk."
            )


def _check_whole(connection: sqlite3.Connection) -> None:
    """Raises Damaged for a file whose pages do not fit together; the quick look first, then
    whether the indexes tell the same as the rows, as far as the time goes."""
    deadline = monotonic() + CHECK_S
    connection.set_progress_handler(lambda: monotonic() > deadline, CHECK_STEPS)
    try:
        for check in CHECKS:
            finding = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
            if finding != "ok":
                raise Damaged(" ".join(finding.split()))
    except sqlite3.OperationalError as error:
        if get_code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
    finally:
        connection.set_progress_handler(None, 0)


def fold_wal(connection: sqlite3.Connection, wait_ms: int) -> str:
    """Carry the log into the file and empty it; where somebody still reads it, another time. Why
    it could not be; empty where it could."""
    try:
        connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {PRAGMAS['busy_timeout']}")
    return ""


def compact(connection: sqlite3.Connection) -> None:
    """Write the whole file anew, by way of a copy on disk: it may not fit into the memory."""
    connection.execute("PRAGMA temp_store = 1")
    try:
        connection.execute("VACUUM")
    finally:
        connection.execute(f"PRAGMA temp_store = {PRAGMAS['temp_store']}")
    fold_wal(connection, wait_ms=2000)


def count_reusable_bytes(connection: sqlite3.Connection) -> int:
    """Of pages that deleted rows left: what is written next takes these first."""
    pages, page_bytes = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("freelist_count", "page_size")
    )
    return pages * page_bytes


def get_code(error: sqlite3.Error | OSError) -> int:
    """SQLite's primary result code; 0 for an error of the driver's own or of another file."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    return get_code(error) in DAMAGE


def explain(error: sqlite3.Error | OSError) -> str:
    code = get_code(error)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) == errno.ENOSPC:
        return DISK_IS_FULL
    if code == sqlite3.SQLITE_READONLY:
        return "The conversation cannot be saved: the disk is read-only."
    if code in DAMAGE:
        return "The conversation database is damaged again; its disk may be failing."
    return "The conversation cannot be saved or read just now."
