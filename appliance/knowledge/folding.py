"""Text as it is compared: one spelling for all the ways in which the same words can be written.

It knows no entry and no rule; the index, the guard and the lock all compare what it returns. The
rule that must not break: `starts` names, for every folded character, the place in the original
text it came from, so that what is found in the folded text can be cut out of the original.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

# Letters of other scripts that look like Latin ones, capitals by the look of the capital.
LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХаеѕіјкорсухԁԛԝһӏүѵΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβεικνορτυχϲϳıɑɡɩʟʀɪᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜱ",
    "ABESIJKMHOPCTYXaesijkopcyxdqwhlyvABEZHIKMNOPTYXabeikvoptuxcjiagilriacdejkmoptuvwzs",
)
# Hangul fillers and the braille blank are letters and symbols by their class, and show nothing.
UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
DROPPED_CLASSES = frozenset(("Cf", "Cc", "Cs", "Co", "Cn"))
HANGUL_TAIL = ("\u1161", "\u11ff")
# No folded text has it: a surrogate's half is dropped as unseen.
UNEVEN = "\ud800"
MOST_SINGLE_FOLDS = 32_768

SEGMENT_END = re.compile(r"[,.!?;:~…、，。！？；：～\n]+(?!\d)|[!?;~…、。]+")
BETWEEN_DIGITS = re.compile(r"(?<=\d)[.:/-](?=\d)")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
KEPT_SYMBOLS = frozenset("+%#&@=<>$€£¥₩°")
HAN = r"\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
BLANK_AT_HAN = re.compile(rf"(?<=[{HAN}]) | (?=[{HAN}])")

# Whole segments that only greet or thank.
COURTESY = re.compile(
    r"(?:亲+|亲爱的|老板|客服|小姐姐|嗨|哈喽|喂|在吗|在不在|有人吗|早上好|下午好|晚上好|你好|您好|谢谢|谢谢你|谢谢您|多谢|谢了|"
    r"麻烦了|辛苦了|那个|这个|hi|hello|hey|hi there|hello there|good (?:morning|afternoon|evening)|"
    r"thanks|thank you|thx|cheers|please|sorry|excuse me)(?:啊|呀|哦|哈)?"
)
OPENING = re.compile(
    r"(?:请问|你好|您好|那个|麻烦(?:你|您|问)?|打扰|劳驾|(?:我|我们)?想(?:问|咨询|了解|知道)|咨询(?=一下|下)|问(?=一下|下)|请教|请告诉我|告诉我|一下|下(?=这)|关于|"
    r"(?:hi|hello|hey|please|so|well|ok|okay|um|sorry|excuse me|"
    r"(?:can|could|would) you (?:please )?(?:tell me|let me know)|do you know|"
    r"i(?: would|'d|d)? (?:want|like|need|wanted) to (?:know|ask)(?: about| if| whether)?|"
    r"i was wondering(?: if)?|i am wondering(?: if)?)\b(?!')) ?"
)
ENDING = re.compile(
    r"(?:吗|呢|啊|呀|哦|噢|嘛|吧|么(?<!什么)(?<!怎么)(?<!多么)(?<!那么)(?<!这么)|哈|啦|哒|谢谢(?:你|您)?|"
    r" (?:please|thanks|thank you|thx|pls|plz))$"
)
LONGEST_ENDING = 16
# Where the character before makes another word of it, a particle ends it: 防水吧, 说明书吧, 喝酒吧.
BAR = re.compile(
    r"(?:(?:^|[的个家间座处去在到近]|楼下|百度)(?:酒|网|贴|氧|书|水|咖啡|迷你)|有(?:酒|网|贴|氧|书|迷你)|"
    r"(?:有没|附近|哪里|哪儿)有(?:水|咖啡))吧$"
)
INSIDE = re.compile(rf"(?<=[{HAN}])一下")


@dataclass(frozen=True, slots=True)
class Folded:
    """`starts[i]` is the place in the original of the i-th character of `text`."""

    text: str
    starts: tuple[int, ...]


@lru_cache(maxsize=512)
def fold(text: str) -> Folded:
    """One width, one case, one script of Chinese; what cannot be seen is dropped."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return Folded(text.lower(), tuple(range(len(text))))
    quick = text.translate(read_single_folds())
    if UNEVEN not in quick and "  " not in quick:
        return Folded(quick, tuple(range(len(text))))
    pieces: list[str] = []
    starts: list[int] = []
    was_blank = False
    for start, cluster in cut_clusters(text):
        for char in fold_cluster(cluster):
            if char != " " or not was_blank:
                pieces.append(char)
                starts.append(start)
                was_blank = char == " "
    return Folded("".join(pieces), tuple(starts))


