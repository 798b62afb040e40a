"""The data folder: one appliance at a time, and no damaged file thrown away.

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

# What belongs to one SQLite file, itself first.
PARTS = ("", "-wal", "-shm", "-journal")


def lock_folder(folder: Path) -> IO[bytes]:
    """Make the folder if need be and keep it until the returned file is closed.

    Raises StoreUnavailable where another appliance has it, OSError where it cannot be used.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = (folder / "lock").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        if not isinstance(error, BlockingIOError):
            raise
        raise StoreUnavailable(
            f"Another appliance uses the data folder {folder}; "
            "stop it, or set APPLIANCE_DATA to another folder."
        ) from None
    return lock


def make_private(file: Path) -> None:
    """Begin a new database that only its owner may read, in whatever folder it stands; SQLite
    gives the other parts the mode of the file."""
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def set_aside(file: Path) -> Path:
    """Rename a database with all its parts to `<name>.corrupt.<UTC time>`; the new path."""
    kept = _choose_name(file, datetime.now(UTC))
    for suffix in PARTS:
        part = Path(f"{file}{suffix}")
        if part.exists():
            part.rename(f"{kept}{suffix}")
    _sync(file.parent)
    return kept


def _choose_name(file: Path, now: datetime) -> Path:
    """Numbered where the time was used before: a Pi without a clock starts at the same one."""
    stamped = f"{file}.corrupt.{now:%Y%m%dT%H%M%SZ}"
    names = (f"{stamped}.{number}" if number else stamped for number in count())
    return next(
        Path(name) for name in names if not any(Path(f"{name}{part}").exists() for part in PARTS)
    )


def _sync(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
