"""What a document is made of once its format is gone: a title and blocks of text in order.

Markdown and plain text are read here; `pages.py` reads HTML, `foreign.py` the formats that need a
process of their own. The rule that must not break: no text is invented and none reordered, so
that a quote can be found in the owner's file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypeAlias

from appliance.knowledge.heads import Row, write_table
from appliance.knowledge.lines import BAR, cut_row
from appliance.knowledge.marks import bare, cut_break, drop_remarks

Kind: TypeAlias = Literal["heading", "paragraph", "list", "table", "code"]
MAX_TEXT_CHARS = 2_000_000
MAX_HEADING_CHARS = 200
# Of a line that may be a heading or part a table's head from its body.
MAX_LINE_CHARS = 500

HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
ITEM = re.compile(
    r"[ \t]*(?:[-*+•·]|\d{1,3}[.)、．]|[（(][\d一二三四五六七八九十]{1,3}[)）])[ \t]*\S.*"
)
TABLE_RULE = re.compile(r"[ \t]*\|?[ \t:|-]*-[ \t:|-]*\|?[ \t]*")
PLAIN_HEADING = re.compile(
    r"(第[一二三四五六七八九十百\d]{1,4}[章节条部]|[一二三四五六七八九十]{1,3}、|\d{1,2}(\.\d{1,2}){0,2}[.、]?\s)\s*\S.{0,38}"
)
PLAIN_NUMBER = re.compile(
    r"第[一二三四五六七八九十百\d]{1,4}[章节条部]|[一二三四五六七八九十]{1,3}、"
    r"|\d{1,2}(?:\.\d{1,2}){0,2}(?:[.、](?!\d)|(?=\s))"
)
# What the numbers of plain headings end with, the outermost first; figures stand below them all.
PLAIN_LEVELS = "部章节条、"
SENTENCE_END = "。！？!?.；;…：:，,、"
NO_NUMBER = (0, 0)

# Keys and what stands below them, between two rules; with any other line it is text.
KEY_LINE = r"[A-Za-z_][\w-]*:(?:[ \t].*)?\n"
BELOW_KEY = r"(?:[ \t#].*|- .*)?\n"
FRONT_MATTER = re.compile(rf"\A---\n(?:{BELOW_KEY})*{KEY_LINE}(?:{BELOW_KEY}|{KEY_LINE})*---\n")
RULE = re.compile(r" {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})")


@dataclass(frozen=True, slots=True)
class Block:
    """`level` is that of a heading, 1 the outermost; `row` is a line, or a page, or 0. Items of a
    list and rows of a table are lines of `text`."""

    kind: Kind
    text: str
    row: int = 0
    level: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """`warnings` are what the owner should know of the reading."""

    title: str
    blocks: tuple[Block, ...]
    warnings: tuple[str, ...] = ()


def make_document(
    blocks: Iterable[Block], name: str, title: str = "", warnings: tuple[str, ...] = ()
) -> Document:
    """Its title is its own, else its first heading, else its file's name; text that is too long
    is cut at a block."""
    kept: list[Block] = []
    chars = 0
    for block in blocks:
        chars += len(block.text)
        if chars > MAX_TEXT_CHARS:
            warnings += (f"Only the first {MAX_TEXT_CHARS:,} characters were taken.",)
            break
        kept.append(block)
    heading = next((block.text for block in kept if block.kind == "heading"), "")
    return Document((title or heading or name)[:MAX_HEADING_CHARS], tuple(kept), warnings)


def make_heading(text: str, row: int, level: int) -> Block:
    """What is too long for a heading is a paragraph."""
    if len(text) > MAX_HEADING_CHARS:
        return Block("paragraph", text, row)
    return Block("heading", text, row, level)


def read_markdown(text: str) -> list[Block]:
    text = FRONT_MATTER.sub(lambda found: "\n" * found[0].count("\n"), text)
    text = drop_remarks(text)
    return _Lines(is_markdown=True).read(text)


def read_plain(text: str) -> list[Block]:
    """Numbered lines like 第三条 or 2.1 that stand alone are headings, but for those that follow
    one on the other with nothing between them: these are a list."""
    blocks: list[Block] = []
    for level, found in groupby(_Lines(is_markdown=False).read(text), lambda block: block.level):
        run = list(found)
        if level and len(run) > 1:
            run = [Block("list", "\n".join(block.text for block in run), run[0].row)]
        blocks += run
    return blocks


class _Lines:
    """Gathers lines into blocks; one object a text."""

    def __init__(self, is_markdown: bool) -> None:
        self._is_markdown = is_markdown
        self._blocks: list[Block] = []
        self._lines: list[str] = []
        self._kind: Kind = "paragraph"
        self._row = 0
        self._fence = ""
        self._table_rows: set[int] = set()

    def read(self, text: str) -> list[Block]:
        lines = text.split("\n")
        headings = frozenset() if self._is_markdown else _find_plain_headings(lines)
        self._table_rows = set(_find_rows(lines))
        for place, line in enumerate(lines):
            self._take(line, place + 1, place in headings)
        self._end()
        return self._blocks

    def _take(self, line: str, row: int, is_heading: bool) -> None:
        if self._is_markdown and self._take_fenced(line, row):
            return
        if not line.strip():
            # A blank line inside a list does not part it; what follows decides.
            if self._kind != "list":
                self._end()
            elif self._lines and self._lines[-1]:
                self._lines.append("")
            return
        if self._is_markdown:
            heading = HEADING.fullmatch(line[:MAX_LINE_CHARS])
            if heading:
                self._add_heading(heading[2] or "", row, len(heading[1]))
                return
            if self._kind == "paragraph" and len(self._lines) == 1 and UNDERLINE.fullmatch(line):
                level = 1 if "=" in line else 2
                title, self._lines = self._lines[0], []
                self._add_heading(title, self._row, level)
                return
            if RULE.fullmatch(line[:MAX_LINE_CHARS]):
                self._end()
                return
        elif is_heading:
            self._add_heading(line, row, _read_number(line.strip())[0])
            return
        self._add(line, row)

    def _take_fenced(self, line: str, row: int) -> bool:
        mark = FENCE.match(line)
        if not self._fence and mark:
            self._end()
            self._fence, self._kind, self._row = mark[1], "code", row
            return True
        if not self._fence:
            return False
        if mark and mark[1].startswith(self._fence) and not line.strip(" `~"):
            self._fence = ""
            self._end()
        else:
            self._lines.append(line)
        return True

    def _add(self, line: str, row: int) -> None:
        kind: Kind = "paragraph"
        if ITEM.fullmatch(line) and len(line.strip()) > 1:
            kind = "list"
        elif row in self._table_rows:
            kind = "table"
        elif self._kind == "list" and self._lines and (self._lines[-1] or line[0] in " \t"):
            # The rest of an item, or its indented second paragraph.
            kind = "list"
        if kind != self._kind or not self._lines:
            self._end()
            self._kind, self._row = kind, row
        self._lines.append(line)

    def _add_heading(self, text: str, row: int, level: int) -> None:
        self._end()
        text = self._bare(text.strip())
        if text:
            self._blocks.append(make_heading(text, row, level))

    def _end(self) -> None:
        lines, kind = self._lines, self._kind
        self._lines, self._kind = [], "paragraph"
        if kind == "table":
            lines = _write_rows(lines).split("\n")
        elif kind == "list":
            lines = [line for line in lines if line]
        if kind == "paragraph":
            text = _join_broken(lines) if self._is_markdown else "\n".join(lines).strip()
        else:
            text = "\n".join(lines).strip("\n")
            text = text if kind == "code" else self._bare(text, "\n" if kind == "list" else " ")
        if text.strip():
            self._blocks.append(Block(kind, text, self._row))

    def _bare(self, text: str, line_break: str = " ") -> str:
        return bare(text, line_break) if self._is_markdown else text


def _find_plain_headings(lines: Sequence[str]) -> frozenset[int]:
    """The places of numbered lines that stand alone. Of a list that runs on all are headings or
    none, for one of its lines may be a sentence and the next a few words."""
    runs: list[list[int]] = []
    before = NO_NUMBER
    for place, line in enumerate(lines):
        level, ordinal = number = _read_number(line.strip())
        if level:
            is_next = level == before[0] and ordinal in (0, before[1] + 1)
            if not is_next:
                runs.append([])
            runs[-1].append(place)
            before = number
        elif line.strip() and not (place and lines[place - 1].strip()):
            before = NO_NUMBER
    whole = (run for run in runs if all(_is_plain_heading(lines, place) for place in run))
    return frozenset(place for run in whole for place in run)


def _is_plain_heading(lines: Sequence[str], place: int) -> bool:
    line = lines[place].strip()
    beside = (*lines[max(0, place - 1) : place], *lines[place + 1 : place + 2])
    is_alone = not any(other.strip() for other in beside)
    return is_alone and PLAIN_HEADING.fullmatch(line) is not None and line[-1] not in SENTENCE_END


def _read_number(line: str) -> tuple[int, int]:
    """The level by the kind of the number, 0 where there is none; and which it is of its kind,
    0 where that is told in Chinese."""
    found = PLAIN_NUMBER.match(line)
    if found is None:
        return NO_NUMBER
    number = found[0].rstrip(".、") if found[0][0].isdecimal() else found[0]
    if number[0].isdecimal():
        return 2 + len(PLAIN_LEVELS) + number.count("."), int(number.rpartition(".")[2])
    return 2 + PLAIN_LEVELS.index(number[-1]), 0


def _find_rows(lines: Sequence[str]) -> Iterator[int]:
    """The numbers of those that are rows of a table: by a bar in front, or by bars inside in two
    lines or more, one behind the other."""
    ends = [*lines[1:], ""]
    is_inside = False
    for row, (line, behind) in enumerate(zip(lines, ends, strict=True), start=1):
        if line.lstrip().startswith("|"):
            is_inside = True
        elif not is_inside:
            is_inside = (BAR in line and BAR in behind) or ("|" in line and _is_rule(behind))
        else:
            is_inside = "|" in line
        if is_inside:
            yield row


def _is_rule(line: str) -> bool:
    return "|" in line and TABLE_RULE.fullmatch(line[:MAX_LINE_CHARS]) is not None


def _write_rows(lines: Sequence[str]) -> str:
    """The line above the first rule is the head, if it is the first."""
    is_headed = len(lines) > 1 and _is_rule(lines[1])
    cells = [cut_row(line.strip()) for line in lines if not _is_rule(line)]
    return write_table(
        Row(row, True if is_headed and place == 0 else None) for place, row in enumerate(cells)
    )


def _join_broken(lines: Iterable[str]) -> str:
    """A paragraph of Markdown, with the line breaks that its author set."""
    runs: list[list[str]] = [[]]
    for line in lines:
        kept, is_broken = cut_break(line)
        runs[-1].append(bare(kept, "\n"))
        if is_broken:
            runs.append([])
    return "\n".join(text for run in runs if (text := join_lines(run)))


def join_lines(lines: Iterable[str]) -> str:
    """One paragraph: a blank between Latin words, nothing between Chinese characters."""
    text = ""
    for line in map(str.strip, lines):
        is_tight = not text or not line or (ord(text[-1]) > 0x2E7F and ord(line[0]) > 0x2E7F)
        text += line if is_tight else f" {line}"
    return text
