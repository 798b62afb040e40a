"""Files of wrapped keys: one for each day, of records of one size.

    magic | id of the master | the day's key, wrapped by the master       first record
    name of a session, or 0  | a key of that day, wrapped by the day's    slots 0, 1, 2 …

It derives nothing and keeps no key in memory; who takes which slot is `day_keys.py`'s. The rules
that must not break: a key is on disk before it is used, what is destroyed is overwritten before it
is removed, a file is only ever replaced whole, and the keys of another appliance are left alone.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import EEXIST
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.store.folder import sync_folder
from appliance.store.sealing import Unreadable

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
MAGIC = b"apkeys1\n"
MASTER_ID_BYTES = 8
NAME_BYTES = len(MAGIC) + MASTER_ID_BYTES
WRAPPED_BYTES = NONCE_BYTES + KEY_BYTES + TAG_BYTES
BLANK = bytes(WRAPPED_BYTES)
RECORD_BYTES = NAME_BYTES + WRAPPED_BYTES
NOBODY = bytes(NAME_BYTES)
SUFFIX = ".keys"
PART = ".part"
FOREIGN = "the keys of another appliance's backups are there; name another folder"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What stands in one file; `slots` are name and wrapped key of each."""

    master_id: bytes
    wrapped: bytes
    slots: tuple[tuple[bytes, bytes], ...]


def wrap(cipher: AESGCM, key: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, key, bound)


def unwrap(cipher: AESGCM, wrapped: bytes, bound: bytes) -> bytes:
    """Raises Unreadable."""
    try:
        return cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise Unreadable("a key cannot be unwrapped") from None


def begin(path: Path, master_id: bytes, wrapped: bytes) -> None:
    replace_file(path, MAGIC + master_id + wrapped)


def read(path: Path) -> KeyFile:
    """Raises Unreadable for what is no such file, FileNotFoundError, OSError."""
    content = path.read_bytes()
    head = content[:RECORD_BYTES]
    if len(head) < RECORD_BYTES or not head.startswith(MAGIC):
        raise Unreadable(f"{path.name} holds no keys")
    slots = tuple(
        (content[at : at + NAME_BYTES], content[at + NAME_BYTES : at + RECORD_BYTES])
        for at in range(RECORD_BYTES, len(content) - RECORD_BYTES + 1, RECORD_BYTES)
    )
    return KeyFile(head[len(MAGIC) : NAME_BYTES], head[NAME_BYTES:], slots)


def append(path: Path, first_slot: int, wrapped: Sequence[bytes]) -> None:
    """Keys for `first_slot` and those behind it, which nobody has yet; when this returns they are
    on disk. What a cut left half written there is overwritten."""
    content = b"".join(NOBODY + one for one in wrapped)
    _write(path, {first_slot: content}, is_synced=True)


def write_name(path: Path, slot: int, name: bytes) -> None:
    """It is on disk with the next sync of anybody's: what was sealed names its slot itself."""
    _write(path, {slot: name}, is_synced=False)


def erase(path: Path, slots: Iterable[int]) -> None:
    """Overwrite these slots; when this returns that is on disk."""
    _write(path, dict.fromkeys(slots, bytes(RECORD_BYTES)), is_synced=True)


def _write(path: Path, pieces: Mapping[int, bytes], *, is_synced: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        for slot, content in pieces.items():
            os.pwrite(descriptor, content, locate(slot))
        if is_synced:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def locate(slot: int) -> int:
    return RECORD_BYTES * (slot + 1)


def destroy(path: Path) -> None:
    """Overwrite the key that all others of the file hang on, then remove the file."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, bytes(RECORD_BYTES), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink()
        sync_folder(path.parent)


def rewrap(path: Path, master_id: bytes, wrapped: bytes) -> None:
    """Give the file another master; its other records stay as they are."""
    rest = path.read_bytes()[RECORD_BYTES:]
    replace_file(path, MAGIC + master_id + wrapped + rest)


def replace_file(path: Path, content: bytes) -> None:
    """The whole file under its name, for good, or what was there before."""
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def is_of_same_house(ours: Path, theirs: Path) -> bool:
    """Whether `theirs` holds copies of `ours`, older ones perhaps, or no keys at all. Another
    master leaves all but the heads of the files as it was."""
    copies = sorted(theirs.glob(f"*{SUFFIX}"), reverse=True)
    own = ((ours / copy.name, copy) for copy in copies)
    return not copies or any(_is_copy(path, copy) for path, copy in own if path.exists())


def _is_copy(path: Path, copy: Path) -> bool:
    content, copied = path.read_bytes(), copy.read_bytes()
    # Since the copy was made names were written and sessions destroyed.
    return content == copied or not _list_wrapped(content).isdisjoint(_list_wrapped(copied))


def _list_wrapped(content: bytes) -> set[bytes]:
    """The keys of a file's slots, but for those that were erased."""
    starts = range(RECORD_BYTES, len(content) - RECORD_BYTES + 1, RECORD_BYTES)
    return {content[at + NAME_BYTES : at + RECORD_BYTES] for at in starts} - {BLANK}


def copy_files(source: Path, target: Path) -> None:
    """Make `target` hold the same files as `source`, each replaced whole, and no other keys.
    Raises OSError, where it holds those of another appliance too: who overwrites them makes its
    backups unreadable for good."""
    if not is_of_same_house(source, target):
        raise FileExistsError(EEXIST, FOREIGN, str(target))
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = {path.name: path for path in source.iterdir() if path.suffix != PART}
    for name, path in wanted.items():
        content, copy = path.read_bytes(), target / name
        if not copy.exists() or copy.read_bytes() != content:
            replace_file(copy, content)
    for path in target.glob(f"*{SUFFIX}"):
        if path.name not in wanted:
            destroy(path)
