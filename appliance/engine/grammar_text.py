r"""Pieces of GBNF, llama.cpp's grammar notation: literals, classes, ranges of numbers, dates.

It knows no rule names and no schema. The rule that must not break: what comes from outside is
written as a quoted literal or a class in ASCII, with everything but letters, digits and a few
harmless signs escaped, so no text can become notation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby

# Signs that mean nothing to the notation, neither in a literal nor in a class.
HARMLESS = frozenset(" {}:,._/")
# Every character of text but controls, halves of characters, the quote and the backslash.
TEXT_SPANS = (
    (0x20, 0x21),
    (0x23, 0x5B),
    (0x5D, 0x7E),
    (0xA0, 0xD7FF),
    (0xE000, 0x10FFFF),
)
FRACTION = '"." [0-9]{1,6}'
DATE = (
    '([1-9] [0-9]{3} "-" (("0" [13578] | "1" [02]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])'
    ' | ("0" [469] | "11") "-" ("0" [1-9] | [12] [0-9] | "30")'
    ' | "02-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
    # The 29th of February: a year that 4 divides, of those that end in 00 one that 400 does.
    ' | ([1-9] [0-9] ("0" [48] | [2468] [048] | [13579] [26])'
    ' | ([2468] [048] | [13579] [26]) "00") "-02-29")'
)
HOUR_AND_MINUTE = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
TIME = (
    f'{HOUR_AND_MINUTE} ":" [0-5] [0-9] ("." [0-9]{{1,6}})? ("Z" | ("+" | "-") {HOUR_AND_MINUTE})'
)


def quote(text: str) -> str:
    return '"' + "".join(map(_escape, text)) + '"'


def write_class(spans: Iterable[tuple[int, int]]) -> str:
    return (
        "["
        + "".join(
            _escape(chr(low)) if low == high else f"{_escape(chr(low))}-{_escape(chr(high))}"
            for low, high in spans
        )
        + "]"
    )


def _escape(char: str) -> str:
    if char.isascii() and (char.isalnum() or char in HARMLESS):
        return char
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02X}"
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def write_text_char() -> str:
    """One character of a JSON string, escaped where it must be."""
    return f'{write_class(TEXT_SPANS)} | "\\x5C" [\\x22\\x5Cnrt]'


def write_json_char(spans: Sequence[tuple[int, int]]) -> str:
    """One character of these spans in a JSON string. A quote or a backslash stands alone."""
    if len(spans) == 1 and spans[0][0] == spans[0][1]:
        return quote(json.dumps(chr(spans[0][0]), ensure_ascii=False)[1:-1])
    return write_class(spans)


def write_literals(texts: Iterable[str]) -> str:
    """Any one of `texts`, as a tree: what begins alike is tried once and not once for each."""
    return _write_branch(sorted(set(texts)))


def _write_branch(texts: list[str]) -> str:
    shared = _find_shared_start(texts[0], texts[-1])
    if len(texts) == 1:
        return quote(shared)
    rests = [text[len(shared) :] for text in texts]
    branches = [
        _write_branch(list(group)) if first else ""
        for first, group in groupby(rests, key=lambda rest: rest[:1])
    ]
    return (quote(shared) + " " if shared else "") + f"({' | '.join(branches)})"


def _find_shared_start(first: str, last: str) -> str:
    """Of sorted texts the first and the last one differ soonest."""
    pairs = enumerate(zip(first, last, strict=False))
    differs_at = next((at for at, (one, other) in pairs if one != other), len(first))
    return first[:differs_at]


def write_integer(minimum: int, maximum: int) -> str:
    """Every integer from `minimum` to `maximum`, both included, and no other."""
    parts = []
    if minimum < 0:
        parts.append(f'"-" ({write_natural(max(1, -maximum), -minimum)})')
    if maximum >= 0:
        parts.append(write_natural(max(0, minimum), maximum))
    return " | ".join(parts)


def write_number(minimum: int, maximum: int) -> str:
    """Decimal numbers between two whole bounds, with at most six places."""
    parts = [write_integer(minimum, maximum)]
    if maximum > max(0, minimum):
        parts.append(f"({write_natural(max(0, minimum), maximum - 1)}) {FRACTION}")
    # -7.5 lies below -7: its whole part may go down to one above the minimum.
    if min(0, maximum) > minimum:
        parts.append(f'"-" ({write_natural(max(0, -maximum), -minimum - 1)}) {FRACTION}')
    return " | ".join(parts)


def write_natural(low: int, high: int) -> str:
    parts = []
    # Lengths all of whose numbers are within the bounds: one alternative for all of them.
    whole = []
    for digits in range(len(str(low)), len(str(high)) + 1):
        smallest, largest = 10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1
        if digits > 1 and low <= smallest and largest <= high:
            whole.append(digits)
        else:
            parts.append(_write_span(str(max(low, smallest)), str(min(high, largest))))
    if whole:
        parts.append(f"[1-9] [0-9]{{{whole[0] - 1},{whole[-1] - 1}}}")
    return " | ".join(parts)


def _write_span(low: str, high: str) -> str:
    """All numbers of as many digits as `low` and `high` have."""
    places = len(low) - 1
    if set(low[1:]) <= {"0"} and set(high[1:]) <= {"9"}:
        return _write_digit(low[0], high[0]) + (f" [0-9]{{{places}}}" if places else "")
    if low[0] == high[0]:
        return f"{_write_digit(low[0], low[0])} ({_write_span(low[1:], high[1:])})"
    parts = [f"{_write_digit(low[0], low[0])} ({_write_span(low[1:], '9' * places)})"]
    if int(high[0]) - int(low[0]) > 1:
        middle = _write_digit(str(int(low[0]) + 1), str(int(high[0]) - 1))
        parts.append(f"{middle} [0-9]{{{places}}}")
    parts.append(f"{_write_digit(high[0], high[0])} ({_write_span('0' * places, high[1:])})")
    return " | ".join(parts)


def _write_digit(low: str, high: str) -> str:
    return f'"{low}"' if low == high else f"[{low}-{high}]"
