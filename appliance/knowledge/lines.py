"""The lines of a passage: sentences, items of a list, rows of a table, each to be read alone.

It ranks nothing. The rule that must not break: the owner's words and figures stay to the letter;
a row only gains the head of each column before its cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from appliance.knowledge.bigrams import IS_HAN

SENTENCE_END = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+(?=[A-Z0-9])")
BAR = " | "
ITEM = re.compile(r"^(?:[-*•·]|\d{1,2}[.)、])\s+")


def list_lines(text: str) -> Iterator[str]:
    """Blocks as `chunks.py` writes them: a table is a run of rows, its first row the head."""
    head: Sequence[str] = ()
    waiting = ""
    for block in map(str.strip, text.splitlines()):
        cells = [cell.strip() for cell in block.strip("| ").split(BAR.strip())]
        if len(cells) < 2:
            if waiting:
                yield waiting
            head, waiting = (), ""
            block = ITEM.sub("", block)
            yield from (part.strip() for part in SENTENCE_END.split(block) if part.strip())
        elif not head:
            # Said only where no row follows it.
            head, waiting = cells, block
        elif any(cell.strip("-: ") for cell in cells):
            yield join_row(head, cells)
            waiting = ""
    if waiting:
        yield waiting


def join_row(head: Sequence[str], cells: Sequence[str]) -> str:
    """ "Thermos | 1 year" under "Product | Warranty" is "Thermos – Warranty: 1 year"."""
    is_han = IS_HAN.search("".join((*head, *cells))) is not None
    colon, comma, dash = ("：", "；", "：") if is_han else (": ", "; ", " – ")
    first, *others = cells
    named = [
        f"{name}{colon}{cell}" if name else cell
        for name, cell in zip([*head[1:], *[""] * len(others)], others, strict=False)
        if cell
    ]
    if is_han and len(named) == 1:
        dash = "，"
    return first + dash + comma.join(named) if named else first
