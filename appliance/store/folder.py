"""The data folder: one appliance at a time, and no file thrown away.

It knows file names and nothing of SQL. The rule that must not break: nothing is ever written
over; what is set aside takes a name that no other file has.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO

from appliance.errors import StoreUnavailable

FILE_NAME = "appliance.db"
LIVE_NAME = "live.db"
LOCK_NAME = "lock"
# What belongs to one SQLite file, itself first.
PARTS = ("", "-wal", "-shm", "-journal")
CORRUPT = "corrupt"
BEFORE_RESTORE = "before-restore"
# A database that shall stand in the place of another is whole under this name before the other
# is touched; the rest of the name says what the other is called then.
SUCCESSOR = "successor"


def lock_folder(folder: Path) -> IO[bytes]:
    """Make the folder if need be and keep it until the returned file is closed.

    Raises StoreUnavailable where another appliance has it, OSError where it cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Opened for appending: what stands in it is the other one's until the lock is ours.
    lock = (folder / LOCK_NAME).open("a+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _read_holder(lock)
        lock.close()
        if not isinstance(error, BlockingIOError):
            raise
        raise StoreUnavailable(
            f"Another appliance{holder} uses the data folder {folder}; "
            "stop it, or set APPLIANCE_DATA to another folder."
        ) from None
    # A full disk takes no number, but the lock holds all the same.
    with suppress(OSError):
        lock.truncate(0)
        os.write(lock.fileno(), b"%d\n" % os.getpid())
    return lock


def _read_holder(lock: IO[bytes]) -> str:
    lock.seek(0)
    process_id = lock.read(20).strip()
    return f" (process {process_id.decode()})" if process_id.isdigit() else ""


def make_private(file: Path) -> None:
    """Begin a new database that only its owner may read, in whatever folder it stands; SQLite
    gives the other parts the mode of the file."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def set_aside(file: Path, reason: str = CORRUPT) -> Path:
    """Rename a database with all its parts to `<name>.<reason>.<UTC time>`; the new path."""
    kept = _choose_name(file, reason, datetime.now(UTC))
    for suffix in PARTS:
        part = Path(f"{file}{suffix}")
        if part.exists():
            part.rename(f"{kept}{suffix}")
    sync_folder(file.parent)
    return kept


def remove_parts(file: Path) -> None:
    for suffix in PARTS:
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def announce_successor(built: Path, file: Path, reason: str) -> None:
    """Make the whole and closed database `built` the successor of `file`, for good: from here
    on `install_successor` ends what was begun, at the next start if need be."""
    with built.open("rb") as content:
        os.fsync(content.fileno())
    built.rename(_name_successor(file, reason))
    sync_folder(file.parent)


def install_successor(file: Path) -> Path | None:
    """Put an announced successor in the place of `file`; where `file` is now, or None where no
    successor waits. A power cut at any point leaves either all of it or its beginning."""
    for reason in (CORRUPT, BEFORE_RESTORE):
        successor = _name_successor(file, reason)
        if successor.exists():
            if reason == BEFORE_RESTORE:
                # Its events belong to the database that is replaced.
                remove_parts(file.with_name(LIVE_NAME))
            kept = set_aside(file, reason)
            successor.rename(file)
            sync_folder(file.parent)
            return kept
    return None


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name_successor(file: Path, reason: str) -> Path:
    return Path(f"{file}.{SUCCESSOR}.{reason}")


def _choose_name(file: Path, reason: str, now: datetime) -> Path:
    """Numbered where the time was used before: a Pi without a clock starts at the same one."""
    stamped = f"{file}.{reason}.{now:%Y%m%dT%H%M%SZ}"
    names = (f"{stamped}.{number}" if number else stamped for number in count())
    return next(
        Path(name) for name in names if not any(Path(f"{name}{part}").exists() for part in PARTS)
    )
