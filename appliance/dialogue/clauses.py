"""Where a clause, a sentence or, for want of both, a stretch of text may be cut.

It judges text that has come so far and holds none of it; what a clause says is not its affair.
The rule that must not break: an end depends on the text before it and on the one character behind
it, never on how the text came in pieces, and none stands within a number, a time or an address.

A colon ends nothing: "电话：" and the number behind it are judged together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from appliance.knowledge.lines import ABBREVIATED, LONGEST_WORD

SENTENCE_ENDS = "。！？\n"
CLAUSE_ENDS = "，；"
# ASCII marks end something only where a blank follows: not in 1,299, 3.5 or shop.com.
ASCII_SENTENCE_ENDS = ".!?"
ASCII_CLAUSE_ENDS = ",;"
MARK = re.compile(rf"[{SENTENCE_ENDS}{CLAUSE_ENDS}{ASCII_SENTENCE_ENDS}{ASCII_CLAUSE_ENDS}]")
ABBREVIATION = re.compile(
    rf"(?:^|[^A-Za-z])(?:[A-Za-z]|{ABBREVIATED}|rd|ave|blvd|ln|etc|inc|ltd|co|dept|jan|feb|mar|apr"
    r"|jun|jul|aug|sept?|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)$",
    re.IGNORECASE,
)
# The number of a list item, "2." at the beginning of a line.
ITEM = re.compile(r"(?:^|\n)[ \t]*\d{1,2}$")
# So much of what was said is read again with what follows, and no more blanks than these may part
# a label from its number.
CONTEXT = 64
LONGEST_GAP = 5
# What stands before such a place says nothing about a number behind it.
CONTEXT_START = re.compile(r"[。！？；，]|[.!?,;](?=\s|\Z)|\n(?=\s*\S)")
FENCE = "```"


class End(NamedTuple):
    """The text before `at` is whole; `is_sentence` when more than a clause ends there."""

    at: int
    is_sentence: bool


def find_ends(text: str, start: int, is_last: bool) -> Iterator[End]:
    """The ends in `text` from `start` on. Without `is_last` an ASCII mark that stands last is
    none yet, because the character behind it is not known."""
    for mark in MARK.finditer(text, start):
        char, at = mark[0], mark.end()
        if char in SENTENCE_ENDS or char in CLAUSE_ENDS:
            yield End(at, char in SENTENCE_ENDS)
        elif at == len(text):
            if is_last:
                yield End(at, char in ASCII_SENTENCE_ENDS)
        elif text[at].isspace() and not (char == "." and _is_inside(text, mark.start())):
            yield End(at, char in ASCII_SENTENCE_ENDS)


def _is_inside(text: str, at: int) -> bool:
    before = text[max(0, at - LONGEST_WORD) : at]
    return bool(ABBREVIATION.search(before) or ITEM.search(before))


def is_between_words(text: str, at: int) -> bool:
    """Whether a text without any end may be cut at `at`: behind a blank, or between two
    characters that are words of their own."""
    before, behind = text[at - 1], text[at]
    if before.isspace():
        return not unicodedata.combining(behind)
    return _is_word(before) and _is_word(behind)


def _is_word(char: str) -> bool:
    return unicodedata.east_asian_width(char) in "WF" and unicodedata.category(char) in (
        "Lo", "So", "Po", "Ps", "Pe"
    )  # fmt: skip


def find_context(text: str) -> str:
    """The end of what was said, as far as it can be part of a literal that follows."""
    tail = text[-CONTEXT:]
    if len(tail) - len(tail.rstrip()) > LONGEST_GAP:
        return ""
    starts = [found.start() for found in CONTEXT_START.finditer(tail)]
    return tail[starts[-1] :] if starts else tail


def find_code(text: str, is_code: bool) -> tuple[tuple[int, int], ...]:
    """The parts of `text` that stand in a block of code; `is_code` tells whether it begins in
    one."""
    spans, at = [], 0
    for part in text.split(FENCE):
        if is_code:
            spans.append((at, at + len(part)))
        at += len(part) + len(FENCE)
        is_code = not is_code
    return tuple(spans)
