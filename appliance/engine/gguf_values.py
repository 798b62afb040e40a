"""The values of a GGUF header, taken from a file by a cursor that trusts nothing it reads.

It knows no key's meaning (`gguf.py` does). A text that nobody asks for is skipped, an array is
kept only where it is short. The rule that must not break: no length or count is believed before
it was held against its cap and against the bytes that are there.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, TypeAlias

from appliance.errors import ModelFileError

MAX_SHORT_TEXT_BYTES = 1024
MAX_TEMPLATE_BYTES = 1 << 20
MAX_KEPT_NUMBERS = 1024
MAX_ARRAY_STRINGS = 2_000_000
WINDOW_BYTES = 1 << 17
UNSIGNED = struct.Struct("<Q")

STRING, ARRAY = 8, 9
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
TEXT_CAPS = {
    "general.architecture": MAX_SHORT_TEXT_BYTES,
    "general.name": MAX_SHORT_TEXT_BYTES,
    "tokenizer.chat_template": MAX_TEMPLATE_BYTES,
}


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """An array of the metadata: how many elements, and the numbers themselves where few."""

    count: int
    numbers: tuple[int | float | bool, ...] = ()


Value: TypeAlias = int | float | bool | str | ArrayShape


@dataclass(slots=True)
class Cursor:
    """The place in the file; nothing is taken that the file does not hold."""

    file: BinaryIO
    file_bytes: int
    path: Path
    remedy: str
    position: int = 0
    strings_left: int = MAX_ARRAY_STRINGS

    def refuse(self, reason: str) -> NoReturn:
        raise ModelFileError(f"{self.path} is no usable model file: {reason}.", self.remedy)

    def take(self, size: int) -> bytes:
        if size > self.file_bytes - self.position:
            self.refuse(f"it is cut short within its header ({self.file_bytes:,} bytes)")
        taken = self.file.read(size)
        if len(taken) != size:
            self.refuse("it became shorter while it was read")
        self.position += size
        return taken

    def skip(self, size: int) -> None:
        if size > self.file_bytes - self.position:
            self.refuse(f"it is cut short within its header ({self.file_bytes:,} bytes)")
        self.file.seek(size, os.SEEK_CUR)
        self.position += size

    def take_some(self, size: int) -> bytes:
        return self.take(min(size, self.file_bytes - self.position))

    def number(self, code: str) -> int:
        layout = struct.Struct(f"<{code}")
        return int(layout.unpack(self.take(layout.size))[0])

    def text(self, max_bytes: int, what: str) -> str:
        size = self.number("Q")
        if size > max_bytes:
            self.refuse(f"{what} is {size:,} bytes long, {max_bytes:,} are allowed")
        try:
            return self.take(size).decode()
        except UnicodeDecodeError:
            self.refuse(f"{what} is not UTF-8")

    def count(self, max_count: int, what: str) -> int:
        count = self.number("Q")
        if count > max_count:
            self.refuse(f"it claims {count:,} {what}, {max_count:,} are allowed")
        return count


def read_value(cursor: Cursor, key: str) -> Value:
    kind = cursor.number("I")
    if kind == STRING:
        if key in TEXT_CAPS:
            return cursor.text(TEXT_CAPS[key], key)
        cursor.skip(cursor.number("Q"))
        return ""
    if kind == ARRAY:
        return _read_array(cursor, key)
    return _read_scalars(cursor, key, kind, 1)[0]


def _read_scalars(
    cursor: Cursor, key: str, kind: int, count: int
) -> tuple[int | float | bool, ...]:
    if kind not in SCALARS:
        cursor.refuse(f"{key!r} has the unknown type {kind}")
    layout = struct.Struct(f"<{count}{SCALARS[kind]}")
    return layout.unpack(cursor.take(layout.size))


def _read_array(cursor: Cursor, key: str) -> ArrayShape:
    kind, count = cursor.number("I"), cursor.number("Q")
    if kind == STRING:
        _skip_strings(cursor, key, count)
        return ArrayShape(count)
    if kind == ARRAY:
        cursor.refuse(f"{key!r} is an array of arrays")
    if kind not in SCALARS:
        cursor.refuse(f"{key!r} has the unknown type {kind}")
    if count <= MAX_KEPT_NUMBERS:
        return ArrayShape(count, _read_scalars(cursor, key, kind, count))
    cursor.skip(count * struct.calcsize(f"<{SCALARS[kind]}"))
    return ArrayShape(count)


def _skip_strings(cursor: Cursor, key: str, count: int) -> None:
    """Walk past the strings of an array; the budget is one for the whole file."""
    if count > cursor.strings_left:
        cursor.refuse(f"{key!r} claims {count:,} strings, {MAX_ARRAY_STRINGS:,} are allowed")
    cursor.strings_left -= count
    if count * 8 > cursor.file_bytes - cursor.position:
        cursor.refuse(f"it is cut short within {key!r}")
    window, at = b"", 0
    for _ in range(count):
        if len(window) - at < 8:
            cursor.skip(at - len(window) if at > len(window) else 0)
            window, at = window[at:] + cursor.take_some(WINDOW_BYTES), 0
            if len(window) < 8:
                cursor.refuse(f"it is cut short within {key!r}")
        at += 8 + UNSIGNED.unpack_from(window, at)[0]
    cursor.skip(at - len(window))
