"""A power cut: what a disk holds that lost its power after some operation of a tape.

It knows bytes and names and nothing of SQL. What was synced is there; of what was not, every
512-byte sector is kept or lost by a seeded chance. The rule that must not break: nothing that an
honest disk acknowledged is ever lost here; a lying one passes over half of all syncs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.tape import (
    Create,
    Delete,
    Mark,
    Operation,
    Rename,
    Sync,
    SyncFolder,
    Truncate,
    Write,
)

SECTOR_BYTES = 512
STYLES = ("drop", "keep", "each", "prefix", "some")


@dataclass
class File:
    """`pending` is what was done to `synced` since the last sync, oldest first."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            apply(self.synced, change)
        self.pending.clear()

    def draw(self, chance: Random) -> bytes:
        """Its content after a cut."""
        content = bytearray(self.synced)
        for change in choose([piece for one in self.pending for piece in split(one)], chance):
            apply(content, change)
        return bytes(content)


class Disk:
    """The folder of a tape; operations are fed to it one after another."""

    def __init__(self, chance: Random, *, is_lying: bool = False) -> None:
        self._chance = chance
        self._is_lying = is_lying
        self._names: dict[str, File] = {}
        self._synced_names: dict[str, File] = {}

    def adopt(self, name: str, content: bytes) -> None:
        """A file that stood there, whole and synced, before the tape began."""
        self._names[name] = self._synced_names[name] = File(bytearray(content))

    def feed(self, operation: Operation) -> None:
        match operation:
            case Create(file):
                self._names[file] = File()
            case Delete(file):
                self._names.pop(file, None)
            case Write(file) | Truncate(file):
                self._names[file].pending.append(operation)
            case Sync(file) if not self._lies():
                self._names[file].sync()
            case Rename(file, to):
                self._names[to] = self._names.pop(file)
            case SyncFolder(folder) if not self._lies():
                self._sync_names(folder)
            case _:
                pass

    def cut(self, folder: Path) -> None:
        """Write into `folder` what is left; the disk itself goes on."""
        for name in sorted(self._names.keys() | self._synced_names.keys()):
            left = [names.get(name) for names in (self._names, self._synced_names)]
            file = self._chance.choice(left)
            if file is not None:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(file.draw(self._chance))

    def _sync_names(self, folder: str) -> None:
        others = {n: file for n, file in self._synced_names.items() if _find_folder(n) != folder}
        here = {n: file for n, file in self._names.items() if _find_folder(n) == folder}
        self._synced_names = others | here

    def _lies(self) -> bool:
        return self._is_lying and self._chance.random() < 0.5


def _find_folder(name: str) -> str:
    return name.rpartition("/")[0]


def apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.content)] = change.content


def split(change: Write | Truncate) -> list[Write | Truncate]:
    """A write in pieces that never cross a sector's border."""
    if isinstance(change, Truncate):
        return [change]
    pieces: list[Write | Truncate] = []
    start, end = change.offset, change.offset + len(change.content)
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        content = change.content[start - change.offset : stop - change.offset]
        pieces.append(Write(change.file, start, content))
        start = stop
    return pieces


def choose(pieces: list[Write | Truncate], chance: Random) -> list[Write | Truncate]:
    """Those that reached the disk, in the order in which they were made: a page cache writes
    them back in any order, but never an older state of a sector over a newer one."""
    match chance.choice(STYLES):
        case "drop":
            return []
        case "keep":
            return pieces
        case "each":
            return [piece for piece in pieces if chance.random() < 0.5]
        case "prefix":
            return pieces[: chance.randint(0, len(pieces))]
        case _:
            kept = set(chance.sample(range(len(pieces)), chance.randint(0, len(pieces))))
            return [piece for at, piece in enumerate(pieces) if at in kept]


def read_marks(operations: list[Operation]) -> list[Mark]:
    return [operation for operation in operations if isinstance(operation, Mark)]
