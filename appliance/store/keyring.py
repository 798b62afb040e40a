"""Seals what customers say and are, and forgets how to open it.

    master → the day's key (random, wrapped) → a session's key of that day (random, wrapped)
    magic | day | slot | nonce | AES-256-GCM( value ), bound to table, row, column, session, day

It knows no table and deletes no row. Every call takes a lock and may wait for the disk, so none
belongs on the event loop. The rules that must not break: a key is on disk before anything that it
sealed, and once a session or a day is destroyed no call gives back a byte of it.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.errors import StoreUnavailable
from appliance.store import key_files, masters
from appliance.store.connections import was_sealed
from appliance.store.day_keys import (
    FIRST_DAY,
    DayKeys,
    find_slots,
    list_day_files,
    name_session,
)
from appliance.store.folder import FILE_NAME, sync_folder
from appliance.store.key_mirror import KeyMirror
from appliance.store.master import (
    CREDENTIAL_NAME,
    KEY_NAME,
    KEYS_FOLDER,
    MasterSource,
)
from appliance.store.sealed_values import (
    BODY_AT,
    NONCE_AT,
    Place,
    bind,
    is_sealed,
    make_head,
    read_place,
)
from appliance.store.sealing import Label, Seals, Unreadable

K = TypeVar("K")
V = TypeVar("V")

LAST_DAY = (date.max - FIRST_DAY).days
CHAIN = "chain"
DAYS_AT_HAND = 4
CIPHERS_AT_HAND = 2048
NOT_OPEN = "The keys of the conversations are not open."


@dataclass(frozen=True, slots=True)
class _Sealer:
    """What seals a session's words today, and the head of what it seals."""

    day: int
    head: bytes
    cipher: AESGCM


