"""What may be said: the literals of passages, tool results, memory and the customer's own words.

It decides about one literal at a time and finds none in an answer. The rule that must not break:
what stands in no source lacks, whatever looks like it; only units in the head of a table carry
over to the bare numbers below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from appliance.dialogue.literal_amounts import SPAN
from appliance.dialogue.literal_rates import PER, list_named
from appliance.dialogue.literals import Literal, find_literals

AMOUNT = re.compile(r"\d+(?:[./]\d+)?")
IN_HEAD = re.compile(
    r"[(（/]\s*([^\d\s()（）|,，/]{1,12}(?:/[^\d\s()（）|,，/]{1,8})?)\s*[)）|,，\n]"
)
DAY_PART = re.compile(r"[上下中午早晚晨夜傍]|[ap]\.?m", re.IGNORECASE)
NEAR = 4
# What names days without being one of them; 3个工作日 are a span of time.
SEVERAL_DAYS = (
    (re.compile(r"周末|双休日|\bweekends?\b", re.IGNORECASE), (6, 7)),
    (
        re.compile(r"(?<!\d )(?<![\d个一两三四五六七八九十几])工作日|\bweekdays?\b", re.IGNORECASE),
        (1, 5),
    ),
)
TIMES = re.compile(r"\s?[x×*X]\s?")
SIDE = re.compile(r"(\d+(?:\.\d+)?)\s?([a-zA-Z\u3400-\u9fff]{0,12})")
# The kind of a unit that a source names and that is no literal: 按斤, 年费.
NAMED = "per"
# The kind of a share that a discount tells: 85折 clears 85%, and neither 85% off nor 15折.
REDUCED = "reduced"


@dataclass(frozen=True, slots=True)
class Sources:
    keys: frozenset[str]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Sources:
        return cls(frozenset(key for text in texts for key in _list_keys(text)))

    def lacks(self, literal: Literal) -> bool:
        keys = (literal.key, *literal.others)
        if literal.kind == "percent":
            keys += (f"{REDUCED}:{literal.value}",)
        return not any(self._has(key) or self._has_ends(key) for key in keys)

    def _has(self, key: str) -> bool:
        """A price by the unit is known too where a price without one and the unit are."""
        price, per, unit = key.partition(PER)
        return key in self.keys or bool(
            per
            and price + PER in self.keys
            and any(f"{kind}:{unit}" in self.keys for kind in ("number", "duration", NAMED))
        )

    def _has_ends(self, key: str) -> bool:
        """A span is known where both its ends are."""
        kind, _, value = key.partition(":")
        ends = value.split(SPAN)
        return len(ends) > 1 and all(self._has(f"{kind}:{end}") for end in ends)


def _list_keys(text: str) -> Iterator[str]:
    literals = find_literals(text)
    for at, literal in enumerate(literals):
        values = dict.fromkeys((literal.value, *literal.value.split(SPAN)))
        for value in values:
            yield from _list_meanings(literal.kind, value)
        if literal.kind == "time":
            yield from _list_evenings(literal, literals[at - 1] if at else None)
        elif literal.kind == "discount":
            yield from (other.replace("percent", REDUCED) for other in literal.others)
        elif literal.kind in ("date", "number"):
            yield from (other for other in literal.others if other.startswith("date:"))
    yield from _list_headed(text, literals)
    yield from _list_sides(text, literals)
    for pattern, days in SEVERAL_DAYS:
        if pattern.search(text):
            yield from (f"date:w{day}" for day in days)
    yield from (f"{NAMED}:{unit}" for unit in list_named(text))


def _list_meanings(kind: str, value: str) -> Iterator[str]:
    """What is said with a literal: itself, its bare amount, the parts of a date, a page's host."""
    yield f"{kind}:{value}"
    if kind == "price" and SPAN not in value:
        price, per, unit = value.partition(PER)
        yield from (
            (f"price:{price}", f"number:{unit}", f"duration:{unit}")
            if per
            else (f"price:{price}{PER}",)
        )
    if kind in ("number", "price", "duration", "percent") and (amount := AMOUNT.match(value)):
        yield f"number:{amount[0]}"
        if kind == "number" and value in (amount[0], f"{amount[0]}x"):
            yield f"number:{amount[0]}x"
        if kind == "duration" and value == "1d":
            yield "time:24/7"
    elif kind == "date" and (match := re.fullmatch(r"(\d{4}|-)(-(?:\d\d|))?(-\d\d)?", value)):
        year, month, day = match[1], match[2] or "", match[3] or ""
        parts = {year, year + month, f"-{month}", f"-{month}{day}", f"--{day}"}
        yield from (f"date:{part}" for part in parts if part.strip("-"))
        yield f"number:{year}"
    elif kind == "url":
        yield f"url:{value.partition('/')[0]}"
    elif kind in ("phone", "order_id"):
        yield from (f"{other}:{value}" for other in ("phone", "order_id", "number"))


def _list_evenings(literal: Literal, before: Literal | None) -> Iterator[str]:
    """Hours that are told without their half of the day: 3点, and the 6 of 9:00-6:00."""
    ends = literal.value.split(SPAN)
    is_told = bool(DAY_PART.search(literal.text))
    is_second = before is not None and before.kind == "time" and literal.start - before.end <= NEAR
    for at, end in enumerate(ends):
        hour, _, minute = end.partition(":")
        if (is_told and len(ends) == 1) or not hour.isdecimal() or not minute.isdecimal():
            continue
        is_later = (is_second or at > 0) and not is_told
        if int(hour) <= 12 and (is_later or (literal.others and int(hour) <= 6)):
            yield f"time:{(int(hour) + 12) % 24:02}:{minute}"


def _list_sides(text: str, literals: tuple[Literal, ...]) -> Iterator[str]:
    """60×40×20 cm has each of its sides in cm, and so has 60cm×40cm×20cm with no word for it."""
    unit = ""
    for at, literal in reversed([*enumerate(literals)]):
        behind = literals[at + 1] if at + 1 < len(literals) else None
        is_side = behind is not None and TIMES.fullmatch(text[literal.end : behind.start])
        if literal.kind != "number" or not (told := SIDE.fullmatch(literal.text)):
            unit = ""
            continue
        unit = told[2] or (unit if is_side else "")
        yield f"number:{told[1]}"
        for found in find_literals(told[1] + unit) if unit and not told[2] else ():
            yield from _list_meanings(found.kind, found.value)


def _list_headed(text: str, literals: tuple[Literal, ...]) -> Iterator[str]:
    """The 299 below 价格（元） is 299 yuan."""
    units = set(IN_HEAD.findall(text))
    bare = {
        found.value
        for found in literals
        if found.kind == "number" and AMOUNT.fullmatch(found.value)
    }
    if not units or not bare:
        return
    for unit in units:
        for value in bare:
            for found in find_literals(f"{value} {unit}"):
                if found.kind != "number" or found.value != value:
                    yield from _list_meanings(found.kind, found.value)
