"""Lines that fit a terminal, of sentences in English and Chinese.

It knows nothing of what is said. A Chinese character takes two columns and may end a line, an
English word may not be cut, and whoever reads one language finds it in lines of its own. The rule
that must not break: no character but blanks is lost, and none is added.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

COLUMNS = 76
WIDE = "⺀-鿿＀-￯"
# The second language of one sentence begins on a line of its own.
OTHER_LANGUAGE = re.compile(rf"(?<=[.!?:]) +(?=[{WIDE}])")
# A word with its stops, or one wide character with the stops that may not begin a line.
PIECES = re.compile(rf"[{WIDE}][，。、；：？！）》」』”]*|[^\s{WIDE}]+|\s+")


def wrap(text: str, columns: int = COLUMNS) -> list[str]:
    """The lines of `text`; a word that is longer than a line has one to itself."""
    return [line for part in OTHER_LANGUAGE.split(text) for line in _fill(part, columns)]


def indent(text: str, first: str, rest: str, columns: int = COLUMNS) -> str:
    """Behind `first`, further lines behind `rest`, which is as wide."""
    head, *others = wrap(text, columns - measure(first)) or [""]
    return "\n".join((first + head, *(rest + line for line in others)))


def measure(text: str) -> int:
    """The columns that a terminal gives it."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _fill(text: str, columns: int) -> Iterator[str]:
    line = ""
    for piece in PIECES.findall(text):
        if line and measure(line + piece.rstrip()) > columns:
            yield line.rstrip()
            line = ""
        if line or not piece.isspace():
            line += " " if piece.isspace() else piece
    if line.strip():
        yield line.rstrip()