@lru_cache(maxsize=512)
def normalise(text: str) -> str:
    """What is left of a question for an exact comparison: no punctuation, greeting or filler.

    A text that is nothing but fillers keeps them, so that nothing becomes equal to everything.
    """
    folded = fold(text).text.strip()
    segments = [part for part in map(strip_marks, SEGMENT_END.split(folded)) if part]
    kept = [part for part in segments if not COURTESY.fullmatch(part)]
    while kept and not (opened := strip_openings(kept[0])):
        del kept[0]
    kept = [opened, *kept[1:]] if kept else segments
    joined = " ".join(kept)
    if " " in joined:
        joined = BLANK_AT_HAN.sub("", joined)
    bare = INSIDE.sub("", joined) if "一下" in joined else joined
    return strip_endings(bare) or joined


def cut_clusters(text: str) -> list[tuple[int, str]]:
    """Base characters with the marks that follow them: they must be composed together."""
    clusters: list[tuple[int, str]] = []
    for place, char in enumerate(text):
        if clusters and is_tail(char):
            start, cluster = clusters[-1]
            clusters[-1] = (start, cluster + char)
        else:
            clusters.append((place, char))
    return clusters


class SingleFolds(dict[int, str]):
    """Characters and what each alone is folded to, looked up once; UNEVEN where that is not one
    character, or where it may be part of a cluster."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = UNEVEN if is_tail(char) else fold_cluster(char)
        folded = folded if len(folded) == 1 else UNEVEN
        if len(self) < MOST_SINGLE_FOLDS:
            self[code] = folded
        return folded


@cache
def read_single_folds() -> SingleFolds:
    return SingleFolds()


def is_tail(char: str) -> bool:
    return char > "\u02ff" and (
        unicodedata.combining(char) != 0 or HANGUL_TAIL[0] <= char <= HANGUL_TAIL[1]
    )


@lru_cache(maxsize=32_768)
def fold_cluster(cluster: str) -> str:
    """The folded form of one visible character; of an unseen one nothing."""
    seen = "".join(" " if char.isspace() else char for char in cluster if is_seen(char))
    plain = unicodedata.normalize("NFKC", seen.translate(LOOK_ALIKES))
    plain = "".join(map(drop_accent, plain)).translate(LOOK_ALIKES).casefold()
    plain = "".join(" " if char.isspace() else char for char in plain if is_seen(char))
    return plain.translate(read_simplified())


def is_seen(char: str) -> bool:
    if char.isspace():
        return True
    is_selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return (
        unicodedata.category(char) not in DROPPED_CLASSES and char not in UNSEEN and not is_selector
    )


def drop_accent(char: str) -> str:
    """`é` is `e`: Latin letters lose their marks, letters of other scripts keep them."""
    base = unicodedata.normalize("NFKD", char)[0] if char > "\x7f" else char
    is_mark = unicodedata.combining(char) != 0 and char < "\u0370"
    return "" if is_mark else base if base.isascii() else char


@cache
def read_simplified() -> dict[int, str]:
    """Traditional characters and their simplified forms, one for one, as in OpenCC's table."""
    table = files("appliance.knowledge").joinpath("simplified.txt").read_text("utf-8")
    pairs = "".join(line for line in table.splitlines() if not line.startswith("#"))
    return {ord(old): new for old, new in zip(pairs[::2], pairs[1::2], strict=True)}


def strip_marks(text: str) -> str:
    """Without punctuation; marks inside numbers and symbols that carry meaning stay."""
    if "," in text:
        text = THOUSANDS.sub("", text)
    inside = {place.start() for place in BETWEEN_DIGITS.finditer(text)}
    if not inside:
        return " ".join(text.translate(read_marks()).split())
    kept = []
    marks = read_marks()
    for place, char in enumerate(text):
        kept.append(char if place in inside else marks[ord(char)])
    return " ".join("".join(kept).split())


class Marks(dict[int, str]):
    """Characters and what is left of each where punctuation goes, looked up once."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        is_mark = unicodedata.category(char)[0] in "PS" and char not in KEPT_SYMBOLS
        left = char if not is_mark else "" if char in "'’-" else " "
        if len(self) < MOST_SINGLE_FOLDS:
            self[code] = left
        return left


@cache
def read_marks() -> Marks:
    return Marks()


def strip_openings(text: str) -> str:
    while opening := OPENING.match(text):
        text = text[opening.end() :]
    return text


def strip_endings(text: str) -> str:
    # From near the end on: a row of endings would else be searched from its beginning for each.
    while (ending := ENDING.search(text, max(0, len(text) - LONGEST_ENDING))) and ending.start():
        if ending[0] == "吧" and BAR.search(text, max(0, len(text) - LONGEST_ENDING)):
            break
        text = text[: ending.start()]
    return text
