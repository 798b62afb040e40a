"""HTML becomes blocks, what a reader of the page would see and nothing that runs or hides.

.docx comes this way too, by way of HTML. The rule that must not break: however deep or broken the
page is, reading it takes time in proportion to its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from selectolax.lexbor import LexborHTMLParser, LexborNode

from appliance.knowledge.documents import Block, Kind, make_heading
from appliance.knowledge.heads import Row, write_table

DROPPED = frozenset(
    (
        *("script", "style", "template", "noscript", "head", "svg", "math", "iframe", "object"),
        *("embed", "canvas", "audio", "video", "select", "textarea", "-comment"),
        # What is struck through holds no more.
        *("del", "s", "strike"),
    )
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
TITLES = frozenset((*HEADINGS, "summary"))
LISTS = frozenset(("ul", "ol", "dl"))
ITEMS = frozenset(("li", "dt", "dd"))
CELLS = frozenset(("td", "th"))
BOLD = frozenset(("b", "strong"))
MOST_SPANNED = 50
PARTS = frozenset(
    (
        *("p", "div", "section", "article", "aside", "main", "header", "footer", "nav", "hr"),
        *("address", "blockquote", "figure", "figcaption", "details", "summary", "caption"),
        *("body", "form", "fieldset", "center"),
    )
)
SPACE = re.compile(r"[ \t\n\r\f\xa0]+")
SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
AMOUNT = re.compile(r"[$€£¥￥]\s?\d[\d,]*$")
# Raised digits are read with so many pieces of the text before them.
PIECES_BEFORE = 4
MOST_AMOUNT_CHARS = 20
WRITTEN_ADDRESS = ("http://", "https://", "mailto:", "tel:")

Step: TypeAlias = tuple[Literal["open", "close"], LexborNode]


def read_html(text: str) -> tuple[str, list[Block]]:
    """The page's title, where it has one, and its blocks."""
    page = LexborHTMLParser(text)
    title = page.css_first("head > title")
    name = SPACE.sub(" ", title.text()).strip() if title is not None else ""
    reader = _Reader()
    if page.body is not None:
        for step, node in _walk(page.body):
            reader.take(step, node)
        reader.end()
    return name, reader.blocks


def _walk(root: LexborNode) -> Iterator[Step]:
    """Depth first and without recursion: a page may be nested deeper than the stack is."""
    node: LexborNode | None = root
    titles = 0
    while node is not None:
        yield "open", node
        titles += node.tag in TITLES
        child = None if _is_dropped(node, titles) else node.first_child
        while child is None:
            yield "close", node
            titles -= node.tag in TITLES
            if node.mem_id == root.mem_id:
                return
            child, parent = node.next, node.parent
            if child is None:
                if parent is None:
                    return
                node = parent
        node = child


def _is_dropped(node: LexborNode, titles: int) -> bool:
    if node.tag == "button" and not titles and not _opens_text(node):
        return True
    return node.tag in DROPPED or _is_hidden(node)


def _opens_text(button: LexborNode) -> bool:
    """The question of an answer that is folded away, and no menu."""
    attributes = button.attributes
    if "aria-haspopup" in attributes:
        return False
    toggles = attributes.get("data-bs-toggle"), attributes.get("data-toggle")
    return "collapse" in toggles or ("aria-expanded" in attributes and not any(toggles))


def _is_hidden(node: LexborNode) -> bool:
    if (node.tag or "-").startswith("-"):
        return False
    attributes = node.attributes
    style = (attributes.get("style") or "").replace(" ", "").lower()
    if "line-through" in style:
        return True
    return "hidden" in attributes or "display:none" in style or "visibility:hidden" in style


class RowReader:
    """The cells of one row after the other; one that spans several stands in each of them, but for
    a single one, which is a title."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        # Of those that stand in this row: whether each is a `th`, and whether it is bold.
        self._heads: list[bool] = []
        self._bold: list[bool] = []
        self._told = 0
        # By its place: what the rows to come have there, and how many of them.
        self._spanning: dict[int, tuple[str, int]] = {}

    def add(
        self, text: str, attributes: Mapping[str, str | None], is_head: bool, is_bold: bool
    ) -> None:
        # A blank corner is a `td` above the names of the rows.
        if text or self._cells:
            self._heads.append(is_head)
            self._bold.append(is_bold)
        self._told += 1
        self._fill()
        rows, columns = (_read_span(attributes.get(name)) for name in ("rowspan", "colspan"))
        for _ in range(columns):
            if rows > 1:
                self._spanning[len(self._cells)] = text, rows - 1
            self._cells.append(text)

    def end(self, is_head: bool) -> Row:
        """`is_head`: the row stands in the table's head."""
        self._fill()
        cells = self._cells[:1] if self._told == 1 and len(set(self._cells)) == 1 else self._cells
        is_told = is_head or (all(self._heads) if any(self._heads) else None)
        row = Row(cells, is_told, all(self._bold))
        self._cells, self._heads, self._bold, self._told = [], [], [], 0
        return row

    def _fill(self) -> None:
        while (place := len(self._cells)) in self._spanning:
            text, rows = self._spanning.pop(place)
            if rows > 1:
                self._spanning[place] = text, rows - 1
            self._cells.append(text)


