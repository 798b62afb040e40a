"""What a found time, date, place or contact says, as one normalised value.

The readers of all shapes are listed at the end; amounts have theirs in `literal_amounts.py`. The
rule that must not break: what can be read in two ways names both, and never only the likelier one.
"""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction

from appliance.dialogue.literal_amounts import (
    AMOUNT_READERS,
    SPAN,
    Match,
    Reader,
    Value,
    group_of,
    write,
)
from appliance.dialogue.literal_patterns import MONTHS, WEEKDAYS
from appliance.dialogue.numerals import ENGLISH_UNITS, read_digits, read_numeral

QUARTERS = {"一刻": 15, "三刻": 45}
PM_PARTS = (
    "下午",
    "午后",
    "傍晚",
    "晚上",
    "晚间",
    "夜里",
    "夜间",
    "今晚",
    "明晚",
    "当晚",
    "晚",
    "夜",
    "半夜",
)
COUNTED_POINTS = re.compile(r"(?:以下|这|那|几|注意|上述|如下|有|分为|分|共|哪)$")


def _always(match: Match) -> Value:
    return Value("24/7", ("duration:1d",))


def _tell_time(hour: int, minute: int, part: str = "", half: str = "") -> Value | None:
    if hour > 24 or minute > 59:
        return None
    half = half.lower()[:1]
    # 晚上2点 is in the small hours, 晚上5点 and 晚上6点 are not.
    small_hours = 6 if part in ("半夜", "夜里", "夜") else 5 if "晚" in part else 0
    is_late = half == "p" or (part in PM_PARTS and hour >= small_hours)
    if half == "a" or part in ("凌晨", "半夜") or (part in PM_PARTS[3:] and hour == 12):
        hour %= 12
    elif (is_late and hour < 12) or (part in ("中午", "午间") and hour < 4):
        hour += 12
    told = f"{hour % 24:02}:{minute:02}"
    is_sure = half or part in (
        *PM_PARTS,
        "上午",
        "早上",
        "早晨",
        "清晨",
        "凌晨",
        "中午",
        "早",
        "今早",
    )
    others = () if is_sure or hour > 12 else (f"time:{(hour + 12) % 24:02}:{minute:02}",)
    return Value(told, others)


def _clock(match: Match) -> Value | None:
    hour = read_numeral(group_of(match, "h") or group_of(match, "h2"))
    if hour is None or hour.denominator != 1:
        return None
    told = _tell_time(
        int(hour),
        int(group_of(match, "min") or 0),
        group_of(match, "part"),
        group_of(match, "half"),
    )
    # 9:00 is the hour of a clock of 24; only "9点" and "nine o'clock" may be in the evening.
    return Value(told.value) if told and group_of(match, "min") else told


def _chinese_clock(match: Match) -> Value | None:
    text, part = match["h"], group_of(match, "part")
    hour = read_numeral(text)
    if hour is None or hour.denominator != 1 or (match["hour"] == "时" and not text.isdecimal()):
        return None
    minute = 30 if match["half"] else QUARTERS.get(match["quarter"] or "", 0)
    if match["min"]:
        minute = int(read_numeral(match["min"]) or 0)
    is_bare = not part and match[0].strip().endswith("点") and not text.isdecimal()
    if is_bare and (text == "一" or COUNTED_POINTS.search(match.string[: match.start()])):
        return None
    return _tell_time(int(hour), minute, part)


def _clock_span(match: Match) -> Value | None:
    part, half = group_of(match, "part"), group_of(match, "half")
    ends = [_tell_time(int(match[name]), 0, part, half) for name in "ab"]
    told = [end.value for end in ends if end]
    return Value(SPAN.join(told)) if len(told) == 2 else None


def _day(match: Match) -> Value | None:
    """朝九晚五: the hours from the morning to the evening."""
    first, last = read_numeral(match["a"]), read_numeral(match["b"])
    if first is None or last is None:
        return None
    told = (_tell_time(int(first), 0, "早"), _tell_time(int(last), 0, "晚"))
    return Value(SPAN.join(end.value for end in told if end)) if all(told) else None


def _noon(match: Match) -> Value:
    return Value("12:00" if match[0].lower() == "noon" else "00:00")


