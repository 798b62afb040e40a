"""The small part of regular expressions that a schema's `pattern` may use, read into nodes.

It is not a regular expression engine and never runs one: a pattern becomes runs of characters,
each with how often. The rule that must not break: whatever fits the runs fits the pattern, in
Python's reading and in ECMAScript's, and what is not understood is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from appliance.engine.schema_nodes import Pattern, Repeat

Spans: TypeAlias = tuple[tuple[int, int], ...]

MAX_PATTERN_CHARS = 200
# What `*`, `+` and `{n,}` may add: a pattern has no end of its own there.
OPEN_END_CHARS = 64
# Delete, the C1 controls, and what UTF-8 cannot encode.
NO_TEXT = ((0x7F, 0x9F), (0xD800, 0xDFFF))
# llama.cpp tries every way through a token: each such part multiplies them.
MAX_OPEN_ENDS = 2
SYNTAX = frozenset("\\^$.|?*+()[]{}")
DIGITS = ((0x30, 0x39),)
LETTERS = (*DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
COUNTED = re.compile(r"\{([0-9]{1,4})(?:(,)([0-9]{1,4})?)?\}")
UNICODE_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


class PatternRefused(ValueError):
    """One plain sentence's end: what about the pattern is not supported."""


def read_pattern(pattern: str, max_chars: int) -> Pattern:
    if len(pattern) > MAX_PATTERN_CHARS:
        raise PatternRefused(f"is longer than {MAX_PATTERN_CHARS} characters")
    if not (pattern.startswith("^") and pattern.endswith("$") and len(pattern) > 1):
        raise PatternRefused("must begin with ^ and end with $")
    body = pattern[1:-1]
    parts = []
    at = 0
    while at < len(body):
        spans, at = _read_unit(body, at)
        least, most, at = _read_count(body, at)
        parts.append(Repeat(spans, least, most))
    if sum(part.most for part in parts) > max_chars:
        raise PatternRefused(f"allows more than {max_chars} characters")
    if _count_open_ends(parts) > MAX_OPEN_ENDS:
        raise PatternRefused("has too many parts whose end cannot be told from what follows")
    return Pattern(tuple(parts))


def _count_open_ends(parts: Sequence[Repeat]) -> int:
    """How many parts may go on or give way to a later one at the very same character."""
    found = 0
    for at, part in enumerate(parts):
        if part.least == part.most:
            continue
        for later in parts[at + 1 :]:
            if _overlap(part.spans, later.spans):
                found += 1
                break
            if later.least:
                break
    return found


def _overlap(some: Spans, others: Spans) -> bool:
    return any(low <= end and start <= high for low, high in some for start, end in others)


def _read_unit(body: str, at: int) -> tuple[Spans, int]:
    if body[at] == "[":
        return _read_class(body, at + 1)
    if body[at] == "\\":
        return _read_escape(body, at)
    if body[at] in SYNTAX:
        raise PatternRefused(f"uses {body[at]!r}, which is not supported there")
    return _read_char(body[at]), at + 1


def _read_escape(body: str, at: int) -> tuple[Spans, int]:
    escaped = body[at + 1 : at + 2]
    if escaped == "d":
        return DIGITS, at + 2
    if escaped == "w":
        return LETTERS, at + 2
    found = UNICODE_ESCAPE.match(body, at)
    if found:
        return _read_char(chr(int(found[1], 16))), found.end()
    if not escaped or escaped.isalnum() or not "!" <= escaped <= "~":
        raise PatternRefused(f"uses \\{escaped}, which is not supported")
    return _read_char(escaped), at + 2


def _read_class(body: str, at: int) -> tuple[Spans, int]:
    """The class whose first character stands at `at`, and where it ends."""
    spans: list[tuple[int, int]] = []
    start = at
    while at < len(body) and body[at] != "]":
        if body[at] == "[" or (body[at] == "^" and at == start):
            raise PatternRefused(f"uses {body[at]!r} in a class, which is not supported")
        if body[at] == "-" and at > start and body[at + 1 : at + 2] != "]":
            raise PatternRefused("uses '-' in a class between two classes; write \\-")
        unit, at = _read_escape(body, at) if body[at] == "\\" else (_read_char(body[at]), at + 1)
        is_range = body[at : at + 1] == "-" and body[at + 1 : at + 2] not in ("", "]")
        if is_range:
            end, at = (
                _read_escape(body, at + 1)
                if body[at + 1] == "\\"
                else (_read_char(body[at + 1]), at + 2)
            )
            if not (_is_one_char(unit) and _is_one_char(end)):
                raise PatternRefused("has a range whose end is no single character")
            unit = _make_span(chr(unit[0][0]), chr(end[0][0]))
        spans += unit
    if at >= len(body) or not spans:
        raise PatternRefused("has a class that is empty or does not end")
    for first, last in spans:
        if any(first <= ord(char) <= last for char in '"\\'):
            raise PatternRefused('has a class with " or \\ in it')
    return tuple(spans), at + 1


def _read_count(body: str, at: int) -> tuple[int, int, int]:
    """How often what stands before `at` may come, and where that ends."""
    sign = body[at : at + 1]
    if sign == "?":
        return 0, 1, at + 1
    if sign == "*":
        return 0, OPEN_END_CHARS, at + 1
    if sign == "+":
        return 1, OPEN_END_CHARS, at + 1
    if sign != "{":
        return 1, 1, at
    found = COUNTED.match(body, at)
    if not found:
        raise PatternRefused("has a '{' that counts nothing; write \\{")
    least = int(found[1])
    most = int(found[3]) if found[3] else least + OPEN_END_CHARS if found[2] else least
    if most < least:
        raise PatternRefused(f"has {found[0]}, which nothing fits")
    return least, most, found.end()


def _read_char(char: str) -> Spans:
    return _make_span(char, char)


def _is_one_char(spans: Spans) -> bool:
    return len(spans) == 1 and spans[0][0] == spans[0][1]


def _make_span(first: str, last: str) -> Spans:
    """Raises PatternRefused for what is no text, or stands for bytes that are none."""
    low, high = ord(first), ord(last)
    if low > high:
        raise PatternRefused(f"has the range {first}-{last}, which is backwards")
    if low < 0x20 or _overlap(((low, high),), NO_TEXT):
        raise PatternRefused("names control characters or halves of characters")
    return ((low, high),)
