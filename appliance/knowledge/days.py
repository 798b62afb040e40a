"""Which days a text names: holidays, days of the week, months; and whether another text has them.

Opening hours of Monday to Friday say nothing of Good Friday. It reads one text at a time by fixed
patterns and knows no calendar but the few holidays that have a date of their own. The rule that
must not break: a text that names no day of a sort contradicts none of that sort but a holiday.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from appliance.knowledge.folding import fold

Numbering: TypeAlias = Callable[[Sequence[str | None]], int]

# 周五一般 is no Labour Day, and 超过年限 no Spring Festival.
DAY_BEFORE = "周期拜"
OVER_NEW_YEAR = r"(?<![超不经通路])过年(?![限龄审检])"
LUNAR_DAYS = "一二三四五六七八九十"
# 初三 is a year at school, too.
LUNAR_DAY = rf"初([{LUNAR_DAYS}])(?!年级|[学班生课]|毕业|的(?:学生|孩子|课|作业))"
# Each line is one holiday; what stands for it, the date it has every year included.
HOLIDAYS = tuple(
    re.compile(pattern)
    for pattern in (
        r"元旦|(?<!\d)1\s?月\s?1\s?[日号]|new year'?s|\b1 january|january 1\b",
        r"除夕|年三十|(?:spring festival|new year'?s) eve",
        rf"春节|{OVER_NEW_YEAR}|大年(?=初|三十|夜)|年初|农历新年|"
        rf"{LUNAR_DAY}"
        r"|spring festival|chinese new year|lunar new year",
        r"元宵|lantern festival",
        r"清明|qingming|tomb.sweeping",
        rf"(?<![{DAY_BEFORE}])五一|劳动节|(?<!\d)5\s?月\s?1\s?[日号]"
        r"|labou?r day|may day|\b1 may\b|\bmay 1\b",
        r"端午|dragon boat",
        r"七夕|qixi",
        r"中秋|mid.?autumn|moon festival",
        r"国庆|十一(?=假|长假|黄金|期间)|10\s?月\s?1\s?[日号]"
        r"|national day|\b1(?:–7)? october|october 1\b",
        r"重阳|double ninth",
        r"圣诞|平安夜|12\s?月\s?2[4-6]\s?[日号]|christmas|xmas|boxing day"
        r"|2[4-6](?: and 2[4-6])? december|december 2[4-6]",
        r"复活节|\beaster\b",
        r"good friday",
        r"ascension day|\bwhit\b|pentecost",
        r"情人节|valentine",
        r"妇女节|三八节|women'?s day",
        rf"儿童节|(?<![{DAY_BEFORE}])六一|children'?s day",
        r"母亲节|mother'?s day",
        r"父亲节|father'?s day",
        r"教师节|teachers'? day",
        r"万圣节|halloween",
        r"感恩节|thanksgiving",
        r"双十一|双11|singles'? day",
        r"ramadan|\beid\b|diwali|hanukkah|斋月|开斋",
    )
)
# When something was bought is not what is asked.
BOUGHT_THEN = re.compile(
    r"[^,。?]*?(?:买|下单|下的单|拍下|订)的|\b(?:bought|ordered|purchased|got)\b[^,.?]*"
)
# What is open on all of them names each.
EVERY_HOLIDAY = re.compile(
    r"全年无休|全年不休|365\s?天|节假日|法定假|\b(?:bank|public) holidays?\b|\b365 days\b"
    r"|\bevery day of the year\b|\ball (?:year|holidays)\b"
)
# Between two days of which it names all between: "12 月 5 日至 9 日" has a day behind the month.
SPAN = re.compile(
    r"\s*(?:\d{1,2}\s?[日号]?)?\s*(?:至|到|[-–—~]|to|through|until)\s*(?:\d{1,2})?\s*"
)
WEEK_ZH = "一二三四五六日"
WEEK_EN = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEK, DAY_END = "周|星期|礼拜", r"(?:s|r|rs|nes|ur)?(?:days?)?\b"
NAMES_EN = "|".join(WEEK_EN)
# "Sun", "sat" and "wed" are words of their own but beside another day or a time.
ALONE = r"(?:sun|sat|wed)\b(?!\s?(?:[-–—/&,:.+\d]|to\b|and\b|only\b))"
BESIDE = r"(?<![-–—/&])(?<![-–—/&,] )" + "".join(
    rf"(?<!\b{word} )" for word in ("to", "and", "on", "open", "closed", "this", "next", "every")
)
WEEKDAY = re.compile(rf"(?:{WEEK})([{WEEK_ZH}天])|\b(?!{BESIDE}{ALONE})({NAMES_EN}){DAY_END}")
# What makes a numeral behind a day something else: 周二、三点, 周三、五折.
NO_DAY = r"(?![\d点时月年个次件元块折十百千万半楼层号位天周人名种项步般共定直起些本家用常])"
# 周一三五 and 周六日 need no mark between them.
JOINED_DAYS = rf"(?:[二三四五六]{{2,5}}日?|(?<=六)日){NO_DAY}"
# 周一至五, 周一、三、五 and 周六日 leave the word for a week out behind the first.
SHORT_DAYS = re.compile(
    rf"({WEEK})([{WEEK_ZH}天])"
    rf"((?:\s?[至到、,和及/~–—-]\s?[{WEEK_ZH}天]{NO_DAY}|{JOINED_DAYS})+)"
)
# What is closed on one day or two is open on the others.
DAY_ZH = rf"(?:每?(?:{WEEK})[{WEEK_ZH}天])"
DAYS_ZH = rf"{DAY_ZH}(?:\s?[至到、,和及与/~–—-]?\s?{DAY_ZH})*"
DAY_EN = rf"(?:every )?(?:{NAMES_EN}){DAY_END}\.?"
DAYS_EN = rf"{DAY_EN}(?:(?:,? and |,? ?& ?|, ?|/| ?[-–—] ?| to | or ){DAY_EN})*"
CLOSED_THEN = re.compile(
    rf"{DAYS_ZH}\s?(?:全天)?(?:店休|公休|休息|休业|闭店|闭馆|不营业|不上班|不开|除外)"
    rf"|(?:店休|公休|休息|闭馆)日?\s?:\s?{DAYS_ZH}"
    rf"|\b(?:closed|except)(?: on)? {DAYS_EN}|\b{DAYS_EN}:? (?:is |are |we are )?closed\b"
)
SPANS = (
    (re.compile(r"周末|\bweekends?\b"), frozenset((5, 6))),
    (re.compile(r"工作日|平日|\bweekdays?\b"), frozenset(range(5))),
    (re.compile(r"每[天日]|天天|\bdaily\b|\bevery ?day\b"), frozenset(range(7))),
)
WORKING_TIME = re.compile(r"\d\s*(?:个\s*)?工作日|个工作日")
MONTHS_EN = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = re.compile(
    r"(?<!\d)(1[0-2]|[1-9])\s?月(?!内)"
    r"|\b(january|february|march|april|(?<=in )may|(?<=\d )may|may(?= \d)|june|july|august"
    r"|september|october|november|december)\b"
)
# New Year's Eve is the day before the first.
LUNAR = re.compile(rf"(?:(?:农历)?正月|大年)?{LUNAR_DAY}|除夕|年三十")
FIRST_CLOCK = re.compile(r"\d{1,2}(?:[:点]| ?[ap]\.?m)")


def misses_day(question: str, line: str, place: str) -> bool:
    """Whether `question` names a day that neither `line` nor its headings have."""
    asked, said = BOUGHT_THEN.sub(" ", fold(question).text), fold(f"{place} {line}").text
    holidays = list_holidays(asked)
    if holidays and not EVERY_HOLIDAY.search(said) and not holidays <= list_holidays(said):
        return True
    days = list_weekdays(said)
    if not list_weekdays(CLOSED_THEN.sub(" ", _spell_out(said))):
        # Who is closed on Tuesdays says of no other day that it is not meant.
        days &= list_weekdays(asked)
    pairs = ((find(asked), find(said)) for find in (list_months, list_lunar_days))
    return any(
        wanted and named and not wanted & named
        for wanted, named in ((list_weekdays(asked), days), *pairs)
    )


def is_of_holiday(question: str, line: str) -> bool:
    """Whether the times of day in `line` are those of a holiday that `question` does not name: the
    day stands before the first of them, while "daily from ten, not at New Year" is of every day."""
    before = FIRST_CLOCK.split(fold(line).text, maxsplit=1)[0]
    return bool(list_holidays(before)) and not list_holidays(fold(question).text)


@lru_cache(maxsize=512)
def list_holidays(folded: str) -> frozenset[int]:
    return frozenset(place for place, one in enumerate(HOLIDAYS) if one.search(folded))


@lru_cache(maxsize=512)
def list_weekdays(folded: str) -> frozenset[int]:
    """0 is Monday; "Tuesday to Sunday" are six days."""
    plain = _spell_out(WORKING_TIME.sub(" ", folded))
    days = set(_list_spanned(WEEKDAY, plain, _number_weekday, 7))
    for pattern, several in SPANS:
        if pattern.search(plain):
            days |= several
    return frozenset(days)


def _spell_out(folded: str) -> str:
    return SHORT_DAYS.sub(
        lambda days: days[1] + days[2] + re.sub(rf"([{WEEK_ZH}天])", rf"{days[1]}\1", days[3]),
        folded,
    )


@lru_cache(maxsize=512)
def list_months(folded: str) -> frozenset[int]:
    return frozenset(_list_spanned(MONTH, folded, _number_month, 12))


@lru_cache(maxsize=512)
def list_lunar_days(folded: str) -> frozenset[int]:
    return frozenset(_list_spanned(LUNAR, folded, _number_lunar, len(LUNAR_DAYS) + 1))


def _list_spanned(
    pattern: re.Pattern[str], text: str, number: Numbering, size: int
) -> Iterator[int]:
    """All that are named, and those between two of them with a "to" in the middle."""
    found = list(pattern.finditer(text))
    for place, one in enumerate(found):
        first = number(one.groups())
        yield first
        following = found[place + 1] if place + 1 < len(found) else None
        if following and SPAN.fullmatch(text[one.end() : following.start()]):
            last = number(following.groups())
            yield from ((first + step) % size for step in range((last - first) % size))


def _number_weekday(groups: Sequence[str | None]) -> int:
    han, other = groups
    return WEEK_EN.index(other) if other else WEEK_ZH.index((han or "").replace("天", "日"))


def _number_month(groups: Sequence[str | None]) -> int:
    digits, name = groups
    return MONTHS_EN.index(name[:3]) if name else int(digits or 1) - 1


def _number_lunar(groups: Sequence[str | None]) -> int:
    return LUNAR_DAYS.index(groups[0]) + 1 if groups[0] else 0


def drop_weekdays(folded: str) -> str:
    """What is left to be looked for once `misses_day` has compared the days: Sunday stands in
    "Tuesday to Sunday" and "daily" without being a word of either."""
    return WEEKDAY.sub(" ", folded)