def _past(match: Match) -> Value | None:
    hour = read_numeral(match["h"])
    if hour is None or not 1 <= hour <= 12:
        return None
    minutes = {"half past": 30, "quarter past": 15, "quarter to": -15}[match["how"].lower()]
    at = int(hour) * 60 + minutes
    return _tell_time(at // 60, at % 60)


def _date(match: Match) -> Value | None:
    word = group_of(match, "month").lower()
    month = Fraction(MONTHS[word]) if word else _part(match, "m")
    day, year = _part(match, "d"), _part(match, "y")
    if (month is not None and not 1 <= month <= 12) or (day is not None and not 1 <= day <= 31):
        return None
    told = "-" if year is None else f"{int(year):04}"
    told += "" if month is None and day is None else "-" if month is None else f"-{int(month):02}"
    return Value(told + ("" if day is None else f"-{int(day):02}"))


def _date_span(match: Match) -> Value | None:
    word = group_of(match, "month").lower()
    month = Fraction(MONTHS[word]) if word else _part(match, "m")
    days = sorted(day for name in "dq" if (day := _part(match, name)))
    if month is None or month > 12 or len(days) < 2 or days[1] > 31:
        return None
    year = group_of(match, "y") or "-"
    return Value(SPAN.join(f"{year}-{int(month):02}-{int(day):02}" for day in days))


def _part(match: Match, name: str) -> Fraction | None:
    text = group_of(match, name)
    value = read_numeral(text) if text else None
    return value if value is not None and value.denominator == 1 else None


def _either(match: Match) -> Value | None:
    """3/1/2026 is March 1 here and January 3 there."""
    year, first, second = int(match["y"]), int(match["p"]), int(match["q"])
    told = []
    for month, day in ((first, second), (second, first)):
        try:
            told.append(date(year, month, day).isoformat())
        except ValueError:
            continue
    return Value(told[0], tuple(f"date:{other}" for other in told[1:])) if told else None


def _weekday(match: Match) -> Value:
    more = re.findall("[一二三四五六日天]", group_of(match, "more"))
    days = [name[:3].lower() for name in (match["a"], match["b"], *more) if name]
    return Value(SPAN.join(f"w{WEEKDAYS[day]}" for day in days))


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _phone(match: Match) -> Value:
    text = match.groupdict().get("value") or match[0]
    digits = _digits(text)
    if text.lstrip().startswith("+86") or re.fullmatch(r"861[3-9]\d{9}", digits):
        digits = digits.removeprefix("86")
    return Value(digits)


def _spoken(match: Match) -> Value:
    return Value(read_digits(match[0]) or _digits(match[0]))


def _handle(match: Match) -> Value:
    return Value(match["value"].lower())


def _email(match: Match) -> Value:
    told = re.sub(r"\(at\)|\[at\]| at ", "@", match[0].lower()).replace(" dot ", ".")
    return Value(told.replace(" ", ""))


def _url(match: Match) -> Value:
    told = re.sub(
        r" ?(?:\[\.\]|\(\.\)|\[dot\]|\(dot\)| dot ) ?", ".", match[0], flags=re.IGNORECASE
    )
    told = told.rstrip(".,;:!?)]}>'\"*_~…")
    told = re.sub(r"^[a-z][a-z0-9+.-]*://", "", told, flags=re.IGNORECASE)
    host, slash, path = re.sub(r"^www\.", "", told, flags=re.IGNORECASE).partition("/")
    return Value((host.lower() + slash + path).rstrip("/"))


def _address(match: Match) -> Value:
    number = re.search(r"([零〇一二三四五六七八九十百千]+)\s?[号弄]$", match[0])
    told = match[0]
    if number and (value := read_numeral(number[1])) is not None:
        told = told[: number.start()] + write(value) + told[number.end() - 1 :]
    told = re.sub(r"^no\.? ?|[.,]", "", told.lower())
    for long, short in (("street", "st"), ("road", "rd"), ("avenue", "ave"), ("lane", "ln")):
        told = re.sub(rf"\b{long}$", short, told)
    return Value(re.sub(r"(?<![a-z0-9])\s|\s(?![a-z0-9])", "", told))


def _order_id(match: Match) -> Value | None:
    told = match[0].replace("-", "").upper()
    return None if told in {word.upper() for word in ENGLISH_UNITS} else Value(told)


READERS: dict[str, Reader] = {
    **AMOUNT_READERS,
    "always": _always,
    "clock": _clock,
    "chinese_clock": _chinese_clock,
    "clock_span": _clock_span,
    "day": _day,
    "noon": _noon,
    "past": _past,
    "date": _date,
    "date_span": _date_span,
    "either": _either,
    "weekday": _weekday,
    "phone": _phone,
    "spoken": _spoken,
    "handle": _handle,
    "email": _email,
    "url": _url,
    "address": _address,
    "order_id": _order_id,
}
