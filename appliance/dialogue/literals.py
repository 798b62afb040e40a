"""The literals of a text: what a customer could hold the shop to, found and normalised.

It knows neither where a text comes from nor whether it may be said. The rule that must not break:
of two literals that mean the same the values are equal, and 7天 never equals 7元.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from appliance.dialogue.literal_patterns import IDLE_BLANK, NUMBER_START
from appliance.dialogue.literal_shapes import SHAPES, Shape
from appliance.dialogue.literal_values import READERS
from appliance.knowledge.folding import read_simplified

ALL_KINDS = frozenset(shape.kind for shape in SHAPES if shape.kind)
KNOWLEDGE_KINDS = ALL_KINDS
# What a model without passages must not invent; it may count, and tell how long an egg boils.
MODEL_KINDS = ALL_KINDS - {"number", "percent", "duration"}

UNSEEN = frozenset("*`")
# Between figures a star multiplies: 3*5米 is not 35米.
TIMES = re.compile(r"(?<=\d)\*(?=\d)")
# Behind a unit of length they are its power and no figure.
POWERS = re.compile(r"(?<=m)[²³]", re.IGNORECASE)
# Their look-alikes of one byte would join what these part.
KEPT_WIDE = frozenset("，；！？")
TAKEN = "\x00"


@dataclass(frozen=True, slots=True)
class Literal:
    """`text` is `source[start:end]`; each of `others` ("kind:value") would clear it as well."""

    kind: str
    text: str
    value: str
    start: int
    end: int
    others: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.value}"


def find_literals(text: str) -> tuple[Literal, ...]:
    """All literals of `text` in the order of their places; none overlaps another."""
    seen, starts = _look_at(text)
    numbers = [found.start() for found in NUMBER_START.finditer(seen)]
    literals = []
    for shape in SHAPES:
        if not (shape.needs.search(seen) if shape.needs else numbers):
            continue
        position = 0
        while match := _match_next(shape, seen, position, numbers):
            start = match.start()
            end = start + len(match[0].rstrip())
            value = READERS[shape.reader](match) if shape.reader else None
            if start == end or (shape.reader and value is None):
                position = start + 1
                continue
            seen = seen[:start] + TAKEN * (end - start) + seen[end:]
            position = end
            if value is not None:
                first, last = starts[start], starts[end - 1] + 1
                literals.append(
                    Literal(shape.kind, text[first:last], value.value, first, last, value.others)
                )
    return tuple(sorted(literals, key=lambda literal: literal.start))


def _match_next(
    shape: Shape, seen: str, position: int, numbers: Sequence[int]
) -> re.Match[str] | None:
    if not shape.is_counted:
        return shape.pattern.search(seen, position)
    for start in numbers[bisect_left(numbers, position) :]:
        if match := shape.pattern.match(seen, start):
            return match
    return None


def _look_at(text: str) -> tuple[str, list[int]]:
    """The text as a reader sees it, and where each character of it comes from: full-width
    digits and letters are plain, marks of emphasis, characters without a shape and blanks
    between a number and what it counts are gone."""
    if text.isascii() and not UNSEEN & set(text):
        return _drop_idle_blanks(text, list(range(len(text))))
    seen, starts = [], []
    powers = {found.start() for found in POWERS.finditer(text)}
    for start, char in enumerate(TIMES.sub("×", text)):
        plain = char if start in powers else _plain_form(char)
        if plain:
            seen.append(plain)
            starts.append(start)
    return _drop_idle_blanks("".join(seen), starts)


def _drop_idle_blanks(seen: str, starts: list[int]) -> tuple[str, list[int]]:
    if not (blanks := [found.span() for found in IDLE_BLANK.finditer(seen)]):
        return seen, starts
    idle = {at for span in blanks for at in range(*span)}
    kept = [at for at in range(len(seen)) if at not in idle]
    return "".join(seen[at] for at in kept), [starts[at] for at in kept]


@lru_cache(maxsize=8192)
def _plain_form(char: str) -> str:
    if char in UNSEEN or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return ""
    if char in KEPT_WIDE or char == "\n":
        return char
    if char.isspace():
        return " "
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    plain = unicodedata.normalize("NFKC", char)
    plain = plain if len(plain) == 1 else char
    simple = plain.translate(read_simplified())
    return simple if len(simple) == 1 else plain