def _read_span(value: str | None) -> int:
    return min(int(value), MOST_SPANNED) if value and value.isdecimal() and int(value) else 1


class _Reader:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._text: list[str] = []
        self._lines: list[str] = []
        self._rows: list[Row] = []
        self._row = RowReader()
        # How deep in bold, and whether a letter of the cell was not.
        self._bold = 0
        self._is_plain = False
        self._level = 0
        self._lists = 0
        self._tables = 0
        self._pre = 0
        # Where the text that is raised begins.
        self._raised: int | None = None

    def take(self, step: str, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag == "-text":
            if step == "open":
                self._take_letters(node.text_content or "")
        elif step == "open":
            self._open(tag)
        else:
            self._close(tag, node)

    def _take_letters(self, text: str) -> None:
        self._text.append(text)
        self._is_plain = self._is_plain or (not self._bold and bool(text.strip()))

    def _open(self, tag: str) -> None:
        self._bold += tag in BOLD
        if tag in CELLS and self._tables == 1:
            self._is_plain = False
        if tag == "br":
            self._text.append("\n" if self._pre else " ")
        elif tag == "sup":
            self._raised = len(self._text)
        elif tag in HEADINGS:
            self._end_part()
            self._level = HEADINGS[tag]
        elif tag in LISTS or tag == "table" or tag == "pre":
            if not self._lists and not self._tables:
                self.end()
            self._lists += tag in LISTS
            self._tables += tag == "table"
            self._pre += tag == "pre"
        if tag in ITEMS or tag in PARTS or tag == "tr" or self._is_alone(tag):
            self._end_part()

    def _close(self, tag: str, node: LexborNode) -> None:
        self._bold -= tag in BOLD
        if tag == "a":
            self._write_address(node.attributes.get("href") or "")
        elif tag == "sup":
            self._end_raised()
        elif tag in CELLS and self._tables == 1:
            self._end_cell(tag, node)
        elif tag == "tr" and self._tables == 1:
            row = self._row.end(node.parent is not None and node.parent.tag == "thead")
            if any(row.cells):
                self._rows.append(row)
        elif tag in HEADINGS:
            self._end_heading()
        elif tag in ITEMS or tag in PARTS or self._is_alone(tag):
            self._end_part()
        elif tag in LISTS:
            self._end_part()
            self._lists -= 1
        elif tag == "table":
            self._end_part()
            self._tables -= 1
            if not self._tables:
                self._end_table()
        if tag in LISTS and not self._lists and not self._tables:
            self._end_lines("list")
        elif tag == "table" and not self._tables and not self._lists:
            self._end_lines("table")
        elif tag == "pre":
            self._pre -= 1
            self._add("code", self._take_text(is_kept=True))

    def _is_alone(self, tag: str) -> bool:
        """A button that is no heading's text."""
        return tag == "button" and not self._level

    def end(self) -> None:
        self._end_part()
        self._end_lines("list")

    def _end_cell(self, tag: str, node: LexborNode) -> None:
        self._row.add(self._take_text(), node.attributes, tag == "th", not self._is_plain)

    def _end_table(self) -> None:
        if self._rows:
            self._lines.append(write_table(self._rows))
        self._rows, self._row = [], RowReader()

    def _end_part(self) -> None:
        """Inside a list a part is a line; inside a table it is but a piece of a cell."""
        if self._pre:
            return
        if self._tables:
            self._text.append(" ")
            return
        text = self._take_text()
        if not text:
            return
        if self._lists:
            self._lines.append(f"- {text}")
        elif self._level:
            self._add_heading(text)
        else:
            self._add("paragraph", text)

    def _end_raised(self) -> None:
        """Digits behind a digit: cents behind an amount, else a power or a footnote."""
        begin, self._raised = self._raised, None
        if begin is None:
            return
        raised = "".join(self._text[begin:]).strip()
        before = "".join(self._text[max(0, begin - PIECES_BEFORE) : begin])
        if not (raised.isascii() and raised.isdecimal() and before[-1:].isdecimal()):
            return
        is_cents = len(raised) == 2 and AMOUNT.search(before[-MOST_AMOUNT_CHARS:])
        self._text[begin:] = [f".{raised}" if is_cents else raised.translate(SUPERSCRIPT)]

    def _end_heading(self) -> None:
        if self._lists or self._tables:
            self._end_part()
        elif text := self._take_text():
            self._add_heading(text)
        self._level = 0

    def _add_heading(self, text: str) -> None:
        self.blocks.append(make_heading(text, 0, self._level))

    def _end_lines(self, kind: Kind) -> None:
        lines, self._lines = self._lines, []
        self._add(kind, "\n".join(lines))

    def _add(self, kind: Kind, text: str) -> None:
        if text.strip():
            self.blocks.append(Block(kind, text))

    def _take_text(self, is_kept: bool = False) -> str:
        text, self._text = "".join(self._text), []
        return text.strip("\n") if is_kept else SPACE.sub(" ", text).strip()

    def _write_address(self, address: str) -> None:
        """A link keeps its address, because it may be what was asked for."""
        shown = "".join(self._text[-1:]).strip()
        bare = address.removeprefix("mailto:").removeprefix("tel:")
        if address.startswith(WRITTEN_ADDRESS) and bare not in shown and len(address) <= 300:
            self._text.append(f" ({bare})")
