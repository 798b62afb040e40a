"""The one SQLite file: which thread may touch it, and what is done when it fails.

It knows no table. One connection on one thread writes (SQLite before 3.51.3 can corrupt a WAL
with two writers); two others read with `mode=ro`. The rule that must not break: a file that is
damaged is set aside under a name with the time, never deleted and never silently replaced.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, TypeAlias, TypeVar

import structlog

from appliance.errors import StoreUnavailable
from appliance.patience import wait_at_most
from appliance.store.ballast import BALLAST_BYTES, Ballast
from appliance.store.connections import (
    DISK_IS_FULL,
    check_parts,
    close_untouched,
    compact,
    connect_writer,
    count_reusable_bytes,
    explain,
    fold_wal,
    is_damage,
)
from appliance.store.figures import StoreFigures, WriteMeter, get_free_bytes, get_size
from appliance.store.folder import FILE_NAME, install_successor, lock_folder
from appliance.store.readers import Readers
from appliance.store.renewal import Renewal, renew, tell_replacement

if TYPE_CHECKING:
    import sqlite_utils

T = TypeVar("T")
StoreState: TypeAlias = Literal["opening", "ready", "full", "unavailable"]

CLOSED = "The conversation store is closed."
WAL_CAP_BYTES = 4 << 20
LOOK_PAUSE_S = 10.0


class Store:
    """The database of one data folder. `write` and `read` wait until it is open.

    The hooks run on the writing thread: `on_open` in a transaction after every opening,
    `on_full` in a transaction on a full disk.
    """

    def __init__(self, folder: Path, ballast_bytes: int = BALLAST_BYTES) -> None:
        self._folder = folder
        self._ballast = Ballast(folder, ballast_bytes)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._readers = Readers(self.path)
        self._meter = WriteMeter()
        self._database: sqlite_utils.Database | None = None
        self._lock: IO[bytes] | None = None
        self._settled = asyncio.Event()
        self._closing = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._refusal = ""
        self._damages = 0
        self._log = structlog.get_logger(__name__)
        self.notes: tuple[str, ...] = ()
        self.on_open: list[Callable[[sqlite3.Connection], object]] = []
        self.on_full: list[Callable[[sqlite3.Connection], object]] = []

    @property
    def path(self) -> Path:
        return self._folder / FILE_NAME

    @property
    def state(self) -> StoreState:
        if self._refusal:
            return "unavailable"
        if not self._settled.is_set():
            return "opening"
        return "full" if self._ballast.is_full else "ready"

    @property
    def refusal(self) -> str:
        """Why it cannot be used; empty while it can, or will."""
        return self._refusal

    def check_room(self) -> None:
        """Raises StoreUnavailable while the disk is too full to accept anything new."""
        if self._ballast.is_full:
            raise StoreUnavailable(DISK_IS_FULL)

    def measure(self) -> StoreFigures:
        written_bytes, written_bytes_per_day = self._meter.look()
        return StoreFigures(
            database_bytes=get_size(self.path),
            wal_bytes=get_size(self._wal),
            free_bytes=get_free_bytes(self._folder),
            written_bytes_total=written_bytes,
            written_bytes_per_day=written_bytes_per_day,
            damages=self._damages,
            is_full=self._ballast.is_full,
        )

    def lock(self) -> None:
        """Take the folder until `close`; nothing where it is taken already. Raises
        StoreUnavailable where another appliance has it, or it cannot be used."""
        if self._lock is not None:
            return
        try:
            self._lock = lock_folder(self._folder)
        except OSError as error:
            raise self._refuse_folder(error) from error

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
        self._watch = asyncio.create_task(self._look_for_ever())

    async def close(self) -> None:
        """Refuse later calls, finish what is queued, fold the WAL into the file, free the lock."""
        self._refusal = self._refusal or CLOSED
        self._settled.set()
        self._closing.set()
        if self._watch is not None:
            await self._watch
        event_loop = asyncio.get_running_loop()
        await event_loop.run_in_executor(None, self._readers.close)
        await event_loop.run_in_executor(self._writer, self._close)
        self._writer.shutdown(wait=False)

    async def write(self, change: Callable[[sqlite_utils.Database], T]) -> T:
        """Run `change` in one transaction on the writing thread; when this returns, it is on
        disk. It is run once more where damage or a full disk was dealt with in between.
        Raises StoreUnavailable when it could not be saved."""
        await self._wait_until_open()
        try:
            return await self._run(lambda: self._commit_or_mend(change))
        except (sqlite3.Error, OSError) as error:
            raise self._report(error) from error

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on a read-only connection, all of it at one moment of the database; once
        more where the database was damaged and renewed in between. Raises StoreUnavailable."""
        await self._wait_until_open()
        known_damages = self._damages
        try:
            try:
                return await self._readers.read(query)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                finding = str(error)
            await self._wait_until_open()
            await self._run(lambda: self._renew(finding, known_damages))
            await self._wait_until_open()
            return await self._readers.read(query)
        except (sqlite3.Error, OSError) as error:
            raise self._report(error) from error

    async def look_for_room(self) -> None:
        """Make the ballast again where there is room for it; the store is no longer full then."""
        await self._run(self._restore_ballast)

    async def compact(self) -> None:
        """Nothing is left in the file of what was changed or deleted. Raises StoreUnavailable."""
        await self._wait_until_open()
        try:
            await self._run(lambda: compact(self._connection))
        except sqlite3.Error as error:
            raise self._report(error) from error

    @property
    def _wal(self) -> Path:
        return Path(f"{self.path}-wal")

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._database is None:
            raise StoreUnavailable(self._refusal or CLOSED)
        return self._database.conn

    async def _wait_until_open(self) -> None:
        await self._settled.wait()
        if self._refusal:
            # Raised anew: one kept error would gather the frames of every call it refused.
            raise StoreUnavailable(self._refusal)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def _look_for_ever(self) -> None:
        while not self._closing.is_set():
            await wait_at_most(self._closing, LOOK_PAUSE_S)
            self._meter.look()
            await self.look_for_room()

    def _report(self, error: sqlite3.Error | OSError) -> StoreUnavailable:
        self._log.error("store failed", error=str(error))
        return StoreUnavailable(explain(error))

    def _refuse_folder(self, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"The data folder {self._folder} cannot be used: {error.strerror}; "
            "set APPLIANCE_DATA to a folder that can be written."
        )

    def _open(self) -> None:
        self.lock()
        try:
            if kept := install_successor(self.path):
                self._log.warning("a replacement of the database was ended", kept=kept.name)
                self.notes += (tell_replacement(kept),)
            self._ballast.begin()
            try:
                self._connect_or_renew()
            except (OSError, sqlite3.Error) as error:
                if not self._ballast.is_needed(error):
                    raise
                self._ballast.give_up()
                self._connect_or_renew()
        except OSError as error:
            raise self._refuse_folder(error) from error
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path} cannot be opened: {error}.") from error

    def _connect_or_renew(self) -> None:
        try:
            check_parts(self.path)
            self._database = connect_writer(self.path)
            self._greet()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._renew(str(error), self._damages)

    def _greet(self) -> None:
        for hook in self.on_open:
            try:
                self._run_hook(hook)
            except sqlite3.Error as error:
                if is_damage(error):
                    raise
                # The hook's own affair; what is kept can be read all the same.
                self._log.error("store not greeted", error=str(error))

    def _run_hook(self, hook: Callable[[sqlite3.Connection], object]) -> None:
        self._commit(lambda database: hook(database.conn))

    def _commit_or_mend(self, change: Callable[[sqlite_utils.Database], T]) -> T:
        try:
            return self._commit(change)
        except (sqlite3.Error, OSError) as error:
            # An OSError is one of the files of keys.
            if isinstance(error, sqlite3.Error) and is_damage(error):
                self._renew(str(error), self._damages)
            elif self._ballast.is_needed(error):
                self._make_room()
            else:
                raise
        return self._commit(change)

    def _commit(self, change: Callable[[sqlite_utils.Database], T]) -> T:
        connection = self._connection
        assert self._database is not None
        connection.execute("BEGIN IMMEDIATE")
        try:
            outcome = change(self._database)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if get_size(self._wal) > WAL_CAP_BYTES:
            self._fold_wal(wait_ms=0)
        return outcome

    def _fold_wal(self, wait_ms: int) -> None:
        if reason := fold_wal(self._connection, wait_ms):
            # What was committed stands in the log; it is replayed at the next start.
            self._log.error("store not folded", error=reason)

    def _renew(self, finding: str, known_damages: int) -> None:
        """Set the damaged file aside and go on with what can be read of it, unless another call
        had that done since it knew of `known_damages`."""
        if self._damages != known_damages:
            return
        with self._readers.paused():
            try:
                database, self._database = self._database, None
                if database is not None:
                    close_untouched(database, self.path)
                renewal = self._renew_in_any_room()
                self._database = connect_writer(self.path)
            except (OSError, sqlite3.Error, StoreUnavailable) as error:
                self._refusal = (
                    f"The conversation database {self.path} is damaged ({finding}) and no new one "
                    f"could be begun: {error}"
                )
                self._log.error("damaged database not replaced", finding=finding, error=str(error))
                raise StoreUnavailable(self._refusal) from error
        self._damages += 1
        self.notes += (renewal.tell(finding),)
        self._log.error(
            "damaged database set aside", kept=renewal.kept.name, finding=finding, **renewal.rows
        )
        self._greet()

    def _renew_in_any_room(self) -> Renewal:
        try:
            return renew(self.path)
        except (OSError, sqlite3.Error) as error:
            if not self._ballast.is_needed(error):
                raise
            self._ballast.give_up()
            return renew(self.path)

    def _restore_ballast(self) -> None:
        database = self._database
        self._ballast.restore(count_reusable_bytes(database.conn) if database else 0)

    def _make_room(self) -> None:
        self._log.error("disk full")
        self._ballast.give_up()
        self._fold_wal(wait_ms=0)
        for hook in self.on_full:
            with suppress(sqlite3.Error):
                self._run_hook(hook)
        self._fold_wal(wait_ms=0)

    def _close(self) -> None:
        if self._database is not None:
            self._fold_wal(wait_ms=2000)
            self._database.conn.close()
            self._database = None
        if self._lock is not None:
            self._lock.close()
