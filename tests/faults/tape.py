"""What happened to the files of one data folder, in order, with the workload's marks in between.

It writes no file and simulates nothing. The rule that must not break: an operation stands on the
tape before a mark that its caller set afterwards, so a cut between the two is told apart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import apsw

from tests.faults.client import Frame

Kind: TypeAlias = Literal["open", "read", "write", "sync"]
CODES: dict[Kind, int] = {
    "open": apsw.SQLITE_CANTOPEN,
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
}


@dataclass(frozen=True, slots=True)
class Create:
    file: str


@dataclass(frozen=True, slots=True)
class Write:
    file: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    file: str


@dataclass(frozen=True, slots=True)
class Delete:
    file: str


@dataclass(frozen=True, slots=True)
class Rename:
    file: str
    to: str


@dataclass(frozen=True, slots=True)
class SyncFolder:
    """From here on the folder's names survive a power cut: those of the data folder itself, or of
    the one in it that is named."""

    folder: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a client of the appliance knows from here on."""

    kind: Literal["opened", "acknowledged", "published", "stopping", "forgetting", "forgotten"]
    session_id: str
    run_id: str = ""
    question: str = ""
    frame: Frame | None = None


Operation: TypeAlias = Create | Write | Truncate | Sync | Delete | Rename | SyncFolder | Mark


@dataclass
class Fault:
    """Operations of one kind fail: the `at`-th from now, and with `lasts` all behind it."""

    kind: Kind
    at: int
    lasts: bool = False
    seen: int = 0

    def strikes(self, kind: Kind) -> bool:
        if kind != self.kind:
            return False
        self.seen += 1
        return self.seen == self.at or (self.lasts and self.seen > self.at)


@dataclass
class Tape:
    """The log of one run, and the fault that it is to suffer, if any."""

    operations: list[Operation] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)
    fault: Fault | None = None
    # Set once `fault` has struck; it stays after the fault is taken away.
    has_struck: bool = False

    def note(self, operation: Operation) -> None:
        self.operations.append(operation)

    def pass_through(self, kind: Kind) -> None:
        """Count an operation; raises what SQLite takes for a failing disk where it shall."""
        self.counts[kind] += 1
        if self.fault is not None and self.fault.strikes(kind):
            self.has_struck = True
            raise apsw.exception_for(CODES[kind])