class Keyring:
    """The keys of one data folder; `read_day` counts days since 1970 by the house's own time."""

    def __init__(
        self,
        data: Path,
        source: MasterSource,
        read_day: Callable[[], int],
        mirror: Path | None = None,
    ) -> None:
        """`mirror` is a second folder that holds the same files, for the backups."""
        self._data = data
        self._folder = data / KEYS_FOLDER
        self._source = source
        self._read_day = read_day
        self._lock = threading.RLock()
        self._mirror = KeyMirror(self._folder, mirror, self._lock)
        self._masters: masters.Masters | None = None
        self._days: OrderedDict[int, DayKeys] = OrderedDict()
        self._ciphers: OrderedDict[Place, AESGCM] = OrderedDict()
        self._sealers: OrderedDict[str, _Sealer] = OrderedDict()
        self._chain = b""
        self._log = structlog.get_logger(__name__)
        self.seals = Seals(self.seal, self.open)

    @property
    def chain_key(self) -> bytes:
        """What the chain of the audit log is signed with; it outlives every master key."""
        self._require_open()
        return self._chain

    @property
    def warning(self) -> str:
        warnings = (self._source.warn() if self._masters else "", self._mirror.warning)
        return " ".join(filter(None, warnings))

    def unlock(self, *, is_reading: bool = False) -> None:
        """Raises StoreUnavailable where the master key is not this folder's, or cannot be had;
        then nothing was changed. With `is_reading` nothing is changed in any case."""
        with self._lock:
            if self._masters is not None:
                return
            try:
                found = self._find_masters(is_reading)
                self._masters = found
                if found.is_changing and not is_reading:
                    self._end_change()
                self._chain = self._load_chain(is_reading)
            except OSError as error:
                self._masters = None
                raise StoreUnavailable(
                    f"The keys in {self._folder} cannot be used: {error.strerror}."
                ) from error

    def change_master(self, new: MasterSource) -> int:
        """Wrap every day's key by another master; how many there were. It may be cut off
        anywhere: the next `unlock`, with the old master or the new one, ends it."""
        with self._lock:
            self._masters = masters.begin_change(
                self._folder, self._require_open(), self._source, new
            )
            self._source = new
            rewrapped = self._end_change()
            self._drop_other_masters()
            return rewrapped

    def seal(self, value: bytes, label: Label, day: int | None = None) -> bytes:
        """With the key of today, or of an earlier `day`. Raises OSError where a new key cannot
        be kept."""
        today = self._read_day()
        day = today if day is None else min(day, today)
        # Without the lock: of each token of an answer.
        sealer = self._sealers.get(label.session_key)
        if sealer is None or sealer.day != day:
            sealer = self._find_sealer(day, label.session_key)
        nonce = secrets.token_bytes(key_files.NONCE_BYTES)
        return sealer.head + nonce + sealer.cipher.encrypt(nonce, value, bind(label, day))

    def open(self, sealed: bytes, label: Label) -> bytes:
        """Raises Unreadable."""
        if not is_sealed(sealed):
            raise Unreadable("it was never sealed")
        day, slot = read_place(sealed)
        if day > LAST_DAY:
            raise Unreadable("it is of no day")
        cipher = self._find_cipher(day, slot)
        try:
            return cipher.decrypt(sealed[NONCE_AT:BODY_AT], sealed[BODY_AT:], bind(label, day))
        except (InvalidTag, ValueError):
            raise Unreadable("it is not what was sealed here") from None

    def destroy_session(self, session_key: str, known: Iterable[Place] = ()) -> int:
        """Nothing of the session can be opened from here on; how many keys that took. `known` are
        places that its rows name: a power cut may have lost a name in the files. Raises OSError
        where a key cannot be destroyed here; beside the backups that is made up for."""
        name, places, erased = name_session(session_key), [*known], 0
        with self._lock:
            self._sealers.pop(session_key, None)
            days = []
            for day, path in list_day_files(self._folder):
                slots = find_slots(path, name, [slot for at, slot in places if at == day])
                if slots:
                    self._forget(day, name, slots)
                    key_files.erase(path, slots)
                    days.append(day)
                    erased += len(slots)
            self._mirror.follow(days)
        return erased

    def _forget(self, day: int, name: bytes, slots: list[int]) -> None:
        for slot in slots:
            self._ciphers.pop((day, slot), None)
        if day in self._days:
            self._days[day].forget(name, slots)

    def destroy_days(self, upto: int) -> list[int]:
        """Nothing of day `upto` or before can be opened from here on; the days that took. Raises
        OSError as `destroy_session` does."""
        with self._lock:
            for day in [day for day in self._days if day <= upto]:
                del self._days[day]
            for known in [known for known in self._ciphers if known[0] <= upto]:
                del self._ciphers[known]
            for key in [key for key, sealer in self._sealers.items() if sealer.day <= upto]:
                del self._sealers[key]
            old = [(day, path) for day, path in list_day_files(self._folder) if day <= upto]
            for _, path in old:
                key_files.destroy(path)
            self._mirror.clean(upto)
        return [day for day, _ in old]

    def clean_mirror(self, upto: int) -> None:
        """Make up for what could not be destroyed beside the backups."""
        self._mirror.clean(upto)

    def copy_to_mirror(self) -> None:
        """Raises OSError."""
        with self._lock:
            self._mirror.copy()

    def _find_masters(self, is_reading: bool) -> masters.Masters:
        if masters.exists(self._folder):
            return masters.read(self._folder, self._source)
        if list_day_files(self._folder) or was_sealed(self._data / FILE_NAME):
            raise StoreUnavailable(
                f"The keys of the conversations are missing in {self._folder}; put that folder "
                "back from the folder of the backups, or set APPLIANCE_DATA to another folder."
            )
        if is_reading:
            raise StoreUnavailable(f"There are no keys in {self._folder} yet.")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(self._data)
        return masters.create(self._folder, self._source)

    def _load_chain(self, is_reading: bool) -> bytes:
        path = self._folder / f"{CHAIN}{key_files.SUFFIX}"
        if not (is_reading or path.exists() or list_day_files(self._folder)):
            self._begin(path)
        try:
            return self._unwrap_head(path, key_files.read(path))
        except (FileNotFoundError, Unreadable):
            raise StoreUnavailable(
                f"{path} is missing or damaged; put it back from the folder of the backups."
            ) from None

    def _end_change(self) -> int:
        found, rewrapped = self._require_open(), 0
        for path in sorted(self._folder.glob(f"*{key_files.SUFFIX}")):
            with suppress(Unreadable):
                file = key_files.read(path)
                if file.master_id != found.current:
                    key = self._unwrap_head(path, file)
                    key_files.rewrap(path, found.current, self._wrap_head(path, key))
                    rewrapped += 1
        self._masters = masters.end_change(self._folder, found)
        with suppress(OSError):
            self.copy_to_mirror()
        return rewrapped

    def _drop_other_masters(self) -> None:
        """What stood in the folders of the keys before; a file elsewhere is its owner's."""
        kept = self._source.find_file()
        for name in (KEY_NAME, CREDENTIAL_NAME):
            if kept is None or kept.resolve() != (self._folder / name).resolve():
                key_files.destroy(self._folder / name)
                if mirror := self._mirror.find():
                    key_files.destroy(mirror / name)

    def _require_open(self) -> masters.Masters:
        if self._masters is None:
            raise StoreUnavailable(NOT_OPEN)
        return self._masters

    def _begin(self, path: Path) -> bytes:
        key = secrets.token_bytes(key_files.KEY_BYTES)
        key_files.begin(path, self._require_open().current, self._wrap_head(path, key))
        return key

    def _wrap_head(self, path: Path, key: bytes) -> bytes:
        found = self._require_open()
        return key_files.wrap(found.ciphers[found.current], key, path.stem.encode())

    def _unwrap_head(self, path: Path, file: key_files.KeyFile) -> bytes:
        cipher = self._require_open().ciphers.get(file.master_id)
        if cipher is None:
            raise Unreadable(f"{path.name} is of another master key")
        return key_files.unwrap(cipher, file.wrapped, path.stem.encode())

    def _find_sealer(self, day: int, session_key: str) -> _Sealer:
        with self._lock:
            name, keys = name_session(session_key), self._find_day(day, is_new=True)
            slot = keys.find(name)
            try:
                cipher = keys.open(slot) if slot is not None else None
            except Unreadable:
                cipher = None
            if slot is None or cipher is None:
                slot = keys.take(name)
                cipher = keys.open(slot)
            sealer = _Sealer(day, make_head(day, slot), cipher)
            _keep(self._sealers, session_key, sealer)
            return sealer

    def _find_cipher(self, day: int, slot: int) -> AESGCM:
        with self._lock:
            cipher = self._ciphers.get((day, slot))
            if cipher is None:
                cipher = self._find_day(day).open(slot)
                _keep(self._ciphers, (day, slot), cipher)
            return cipher

    def _find_day(self, day: int, *, is_new: bool = False) -> DayKeys:
        found = self._days.get(day)
        if found is None:
            found = self._load_day(self._locate(day), is_new)
            _keep(self._days, day, found, DAYS_AT_HAND)
        return found

    def _load_day(self, path: Path, is_new: bool) -> DayKeys:
        self._require_open()
        try:
            file = key_files.read(path)
            return DayKeys(path, AESGCM(self._unwrap_head(path, file)), file)
        except FileNotFoundError:
            if not is_new:
                raise Unreadable("the key of its day was destroyed") from None
        except Unreadable:
            if not is_new:
                raise
            self._log.error("keys of the day damaged", file=path.name)
            path.rename(path.with_suffix(f".damaged-{secrets.token_hex(4)}"))
        key = self._begin(path)
        return DayKeys(path, AESGCM(key), key_files.read(path))

    def _locate(self, day: int) -> Path:
        return self._folder / f"{FIRST_DAY + timedelta(day)}{key_files.SUFFIX}"


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int = CIPHERS_AT_HAND) -> None:
    """The oldest gives way."""
    kept[key] = value
    if len(kept) > most:
        kept.popitem(last=False)
