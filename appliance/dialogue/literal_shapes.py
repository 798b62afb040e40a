"""The shapes of all literals as one ordered table.

It finds and reads nothing by itself: `literals.py` tries the shapes from top to bottom, and what
one has taken no later one sees. Shapes without a kind take what only looks like a literal: idioms,
ordinals, the numbers of a list. The rule that must not break: a shape is passed over only where it
could not match; what it `needs` stands in each of its matches.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from appliance.dialogue.literal_patterns import (
    ADDRESS,
    AFTER_COINS,
    CENTS,
    COUNT,
    DAY,
    DIALLED,
    EMAIL,
    ENUMERATED,
    HALF_DAY,
    HANDLE,
    IDIOMS,
    LASTING,
    LISTED,
    MONEY,
    MONTH,
    MORE,
    ORDER_ID,
    PART,
    PHONE,
    PRICE_CALL,
    PRICE_WORD,
    SIGNED,
    SPAN,
    SPOKEN,
    TO,
    UNIT,
    URL,
    WEEK_EN,
    WEEK_ZH,
    YEAR,
    C,
    D,
    E,
    N,
)
from appliance.dialogue.numerals import CHINESE_CHARS
from appliance.knowledge.days import JOINED_DAYS, NO_DAY

DIGIT = r"\d"
NUMERAL = rf"[\d{CHINESE_CHARS}]"
LATIN = r"[A-Za-z]"


class Shape(NamedTuple):
    """`reader` names the function of `literal_values.py` that reads a match; "" takes it away.
    A shape that `is_counted` begins with a number and is tried nowhere else. Letters are those of
    ASCII: 请联系13912345678 has a word's end before the digits."""

    kind: str
    reader: str
    pattern: re.Pattern[str]
    needs: re.Pattern[str] | None
    is_counted: bool


def _shape(kind: str, reader: str, needs: str, pattern: str, flags: int = re.IGNORECASE) -> Shape:
    compiled = re.compile(pattern, flags | re.MULTILINE | re.ASCII)
    return Shape(kind, reader, compiled, re.compile(needs, re.IGNORECASE), False)


def _counted(kind: str, reader: str, pattern: str) -> Shape:
    return Shape(kind, reader, re.compile(pattern, re.IGNORECASE | re.ASCII), None, True)


