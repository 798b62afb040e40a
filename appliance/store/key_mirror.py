"""The copies of the keys beside the backups: the same files, and cleaned of what was destroyed.

It opens no key. The rule that must not break: what cannot be destroyed there keeps nothing from
being destroyed here, and is told until it is destroyed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import structlog

from appliance.store import key_files
from appliance.store.day_keys import find_destroyed, list_day_files

NOT_DESTROYED = (
    "Keys that were destroyed here are still in {folder} and open what older backups hold of "
    "forgotten conversations: {reason}. Make the folder writable; it is tried again every hour. "
    "已销毁的密钥仍留在 {folder}，旧备份里已删除的对话还能被打开：{reason}。"
    "请让该文件夹可写，每小时会再试一次。"
)


class KeyMirror:
    """Used under the keyring's `lock`, but for `clean`. Without a `mirror` there is nothing to
    do."""

    def __init__(
        self, folder: Path, mirror: Path | None, lock: AbstractContextManager[object]
    ) -> None:
        self._folder = folder
        self._mirror = mirror
        self._lock = lock
        self._faults = 0
        self.warning = ""
        self._log = structlog.get_logger(__name__)

    def find(self) -> Path | None:
        """Where it is there and holds no other appliance's keys. Raises OSError."""
        mirror = self._mirror
        if mirror is None or not mirror.is_dir():
            return None
        # One that may not be read is not an empty one.
        os.scandir(mirror).close()
        if not key_files.is_of_same_house(self._folder, mirror):
            return None
        return mirror

    def copy(self) -> None:
        """Make it hold these keys and no others. Raises OSError."""
        if self._mirror is not None:
            # Overwritten first: a file that is replaced leaves its bytes on the disk.
            self._erase(list_day_files(self.find()))
            key_files.copy_files(self._folder, self._mirror)
            self.warning = ""

    def follow(self, days: Collection[int]) -> None:
        """Destroy what was destroyed here of these days."""
        with self._telling():
            self._erase([one for one in list_day_files(self.find()) if one[0] in days])

    def clean(self, upto: int) -> None:
        """Destroy what was destroyed here, and all of day `upto` and before. No customer waits
        while a slow folder is read: what seems to be destroyed is looked at again under the lock,
        for a file that is just being written may seem so."""
        faults = self._faults
        with self._telling():
            files = list_day_files(self.find())
            for day, path in files:
                if day <= upto:
                    with self._lock:
                        key_files.destroy(path)
                elif find_destroyed(self._folder / path.name, path):
                    with self._lock:
                        self._erase([(day, path)])
            with self._lock:
                # A folder that is not mounted has none, and may come back with what is told of.
                if files and faults == self._faults:
                    self.warning = ""

    def _erase(self, files: Collection[tuple[int, Path]]) -> None:
        for _, copy in files:
            if slots := find_destroyed(self._folder / copy.name, copy):
                key_files.erase(copy, slots)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            with self._lock:
                self._faults += 1
                self.warning = NOT_DESTROYED.format(folder=self._mirror, reason=reason)
            self._log.error(
                "destroyed keys left beside the backups", folder=str(self._mirror), reason=reason
            )
