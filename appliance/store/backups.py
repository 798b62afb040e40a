"""The schedule of backups: when the next one is due, and which old ones go.

It copies nothing itself. The rule that must not break: it deletes only files that carry the name
it gives, and never the newest.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import structlog

from appliance.errors import StoreUnavailable
from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.backup import Contents, make_backup
from appliance.store.connections import connect_reader
from appliance.store.database import Store
from appliance.store.folder import remove_parts
from appliance.store.resealing import is_done

NAME = re.compile(r"appliance-\d{8}T\d{6}Z(\.\d+)?\.db")
PART = re.compile(NAME.pattern + r"\.part")
HOUR_S = 3600.0


class Backups:
    """Of one store; `hours` 0 makes none."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        hours: float,
        kept: int,
        copy_keys: Callable[[], object] = lambda: None,
    ) -> None:
        """`copy_keys` puts the keys of the conversations beside the backups."""
        self._store = store
        self._folder = folder
        self._pause_s = hours * HOUR_S
        self._kept = kept
        self._copy_keys = copy_keys
        self._stopping = asyncio.Event()
        self._log = structlog.get_logger(__name__)

    async def run_forever(self) -> None:
        """Make one whenever it is due, until `stop`; the store is open."""
        if not self._pause_s:
            return
        wait_s = await asyncio.to_thread(self._find_first_wait)
        while not await wait_at_most(self._stopping, wait_s):
            try:
                await self.run()
                wait_s = self._pause_s
            except (StoreUnavailable, OSError) as error:
                if self._stopping.is_set():
                    return
                self._log.error("backup failed", reason=str(error))
                wait_s = min(self._pause_s, HOUR_S)

    def adopt(self, settings: Settings) -> None:
        self._kept = settings.backups_kept

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> Contents:
        """Make one now and delete those that are too many. Raises StoreUnavailable."""
        await asyncio.to_thread(sweep_parts, self._folder)
        self._store.check_room()
        # Else there would be a file more at each try, which nothing opens.
        await asyncio.to_thread(self._copy_keys)
        contents = await asyncio.to_thread(
            make_backup,
            self._store.path,
            name_backup(self._folder, datetime.now(UTC)),
            is_unwanted=self._stopping.is_set,
        )
        await asyncio.to_thread(self._copy_keys)
        await asyncio.to_thread(self._delete_old, contents.path)
        self._log.info("backup made", path=str(contents.path), conversations=contents.conversations)
        return contents

    def _find_first_wait(self) -> float:
        """A box that is switched off every evening gets its backup too: the first one ever comes
        within the hour, a later one when the newest is old enough by its file's time; at once
        where an older version left one in clear."""
        if any(map(is_in_clear, list_backups(self._folder))):
            return 0.0
        newest = max(list_backups(self._folder), key=_get_time_s, default=None)
        if newest is None:
            return min(self._pause_s, HOUR_S)
        age_s = max(0.0, time.time() - _get_time_s(newest))
        return max(0.0, self._pause_s - age_s)

    def _delete_old(self, newest: Path) -> None:
        """`newest` stays whatever the clock says of the others; what is in clear goes first."""
        if not is_in_clear(newest):
            for path in filter(is_in_clear, list_backups(self._folder)):
                path.unlink(missing_ok=True)
        older = [path for path in list_backups(self._folder) if path != newest]
        older.sort(key=_get_time_s, reverse=True)
        for path in older[self._kept - 1 :]:
            path.unlink(missing_ok=True)


def name_backup(folder: Path, now: datetime) -> Path:
    stamped = f"appliance-{now:%Y%m%dT%H%M%SZ}"
    names = (f"{stamped}.{number}.db" if number else f"{stamped}.db" for number in count())
    return next(folder / name for name in names if not (folder / name).exists())


def list_backups(folder: Path) -> list[Path]:
    """Those that were named here, in no order."""
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if NAME.fullmatch(path.name)]


def sweep_parts(folder: Path) -> None:
    """Remove copies in whose midst a process died; nobody's deletion reaches what they hold."""
    for path in folder.iterdir() if folder.is_dir() else ():
        # One that was written to this hour may be under way, by the command.
        if PART.fullmatch(path.name) and abs(time.time() - _get_time_s(path)) >= HOUR_S:
            remove_parts(path)


def is_in_clear(file: Path) -> bool:
    """Whether the backup holds messages that were never sealed, as far as it can be read."""
    try:
        with closing(connect_reader(file, is_immutable=True)) as connection:
            if connection.execute("SELECT 1 FROM messages LIMIT 1").fetchone() is None:
                return False
            table = "SELECT 1 FROM sqlite_master WHERE name = 'sealing'"
            return connection.execute(table).fetchone() is None or not is_done(connection)
    except sqlite3.Error:
        return False


def _get_time_s(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
