"""Prices by the unit: 每斤15元, 15元一斤, 15元/斤 and $4 a kilo each name the unit they are for.

It finds no price; it looks at what stands beside one. The rule that must not break: two units have
one name only where a customer pays the same for both, as for 斤 and 500克.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from appliance.dialogue.literal_amounts import find_row, write, write_lasting
from appliance.dialogue.literal_patterns import LASTING, UNITS, N
from appliance.dialogue.numerals import CHINESE_CHARS, read_numeral

# Stands in a value between the price and its unit.
PER = "@"
LONGEST_BEFORE = 32
MEASURES = (
    *(row for row in UNITS if row[1] in ("mm", "m2", "m3", "g", "ml")),
    (rf"两(?![{CHINESE_CHARS}])", "g", 50),
    (r"磅|lbs?\b|pounds?\b", "lb", 1),
)
MEASURE = "|".join(pattern for pattern, _, _ in MEASURES)
# 一月 and 1日 are dates; 每月 and /日 are not.
SHORT = {"月": "个月", "日": "天", "时": "小时", "季": "季度", "mo": "month", "hr": "hour"}
UNIT = rf"(?:{MEASURE}|{LASTING})"
ANY_UNIT = rf"(?:{MEASURE}|{LASTING}|[月日时季]|(?:mo|hr)\b)"
# 千克 and 一天 are looked at as units first: an amount gives nothing back.
EACH = rf" ?(?:(?P<unit>{ANY_UNIT})|(?P<amount>{N})[ -]?(?P<more>{UNIT}))"
BEHIND = re.compile(
    rf" ?(?:(?:/|每|\b(?:per|each|every|an?|for an?|for each) ){EACH}"
    rf"|(?:一|1|\b(?:for )?one ) ?(?P<one>{UNIT}))",
    re.IGNORECASE | re.ASCII,
)
BEFORE = re.compile(
    rf"(?:(?:每|\b(?:per|each|every) ){EACH}"
    rf"|(?:(?<![第每\d.{CHINESE_CHARS}])[一1]|\b(?:an?|one) ) ?(?P<one>{UNIT}))"
    r"(?:[售卖]?价?格?(?:[只仅]?[需要售]|是|为|卖|收)?:?| costs| is| for)? ?\Z",
    re.IGNORECASE | re.ASCII,
)
NAMED = re.compile(
    rf"(?:[每按论包/|（(：:] ?|\b(?:per|each|every|an?|by the) )(?P<unit>{ANY_UNIT})"
    r"|(?P<fee>[年月日周时季])(?=[费租薪卡付缴票])"
    r"|\b(?P<word>hourly|daily|weekly|monthly|quarterly|yearly|annual)",
    re.IGNORECASE | re.ASCII,
)
WORDS = {
    **{f"{word}ly": word for word in ("hour", "week", "month", "quarter", "year")},
    "daily": "day",
    "annual": "year",
}


class Rate(NamedTuple):
    """`unit` is what a price is for; with it the price stands at `start` to `end`."""

    start: int
    end: int
    unit: str


def find_rate(text: str, start: int, end: int, floor: int) -> Rate | None:
    """The unit beside the price at `start` to `end`; nothing before `floor` is its."""
    if text[start] == "满":
        return None
    first = max(floor, start - LONGEST_BEFORE)
    before = BEFORE.search(text[first:start])
    if before and (unit := _read_unit(before)):
        return Rate(first + before.start(), end, unit)
    behind = BEHIND.match(text, end)
    if behind and (unit := _read_unit(behind)):
        return Rate(start, behind.end(), unit)
    return None


def list_named(text: str) -> Iterator[str]:
    """The units that are named without a price: 按斤, 年费, | 斤 |, monthly."""
    for found in NAMED.finditer(text):
        word = found["unit"] or found["fee"] or WORDS[found["word"].lower()]
        yield _write_unit(Fraction(1), word.lower())


def _read_unit(found: re.Match[str]) -> str:
    amount = read_numeral(found["amount"]) if found["amount"] else Fraction(1)
    word = found["unit"] or found["more"] or found["one"]
    return _write_unit(amount, word.lower()) if amount else ""


@lru_cache(maxsize=256)
def _write_unit(amount: Fraction, word: str) -> str:
    try:
        unit, factor = find_row(MEASURES, word)
    except ValueError:
        return write_lasting(amount, SHORT.get(word, word))
    return write(amount * factor) + unit
