"""What reading the owner's files gave, as plain values: of one file, and of the whole folder.

It reads nothing itself. The rule that must not break: whatever was left out of a file is told by
a fault that names file, row and column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from appliance.knowledge.entries import Entry, Fault, Origin, Passage

# Told while it reads: the file's name, what is done of it and how much there is.
Progress: TypeAlias = Callable[[str, int, int], None]


class FileRefused(Exception):
    """Why a whole file is not taken, and the way out, in one sentence for the owner."""

    def __init__(self, sentence: str, row: int = 0, column: str = "") -> None:
        super().__init__(sentence)
        self.row = row
        self.column = column


class Unsettled(Exception):
    """The file changed or went away while it was read; it is read again at the next look."""


@dataclass(frozen=True, slots=True)
class FileRead:
    """All that one file gave, and to which `FORMAT_VERSION`; `is_refused`: nothing of it could be
    taken."""

    name: str
    sha256: str = ""
    entries: tuple[Entry, ...] = ()
    passages: tuple[Passage, ...] = ()
    faults: tuple[Fault, ...] = ()
    is_refused: bool = False
    is_document: bool = False
    format: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """The whole folder. Where not `is_settled`, a file was being written: read it again."""

    entries: tuple[Entry, ...]
    passages: tuple[Passage, ...]
    faults: tuple[Fault, ...]
    hash: str
    files: tuple[FileRead, ...] = ()
    is_settled: bool = True

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.level == "error")


def make_error(sentence: str, file: str, row: int = 0, column: str = "", sheet: str = "") -> Fault:
    return Fault("error", sentence, Origin(file, row, column, sheet))


def make_warning(
    sentence: str, file: str, row: int = 0, column: str = "", sheet: str = ""
) -> Fault:
    return Fault("warning", sentence, Origin(file, row, column, sheet))


def describe(fault: Fault) -> str:
    """The fault in one line, as an owner reads it: where, then what."""
    place = fault.origin.file
    if fault.origin.sheet:
        place += f', sheet "{fault.origin.sheet}"'
    if fault.origin.row:
        place += f", row {fault.origin.row:,}"
    if fault.origin.column:
        place += f", column {fault.origin.column}"
    return f"{place}: {fault.message}" if place else fault.message
