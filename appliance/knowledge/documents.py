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
from appliance.knowledge.plain_headings import find_headings

Kind: TypeAlias = Literal["heading", "paragraph", "list", "table", "code"]
MAX_TEXT_CHARS = 2_000_000
MAX_HEADING_CHARS = 200
# Of a line that may be a heading or part a table's head from its body.
MAX_LINE_CHARS = 500

HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*")
UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
# With a blank behind it: ">5 kg" is text.
QUOTE = re.compile(r"(?: {0,3}>){1,9}(?:[ \t]|$)")
# Two stars that are not met in their line begin what is strong, and goes on in the next.
ITEM = re.compile(
    r"[ \t]*(?:[-+•·]|\*(?!\*\S(?!.*\*\*))|\d{1,3}[.)、．]|[（(][\d一二三四五六七八九十]{1,3}[)）])"
    r"[ \t]*\S.*"
)
TABLE_RULE = re.compile(r"[ \t]*\|?[ \t:|-]*-[ \t:|-]*\|?[ \t]*")
# Where a paragraph's line ends while its marks are looked for, which may go on in the next one: a
# blank to them, and a sign that no text has (texts.py).
SOFT_END = "\x1f"
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
    """Headings of one level that follow one on the other with nothing between them are a list."""
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
        levels = {} if self._is_markdown else find_headings(lines)
        unquoted = list(map(_unquote, lines)) if self._is_markdown else lines
        self._table_rows = set(_find_rows(unquoted))
        for place, line in enumerate(lines):
            self._take(line, place + 1, levels.get(place, 0))
        self._end()
        return self._blocks

    def _take(self, line: str, row: int, level: int) -> None:
        if self._is_markdown:
            if self._take_fenced(line, row):
                return
            line = _unquote(line)
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
        elif level:
            self._add_heading(line, row, level)
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


def _unquote(line: str) -> str:
    found = QUOTE.match(line)
    return line[found.end() :] if found else line


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
        runs[-1].append(kept)
        if is_broken:
            runs.append([])
    texts = "\n".join(bare(SOFT_END.join(run), "\n") for run in runs).split("\n")
    return "\n".join(filter(None, (join_lines(text.split(SOFT_END)) for text in texts)))


def join_lines(lines: Iterable[str]) -> str:
    """One paragraph: a blank between Latin words, nothing between Chinese characters."""
    text = ""
    for line in map(str.strip, lines):
        is_tight = not text or not line or (ord(text[-1]) > 0x2E7F and ord(line[0]) > 0x2E7F)
        text += line if is_tight else f" {line}"
    return text
