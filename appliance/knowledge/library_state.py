"""What can be told of the living knowledge at any moment, as one plain value.

It is made by `library.py` and holds no behaviour. The rule that must not break: it is exchanged
whole, so that what is told fits together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from appliance.knowledge.entries import Entry, Fault

Phase: TypeAlias = Literal["loading", "ready", "empty", "failed"]


@dataclass(frozen=True, slots=True)
class LibraryState:
    """`version` is the hash of what answers now; `faults` are those of the last reading."""

    phase: Phase = "loading"
    version: str = ""
    entries: int = 0
    passages: int = 0
    faults: tuple[Fault, ...] = ()
    first_entries: tuple[Entry, ...] = ()
    vectors_done: int = 0
    vectors_total: int = 0
