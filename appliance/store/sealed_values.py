"""How a sealed value looks, and what it is bound to.

    magic | day | slot | nonce | AES-256-GCM

It holds no key and opens nothing. The rule that must not break: what is in clear is never taken
for sealed, and two places where values stand are never bound alike.
"""

from __future__ import annotations

from typing import TypeAlias

from appliance.store.key_files import NONCE_BYTES, TAG_BYTES
from appliance.store.sealing import Label

# No text begins so, and as the first of a list of token ids it would be beyond every vocabulary.
MAGIC = b"\x00sl1"
DAY_AT = len(MAGIC)
SLOT_AT = DAY_AT + 4
NONCE_AT = SLOT_AT + 4
BODY_AT = NONCE_AT + NONCE_BYTES
LEAST_BYTES = BODY_AT + TAG_BYTES
Place: TypeAlias = tuple[int, int]
"""A key's day and its slot there."""


def make_head(day: int, slot: int) -> bytes:
    return MAGIC + day.to_bytes(4, "big") + slot.to_bytes(4, "big")


def is_sealed(value: bytes) -> bool:
    return value.startswith(MAGIC) and len(value) >= LEAST_BYTES


def read_place(sealed: bytes) -> Place:
    """Of the key of a sealed value."""
    day, slot = sealed[DAY_AT:SLOT_AT], sealed[SLOT_AT:NONCE_AT]
    return int.from_bytes(day, "big"), int.from_bytes(slot, "big")


def bind(label: Label, day: int) -> bytes:
    """Each part with its length, so that no two labels read the same."""
    table, row, column, session = label.table, label.row, label.column, label.session_key
    return (
        f"{len(table)}:{table}{len(row)}:{row}{len(column)}:{column}{len(session)}:{session}{day}"
    ).encode()
