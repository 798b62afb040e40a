"""The seam through which every customer's word or id passes on its way to disk and back.

Here it only names the two functions and what a sealed value is bound to; `PLAIN` leaves values
as they are, `keyring.py` encrypts them. The rule that must not break: no column with customers'
words is written or read without it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


class Unreadable(ValueError):
    """A sealed value whose key was destroyed, or which is not what was sealed under its label."""


@dataclass(frozen=True, slots=True)
class Label:
    """Where a value stands. A value opened under another label must be refused."""

    table: str
    row: str
    column: str
    session_key: str


Transform: TypeAlias = Callable[[bytes, Label], bytes]


@dataclass(frozen=True, slots=True)
class Seals:
    """`open(seal(plain, label), label) == plain`; `open` raises Unreadable."""

    seal: Transform
    open: Transform

    def read(self, sealed: bytes, label: Label) -> str:
        """Empty where it can no longer be read: its day is over, or a card flipped a bit of it.
        What is not sealed has no such check; there a flipped bit costs one sign."""
        try:
            return self.open(sealed, label).decode(errors="replace") if sealed else ""
        except Unreadable:
            return ""


def leave_plain(value: bytes, _: Label) -> bytes:
    return value


PLAIN = Seals(leave_plain, leave_plain)
