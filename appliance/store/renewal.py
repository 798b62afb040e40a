"""A damaged database is replaced: what can be read of it goes into a new one, it is set aside.

It is called while no connection to the file is open. The rule that must not break: the damaged
file stays in its place until its successor is whole on disk, so a power cut at any point costs
nothing and is never followed by a silent, empty start.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.store.chunks import skip_numbers
from appliance.store.connections import connect_reader, connect_writer, refuse_unknown_step
from appliance.store.figures import get_size
from appliance.store.folder import (
    CORRUPT,
    announce_successor,
    install_successor,
    remove_parts,
)
from appliance.store.salvage import salvage

# How tables are called in a note: English, Chinese.
WORDS: dict[str, tuple[str, str]] = {
    "sessions": ("conversations", "段对话"),
    "turns": ("turns", "次回答"),
    "messages": ("messages", "条消息"),
    "events": ("blocks of events", "组事件"),
}


@dataclass(frozen=True, slots=True)
class Renewal:
    """Where the damaged file is now, and how many rows of each table were saved from it."""

    kept: Path
    rows: dict[str, int]

    def tell(self, finding: str) -> str:
        """One sentence in English and one in Chinese."""
        told = [(WORDS[table], rows) for table, rows in self.rows.items() if table in WORDS]
        english = ", ".join(f"{rows:,} {word}" for (word, _), rows in told)
        chinese = "、".join(f"{rows} {word}" for (_, word), rows in told)
        return (
            f"The conversation database was damaged ({finding}); it was set aside as "
            f"{self.kept.name} and a new one was begun. Saved from it: {english}. "
            f"对话数据库已损坏，原文件另存为 {self.kept.name}，并已新建数据库；"
            f"从中救回 {chinese}。"
        )


def tell_replacement(kept: Path) -> str:
    """The same for a replacement that was begun by an earlier process."""
    return (
        f"The conversation database was replaced; the one before is {kept.name}. "
        f"对话数据库已更换，原文件为 {kept.name}。"
    )


def renew(path: Path) -> Renewal:
    """Replace the damaged database at `path`.

    Raises StoreUnavailable, sqlite3.Error and OSError; then `path` is as it was.
    """
    fresh = Path(f"{path}.new")
    remove_parts(fresh)
    _refuse_newer(path)
    with closing(connect_writer(fresh)) as database:
        rows = salvage(path, database.conn)
        skip_numbers(database.conn)
        finding = database.conn.execute("PRAGMA quick_check").fetchone()[0]
        assert finding == "ok", finding
        database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    announce_successor(fresh, path, CORRUPT)
    kept = install_successor(path)
    assert kept is not None
    return Renewal(kept, rows)


def _refuse_newer(path: Path) -> None:
    """Where the damage leaves it legible, the schema of a newer appliance is respected."""
    if not get_size(path):
        return
    with suppress(sqlite3.Error), closing(connect_reader(path)) as connection:
        refuse_unknown_step(connection, path)
