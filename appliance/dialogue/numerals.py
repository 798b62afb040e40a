"""Numerals of Chinese and English as exact values, and values as numerals.

It reads one numeral that somebody else found: it looks for nothing in a text and knows no units.
The rule that must not break: what is not wholly a numeral is None, never a guess.
"""

from __future__ import annotations

import re
from fractions import Fraction

CHINESE_DIGITS = {
    **dict(zip("零一二三四五六七八九", range(10), strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖", range(1, 10), strict=True)),
    "〇": 0,
    "两": 2,
    "俩": 2,
    "仨": 3,
    "幺": 1,
}
CHINESE_SMALL = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
CHINESE_LARGE = {"万": 10**4, "亿": 10**8}
CHINESE_CHARS = "".join((*CHINESE_DIGITS, *CHINESE_SMALL, *CHINESE_LARGE, "廿"))

_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_ONES = f"zero one two three four five six seven eight nine {_TEENS}".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
ENGLISH_UNITS = {
    **{word: value for value, word in enumerate(_ONES)},
    **{word: 10 * value for value, word in enumerate(_TENS, start=2)},
}
ENGLISH_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
ENGLISH_DIGITS = {**{word: value for value, word in enumerate(_ONES[:10])}, "oh": 0}
_ARABIC_PART = re.compile(r"(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?([十百千万亿]*)")
_ARABIC = re.compile(rf"(?:{_ARABIC_PART.pattern})+")


def read_numeral(text: str) -> Fraction | None:
    """1,299 · 1.5万 · 1万2千 · 1千5 · 一千二百九十九 · 三点五 · twenty-one."""
    text = text.strip()
    if _ARABIC.fullmatch(text):
        return _read_arabic(text)
    if text.isascii():
        whole = read_english(text)
        return None if whole is None else Fraction(whole)
    return read_chinese(text)


def _read_arabic(text: str) -> Fraction | None:
    total, place = Fraction(0), 0
    for found in _ARABIC_PART.finditer(text):
        amount, scale = Fraction(found[1].replace(",", "") + (found[2] or "")), 1
        for char in found[3]:
            scale *= CHINESE_SMALL.get(char) or CHINESE_LARGE[char]
        if place >= 100 and len(found[0]) == 1:
            scale = place // 10
        if place and amount * scale >= place:
            return None
        total, place = total + amount * scale, scale
    return total


def read_chinese(text: str) -> Fraction | None:
    head, point, decimals = text.partition("点")
    whole = _read_chinese_whole(head.replace("廿", "二十"))
    if whole is None or not point:
        return None if whole is None else Fraction(whole)
    if not decimals or any(char not in CHINESE_DIGITS for char in decimals):
        return None
    return Fraction(f"{whole}.{_as_digits(decimals)}")


def _as_digits(text: str) -> str:
    return "".join(str(CHINESE_DIGITS[char]) for char in text)


def _read_chinese_whole(text: str) -> int | None:
    if not text or any(char not in CHINESE_CHARS for char in text):
        return None
    if all(char in CHINESE_DIGITS for char in text):
        return int(_as_digits(text))
    for char in ("亿", "万"):
        if char in text:
            head, _, rest = text.rpartition(char)
            return _join_large(head, rest, CHINESE_LARGE[char])
    return _read_below_ten_thousand(text)


def _join_large(head: str, rest: str, scale: int) -> int | None:
    high = _read_chinese_whole(head)
    low = 0
    if rest:
        # 三万五 is 35,000: a last digit alone counts the next lower place.
        is_short = len(rest) == 1 and rest in CHINESE_DIGITS
        read = CHINESE_DIGITS[rest] * scale // 10 if is_short else _read_chinese_whole(rest)
        if read is None or read >= scale:
            return None
        low = read
    return None if high is None else high * scale + low


def _read_below_ten_thousand(text: str) -> int | None:
    total, digit, place = 0, None, 10**4
    after_zero = False
    for char in text:
        if char in CHINESE_SMALL:
            scale = CHINESE_SMALL[char]
            if scale >= place or (digit is None and scale > 10):
                return None
            total += scale if digit is None else digit * scale
            digit, place, after_zero = None, scale, False
        elif digit:
            return None
        else:
            after_zero = after_zero or digit == 0 or CHINESE_DIGITS[char] == 0
            digit = CHINESE_DIGITS[char] or None
    if digit is None:
        return total
    # 一千二 is 1,200, 一千零二 is 1,002.
    is_short = place >= 100 and not after_zero
    return total + digit * (place // 10 if is_short else 1)


def read_english(text: str) -> int | None:
    """two hundred and five, a hundred, twelve hundred; "a" alone is none."""
    words = [word for word in re.split(r"[\s-]+", text.strip().lower()) if word]
    if words[:1] == ["a"] and len(words) > 1:
        words[0] = "one"
    if not words or words[0] == "and" or words[-1] == "and":
        return None
    total, group, previous = 0, 0, ""
    for word in words:
        if word == "and":
            if previous != "hundred" and previous not in ENGLISH_SCALES:
                return None
        elif word in ENGLISH_UNITS:
            if not _may_follow(previous, ENGLISH_UNITS[word]):
                return None
            group += ENGLISH_UNITS[word]
        elif word == "hundred" and 0 < group < 100:
            group *= 100
        elif word in ENGLISH_SCALES and group > 0 and total % (1000 * ENGLISH_SCALES[word]) == 0:
            total, group = total + group * ENGLISH_SCALES[word], 0
        else:
            return None
        previous = word
    return total + group


def _may_follow(previous: str, value: int) -> bool:
    """ "twenty" may be followed by "one" and by no other unit."""
    if previous not in ENGLISH_UNITS:
        return True
    before = ENGLISH_UNITS[previous]
    return before >= 20 and 0 < value < 10


def read_digits(text: str) -> str | None:
    """Digits that are told one by one: 一三八零, one three eight oh."""
    if text and all(char in CHINESE_DIGITS for char in text):
        return _as_digits(text)
    words = re.split(r"[\s-]+", text.strip().lower())
    if all(word in ENGLISH_DIGITS for word in words):
        return "".join(str(ENGLISH_DIGITS[word]) for word in words)
    return None


def read_about(text: str) -> tuple[Fraction, Fraction] | None:
    """两三 and 三五 tell a span: two digits that rise, with nothing between."""
    if len(text) != 2 or any(char not in CHINESE_DIGITS for char in text):
        return None
    low, high = (CHINESE_DIGITS[char] for char in text)
    return (Fraction(low), Fraction(high)) if 0 < low < high <= low + 2 else None


def write_chinese(value: int) -> str:
    """一千二百九十九, below 10**12."""
    if value < 0 or value >= 10**12:
        raise ValueError("only 0 to 10**12 - 1")
    digits = "零一二三四五六七八九"
    if value < 10:
        return digits[value]
    text, is_gap = "", False
    for scale, word in ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十")):
        count, value = divmod(value, scale)
        if count:
            text += ("零" if is_gap else "") + write_chinese(count) + word
            is_gap = 0 < value < scale // 10
        else:
            is_gap = is_gap or bool(text and value)
    text += ("零" if is_gap and value else "") + (digits[value] if value else "")
    return text.removeprefix("一") if text.startswith("一十") else text


def write_english(value: int) -> str:
    """one thousand two hundred and ninety-nine, below 10**12."""
    if value < 0 or value >= 10**12:
        raise ValueError("only 0 to 10**12 - 1")
    if value < 20:
        return _ONES[value]
    if value < 100:
        ten, one = divmod(value, 10)
        return _TENS[ten - 2] + (f"-{_ONES[one]}" if one else "")
    if value < 1000:
        hundred, rest = divmod(value, 100)
        return f"{_ONES[hundred]} hundred" + (f" and {write_english(rest)}" if rest else "")
    scale, word = max((scale, word) for word, scale in ENGLISH_SCALES.items() if scale <= value)
    high, rest = divmod(value, scale)
    joined = " and " if 0 < rest < 100 else " "
    return f"{write_english(high)} {word}" + (joined + write_english(rest) if rest else "")
