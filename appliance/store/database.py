"""The one SQLite file: how it is opened, and which thread may touch it.

It knows no table. One connection on one thread writes (SQLite before 3.51.3 can corrupt a WAL
with two writers); two others read with `mode=ro`. The rule that must not break: a file that is
damaged is set aside under a name with the time, never deleted and never silently replaced.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import local as ThreadLocal
from typing import IO, TypeVar

import sqlite_utils
import structlog

from appliance.errors import StoreUnavailable
from appliance.store.migrations import build_migrations

T = TypeVar("T")

FILE_NAME = "appliance.db"
READERS = 2
# What every connection that writes is set to, and what it must read back as.
PRAGMAS: dict[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "mmap_size": 0,
    "journal_size_limit": 8 << 20,
    "busy_timeout": 2000,
    "secure_delete": 1,
}
DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


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
        self._refusal: StoreUnavailable | None = None
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
        """Why it could not be opened; empty while it can."""
        return str(self._refusal) if self._refusal else ""

    async def open(self) -> None:
        """Lock the folder, check the file, bring its schema up to date.

        Raises StoreUnavailable, then and for every later call, where that cannot be.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._open)
        except StoreUnavailable as error:
            self._refusal = error
            raise
        finally:
            self._settled.set()

    async def close(self) -> None:
        """Finish what is queued, fold the WAL into the file, free the lock."""
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
        """Run `query` on a read-only connection. Raises StoreUnavailable."""
        await self._wait_until_open()
        return await self._run(self._readers, lambda: query(self._get_reader()))

    async def _wait_until_open(self) -> None:
        await self._settled.wait()
        if self._refusal is not None:
            raise self._refusal
        if self._database is None:
            raise StoreUnavailable("The conversation store is closed.")

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except sqlite3.Error as error:
            self._log.error("store failed", error=str(error))
            raise StoreUnavailable(_explain(error)) from error

    def _open(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = self._take_lock()
            self._database = self._open_or_set_aside()
            build_migrations().apply(self._database)
        except OSError as error:
            raise StoreUnavailable(
                f"The data folder {self._folder} cannot be used: {error.strerror}; "
                "set APPLIANCE_DATA to a folder that can be written."
            ) from error
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path} cannot be opened: {error}.") from error

    def _take_lock(self) -> IO[bytes]:
        lock = (self._folder / "lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StoreUnavailable(
                f"Another appliance uses the data folder {self._folder}; "
                "stop it, or set APPLIANCE_DATA to another folder."
            ) from None
        return lock

    def _open_or_set_aside(self) -> sqlite_utils.Database:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in DAMAGE:
                raise
            self._set_aside(str(error))
            return self._connect()

    def _connect(self) -> sqlite_utils.Database:
        """Open, set the pragmas, prove that they hold and that the file is whole."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            for name, value in PRAGMAS.items():
                connection.execute(f"PRAGMA {name} = {value}")
            for name, value in PRAGMAS.items():
                held = connection.execute(f"PRAGMA {name}").fetchone()[0]
                assert held == value, f"PRAGMA {name} is {held}, not {value}"
            findings = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if findings != "ok":
                error = sqlite3.DatabaseError(findings)
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
        except BaseException:
            connection.close()
            raise
        return sqlite_utils.Database(connection, strict=True, execute_plugins=False)

    def _set_aside(self, finding: str) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        kept = f"{FILE_NAME}.corrupt.{stamp}"
        for suffix in ("", "-wal", "-shm"):
            part = self._folder / f"{FILE_NAME}{suffix}"
            if part.exists():
                part.rename(self._folder / f"{kept}{suffix}")
        _sync_folder(self._folder)
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
        if self._database is not None:
            self._database.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._database.conn.close()
            self._database = None
        if self._lock is not None:
            self._lock.close()


def _explain(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "The conversation cannot be saved: the disk is full."
    if code == sqlite3.SQLITE_READONLY:
        return "The conversation cannot be saved: the disk is read-only."
    return "The conversation cannot be saved or read just now."


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
