"""What stands in the owner's folder and what was built of it before, told from names and times.

It opens no index for questions and builds none. The rule that must not break: an index counts as
the folder's own only if it was made of every byte that stands there now.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from appliance.knowledge.build import PATTERN, TRIED, UNFINISHED_PATTERN, name_index
from appliance.knowledge.folder_files import list_files
from appliance.knowledge.importer import hash_folder
from appliance.knowledge.kept import read_report

Stock: TypeAlias = tuple[tuple[str, int, int, int, int], ...] | str
# Looks after which a folder in which somebody writes all the time is read all the same.
MOST_MOVES = 5


class Stillness:
    """Whether a folder rests between two looks; one that never does is taken as it is."""

    def __init__(self) -> None:
        self._seen: Stock | None = None
        self._moves = 0

    def rests(self, stock: Stock) -> bool:
        """Told at each look that finds another folder than the one that was taken."""
        self._moves = 0 if stock == self._seen else self._moves + 1
        self._seen = stock
        return self._moves % MOST_MOVES == 0


def take_stock(folder: Path) -> Stock:
    """Names, sizes and times of all files; or why they cannot be had."""
    try:
        listing = list_files(folder)
    except OSError as error:
        return str(error)
    return tuple((f.name, f.size_bytes, f.mtime_ns, f.inode, f.ctime_ns) for f in listing.files)


def find_built(folder: Path, data: Path) -> tuple[Stock, Path | None, bool]:
    """What stands there, the index of the folder as it is, else the newest one of the same folder,
    and whether it is the first. What a building or a trial left is removed."""
    for unfinished in data.glob(UNFINISHED_PATTERN):
        with suppress(OSError):
            unfinished.unlink()
    shutil.rmtree(data / TRIED, ignore_errors=True)
    stock = take_stock(folder)
    try:
        hash = hash_folder(folder)
    except OSError:
        hash = None
    exact = name_index(data, hash or "")
    if hash and read_report(exact) is not None:
        return stock, exact, True
    place = str(folder.resolve())
    built = sorted(data.glob(PATTERN), key=_get_mtime_ns, reverse=True)
    of_folder = ((path, read_report(path)) for path in built)
    found = next((path for path, report in of_folder if report and report.folder == place), None)
    return stock, found, False


def _get_mtime_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
