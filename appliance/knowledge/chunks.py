"""Documents are cut into passages that can be read alone: never across a heading, at sentences.

A passage has about 300 to 450 Chinese characters or 120 to 160 English words; lists and tables
stay whole where they fit. The rule that must not break: every character of a passage stands in
the document, in this order, but for a table's head that each of its pieces repeats.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from appliance.knowledge.documents import Block, Document
from appliance.knowledge.entries import Origin, Passage
from appliance.knowledge.heads import write_unheaded
from appliance.knowledge.lines import NO_HEAD, is_row
from appliance.knowledge.texts import find_language

# Weights: a Chinese character counts 1, a word of other letters WORD_WEIGHT.
MAX_WEIGHT = 450.0
FULL_WEIGHT = 300.0
OVERLAP_WEIGHT = 60.0
WORD_WEIGHT = 2.8
MAX_WORD_CHARS = 12
# Of a passage that is neither, as a drawing of dashes.
MAX_CHARS = 4500
# Where a sentence that is too long may be cut for want of a comma.
SHORTEST_CHARS, STEP_CHARS = 100, 20
WORD = re.compile(r"[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
WIDE = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
SENTENCE = re.compile(r"[^。！？!?；;\n.]*(?:[。！？!?；;\n]+|\.(?=\s|$)|\.|$)[”’」』）)\"']*\s*")
WHOLE_END = re.compile(r"(?:[。！？!?；;\n]|\.\s)[”’」』）)\"']*\s*$|\.[\"')]*\s+$")


def weigh(text: str) -> float:
    """A word that is none, as a long code, counts for several."""
    words = sum(-(-len(word) // MAX_WORD_CHARS) for word in WORD.findall(text))
    return max(len(WIDE.findall(text)) + WORD_WEIGHT * words, len(text) / MAX_CHARS * MAX_WEIGHT)


@dataclass(slots=True)
class _Piece:
    text: str
    row: int
    weight: float


@dataclass(slots=True)
class _Section:
    """The blocks below one heading, and the headings that lead to it."""

    headings: tuple[str, ...]
    pieces: list[_Piece] = field(default_factory=list)


def cut(file: str, document: Document) -> list[Passage]:
    """Passages are numbered in their order in the document."""
    passages: list[Passage] = []
    for section in _cut_sections(document):
        for row, text in _pack(section.pieces):
            passages.append(
                Passage(
                    id=f"{file}#{len(passages) + 1}",
                    title=document.title,
                    text=text,
                    origin=Origin(file, row),
                    headings=section.headings,
                    language=find_language(text),
                )
            )
    return passages


def _cut_sections(document: Document) -> Iterator[_Section]:
    """A heading with nothing below it is itself the text of the section it stands in."""
    path: list[tuple[int, str]] = []
    section = _Section(())
    for block, behind in zip_longest(document.blocks, document.blocks[1:]):
        if block.kind != "heading":
            section.pieces += _cut_block(block)
            continue
        while path and path[-1][0] >= block.level:
            path.pop()
        is_text = behind is None or (behind.kind == "heading" and behind.level <= block.level)
        if not is_text:
            path.append((block.level, block.text))
        names = tuple(text for _, text in path)
        headings = names[1:] if names[:1] == (document.title,) else names
        if not is_text or headings != section.headings:
            if section.pieces:
                yield section
            section = _Section(headings)
        if is_text:
            section.pieces += _cut_block(block)
    if section.pieces:
        yield section


def _cut_block(block: Block) -> Iterator[_Piece]:
    """The block whole if it fits, else by items, rows or sentences."""
    weight = weigh(block.text)
    if weight <= MAX_WEIGHT:
        parts: Iterable[str] = (block.text,)
    elif block.kind in ("list", "table", "code"):
        parts = _cut_lines(block)
    else:
        parts = _join_sentences(block.text)
    for part in parts:
        text = part if block.kind == "table" else write_unheaded(part)
        yield _Piece(text, block.row, weigh(text))


def _cut_lines(block: Block) -> Iterator[str]:
    """Of a table each piece begins with the head of its rows."""
    head, before = "", ""
    gathered: list[str] = []
    weight = 0.0
    for line in block.text.split("\n"):
        is_head = block.kind == "table" and is_row(line) and not is_row(before)
        if is_head:
            head = line if weigh(line) < OVERLAP_WEIGHT else NO_HEAD
        own = weigh(line)
        if gathered not in ([], [head]) and weight + own > MAX_WEIGHT:
            yield "\n".join(gathered)
            repeats = head and is_row(line) and not is_head
            gathered, weight = ([head], weigh(head)) if repeats else ([], 0.0)
        if own > MAX_WEIGHT:
            yield from _join_sentences(line)
        else:
            gathered.append(line)
            weight += own
        before = line
    if gathered not in ([], [head]):
        yield "\n".join(gathered)


def _join_sentences(text: str) -> Iterator[str]:
    """A paragraph that must be cut: the last sentence of a piece begins the next one too."""
    gathered: list[tuple[str, float]] = []
    weight = 0.0
    for sentence in _find_sentences(text):
        own = weigh(sentence)
        if gathered and weight + own > MAX_WEIGHT:
            yield "".join(part for part, _ in gathered).strip()
            last = gathered[-1]
            is_short = len(gathered) > 1 and last[1] <= OVERLAP_WEIGHT
            gathered = [last] if is_short and last[1] + own <= MAX_WEIGHT else []
            weight = sum(part for _, part in gathered)
        gathered.append((sentence, own))
        weight += own
    if gathered:
        yield "".join(part for part, _ in gathered).strip()


def _find_sentences(text: str) -> Iterator[str]:
    """Sentences, and pieces of those that are too long for a passage. A full stop inside a number
    or an address ends none."""
    sentence = ""
    for found in SENTENCE.finditer(text):
        sentence += found[0]
        if WHOLE_END.search(sentence[-20:]) or len(sentence) > 4 * MAX_WEIGHT:
            yield from _split_long(sentence)
            sentence = ""
    yield from _split_long(sentence)


def _split_long(sentence: str) -> Iterator[str]:
    """At a comma or a blank if there is one, else anywhere."""
    begin = 0
    while weigh(piece := _take_too_much(sentence, begin)) > MAX_WEIGHT:
        # A longer text never weighs less.
        steps = range(SHORTEST_CHARS, len(piece), STEP_CHARS)
        step = bisect_right(steps, MAX_WEIGHT, key=lambda end: weigh(piece[:end]))
        end = steps[max(0, step - 1)]
        at = max(piece.rfind(mark, end // 2, end) for mark in "，,、 ")
        end = at + 1 if at > 0 else end
        yield piece[:end]
        begin += end
    if (rest := sentence[begin:]).strip():
        yield rest


def _take_too_much(sentence: str, begin: int) -> str:
    """So much from `begin` on that it is too long, but not much more; else all of it."""
    size = 2 * SHORTEST_CHARS
    while size < MAX_CHARS and weigh(sentence[begin : begin + size]) <= MAX_WEIGHT:
        size *= 2
    return sentence[begin : begin + min(size, MAX_CHARS) + 1]


def _pack(pieces: Iterable[_Piece]) -> Iterator[tuple[int, str]]:
    """Pieces that stand together go together until a passage is full."""
    texts: list[str] = []
    row, weight = 0, 0.0
    for piece in pieces:
        if texts and (weight + piece.weight > MAX_WEIGHT or weight >= FULL_WEIGHT):
            yield row, "\n".join(texts)
            texts, weight = [], 0.0
        if not texts:
            row = piece.row
        # Else they would be rows of one table.
        is_apart = texts and is_row(_get_last(texts[-1])) and is_row(_get_first(piece.text))
        texts.append("\n" + piece.text if is_apart else piece.text)
        weight += piece.weight
    if texts:
        yield row, "\n".join(texts)


def _get_first(text: str) -> str:
    return text.partition("\n")[0]


def _get_last(text: str) -> str:
    return text.rpartition("\n")[2]
