"""A file that holds nothing but room on the disk, to be given up when the disk is full.

A full disk cannot even delete: rows go through the write-ahead log, which needs room itself. It
frees nothing else and knows no table. The rule that must not break: the ballast never takes the
last room of a disk, and while it is missing for want of room the disk counts as full.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from appliance.store.connections import get_code
from appliance.store.figures import get_free_bytes, get_size

FILE_NAME = "ballast"
# Twice what the write-ahead log may keep.
BALLAST_BYTES = 16 << 20
# How many times its size must be free for it to be made: at first, and after it was given up.
ROOM_AT_FIRST, ROOM_AGAIN = 3, 2
# What SQLite calls a full disk where it cannot make or lengthen its shared memory.
CALLED_OTHERWISE = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
NO_ROOM_BYTES = 64 << 10


class Ballast:
    def __init__(self, folder: Path, size_bytes: int = BALLAST_BYTES) -> None:
        self._folder = folder
        self._file = folder / FILE_NAME
        self._size_bytes = size_bytes
        self.is_full = False

    def begin(self) -> None:
        """Make it where there is ample room; where there is little, the disk counts as full."""
        self.is_full = not self._make(ROOM_AT_FIRST) and not self._has_room(ROOM_AGAIN)

    def restore(self, reusable_bytes: int) -> None:
        """Make it again where there is room, and the disk is no longer full; nor is it where the
        database itself has `reusable_bytes` enough and only its log needs room. Blocks on it."""
        has_room_inside = reusable_bytes >= ROOM_AGAIN * self._size_bytes and self._has_room(1)
        if (
            self._make(ROOM_AGAIN if self.is_full else ROOM_AT_FIRST)
            or self._has_room(ROOM_AGAIN)
            or has_room_inside
        ):
            self.is_full = False

    def give_up(self) -> None:
        self.is_full = True
        with suppress(OSError):
            self._file.unlink(missing_ok=True)

    def is_needed(self, error: Exception) -> bool:
        """Whether `error` is one of a full disk."""
        if isinstance(error, OSError):
            return error.errno == errno.ENOSPC
        code = get_code(error) if isinstance(error, sqlite3.Error) else 0
        is_cramped = code in CALLED_OTHERWISE and get_free_bytes(self._folder) < NO_ROOM_BYTES
        return code == sqlite3.SQLITE_FULL or is_cramped

    def _has_room(self, times: int) -> bool:
        return get_free_bytes(self._folder) >= times * self._size_bytes

    def _make(self, times: int) -> bool:
        """Make it where `times` its size is free; whether it is there."""
        # A kill may have left a shorter one.
        if get_size(self._file) >= self._size_bytes:
            return True
        if not self._has_room(times):
            return False
        try:
            self._file.unlink(missing_ok=True)
            descriptor = os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            # Somebody else took the room, or the file system cannot reserve any.
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
            return False
        return True
