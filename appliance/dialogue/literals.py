"""The literals of a text: what a customer could hold the shop to, found and normalised.

It knows neither where a text comes from nor whether it may be said. The rule that must not break:
of two literals that mean the same the values are equal, and 7天 never equals 7元.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from appliance.dialogue.literal_amounts import SPAN, Value
from appliance.dialogue.literal_patterns import IDLE_BLANK, NUMBER_START
from appliance.dialogue.literal_rates import PER, find_rate
from appliance.dialogue.literal_shapes import SHAPES, Shape
from appliance.dialogue.literal_values import READERS
from appliance.knowledge.folding import read_simplified

ALL_KINDS = frozenset(shape.kind for shape in SHAPES if shape.kind)
KNOWLEDGE_KINDS = ALL_KINDS
# What a model without passages must not invent; it may count, and tell how long an egg boils.
MODEL_KINDS = ALL_KINDS - {"number", "percent", "duration"}

UNSEEN = frozenset("*`")
# Between figures a star multiplies, and behind a length: 3*5米 is not 35米.
TIMES = re.compile(r"(?<=[\dmM米寸])\*(?=\d)")
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


class _Found(NamedTuple):
    start: int
    end: int
    kind: str
    value: Value


def find_literals(text: str) -> tuple[Literal, ...]:
    """All literals of `text` in the order of their places; none overlaps another."""
    seen, starts = _look_at(text)
    return tuple(
        Literal(
            found.kind,
            text[starts[found.start] : starts[found.end - 1] + 1],
            found.value.value,
            starts[found.start],
            starts[found.end - 1] + 1,
            found.value.others,
        )
        for found in _join_rates(seen, sorted(_find(seen)))
    )


def _find(seen: str) -> Iterator[_Found]:
    numbers = [found.start() for found in NUMBER_START.finditer(seen)]
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
                yield _Found(start, end, shape.kind, value)


def _join_rates(seen: str, found: Sequence[_Found]) -> Iterator[_Found]:
    """With the unit that a price is for as part of the price, whatever stands first."""
    joined: list[_Found] = []
    floor = 0
    for one in found:
        if one.start < floor:
            continue
        rate = find_rate(seen, one.start, one.end, floor) if one.kind == "price" else None
        if rate and all(
            rate.start <= other.start and other.end <= rate.end
            for other in found
            if other.start < rate.end and rate.start < other.end
        ):
            joined = [other for other in joined if other.end <= rate.start]
            one = _Found(rate.start, rate.end, one.kind, _rate(one.value, rate.unit))
        joined.append(one)
        floor = one.end if rate else floor
    return iter(joined)


def _rate(value: Value, unit: str) -> Value:
    told = SPAN.join(f"{end}{PER}{unit}" for end in value.value.split(SPAN))
    others = (f"{other}{PER}{unit}" for other in value.others if other.startswith("price:"))
    return Value(told, tuple(others))


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