SHAPES: tuple[Shape, ...] = (
    _shape("email", "email", r"@|\(at\)|\[at\]| at ", EMAIL),
    _shape("url", "url", r"[.:]\S|dot", URL),
    _shape("", "", NUMERAL, IDIOMS),
    _shape("", "", "第", rf"第(?:\d+|{C})(?:[步点条项个种次位名天周章节页类批]|季度)?"),
    _shape("", "", DIGIT, r"^[ \t#>•-]*\(?\d{1,2}(?:[.):](?!\d)|、)(?=[ \t]*\S)"),
    _shape("", "", DIGIT, r"(?<=[;；。])\s?\(?\d{1,2}[.)、](?=\s?[^\d\s])"),
    _shape(
        "",
        "",
        "step|option|步骤|选项|方法|方案|问题",
        r"(?:\bstep|\boption|步骤|选项|方法|方案|问题) ?"
        rf"(?:\d{{1,2}}(?!\d|\s?(?:[%折]|{MONEY}|{LASTING}))|one|two)",
    ),
    _shape("time", "always", "24", r"\b24/7\b|7 ?[x×*天] ?24(?: ?小时)?|全天 ?24 ?小时"),
    # Dates
    _shape(
        "date",
        "date",
        DIGIT,
        r"(?<!\d)(?P<y>\d{4})(?P<_s>[/.-])(?P<m>\d{1,2})(?P=_s)(?P<d>\d{1,2})(?!\d)",
    ),
    # Two days of one month, which is told once: 10月1日至7日, October 1-7.
    _shape(
        "date",
        "date_span",
        "月",
        rf"(?<!\d)(?:(?P<y>\d{{4}})年)?(?P<m>\d{{1,2}}|{C})月份?"
        rf"(?P<d>\d{{1,2}}|{C})[日号]?{TO}(?P<q>\d{{1,2}}|{C})[日号]",
    ),
    _shape(
        "date",
        "date_span",
        DIGIT,
        rf"{MONTH} {DAY}{TO}(?P<q>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:| ?[ap]\.?m| (?:o'clock|people))"
        rf"(?:,? {YEAR})?",
    ),
    _shape(
        "date",
        "date_span",
        DIGIT,
        rf"(?<![\d:.])(?P<q>\d{{1,2}}){TO}{DAY} (?:of )?{MONTH}(?:,? {YEAR})?",
    ),
    _shape(
        "date",
        "date",
        "年",
        rf"(?<!\d)(?P<y>\d{{4}}|[零〇一二三四五六七八九]{{4}})年\s?"
        rf"(?:(?P<m>\d{{1,2}}|{C})月份?\s?(?:(?P<d>\d{{1,2}}(?!\d)|{C})(?![元块折%])[日号]?)?)?",
    ),
    _shape(
        "date",
        "either",
        DIGIT,
        r"(?<![\d/])(?P<p>\d{1,2})[/.-](?P<q>\d{1,2})[/.-](?P<y>(?:19|20)\d{2})(?!\d)",
    ),
    _shape("date", "date", DIGIT, rf"{MONTH} {DAY}(?:,? {YEAR})?"),
    _shape("date", "date", DIGIT, rf"(?<!\d){DAY} (?:of )?{MONTH}(?:,? {YEAR})?"),
    _shape("date", "date", DIGIT, rf"{MONTH},? {YEAR}"),
    _shape(
        "date",
        "date",
        "月",
        rf"(?<!\d)(?P<m>\d{{1,2}}|{C})月份?(?P<d>\d{{1,2}}(?!\d)|{C})(?![元块折%])[日号]?",
    ),
    _shape("date", "date", "月", rf"(?<!\d)(?P<m>\d{{1,2}}|{C})月(?!饼)"),
    _shape(
        "date",
        "weekday",
        "[期拜周]",
        # 周三9点 has its day before a figure; of 周13 nothing is a day.
        rf"{WEEK_ZH}(?P<a>[一二三四五六日天]|[1-6](?!\d))"
        rf"(?:{TO}{WEEK_ZH}?(?P<b>[一二三四五六日天]|[1-6](?!\d))"
        rf"|(?P<more>(?:\s?[、和及/]\s?[一二三四五六日天]{NO_DAY}|{JOINED_DAYS})+))?",
    ),
    _shape(
        "date",
        "weekday",
        LATIN,
        rf"\b(?=[MTWFSmtwfs])(?P<a>{WEEK_EN})(?:(?:{TO}| through )(?P<b>{WEEK_EN}))?",
        0,
    ),
    _shape(
        "date",
        "date",
        "[A-Z]",
        r"\b(?P<month>January|February|April|June|July|August|September|October|November|December"
        r"|(?<=in )(?:March|May)|(?<=by )(?:March|May)|(?<=until )(?:March|May))\b",
        0,
    ),
    # Contacts
    _shape("phone", "handle", LATIN + "|信", HANDLE),
    _shape("phone", "phone", DIGIT, DIALLED),
    # Money
    _shape("price", "signed", r"[¥$€£]|rmb|cny|usd|eur|人民币", SIGNED),
    _counted(
        "price",
        "coins",
        # 20元5个 and 300元一晚 have no 角.
        rf"(?P<a>{N})\s?[元块](?P<jiao>[\d一二三四五六七八九])"
        rf"(?:[角毛](?:(?P<fen>[\d一二三四五六七八九])分|(?!\d))|(?<=块.)(?={AFTER_COINS}))",
    ),
    _counted("price", "coin", rf"{SPAN}(?P<coin>[角毛]钱?|分钱|\s?(?:jiao|fen|cents?)\b)"),
    _shape(
        "price",
        "vague",
        "[十百千万].?[元块圆]",
        rf"(?:(?<![\d{CHINESE_CHARS}])[十百千万]几|[几数上好][十百千万]{{1,2}}"
        rf"|(?<![\d{CHINESE_CHARS}])[百千万])(?:元|块|圆)",
    ),
    _counted(
        "price",
        "money",
        rf"{SPAN}(?:{CENTS}(?= ?eu| ?€))?(?P<k>k\b)?[ -]?{MORE}(?P<unit>{MONEY})(?![a-z])",
    ),
    _shape("price", "saving", "满", rf"满(?P<a>{N})(?:减|送|返)(?P<b>{N})(?![\d%件天个])"),
    _counted("price", "priced", rf"(?P<value>{N})(?=(?:包邮|免邮)(?![寄票件政])|免运费|起送)"),
    _shape(
        "price",
        "priced",
        DIGIT,
        rf"{PRICE_WORD}{PRICE_CALL}(?P<value>{D})(?![\d.:]*\d)"
        rf"(?!\s?(?:[%折{CHINESE_CHARS}]|{LASTING}|{UNIT}|{COUNT}|[a-z]))",
    ),
    # A single numeral may be a word: 价格一样.
    _shape(
        "price",
        "priced",
        f"[{CHINESE_CHARS}]",
        rf"{PRICE_WORD}{PRICE_CALL}(?P<value>[{CHINESE_CHARS}]{{2,16}}+)"
        rf"(?!\s?(?:[%折步\d点]|分之|{LASTING}|{UNIT}|{COUNT}|[种类]))",
    ),
    _shape(
        "price",
        "priced",
        "price|cost|fee|deposit",
        rf"\b(?:price|priced at|costs?|fee|deposit){PRICE_CALL}(?P<value>{E})"
        rf"(?! ?(?:{LASTING}|{UNIT}|{COUNT}|percent|per|%))",
    ),
    _shape("phone", "phone", DIGIT, PHONE),
    _shape("phone", "spoken", rf"{NUMERAL}|{LATIN}", SPOKEN),
    # Shares
    _shape(
        "discount",
        "bargain",
        "买|b",
        r"买(?P<a>\d{1,2}|[一二两三四五])[送赠](?P<b>\d{1,2}|[一二两三四五])"
        r"|buy one,? get one(?: free)?|bogo\b",
    ),
    _shape("discount", "half", "半价|折|half", r"半价|[对半]折|half[ -]price"),
    _counted(
        "discount", "cut", rf"{SPAN}(?:\s?%|\s?percent| per ?cent)[ -]?(?:off|discount|折扣)\b"
    ),
    _shape("discount", "cut", "%", rf"(?:立减|减免|优惠|直降|降价)(?P<a>{D})(?P<b>(?!))?%"),
    _counted("discount", "fold", rf"(?P<a>{D}|{C})(?:{TO}(?P<b>{D}|{C}))?\s?折(?![叠扣返旧线])"),
    _shape("percent", "percent", "百分之", rf"(?:{D}{TO})?百分之(?P<a>{N})"),
    _counted("percent", "percent", rf"{SPAN}\s?(?:%|percent\b|per ?cent\b|pct\b)"),
    _shape(
        "percent",
        "tenths",
        "成",
        r"(?P<a>[一二两三四五六七八九\d])成(?![为功本员就立熟套交都分长果绩])",
    ),
    # Spans of time and times of day
    _shape(
        "duration",
        "about_half",
        "半|half",
        rf"(?:(?P<a>{N})(?:个(?=半))?[ -]?(?:and (?:a )?)?)?"
        rf"(?:半个?|half (?:an? )?(?:of )?)[ -]?(?P<unit>{LASTING}|月)",
    ),
    _counted("duration", "half_more", rf"(?P<a>{N}) ?(?P<unit>年|天|分钟|周|小时)半(?![天年价])"),
    _counted("duration", "composite", rf"(?P<a>{N}) ?(?:个)?小时(?P<b>{N}) ?分钟?"),
    _counted("duration", "lasting", rf"(?<![点时第])(?<!\d:){SPAN}[ -]?{MORE}(?P<unit>{LASTING})"),
    _shape(
        "duration",
        "an",
        r"\ban? ",
        r"\b(?:within|in|for|takes?|about|after|up to|under) (?P<a>an?) "
        rf"(?P<unit>{LASTING})",
    ),
    _shape(
        "time",
        "clock",
        r"\d:\d",
        rf"{PART}?(?<!\d)(?<!\d[:.])(?P<h>\d{{1,2}}):(?P<min>\d{{2}})(?!\d)(?::\d{{2}})?\s?{HALF_DAY}?",
    ),
    _counted(
        "time",
        "clock",
        rf"(?<!\d)(?<!\d[:.])(?P<h>\d{{1,2}})(?:[:.](?P<min>\d{{2}}))?\s?{HALF_DAY}",
    ),
    _counted(
        "time",
        "clock",
        rf"(?P<h>{E})\s(?:o'?clock)?\s?{HALF_DAY}|(?P<h2>\d{{1,2}}|{E}) ?o'?clock",
    ),
    _shape(
        "time",
        "clock_span",
        "[点时]",
        rf"{PART}?(?<![\d.])(?P<a>\d{{1,2}}){TO}(?P<b>\d{{1,2}})[点时](?![间候代期])",
    ),
    _counted(
        "time",
        "clock_span",
        rf"(?<![\d.])(?P<a>\d{{1,2}}){TO}(?P<b>\d{{1,2}})\s?{HALF_DAY}",
    ),
    _shape(
        "time",
        "chinese_clock",
        "[点时]",
        rf"{PART}?(?P<h>(?<![\d.])\d{{1,2}}|[{CHINESE_CHARS}]{{1,3}})\s?"
        rf"(?P<hour>[点时](?![间候代期尚]))(?:(?P<half>半)|(?P<quarter>[一三]刻)|整|钟"
        rf"|(?P<min>\d{{1,2}}(?!\d)|[{CHINESE_CHARS}]{{2,3}}|[零一二三四五六七八九十](?=分))"
        r"分?(?!钟))?",
    ),
    _shape(
        "time",
        "day",
        "晚",
        r"[早朝](?P<a>\d{1,2}|[五六七八九十]{1,2})点?(?:到|至|-)?"
        r"晚(?P<b>\d{1,2}|[五六七八九十]{1,2})点?(?![\d天月年个:])",
    ),
    _shape("time", "noon", "no|ni", r"\b(?:noon|midnight)\b"),
    _shape(
        "time",
        "past",
        "half|quarter",
        rf"\b(?P<how>half past|quarter past|quarter to) (?P<h>\d{{1,2}}|{E})",
    ),
    # Places and papers
    _shape("address", "address", "号|弄", ADDRESS[0], 0),
    _shape("address", "address", "[市区县镇]", ADDRESS[1], 0),
    _shape("address", "address", r"\d[A-Z]?,? [A-Z]", ADDRESS[2], 0),
    _shape(
        "date",
        "date",
        "[日号]",
        rf"(?<![\d.])(?P<d>\d{{1,2}}|{C})[日号](?![楼线店码门院机色电室馆])",
    ),
    _shape(
        "number",
        "unit",
        "floor",
        r"(?<![\w.])(?P<a>\d{1,3})(?:st|nd|rd|th)?[ -](?P<unit>floor)\b",
    ),
    _shape("", "", DIGIT, r"(?<![\w.])\d{1,3}(?:st|nd|rd|th)\b"),
    _counted("number", "unit", rf"(?<![A-Za-z]){SPAN}[ -]?(?P<unit>{UNIT})"),
    _shape("number", "unit", "room|floor", r"\b(?P<unit>room|floor) (?P<a>\d{1,5})\b"),
    *(_shape("order_id", "order_id", DIGIT, pattern, 0) for pattern in ORDER_ID),
    # Numbers
    _counted("", "", rf"(?:[{CHINESE_CHARS}]|(?<!\d)\d)(?:{ENUMERATED})"),
    _counted("", "", rf"\b(?:one|two|three|four|five|six|(?<![\d.])\d) (?:\w+ )?(?:{LISTED})\b"),
    _shape(
        "",
        "",
        LATIN,
        r"\b(?:the|these|those|all|other|between|last|next|first) (?:two|three|four)\b",
    ),
    _counted("number", "share", rf"(?P<b>{C}|{D})分之(?P<a>{C}|{D})"),
    _counted("number", "count", rf"(?<![A-Za-z]){SPAN}\s?(?P<unit>{COUNT})"),
    _counted(
        "number", "plain", rf"(?<![A-Za-z0-9_.])(?P<a>{D})(?:{TO}(?P<b>{D}))?(?![A-Za-z0-9_])"
    ),
    _shape("number", "code", DIGIT, r"[A-Za-z_]{0,24}\d[A-Za-z0-9_]{0,40}"),
    _counted("number", "words", rf"(?P<a>{C}|{E})"),
)
