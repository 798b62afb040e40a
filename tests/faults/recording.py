"""SQLite over a disk that keeps a diary, or that fails on command.

A shim over SQLite's own unix VFS; every byte still lands in the real file. Only databases inside
one folder run over it, all others are opened as ever. The rule that must not break: an operation
is noted in the order in which SQLite made it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import apsw
import pytest

from tests.faults.driver import Connection, translate
from tests.faults.keys import record_keys
from tests.faults.tape import Create, Delete, Sync, SyncFolder, Tape, Truncate, Write

# SQLite syncs the folder with the first sync of a journal or a log that it created.
SYNCS_FOLDER = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
UNIX = "unix"
OPEN_FLAGS = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI


class RecordedFile(apsw.VFSFile):
    def __init__(
        self, tape: Tape, path: str, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._tape = tape
        self._name = os.path.basename(path)
        self._owes_folder_sync = bool(flags[0] & SYNCS_FOLDER) and not os.path.exists(path)
        super().__init__(UNIX, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._tape.pass_through("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:
        self._tape.pass_through("write")
        self._tape.note(Write(self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._tape.note(Truncate(self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._tape.pass_through("sync")
        super().xSync(flags)
        self._tape.note(Sync(self._name))
        if self._owes_folder_sync:
            self._owes_folder_sync = False
            self._tape.note(SyncFolder())


class RecordingVFS(apsw.VFS):
    """Registered under its name until `unregister`."""

    def __init__(self, name: str, tape: Tape) -> None:
        super().__init__(name, UNIX)
        self.vfs_name = name
        self._tape = tape
        # By path; Python code may have removed a file and begun another one under its name.
        self._inodes: dict[str, int] = {}

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:
            return apsw.VFSFile(UNIX, name, flags)
        self._tape.pass_through("open")
        file = RecordedFile(self._tape, path, name, flags)
        inode = os.stat(path).st_ino
        if self._inodes.get(path) != inode:
            self._inodes[path] = inode
            self._tape.note(Create(os.path.basename(path)))
        return file

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._inodes.pop(filename, None)
        self._tape.note(Delete(os.path.basename(filename)))
        if syncdir:
            self._tape.note(SyncFolder())

    def excepthook(self, etype: Any, evalue: Any, etraceback: Any) -> bool:
        """A failure that SQLite does not pass on is no news: it was ordered."""
        return True


@contextmanager
def recording(folder: Path) -> Iterator[Tape]:
    """Until the end of the block, databases that `sqlite3.connect` opens in `folder` run over
    the tape that is yielded, and what is done to its files of keys is noted there too."""
    tape = Tape()
    vfs = RecordingVFS(f"recording-{id(tape):x}", tape)
    connect = sqlite3.connect

    def connect_recorded(database: Any, **options: Any) -> Any:
        if folder.resolve() not in find_path(database).parents:
            return connect(database, **options)
        try:
            below = apsw.Connection(os.fspath(database), flags=OPEN_FLAGS, vfs=vfs.vfs_name)
        except apsw.Error as error:
            raise translate(error) from error
        return Connection(below, options.get("timeout", 5.0), options.get("isolation_level", ""))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", connect_recorded)
        record_keys(patch, tape)
        try:
            yield tape
        finally:
            vfs.unregister()


def find_path(database: str | Path) -> Path:
    address = os.fspath(database)
    path = unquote(urlsplit(address).path) if address.startswith("file:") else address
    return Path(path).resolve()
