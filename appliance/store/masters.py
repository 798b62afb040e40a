"""Which master key the keys of this folder are wrapped by, and how one is changed for another.

    {"id", "salt"}                     all keys hang on this master
    {…, "links": [old, new, wrapped]}  a change is under way: each of the two opens the other

It knows no day and no session. The rules that must not break: no master key stands here unwrapped,
and at every point of a change either of the two opens everything.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from appliance.errors import StoreUnavailable
from appliance.store.key_files import (
    KEY_BYTES,
    MASTER_ID_BYTES,
    replace_file,
    unwrap,
    wrap,
)
from appliance.store.master import MasterSource
from appliance.store.sealing import Unreadable

FILE_NAME = "master.json"
SALT_BYTES = 16
LINK = b"the other master"
WRONG = (
    "The master key is not the one that the conversations in {folder} were sealed with: give the "
    "right one (see `master_key` in `appliance config`), or set APPLIANCE_DATA to another folder. "
    "Nothing was changed. 主密钥与数据不符，未作任何更改。"
)


def derive(master: bytes, use: str, length: int = KEY_BYTES) -> bytes:
    """A key for one use; from it neither the master nor another use's key can be told."""
    return HKDF(hashes.SHA256(), length, salt=None, info=f"appliance {use}".encode()).derive(master)


def identify(master: bytes) -> bytes:
    return derive(master, "master id", MASTER_ID_BYTES)


@dataclass(frozen=True, slots=True)
class Masters:
    """`current` is what new keys are wrapped by; `ciphers` open what the file's masters wrapped,
    by their ids: one, or two while a change is under way."""

    current: bytes
    ciphers: Mapping[bytes, AESGCM]
    salt: bytes

    @property
    def is_changing(self) -> bool:
        return len(self.ciphers) > 1


def exists(folder: Path) -> bool:
    return (folder / FILE_NAME).exists()


def create(folder: Path, source: MasterSource) -> Masters:
    """Of a new folder. A key that the source has already is taken. Raises StoreUnavailable."""
    salt = secrets.token_bytes(SALT_BYTES)
    if source.has():
        master = source.read(salt)
    else:
        master = source.make(salt)
        source.keep(master)
    _write(folder, [(identify(master), salt)], {})
    return Masters(identify(master), {identify(master): _cipher(master)}, salt)


def read(folder: Path, source: MasterSource) -> Masters:
    """Raises StoreUnavailable where the source's master is not the folder's; nothing changes."""
    try:
        told = json.loads((folder / FILE_NAME).read_text("ascii"))
        known = {bytes.fromhex(one["id"]): bytes.fromhex(one["salt"]) for one in told["masters"]}
        links = {bytes.fromhex(by): bytes.fromhex(held) for by, held in told["links"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreUnavailable(
            f"{folder / FILE_NAME} cannot be read ({type(error).__name__}); put back the folder "
            f"{folder.name} from the folder of the backups."
        ) from None
    for master_id, salt in known.items():
        master = source.read(salt)
        if identify(master) != master_id:
            continue
        ciphers = {master_id: _cipher(master)}
        if master_id in links:
            try:
                other = unwrap(_cipher(master), links[master_id], LINK)
            except Unreadable:
                raise StoreUnavailable(WRONG.format(folder=folder.parent)) from None
            ciphers[identify(other)] = _cipher(other)
        return Masters(master_id, ciphers, salt)
    raise StoreUnavailable(WRONG.format(folder=folder.parent))


def begin_change(folder: Path, masters: Masters, old: MasterSource, new: MasterSource) -> Masters:
    """From here on both open everything; `new` keeps its master now. Raises StoreUnavailable."""
    before, salt = old.read(masters.salt), secrets.token_bytes(SALT_BYTES)
    after = new.make(salt)
    links = {
        identify(before): wrap(_cipher(before), after, LINK),
        identify(after): wrap(_cipher(after), before, LINK),
    }
    _write(folder, [(masters.current, masters.salt), (identify(after), salt)], links)
    new.keep(after)
    ciphers = {identify(one): _cipher(one) for one in (before, after)}
    return Masters(identify(after), ciphers, salt)


def end_change(folder: Path, masters: Masters) -> Masters:
    """All keys are wrapped by `masters.current`; the other master opens nothing any more."""
    _write(folder, [(masters.current, masters.salt)], {})
    return Masters(
        masters.current, {masters.current: masters.ciphers[masters.current]}, masters.salt
    )


def _write(folder: Path, known: list[tuple[bytes, bytes]], links: Mapping[bytes, bytes]) -> None:
    told = {
        "format": 1,
        "masters": [{"id": one.hex(), "salt": salt.hex()} for one, salt in known],
        "links": {by.hex(): held.hex() for by, held in links.items()},
    }
    try:
        replace_file(folder / FILE_NAME, json.dumps(told, indent=1).encode() + b"\n")
    except OSError as error:
        raise StoreUnavailable(
            f"{folder / FILE_NAME} cannot be written: {error.strerror}."
        ) from error


def _cipher(master: bytes) -> AESGCM:
    return AESGCM(derive(master, "key of keys"))
