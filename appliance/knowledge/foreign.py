"""Formats that others' libraries read, each file in a process of its own with limits on its time.

It trusts nothing that comes back but its shape. The rule that must not break: a file that was
made to hang, to crash or to fill the memory costs one message, never the appliance.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import IO

from appliance.knowledge.archives import DAMAGED
from appliance.knowledge.documents import Block
from appliance.knowledge.faq_tables import Sheet
from appliance.knowledge.readings import FileRefused

# Between two lines of the process, and in all; a slow card computer reads 500 pages in this time.
MAX_QUIET_S = 60.0
MAX_S = 600.0
MAX_LINE_BYTES = 64 << 20
TOO_SLOW = "The file takes too long to read{where}. Save it again in its program, or split it."
COMMAND = (sys.executable, "-m", "appliance.knowledge.foreign_reader")


@dataclass(slots=True)
class ForeignText:
    """What the process found; sheets for a workbook, blocks for a document."""

    title: str = ""
    blocks: list[Block] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_foreign(
    data: bytes,
    suffix: str,
    watch: Callable[[int, int], None] | None = None,
    quiet_s: float = MAX_QUIET_S,
    command: tuple[str, ...] = COMMAND,
) -> ForeignText:
    """`watch` is told the pages read and their number. Raises FileRefused."""
    found = ForeignText()
    done = 0
    is_whole = False
    for line in _run(
        data, (*command, suffix), quiet_s, lambda: f" at page {done + 1}" * bool(done)
    ):
        match line:
            case {"refused": str(sentence)}:
                raise FileRefused(sentence)
            case {"progress": [int(done), int(total)]}:
                if watch is not None:
                    watch(done, total)
            case {"title": str(title)}:
                found.title = title
            case {"blocks": list(blocks)}:
                found.blocks += [Block(**block) for block in blocks]
            case {"sheet": str(title), "rows": list(rows), "flaws": list(flaws)}:
                placed = {(row, place): flaw for row, place, flaw in flaws}
                found.sheets.append(Sheet(title, [(row, cells) for row, cells in rows], placed))
            case {"warning": str(sentence)}:
                found.warnings.append(sentence)
            case {"end": True}:
                is_whole = True
    if not is_whole:
        raise FileRefused(DAMAGED)
    return found


def _run(
    data: bytes, command: tuple[str, ...], quiet_s: float, tell_where: Callable[[], str]
) -> Iterator[dict[str, object]]:
    """The lines of the process as they come; it is dead when this ends, however it ends."""
    with tempfile.TemporaryFile() as source:
        source.write(data)
        source.seek(0)
        process = subprocess.Popen(
            command, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    stdout = process.stdout
    assert stdout is not None
    try:
        for line in _read_lines(stdout, quiet_s, tell_where):
            yield json.loads(line)
    except ValueError:
        raise FileRefused(DAMAGED) from None
    finally:
        process.kill()
        process.wait()
        stdout.close()


def _read_lines(
    stdout: IO[bytes], quiet_s: float, tell_where: Callable[[], str]
) -> Iterator[bytes]:
    end_s = monotonic() + MAX_S
    pieces: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        until_s = monotonic() + quiet_s
        while True:
            left_s = min(until_s, end_s) - monotonic()
            if left_s <= 0 or not selector.select(left_s):
                raise FileRefused(TOO_SLOW.format(where=tell_where()))
            piece = os.read(stdout.fileno(), 1 << 16)
            if not piece:
                return
            size += len(piece)
            if size > MAX_LINE_BYTES:
                raise FileRefused(DAMAGED)
            first, *others = piece.split(b"\n")
            pieces.append(first)
            for other in others:
                yield b"".join(pieces)
                pieces, size = [other], len(other)
                until_s = monotonic() + quiet_s
