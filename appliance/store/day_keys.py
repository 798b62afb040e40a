"""The keys of one day: a slot for each session, out of a batch that was synced beforehand.

It opens no value. A slot's name is written without a sync, so a first message costs none; a slot
that a power cut left without its name is never given out again. The rule that must not break: one
slot is never of two sessions, and what was erased gives no key any more.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.store import key_files
from appliance.store.key_files import BLANK
from appliance.store.sealing import Unreadable

BATCH = 64
FIRST_DAY = date(1970, 1, 1)


class DayKeys:
    """Used under the keyring's lock."""

    def __init__(self, path: Path, cipher: AESGCM, file: key_files.KeyFile) -> None:
        """`cipher` is of the day's own key."""
        self._path = path
        self._cipher = cipher
        self._wrapped = [wrapped for _, wrapped in file.slots]
        self._slots = {name: slot for slot, (name, _) in enumerate(file.slots)}
        self._slots.pop(key_files.NOBODY, None)
        # What an earlier process left may be somebody's whose name was lost.
        self._next = len(self._wrapped)

    def find(self, name: bytes) -> int | None:
        return self._slots.get(name)

    def take(self, name: bytes) -> int:
        """A new slot for a session. Raises OSError."""
        if self._next == len(self._wrapped):
            self._append_batch()
        slot = self._next
        key_files.write_name(self._path, slot, name)
        self._next += 1
        self._slots[name] = slot
        return slot

    def open(self, slot: int) -> AESGCM:
        """Raises Unreadable."""
        if slot >= len(self._wrapped):
            raise Unreadable("there is no such key")
        return AESGCM(key_files.unwrap(self._cipher, self._wrapped[slot], _bind(slot)))

    def forget(self, name: bytes, slots: Iterable[int]) -> None:
        """They were erased."""
        self._slots.pop(name, None)
        for slot in slots:
            self._wrapped[slot] = BLANK

    def _append_batch(self) -> None:
        first = len(self._wrapped)
        batch = [
            key_files.wrap(self._cipher, secrets.token_bytes(key_files.KEY_BYTES), _bind(slot))
            for slot in range(first, first + BATCH)
        ]
        key_files.append(self._path, first, batch)
        self._wrapped += batch


def find_slots(path: Path, name: bytes, known: Iterable[int] = ()) -> list[int]:
    """Those in the file that are of `name`, and those of `known` that are of nobody else. Raises
    OSError."""
    try:
        slots = key_files.read(path).slots
    except Unreadable:
        return []
    named = {slot for slot, (found, _) in enumerate(slots) if found == name}
    lost = {s for s in known if s < len(slots) and slots[s][0] == key_files.NOBODY}
    return sorted(slot for slot in named | lost if slots[slot][1] != BLANK)


def find_destroyed(path: Path, copy: Path) -> list[int]:
    """Slots that were erased in the file and not in its copy. Raises OSError."""
    try:
        slots, copied = key_files.read(path).slots, key_files.read(copy).slots
    except (Unreadable, FileNotFoundError):
        return []
    pairs = enumerate(zip(slots, copied, strict=False))
    return [slot for slot, (own, other) in pairs if own[1] == BLANK and other[1] != BLANK]


def list_day_files(folder: Path | None) -> list[tuple[int, Path]]:
    """Days since 1970 and the files of their keys, the oldest first."""
    return list(_find_day_files(folder)) if folder is not None and folder.is_dir() else []


def _find_day_files(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in sorted(folder.glob(f"*{key_files.SUFFIX}")):
        with suppress(ValueError):
            yield (date.fromisoformat(path.stem) - FIRST_DAY).days, path


def name_session(session_key: str) -> bytes:
    return hashlib.sha256(session_key.encode()).digest()[: key_files.NAME_BYTES]


def _bind(slot: int) -> bytes:
    return b"slot %d" % slot
