"""Every row of a damaged database, read leaf by leaf without the tree above.

    page 1, header and schema    not needed: lent by an empty database
    pages that lead to leaves    not needed: each leaf is read as the root of a table of its own
    leaves, overflow pages       what is read; a damaged one costs its own rows and no others

SQLite does the reading, on a copy into which the write-ahead log was carried, so what it checks is
checked. It does not know which table a row belongs to. The rule that must not break: the damaged
files themselves are only read.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from appliance.store.connections import read_text
from appliance.store.folder import make_private, remove_parts

Row: TypeAlias = tuple[object, ...]

PAGE_BYTES = 4096
LEAF_OF_A_TABLE = 0x0D
# In the header of a database: how it is written and read, its length in pages.
MODES_FIELD, PAGES_FIELD = slice(18, 20), slice(28, 32)
WITH_LOG = b"\x02\x02"
LEAVES_AT_ONCE = 200


def read_leaf_rows(path: Path, width: int) -> Iterator[Row]:
    """The rowid and `width` columns of every row that can be read at `path`; columns that a row
    does not have are None. Raises OSError where the copy cannot be made."""
    with _copied(path) as copy:
        leaves = _find_leaves(copy)
        for start in range(0, len(leaves), LEAVES_AT_ONCE):
            yield from _read_leaves(copy, leaves[start : start + LEAVES_AT_ONCE], width)


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """One file that holds what the database and its log hold together."""
    copy = Path(f"{path}.copy")
    remove_parts(copy)
    try:
        for suffix in ("", "-wal"):
            make_private(Path(f"{copy}{suffix}"))
            if Path(f"{path}{suffix}").exists():
                shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        _lend_first_page(copy, WITH_LOG)
        # What cannot be carried over of a log is lost with it; the file itself is still there.
        with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix in ("-wal", "-shm"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
        yield copy
    finally:
        remove_parts(copy)


def _lend_first_page(copy: Path, modes: bytes) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as empty:
        empty.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        empty.execute("PRAGMA user_version = 1")
        page = bytearray(empty.serialize()[:PAGE_BYTES])
    pages = -(-copy.stat().st_size // PAGE_BYTES) or 1
    page[PAGES_FIELD] = pages.to_bytes(4, "big")
    page[MODES_FIELD] = modes
    with copy.open("r+b") as content:
        content.write(page)
        content.truncate(pages * PAGE_BYTES)


def _find_leaves(copy: Path) -> list[int]:
    """Numbers of the pages that say they are leaves of a table; the first page is never one."""
    leaves = []
    with copy.open("rb") as content:
        content.seek(PAGE_BYTES)
        number = 1
        while page := content.read(PAGE_BYTES):
            number += 1
            if page[0] == LEAF_OF_A_TABLE:
                leaves.append(number)
    return leaves


def _read_leaves(copy: Path, leaves: list[int], width: int) -> Iterator[Row]:
    _lend_first_page(copy, b"\x01\x01")
    columns = ", ".join(f"c{number}" for number in range(width))
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        for name in ("journal_mode = OFF", "synchronous = 0", "writable_schema = 1"):
            connection.execute(f"PRAGMA {name}")
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO sqlite_master VALUES ('table', ?, ?, ?, ?)",
            [
                (f"leaf{leaf}", f"leaf{leaf}", leaf, f"CREATE TABLE leaf{leaf} ({columns})")
                for leaf in leaves
            ],
        )
        connection.execute("COMMIT")
    # Opened anew: only then the schema that was just written is read.
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA cell_size_check = 1")
        connection.text_factory = read_text
        for leaf in leaves:
            yield from _read_leaf(connection, leaf).values()


def _read_leaf(connection: sqlite3.Connection, leaf: int) -> dict[object, Row]:
    """Its rows by rowid; from below, and from above where a broken one stands between."""
    rows: dict[object, Row] = {}
    for order in ("ASC", "DESC"):
        try:
            for row in connection.execute(
                f"SELECT rowid, * FROM leaf{leaf} ORDER BY rowid {order}"
            ):
                rows[row[0]] = row
        except sqlite3.Error:
            continue
        break
    return rows
