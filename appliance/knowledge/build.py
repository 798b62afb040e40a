"""One building of the index: the folder read, the file written beside and renamed.

`python -m` this module does it in a process of its own, so that the chats keep the interpreter to
themselves and the memory it takes goes with it. The rule that must not break: a file gets the
name knowledge-<hash>.db only when it is whole and synced.
"""

from __future__ import annotations

import gc
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from appliance.knowledge.importer import read_folder
from appliance.knowledge.kept import REPORT, Report, make_report, read_kept, read_report, write_kept
from appliance.knowledge.readings import Progress

COMMAND = (sys.executable, "-m", "appliance.knowledge.build")
PATTERN = "knowledge-*.db"
UNFINISHED_PATTERN = "knowledge-*.new*"
# What is built only to be tried.
TRIED = "preview"


class BuildFailed(Exception):
    """Why there is no new index, in one sentence for the owner."""


@dataclass(frozen=True, slots=True)
class Built:
    """`path` is None where there is nothing to look up, or not yet: a file is being written."""

    report: Report
    path: Path | None
    is_settled: bool = True


class Build(Protocol):
    """Builds; what it hands to `begun` ends it early when called. Raises BuildFailed."""

    def __call__(
        self,
        folder: Path,
        data: Path,
        old: Path | None,
        begun: Callable[[Callable[[], None]], None],
    ) -> Built: ...


def name_index(data: Path, hash: str) -> Path:
    return data / f"knowledge-{hash}.db"


def build_here(
    folder: Path,
    data: Path,
    old: Path | None = None,
    begun: Callable[[Callable[[], None]], None] | None = None,
    progress: Progress | None = None,
    instead: Path | None = None,
) -> Built:
    """In this thread; `instead` stands for the folder's file of its name. Raises BuildFailed."""
    # Imported here: it brings numpy, which only the process that builds needs.
    from appliance.knowledge.index import write_index

    try:
        reading = read_folder(folder, progress, read_kept(old), instead)
    except OSError as error:
        raise BuildFailed(f"The folder {folder} cannot be read ({error.strerror}).") from None
    report = make_report(folder, reading)
    if not reading.is_settled or not (reading.entries or reading.passages):
        return Built(report, None, reading.is_settled)
    target = name_index(data, reading.hash)
    if read_report(target) == report:
        return Built(report, target)
    new = target.with_suffix(f".new{os.getpid()}")
    try:
        data.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        write_index(new, reading.entries, reading.passages)
        write_kept(new, report, reading)
        _sync(new)
        new.replace(target)
        _sync(data)
    except (OSError, sqlite3.Error) as error:
        new.unlink(missing_ok=True)
        raise BuildFailed(f"The index cannot be written to {data} ({error}).") from None
    return Built(report, target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_unfinished(data: Path, pid: int) -> None:
    """What a process that was killed could not take away: a disk is filled by one a minute."""
    for left in data.glob(f"knowledge-*.new{pid}*"):
        with suppress(OSError):
            left.unlink()


def build_apart(
    folder: Path,
    data: Path,
    old: Path | None,
    begun: Callable[[Callable[[], None]], None],
    instead: Path | None = None,
) -> Built:
    """The same in a process of its own, waited for in this thread. Raises BuildFailed."""
    arguments = [str(path.absolute()) if path else "" for path in (folder, data, old, instead)]
    try:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise BuildFailed(f"The process that reads it cannot be started ({error}).") from None
    begun(process.kill)
    said, _ = process.communicate()
    if process.returncode:
        _remove_unfinished(data, process.pid)
    try:
        answer = json.loads(said)
    except ValueError:
        answer = {}
    match answer:
        case {"failed": str(sentence)}:
            raise BuildFailed(sentence)
        case {"report": str(body), "path": str(path), "is_settled": bool(is_settled)}:
            return Built(REPORT.validate_json(body), Path(path) if path else None, is_settled)
    raise BuildFailed(f"The process that reads it ended early (code {process.returncode}).")


def main() -> None:
    os.nice(10)
    # Hundreds of thousands of values that all stay until the end, and no cycles among them.
    gc.disable()
    folder, data, old, instead = (Path(path) if path else None for path in sys.argv[1:])
    assert folder is not None and data is not None
    answer: dict[str, object]
    try:
        built = build_here(folder, data, old, instead=instead)
    except BuildFailed as failed:
        answer = {"failed": str(failed)}
    else:
        report = REPORT.dump_json(built.report).decode()
        path = str(built.path) if built.path else ""
        answer = {"report": report, "path": path, "is_settled": built.is_settled}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
