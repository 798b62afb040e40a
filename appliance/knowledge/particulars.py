"""What a question asks for in particular, and whether a line says that and nothing else.

A line may hold a length and be about the right pool, and yet be no answer to how deep it is. Fixed
patterns are looked at, no word is weighed. The rule that must not break: a line contradicts a
question only by what it visibly holds or lacks; where neither is plain, nothing is said against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.knowledge.bigrams import IS_HAN, stem
from appliance.knowledge.concepts import find_concepts, is_about_another, read_concepts
from appliance.knowledge.days import is_of_holiday, misses_day
from appliance.knowledge.focus import is_known, list_known
from appliance.knowledge.folding import fold
from appliance.knowledge.kinds import COUNTING, MONEY, N
from appliance.knowledge.wishes import Wish

TENS = "十百"
CHILDS_AGE = r"1[0-4]|[1-9]|十[一二三四]?|[一二两三四五六七八九]"
TURN = r"(?:visit|time|appointment|lesson|class|session|consultation|treatment|check|order)"
# Who or what is one thing is not the other; each side as a text names it.
OPPOSITES = tuple(
    (re.compile(one), re.compile(other))
    for one, other in (
        (
            r"成人|成年|大人|\badults?\b|\bgrown-?ups?\b",
            r"儿童|少儿|孩|小朋友|岁以[下内]|\bchild|\bkids?\b"
            rf"|(?<!\d)(?<![{TENS}])(?:{CHILDS_AGE})个?岁(?:半|多)?(?!以上)",
        ),
        (r"(?<!非)会员|(?<!non-)\bmembers?\b", r"非会员|\bnon-?members?\b"),
        (r"男|\bm[ae]n(?:'s)?\b", r"女|\bwom[ae]n(?:'s)?\b"),
        (r"国产|\bdomestic\b", r"进口|\bimported\b"),
        (r"平日|(?<!个)工作日(?!内)|\bweekdays?\b", r"周末|\bweekends?\b"),
        (
            rf"初诊|首次|第一次|\bfirst {TURN}",
            rf"复诊|再次|第二次|之后每次|\b(?:second|later|following|further) {TURN}",
        ),
        (r"大件|\blarge\b", r"小件|\bsmall\b"),
    )
)
# How far a thing goes in each direction, as it is asked and as it is said.
DIMENSIONS = tuple(
    (re.compile(asked), re.compile(said))
    for asked, said in (
        (r"多厚|厚度|\bhow thick\b|\bthickness\b", r"厚|\bthick"),
        (r"多宽|宽度|\bhow wide\b|\bwidth\b", r"宽|\bwid(?:e|th)\b"),
        (r"多深|深度|\bhow deep\b|\bdepth\b", r"深|\bde(?:ep|pth)\b"),
        (r"多高|高度|\bhow (?:high|tall)\b|\bheight\b", r"高|\b(?:high|height|tall)\b"),
        (
            r"多远|\bhow far\b",
            r"远|距|外|步行|走路|\b(?:far|away|from|on foot|walk|distance|nearest)\b",
        ),
        (r"多长(?!时)|长度|\blength\b", r"长|\blong\b|\blength\b"),
    )
)
# Payments that no line answers without naming them.
PAYMENTS = tuple(
    (re.compile(asked), re.compile(said))
    for asked, said in (
        (r"押金|定金|订金|保证金|\bdeposits?\b", r"押金|定金|订金|保证金|\bdeposits?\b"),
        (r"手续费|\b(?:handling|processing) (?:fee|charge)s?\b", r"手续费|\bhandling|\bprocessing"),
        (
            r"违约金|罚款|滞纳金|\b(?:a|the) fine\b|\bfines\b|\bpenalt",
            r"违约|罚|滞纳|\bfine|\bpenalt",
        ),
        (
            r"小费|(?<!\bany )(?<!\bsome )(?<!\buseful )\btips?\b(?! (?:for|on|to|about|from)\b)"
            r"|\bgratuit",
            r"小费|\btip|\bgratuit",
        ),
        (r"利息|\binterest\b", r"利息|免息|\binterest\b"),
        (r"保险费|保费|保价|\binsur", r"保险|保费|保价|\binsur"),
        (r"加急|\bexpress\b|\brush\b", r"加急|急|当天|\bexpress|\brush|\bfaster\b"),
    )
)
# Lengths of time from the shortest to the longest: what is asked in years is not told in minutes.
TIMES = tuple(
    re.compile(pattern)
    for pattern in (
        r"秒|\bseconds?\b",
        r"分钟|\bmin(?:ute)?s?\b",
        r"小时|钟头|\bh(?:ou)?rs?\b",
        r"天|日(?=内|[无以])|工作日|晚|夜|\b(?:days?|nights?)\b",
        r"周|星期|礼拜|\bweek(?:s|ly)?\b",
        r"月|季度|\bmonth(?:s|ly)?\b",
        r"年|终身|永久|\byear(?:s|ly)?\b|\blifetime\b|\bannual",
    )
)
ASKED_TIME = re.compile(r"(?<!哪)(?:几|多少)个?\s?(\w)|\bhow many (?:\w+ )?(\w+)")
NEIGHBOURING = 1
# "After the two free hours": that some are free is known already.
BEYOND_FREE = re.compile(
    r"(?:\bafter|\bbeyond|\bover)\b[^,.?]{0,20}\bfree\b|免费[^,。?]{0,8}(?:之后|以后|后|超)"
    r"|超[过出时][^,。?]{0,6}免费"
)
FREE = re.compile(r"免费?|不收|不用付|不花钱|包邮|\bfree\b|\bno charge\b|\bincluded\b")
# Amounts on which a price depends, and which are none.
CONDITION = re.compile(
    r"(?:不?满|消费|超过|低于|高于|以上|以下)\s?[¥$€£]?\s?\d[\d,.]*\s?[元块]?"
    r"|\b(?:spend|orders? (?:of|over|above|from)|from|over|above|below|under|at least)"
    r"\s[¥$€£]?\s?\d[\d,.]*(?:\s(?:yuan|rmb|euros?|dollars?))?"
)
COUNTED_ZH = re.compile(rf"(?:几|多少)\s?([{COUNTING}])")
COUNTED_EN = re.compile(r"\bhow many ((?:[a-z-]+ ){0,2}?)([a-z-]+)(?= |\?|$|[,.])")
# Whoever is counted by one of these is counted by all.
PEOPLE = frozenset("人位名个口")
# How often something is done, whichever of these it is counted by.
OFTEN = "次回遍趟顿"
OF_COUNTING = frozenset(["of", "the", "your", "my", "different", "more", "other", "such"])
NUMBERED = re.compile(
    r"(\d[\d,.]*|[一二两三四五六七八九十百千零]+)[\s-]?"
    r"(人|座|寸|公斤|千克|kg|斤|升|ml|毫升|瓦|w|元|块|米|cm|厘米|people|persons?|seats?|inch(?:es)?"
    r"|kilos?|litres?|liters?)(?![a-z])"
)
BOUND = re.compile(
    r"满|以[上下内]|不?超过|低于|高于|至|到|[-–—~]|起|最[多少]|不[满足]|内|[每首续]"
    r"|\b(?:up to|from|over|under|below|above|at (?:most|least)|between|to|maximum|more|per|each"
    r"|first)\b"
)
# So near to a number stands what makes it the end of a span.
BEFORE, BEHIND = 9, 3
UNITS = {"千克": "公斤", "kg": "公斤", "kilo": "公斤", "块": "元", "people": "人", "person": "人",
         "毫升": "ml", "厘米": "cm", "liter": "升", "litre": "升", "inch": "寸",
         "seat": "座"}  # fmt: skip
PRICED = "元"
ANOTHER_THING = "another thing in the lines"
DIGITS_ZH = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"两": 2}
POWERS_ZH = {"十": 10, "百": 100, "千": 1000}


def find_conflict(question: str, wish: Wish, line: str, place: str, of: str = "") -> str:
    """Why `line` below the headings `place` cannot answer `question`, in a few words; or
    nothing. `of` names what it is about, where it speaks of other things besides."""
    asked, said = fold(question).text, fold(line).text
    around = fold(f"{place} {line}").text
    if misses_day(question, line, place) or (
        "clock" in wish.names and is_of_holiday(question, line)
    ):
        return "another day in the lines"
    if _is_of_another_direction(asked, said):
        return "another dimension in the lines"
    if _is_of_the_opposite(asked, around):
        return "the opposite in the lines"
    if any(wanted.search(asked) and not named.search(around) for wanted, named in PAYMENTS):
        return "another payment in the lines"
    if "duration" in wish.names and _is_of_another_time(asked, said):
        return "another length of time in the lines"
    if "money" in wish.names and BEYOND_FREE.search(asked) and not _names_a_price(said):
        return "no price beyond what is free"
    if "count" in wish.names and _counts_another(asked, said, around):
        return "another thing is counted in the lines"
    if _has_another_number(asked, around, is_of_money="money" in wish.names):
        return "another number in the lines"
    # The last one, for it is the only one that a second look may overrule.
    return ANOTHER_THING if _is_of_another_thing(question, of or f"{place} {line}") else ""


def _is_of_another_thing(question: str, text: str) -> bool:
    """By the table of concepts; of places a table names those that have no column of their own
    in words that are none of it."""
    things = read_concepts().kinds["thing"]
    return is_about_another(things & find_concepts(question), things & find_concepts(text))


def _is_of_the_opposite(asked: str, around: str) -> bool:
    """Whether a question names one side alone and the line the other alone."""
    for sides in OPPOSITES:
        wanted = [side.search(asked) is not None for side in sides]
        named = [side.search(around) is not None for side in sides]
        if sum(wanted) == sum(named) == 1 and wanted != named:
            return True
    return False


def _is_of_another_direction(asked: str, said: str) -> bool:
    wanted = [named for pattern, named in DIMENSIONS if pattern.search(asked)]
    if not wanted or any(named.search(said) for named in wanted):
        return False
    return any(named.search(said) for _, named in DIMENSIONS)


def _is_of_another_time(asked: str, said: str) -> bool:
    """Asked in a unit that is more than one step away from all that the line has."""
    unit = ASKED_TIME.search(asked)
    if unit is None:
        return False
    wanted = [place for place, one in enumerate(TIMES) if one.match(unit[1] or unit[2])]
    amounts = re.findall(rf"{N}\s?个?(?:\w+ )?(\w+)", said) if wanted else []
    named = [place for place, one in enumerate(TIMES) for amount in amounts if one.match(amount)]
    return bool(named) and all(abs(place - wanted[0]) > NEIGHBOURING for place in named)


def _names_a_price(said: str) -> bool:
    return re.search(MONEY, FREE.sub(" ", CONDITION.sub(" ", said))) is not None


def _counts_another(asked: str, said: str, around: str) -> bool:
    if IS_HAN.search(asked):
        classifier = COUNTED_ZH.search(asked)
        if classifier is None or classifier[1] in PEOPLE:
            return False
        alike = OFTEN if classifier[1] in OFTEN else classifier[1]
        return re.search(rf"{N}\s?[个{alike}]", said) is None
    counted = COUNTED_EN.search(asked)
    if counted is None or stem(counted[2]) in map(stem, OF_COUNTING):
        return False
    return not is_known(stem(counted[2]), list_known(around))


def _has_another_number(asked: str, around: str, *, is_of_money: bool) -> bool:
    """A tent for six is none of those for two and four; "from 3 on" has the fifth. Who asks what
    it costs names no other price but the worth of his own order."""
    named = list(_list_numbers(around))
    for unit, value, _ in _list_numbers(asked):
        if is_of_money and unit == PRICED:
            continue
        same = [(one, is_bound) for of, one, is_bound in named if of == unit]
        if same and all(one != value and not is_bound for one, is_bound in same):
            return True
    return False


def count_shared_numbers(question: str, text: str) -> int:
    """How many numbers with their units both have."""
    asked, said = (
        {(unit, value) for unit, value, _ in _list_numbers(fold(one).text)}
        for one in (question, text)
    )
    return len(asked & said)


def _list_numbers(folded: str) -> Iterator[tuple[str, float, bool]]:
    """Unit, value, and whether it is the end of a span."""
    for found in NUMBERED.finditer(folded):
        amount, unit = found.groups()
        plain = unit.removesuffix("es").removesuffix("s") if unit.isascii() else unit
        near = folded[max(0, found.start() - BEFORE) : found.end() + BEHIND]
        yield UNITS.get(plain, plain), _read_number(amount), BOUND.search(near) is not None


def _read_number(amount: str) -> float:
    digits = amount.replace(",", "").rstrip(".")
    if digits[0].isdigit():
        return float(digits) if digits.count(".") <= 1 else 0.0
    total = latest = 0
    for char in digits:
        if char in POWERS_ZH:
            total += (latest or 1) * POWERS_ZH[char]
            latest = 0
        else:
            latest = DIGITS_ZH.get(char, 0)
    return float(total + latest)
