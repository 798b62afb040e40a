"""The disposable second file: every event is here before anybody sees it.

`live.db` is written without waiting for the disk, so it outlives the process and not the plug;
the main file gets the same events in batches. The rule that must not break: its rows are trusted
only by the kernel that wrote them, because after a power cut the file may hold anything.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import structlog

from appliance.errors import StoreUnavailable
from appliance.events import Numbered
from appliance.store.chunks import HIGHEST_NUMBER, decode_event, encode_event
from appliance.store.folder import LIVE_NAME, make_private, remove_parts
from appliance.store.sealing import Label, Seals

T = TypeVar("T")

NOT_SAVED = "The conversation cannot be saved just now."
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Small pages and a short log: an event costs about 1 kB of writing, and the kernel writes the same
# few blocks of the card again and again instead of ever new ones.
SCHEMA = """
PRAGMA page_size = 1024;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
PRAGMA wal_autocheckpoint = 64;
PRAGMA temp_store = MEMORY;
PRAGMA trusted_schema = OFF;
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS events (
    session_key TEXT NOT NULL,
    number INTEGER NOT NULL,
    run_id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (session_key, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gap (is_there INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS handed_over (run_id TEXT PRIMARY KEY, deaths INTEGER NOT NULL) STRICT;
"""

ADD = "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)"
DROP = "DELETE FROM events WHERE session_key = ? AND number <= ?"
MARK = "INSERT OR REPLACE INTO handed_over VALUES (?, ?)"
TEAR = "INSERT INTO gap VALUES (1)"
HEAL = "DELETE FROM gap"
UNMARK = "DELETE FROM handed_over WHERE run_id = ?"
Statement: TypeAlias = tuple[str, tuple[str | int | bytes, ...]]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a dead process left: events by session, oldest first, and the turns that were in the
    engine with the number of deaths they had seen before. `is_whole` is false where the file was
    begun anew and some of what it held had not reached the main file yet. Of the `torn` sessions
    there is what stands before an event that cannot be read."""

    events: dict[str, list[Numbered]]
    handed_over: dict[str, int]
    is_whole: bool
    torn: frozenset[str]


def read_boot_id() -> str:
    """Names this run of the kernel; empty where the kernel does not say."""
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


class LiveLog:
    def __init__(self, folder: Path, seals: Seals) -> None:
        self._path = folder / LIVE_NAME
        self._seals = seals
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._connection: sqlite3.Connection | None = None
        # How often the file failed and was begun anew with events missing.
        self.losses = 0
        self._log = structlog.get_logger(__name__)

    async def read_leftover(self) -> Leftover | None:
        """None where there is no file, or none that can be read to its end."""
        return await self._run(self._read_leftover)

    async def begin(self) -> None:
        """Begin the file anew, empty. Raises StoreUnavailable."""
        await self._run(self._begin)

    async def add(self, session_key: str, numbered: Numbered) -> None:
        """Raises StoreUnavailable; then nobody may be shown the event."""

        def work() -> None:
            label = _label(session_key, numbered.number)
            body = self._seals.seal(encode_event(numbered.event), label)
            self._write_now(((ADD, (session_key, numbered.number, numbered.run_id, body)),))

        await self._run(work)

    async def mark_handed_over(self, run_id: str, deaths: int) -> None:
        """From here on a death of the process may be this turn's doing."""
        await self._write((MARK, (run_id, deaths)))

    async def drop_turn(self, session_key: str, run_id: str) -> None:
        """The turn's end is in the main file, or its session is forgotten."""
        await self._write((DROP, (session_key, HIGHEST_NUMBER)), (UNMARK, (run_id,)))

    async def drop_moved(self, moved: Iterable[tuple[str, int]], losses: int) -> None:
        """Drop each session's events up to a number: they are in the main file, all that was
        pending when `losses` was read."""
        drops = [(DROP, upto) for upto in moved]

        def work() -> None:
            self._write_now(drops, [(HEAL, ())] if losses == self.losses else [])

        await self._run(work)

    async def drop_session(self, session_key: str) -> None:
        await self._write((DROP, (session_key, HIGHEST_NUMBER)))

    async def close(self, *, is_clean: bool) -> None:
        """Close, and remove the file where all of it is in the main one."""
        await self._run(lambda: self._close(remove=is_clean))
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            self._log.error("live log failed", error=str(error))
            raise StoreUnavailable(NOT_SAVED) from error

    async def _write(self, *statements: Statement) -> None:
        await self._run(lambda: self._write_now(statements))

    def _write_now(
        self, statements: Sequence[Statement], healing: Sequence[Statement] = ()
    ) -> None:
        if self._connection is None and not self.losses:
            raise StoreUnavailable("What the last run left is not settled yet.")
        try:
            self._execute((*statements, *healing))
        except sqlite3.Error as error:
            # Disposable: what is not in the main file yet is lost only if the process dies
            # within the half second until it is, and then the next start knows.
            self._log.warning("live log begun anew", error=str(error))
            self.losses += 1
            # Before the statements: they may fail once more, and later ones succeed.
            self._begin(TEAR)
            self._execute(statements)

    def _execute(self, statements: Sequence[Statement]) -> None:
        if self._connection is None:
            raise sqlite3.OperationalError("the file is not open")
        if len(statements) == 1:
            self._connection.execute(*statements[0])
            return
        with self._connection:
            self._connection.execute("BEGIN")
            for statement in statements:
                self._connection.execute(*statement)

    def _begin(self, mark: str = "") -> None:
        self._close(remove=True)
        make_private(self._path)
        try:
            self._connection = self._connect(mark)
        except BaseException:
            # An empty file without its mark would count as whole; none is a loss.
            remove_parts(self._path)
            raise

    def _connect(self, mark: str = "") -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.executescript(f"{SCHEMA}{mark}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _read_leftover(self) -> Leftover | None:
        if not self._path.exists():
            return None
        connection = self._connection
        try:
            connection = connection or self._connect()
            rows = connection.execute(
                "SELECT * FROM events ORDER BY session_key, number"
            ).fetchall()
            handed_over = connection.execute("SELECT run_id, deaths FROM handed_over").fetchall()
            is_whole = connection.execute("SELECT 1 FROM gap").fetchone() is None
        except sqlite3.Error as error:
            self._log.warning("live log not readable", error=str(error))
            if connection is not None:
                connection.close()
            return None
        self._connection = connection
        events, torn = self._open_rows(rows)
        return Leftover(events, dict(handed_over), is_whole, torn)

    def _open_rows(
        self, rows: Iterable[tuple[str, int, str, bytes]]
    ) -> tuple[dict[str, list[Numbered]], frozenset[str]]:
        """One session's key may be gone while all others' words are here."""
        events: dict[str, list[Numbered]] = {}
        torn: set[str] = set()
        for session_key, number, run_id, sealed in rows:
            if session_key in torn:
                continue
            try:
                event = decode_event(self._seals.open(sealed, _label(session_key, number)))
            except (ValueError, TypeError, KeyError) as error:
                torn.add(session_key)
                self._log.warning(
                    "live events not readable", session=session_key[:12], error=str(error)
                )
            else:
                events.setdefault(session_key, []).append(Numbered(number, run_id, event))
        return events, frozenset(torn)

    def _close(self, *, remove: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if remove:
            remove_parts(self._path)


def _label(session_key: str, number: int) -> Label:
    return Label("live", str(number), "body", session_key)
