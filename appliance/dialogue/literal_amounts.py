"""What a found number, price, share or span of time says, as one normalised value.

七天 and seven days are both `7d`, 八折 and 20% off both `80`. It sees one match of
`literal_patterns.py` and no text around it. The rule that must not break: two spellings get one
value only when they promise a customer the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from appliance.dialogue.literal_patterns import CURRENCIES, DURATIONS, SIGNS, UNITS
from appliance.dialogue.numerals import read_about, read_digits, read_numeral

SPAN = ".."
HALF = Fraction(1, 2)
LOOK_AHEAD = re.compile(r"\(\?[=!][^)]*\)")


class Value(NamedTuple):
    """`others` are further values, with their kinds, of which each would do as well."""

    value: str
    others: tuple[str, ...] = ()


Match: TypeAlias = re.Match[str]
Reader: TypeAlias = Callable[[Match], Value | None]


def write(amount: Fraction) -> str:
    """1299, 0.5; what has no end in decimals stays a fraction."""
    quotient = Decimal(amount.numerator) / Decimal(amount.denominator)
    if Fraction(quotient) != amount:
        return f"{amount.numerator}/{amount.denominator}"
    text = f"{quotient:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@lru_cache(maxsize=512)
def find_row(table: tuple[tuple[str, str, int], ...], word: str) -> tuple[str, int]:
    """The unit and the factor of a word. It is seen alone, so what a pattern wants to stand
    behind it is left out."""
    for pattern, unit, factor in table:
        if re.fullmatch(LOOK_AHEAD.sub("", pattern), word, re.IGNORECASE):
            return unit, factor
    raise ValueError(f"{word!r} is no unit")


def group_of(match: Match, name: str) -> str:
    return (match.groupdict().get(name) or "").strip()


def _ends(match: Match) -> tuple[Fraction, ...] | None:
    """The amount of a match, or both ends of its span; None where it is no numeral."""
    first, last = group_of(match, "a"), group_of(match, "b")
    about = None if last else read_about(first)
    if about:
        return about
    ends = [read_numeral(text) for text in (first, last) if text]
    whole = tuple(end for end in ends if end is not None)
    return whole if len(whole) == len(ends) else None


def _span(match: Match, write_one: Callable[[Fraction], str]) -> str | None:
    ends = _ends(match)
    return None if not ends else SPAN.join(dict.fromkeys(map(write_one, ends)))


def _plain(match: Match) -> Value | None:
    span = _span(match, write)
    return None if span is None else Value(span, tuple(_list_dates(match[0])))


def _list_dates(text: str) -> Iterator[str]:
    """11/23 may be a day, and 3/4 one of two."""
    parts = [int(part) for part in text.split("/") if re.fullmatch(r"\d{1,2}", part)]
    for month, day in (parts, parts[::-1]) if len(parts) == 2 else ():
        if 1 <= month <= 12 and 1 <= day <= 31:
            yield f"date:--{month:02}-{day:02}"


def _words(match: Match) -> Value | None:
    """A numeral in words and without a unit: only one that cannot be a mere article or filler."""
    text = match["a"].strip()
    value = read_numeral(text)
    if value is None or (not text.isascii() and len(text) < 2):
        return None
    if text.lower() in ("one", "zero", "a hundred", "a thousand", "a million"):
        return None
    return None if not text.isascii() and value < 10 else Value(write(value))


def _count(match: Match) -> Value | None:
    """Things counted; "一个" and "one item" are articles."""
    if match["a"].strip().lower() in ("一", "one") and not match["b"]:
        return None
    span = _span(match, lambda amount: f"{write(amount)}x")
    return None if span is None else Value(span)


def _unit(match: Match) -> Value | None:
    word = match["unit"]
    if match["a"] in ("一", "one") and re.fullmatch("次|遍|度|层|times?|倍|分|室|楼", word):
        return None
    unit, factor = find_row(UNITS, word)
    span = _span(match, lambda amount: write(amount * factor) + unit)
    return None if span is None else Value(span)


def _share(match: Match) -> Value | None:
    """三分之二, 千分之三: the whole may be a bare hundred or thousand."""
    part = read_numeral(match["a"])
    whole = read_numeral(match["b"]) or read_numeral("一" + match["b"])
    if part is None or not whole:
        return None
    return Value(write(part / whole), (f"percent:{write(100 * part / whole)}",))


def _code(match: Match) -> Value:
    return Value(match[0].upper())


@lru_cache(maxsize=64)
def _currency(word: str) -> str:
    for name, words in CURRENCIES.items():
        if re.fullmatch(words, word, re.IGNORECASE):
            return name
    raise ValueError(f"{word!r} is no currency")


def _vague(match: Match) -> Value:
    """百元 is 一百元; 十几块 and 几百块 are cleared by what says the same alone."""
    told = match[0][:-1]
    amount = read_numeral("一" + told)
    return Value((told if amount is None else write(amount)) + "CNY")


def _money(match: Match) -> Value | None:
    if match["a"] == "一" and match["unit"] == "块":
        return None
    return _priced_in(match, _currency(match["unit"]))


def _signed(match: Match) -> Value | None:
    return _priced_in(match, SIGNS[match["sign"].upper()])


def _priced_in(match: Match, currency: str) -> Value | None:
    factor = 1000 if group_of(match, "k") else 1
    cents = Fraction(int(group_of(match, "cents").lstrip(",") or 0), 100)
    span = _span(match, lambda amount: write(amount * factor + cents) + currency)
    return None if span is None else Value(span)


def _coins(match: Match) -> Value | None:
    yuan, tenths = read_numeral(match["a"]), read_numeral(match["jiao"])
    hundredths = read_numeral(group_of(match, "fen") or "0")
    if yuan is None or tenths is None or hundredths is None:
        return None
    return Value(write(yuan + tenths / 10 + hundredths / 100) + "CNY")


def _coin(match: Match) -> Value | None:
    word = match["coin"].strip()
    currency = "USD" if word.startswith("cent") else "CNY"
    worth = Fraction(1, 10) if word[0] in "角毛j" else Fraction(1, 100)
    span = _span(match, lambda amount: write(amount * worth) + currency)
    return None if span is None else Value(span)


def _saving(match: Match) -> Value | None:
    return _priced_in(match, "CNY")


def _priced(match: Match) -> Value | None:
    amount = read_numeral(match["value"])
    if amount is None:
        return None
    told = write(amount)
    return Value(f"{told}CNY", (f"number:{told}", f"price:{told}USD", f"price:{told}EUR"))


def _bargain(match: Match) -> Value | None:
    """买二送一; in English only the commonest is known."""
    bought, given = (read_numeral(group_of(match, name) or "1") for name in "ab")
    return None if bought is None or given is None else Value(f"{bought}+{given}")


def _half(match: Match) -> Value:
    return Value("50", ("percent:50",))


def _cut(match: Match) -> Value | None:
    """20% off is 八折: what is left to pay."""
    ends = _ends(match)
    if not ends or max(ends) > 100:
        return None
    told = SPAN.join(write(100 - end) for end in ends)
    return Value(told, (f"percent:{SPAN.join(map(write, ends))}",))


def _fold(match: Match) -> Value | None:
    ends = _ends(match)
    if not ends:
        return None
    digits = read_digits(match["a"])
    if len(ends) == 2 and not group_of(match, "b") and digits:
        ends = (Fraction(digits),)
    told = SPAN.join(write(end * 10 if end < 10 else end) for end in ends)
    return Value(told, (f"percent:{told}",))


def _percent(match: Match) -> Value | None:
    return _plain(match)


def _tenths(match: Match) -> Value | None:
    amount = read_numeral(match["a"])
    return None if amount is None else Value(write(amount * 10))


def write_lasting(amount: Fraction, unit: str) -> str:
    """An amount of a unit as it is kept: in the largest of days, hours, minutes that fits."""
    if unit == "月":
        return write(amount) + "mo" if amount.denominator == 1 else write(amount * 30) + "d"
    kept, factor = find_row(DURATIONS, unit.strip())
    total = amount * factor
    if kept == "mo" and total.denominator != 1:
        return write(total * 30) + "d"
    if kept != "s":
        return write(total) + kept
    for name, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if total and (total / seconds).denominator == 1:
            return write(total / seconds) + name
    return write(total) + "s"


def _lasting(match: Match) -> Value | None:
    span = _span(match, lambda amount: write_lasting(amount, match["unit"]))
    return None if span is None else Value(span)


def _about_half(match: Match) -> Value | None:
    whole = read_numeral(match["a"]) if match["a"] else Fraction(0)
    return None if whole is None else Value(write_lasting(whole + HALF, match["unit"]))


def _half_more(match: Match) -> Value | None:
    whole = read_numeral(match["a"])
    return None if whole is None else Value(write_lasting(whole + HALF, match["unit"]))


def _composite(match: Match) -> Value | None:
    hours, minutes = read_numeral(match["a"]), read_numeral(match["b"])
    if hours is None or minutes is None:
        return None
    return Value(write_lasting(hours * 60 + minutes, "分钟"))


def _an(match: Match) -> Value:
    return Value(write_lasting(Fraction(1), match["unit"]))


AMOUNT_READERS: dict[str, Reader] = {
    "plain": _plain,
    "words": _words,
    "count": _count,
    "unit": _unit,
    "share": _share,
    "code": _code,
    "money": _money,
    "vague": _vague,
    "signed": _signed,
    "coins": _coins,
    "coin": _coin,
    "saving": _saving,
    "priced": _priced,
    "bargain": _bargain,
    "half": _half,
    "cut": _cut,
    "fold": _fold,
    "percent": _percent,
    "tenths": _tenths,
    "lasting": _lasting,
    "about_half": _about_half,
    "half_more": _half_more,
    "composite": _composite,
    "an": _an,
}
