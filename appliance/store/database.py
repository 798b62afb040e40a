"""The one SQLite file: how it is opened, and which thread may touch it.

It knows no table. One connection on one thread writes (SQLite before 3.51.3 can corrupt a WAL
with two writers); two others read with `mode=ro`. The rule that must not break: a file that is
damaged is set aside under a name with the time, never deleted and never silently replaced.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local as ThreadLocal
from time import monotonic
from typing import IO, TypeVar

import sqlite_utils
import structlog

from appliance.errors import StoreUnavailable
from appliance.store.folder import lock_folder, make_private, set_aside
from appliance.store.migrations import build_migrations, find_unknown_step
from appliance.store.wal import find_damage

T = TypeVar("T")

FILE_NAME = "appliance.db"
READERS = 2
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
}
CLOSED = "The conversation store is closed."
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# A start is not kept waiting longer; damage further in shows itself where it is first read.
CHECK_S = 5.0
CHECK_STEPS = 100_000


class _Damaged(Exception):
    """The file is no whole database; the message says in a few words what was found."""


class Store:
    """The database of one data folder. `write` and `read` wait until it is open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._reading = ThreadLocal()
        self._connections: list[sqlite3.Connection] = []
        self._database: sqlite_utils.Database | None = None
        self._lock: IO[bytes] | None = None
        self._settled = asyncio.Event()
        self._refusal = ""
        self._log = structlog.get_logger(__name__)
        self.notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return self._folder / FILE_NAME

    @property
    def is_open(self) -> bool:
        return self._database is not None

    @property
    def refusal(self) -> str:
        """Why it cannot be used; empty while it can, or will."""
        return self._refusal

    async def open(self) -> None:
        """Lock the folder, check the file, bring its schema up to date.

        Raises StoreUnavailable, then and for every later call, where that cannot be.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._open)
        except StoreUnavailable as error:
            self._refusal = str(error)
            raise
        finally:
            self._settled.set()

    async def close(self) -> None:
        """Refuse later calls, finish what is queued, fold the WAL into the file, free the lock."""
        self._refusal = self._refusal or CLOSED
        self._settled.set()
        event_loop = asyncio.get_running_loop()
        await event_loop.run_in_executor(None, self._readers.shutdown)
        await event_loop.run_in_executor(self._writer, self._close)
        self._writer.shutdown(wait=False)

    async def write(self, change: Callable[[sqlite_utils.Database], T]) -> T:
        """Run `change` in one transaction on the writing thread; when this returns, it is on
        disk. Raises StoreUnavailable when it could not be saved."""
        await self._wait_until_open()

        def work() -> T:
            assert self._database is not None
            connection = self._database.conn
            connection.execute("BEGIN IMMEDIATE")
            try:
                outcome = change(self._database)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return outcome

        return await self._run(self._writer, work)

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on a read-only connection, all of it at one moment of the database.
        Raises StoreUnavailable."""
        await self._wait_until_open()

        def work() -> T:
            connection = self._get_reader()
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

        return await self._run(self._readers, work)

    async def _wait_until_open(self) -> None:
        await self._settled.wait()
        if self._refusal or self._database is None:
            # Raised anew: one kept error would gather the frames of every call it refused.
            raise StoreUnavailable(self._refusal or CLOSED)

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except sqlite3.Error as error:
            self._log.error("store failed", error=str(error))
            raise StoreUnavailable(_explain(error)) from error

    def _open(self) -> None:
        try:
            self._lock = lock_folder(self._folder)
            database = self._open_or_set_aside()
        except OSError as error:
            raise StoreUnavailable(
                f"The data folder {self._folder} cannot be used: {error.strerror}; "
                "set APPLIANCE_DATA to a folder that can be written."
            ) from error
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path} cannot be opened: {error}.") from error
        self._database = database

    def _open_or_set_aside(self) -> sqlite_utils.Database:
        try:
            self._check_parts()
            return self._connect()
        except _Damaged as damage:
            self._set_aside(str(damage))
        except sqlite3.DatabaseError as error:
            if _get_code(error) not in DAMAGE:
                raise
            self._set_aside(str(error))
        return self._connect()

    def _check_parts(self) -> None:
        """Find what SQLite would pass over in silence: it takes an empty file for a new one,
        throws away the log beside it, and replays no log beyond its first broken frame."""
        wal = Path(f"{self.path}-wal")
        if self.path.exists() and self.path.stat().st_size == 0:
            raise _Damaged("the file is empty")
        if wal.exists() and not self.path.exists():
            raise _Damaged("the file is missing beside its write-ahead log")
        if finding := find_damage(wal):
            raise _Damaged(finding)

    def _connect(self) -> sqlite_utils.Database:
        """Open, set the pragmas, prove that they hold and that the file is whole."""
        make_private(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            for name, value in PRAGMAS.items():
                connection.execute(f"PRAGMA {name} = {value}")
            for name, value in PRAGMAS.items():
                held = connection.execute(f"PRAGMA {name}").fetchone()[0]
                if held != value:
                    raise StoreUnavailable(
                        f"{self.path} cannot be opened safely: "
                        f"PRAGMA {name} stays {held}, not {value}; use another disk."
                    )
            _check_whole(connection)
            database = sqlite_utils.Database(connection, strict=True, execute_plugins=False)
            if step := find_unknown_step(database):
                raise StoreUnavailable(
                    f"{self.path} was written by a newer appliance, which took the step {step}; "
                    "install that version, or set APPLIANCE_DATA to another folder."
                )
            build_migrations().apply(database)
        except BaseException:
            connection.close()
            raise
        return database

    def _set_aside(self, finding: str) -> None:
        kept = set_aside(self.path).name
        self.notes = (
            f"The conversation database was damaged ({finding}); it was set aside as {kept} "
            "and a new one was begun.",
        )
        self._log.error("damaged database set aside", kept=kept, finding=finding)

    def _get_reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._reading, "connection", None)
        if connection is None:
            address = f"{self.path.resolve().as_uri()}?mode=ro"
            connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only = 1")
            connection.execute("PRAGMA busy_timeout = 2000")
            self._reading.connection = connection
            self._connections.append(connection)
        return connection

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()
        database, self._database = self._database, None
        try:
            if database is not None:
                database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            # The log stays beside the file and is replayed at the next start.
            self._log.error("store not folded", error=str(error))
        finally:
            if database is not None:
                database.conn.close()
            if self._lock is not None:
                self._lock.close()


def _check_whole(connection: sqlite3.Connection) -> None:
    """Raises _Damaged for a file whose pages do not fit together."""
    deadline = monotonic() + CHECK_S
    connection.set_progress_handler(lambda: monotonic() > deadline, CHECK_STEPS)
    try:
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if _get_code(error) != sqlite3.SQLITE_INTERRUPT:
            raise
        return
    finally:
        connection.set_progress_handler(None, 0)
    if finding != "ok":
        raise _Damaged(" ".join(finding.split()))


def _get_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 for an error of the driver's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _explain(error: sqlite3.Error) -> str:
    code = _get_code(error)
    if code == sqlite3.SQLITE_FULL:
        return "The conversation cannot be saved: the disk is full."
    if code == sqlite3.SQLITE_READONLY:
        return "The conversation cannot be saved: the disk is read-only."
    if code in DAMAGE:
        return "The conversation database is damaged; restarting the appliance sets it aside."
    return "The conversation cannot be saved or read just now."
