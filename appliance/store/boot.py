"""The mark that says "a model is being loaded": a small file which counts the deaths of loading.

It loads nothing. A process cannot note its own death, so the mark is made before the load and
taken away after it: who finds one at the start knows that the last process died in between. The
rule that must not break: a load that ended in order never counts, and a power cut never does.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from appliance.store.folder import LOCK_NAME, sync_folder
from appliance.store.live import read_boot_id

FILE_NAME = "loading.json"
# So often a model may end the process in a row; then nobody loads it without being asked.
MAX_DEATHS = 2
LOCKS = Path("/proc/locks")


class Model(BaseModel):
    """A model as it is told apart: a file that was replaced is another one by its `mark`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str
    mark: str = ""


class Loading(BaseModel):
    """What the file holds. `began` is wall time, to be shown and never reckoned with."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: Model
    deaths: int = Field(ge=0)
    began: AwareDatetime
    boot_id: str
    is_under_way: bool

    @property
    def is_withheld(self) -> bool:
        return self.deaths >= MAX_DEATHS


class CrashCounter:
    """The mark of one data folder; all of it blocks on the disk."""

    def __init__(self, folder: Path, boot_id: str | None = None) -> None:
        self._file = folder / FILE_NAME
        self._boot_id = read_boot_id() if boot_id is None else boot_id

    def begin(self, model: Model, now: datetime) -> Loading | None:
        """Mark that `model` is being loaded, unless it died of that twice in a row: then what
        is known of it is returned and nothing may be loaded.

        Raises OSError where the mark cannot be written.
        """
        found = self._count(model)
        if found is not None and found.is_withheld:
            # On a full disk the old mark stays, and says the same as long as the kernel lives.
            with suppress(OSError):
                self._write(found)
            return found
        self._write(
            Loading(
                model=model,
                deaths=found.deaths if found else 0,
                began=now,
                boot_id=self._boot_id,
                is_under_way=True,
            )
        )
        return None

    def clear(self) -> None:
        """The load ended in order, or somebody asks for another try. Raises OSError."""
        with suppress(FileNotFoundError):
            self._file.unlink()

    def find_withheld(self) -> Loading | None:
        """What is known of the model that nobody loads, or None where there is no such."""
        found = self._read()
        counted = self._count(found.model) if found else None
        return counted if counted is not None and counted.is_withheld else None

    def _count(self, model: Model) -> Loading | None:
        """What was found of this very model, a death that it tells of counted once."""
        found = self._read()
        if found is None or found.model != model:
            return None
        # After a power cut the kernel is another one, and the load was not to blame.
        has_died = found.is_under_way and found.boot_id == self._boot_id
        return found.model_copy(update={"deaths": found.deaths + has_died, "is_under_way": False})

    def _read(self) -> Loading | None:
        """A file that is damaged or cannot be read counts as none: it is written anew."""
        try:
            return Loading.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError):
            return None

    def _write(self, loading: Loading) -> None:
        beside = self._file.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(loading.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._file)
        sync_folder(self._file.parent)


def find_holder(folder: Path) -> int | None:
    """The process that serves this data folder now, or None where there is none to be found."""
    try:
        with (folder / LOCK_NAME).open("rb") as lock:
            if _is_free(lock):
                return None
            process_id = int(lock.read(20))
            return process_id if process_id > 0 and _has_open(process_id, lock) else None
    except (OSError, ValueError):
        return None


def _is_free(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _has_open(process_id: int, lock: IO[bytes]) -> bool:
    """In another container the same number is somebody else, whom a signal may end."""
    wanted = os.fstat(lock.fileno())
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        try:
            if os.path.samestat(descriptor.stat(), wanted):
                return True
        except PermissionError:
            # The unit's PrivateUsers= hides a service's files from others of its own user.
            return _is_locked_by(process_id, wanted.st_ino)
        except OSError:
            continue
    return False


def _is_locked_by(process_id: int, inode: int) -> bool:
    """As the kernel tells of its locks: by the numbers of this container, and of it alone."""
    # 12: FLOCK  ADVISORY  WRITE 217 fe:00:2654704 0 EOF
    locks = (line.split() for line in LOCKS.read_text("ascii").splitlines())
    return any(
        words[1] == "FLOCK"
        and words[4] == str(process_id)
        and words[5].rpartition(":")[2] == str(inode)
        for words in locks
    )
