"""Seals what the owner keeps for good: addresses and secrets of other systems.

Customers' words have keys that die with their days (`keyring.py`); these do not. The key is derived
from the one that signs the audit log, so it outlives a change of the master key and stands nowhere.
The rule that must not break: no word of a customer is sealed here, for nothing here is forgotten.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.store.masters import derive
from appliance.store.sealing import Label, Seals, Unreadable

NONCE_BYTES = 12
USE = "lasting secrets"


def make_lasting(get_key: Callable[[], bytes]) -> Seals:
    """`get_key` gives the keyring's chain key; it is asked at each use, off the event loop."""

    def find_cipher() -> AESGCM:
        return AESGCM(derive(get_key(), USE))

    def seal(plain: bytes, label: Label) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + find_cipher().encrypt(nonce, plain, _bind(label))

    def open_sealed(sealed: bytes, label: Label) -> bytes:
        try:
            nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
            return find_cipher().decrypt(nonce, body, _bind(label))
        except (InvalidTag, ValueError):
            raise Unreadable("it is not what was sealed here") from None

    return Seals(seal, open_sealed)


def _bind(label: Label) -> bytes:
    return "\0".join((label.table, label.row, label.column)).encode()
