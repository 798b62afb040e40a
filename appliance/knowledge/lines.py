"""The lines of a passage: sentences, items of a list, rows of a table, each to be read alone.

It ranks nothing. The rule that must not break: the owner's words and figures stay to the letter;
a row only gains the head of each column before its cell, where it is sure which that is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from appliance.knowledge.bigrams import IS_HAN

# Behind these a full stop ends no sentence. `clauses.py` knows more of them: what it holds back is
# let go of later, while here two sentences would become one line.
ABBREVIATED = r"[ap]\.m|e\.g|i\.e|no|tel|ext|approx|vs|incl|excl|min|max|mr|mrs|ms|dr|st|fig"
ABBREVIATION = re.compile(rf"(?:^|[^A-Za-z])(?:{ABBREVIATED})\.$", re.IGNORECASE)
LONGEST_WORD = 12
SENTENCE_END = re.compile(r"(?<=[。！？])|(?<=[.!?])\s+(?=[A-Z0-9])")
BAR = " | "
# Stands for the head of a table that has none.
NO_HEAD = BAR
ITEM = re.compile(r"^(?:[-*•·]|\d{1,2}[.)、])\s+")


def list_lines(text: str) -> Iterator[str]:
    """Blocks as `chunks.py` writes them: a table is a run of rows, its first row the head, whose
    cells are empty where there is none."""
    head: Sequence[str] = ()
    first, waiting = "", ""
    for line in text.splitlines():
        block, cells = line.strip(), cut_row(line)
        if len(cells) < 2:
            if waiting:
                yield waiting
            head, waiting = (), ""
            block = ITEM.sub("", block)
            yield from cut_sentences(block)
        elif not head:
            # Said only where no row follows it.
            head, first, waiting = cells, "", block.strip("| ")
        elif any(cell.strip("-: ") for cell in cells):
            # What stands for several rows is written beside the first of them.
            first = cells[0] or first
            yield join_row(head, [first, *cells[1:]])
            waiting = ""
    if waiting:
        yield waiting


def is_row(line: str) -> bool:
    return len(cut_row(line)) > 1


def cut_row(line: str) -> list[str]:
    """The cells of a row; a line without bars is one. A blank corner is a blank before a bar."""
    drawn = line.strip()
    is_closed = drawn.startswith("|") and line.endswith("|")
    bare = drawn[1:-1] if is_closed else line.removeprefix("|")
    return [cell.strip() for cell in bare.split("|")]


def cut_sentences(block: str) -> Iterator[str]:
    begin = 0
    for found in SENTENCE_END.finditer(block):
        if not ABBREVIATION.search(block[max(begin, found.start() - LONGEST_WORD) : found.start()]):
            if part := block[begin : found.start()].strip():
                yield part
            begin = found.end()
    if part := block[begin:].strip():
        yield part


def join_row(head: Sequence[str], cells: Sequence[str]) -> str:
    """ "Thermos | 1 year" under "Product | Warranty" is "Thermos – Warranty: 1 year"."""
    is_han = IS_HAN.search("".join((*head, *cells))) is not None
    colon, comma, dash = ("：", "；", "：") if is_han else (": ", "; ", " – ")
    first, *others = cells
    if not any(head):
        first, dash = ITEM.sub("", first), colon
    # Cells that were merged or left out shift the others below another's head.
    names = head[1:] if len(head) == len(cells) else [""] * len(others)
    named = [
        f"{name}{colon}{cell}" if name else cell
        for name, cell in zip(names, others, strict=True)
        if cell
    ]
    if is_han and len(named) == 1 and any(head):
        dash = "，"
    if not first:
        return comma.join(named)
    return first + dash + comma.join(named) if named else first
