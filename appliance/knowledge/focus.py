"""The words a question is about: what is left of it without asking, politeness and amounts.

The coarse sieve of `frames.py` is for likeness; this one is finer, since a single word that is
left ("lampshade") can mean that the answer is not there. The rule that must not break: a word is
dropped only if it says nothing about which thing, place or person is meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from appliance.knowledge.bigrams import HAN, IS_HAN, RUN, list_words, stem
from appliance.knowledge.days import OVER_NEW_YEAR
from appliance.knowledge.frames import COMMON

EMPTY_ZH = (
    "请问 你好 您好 那个 一下 一共 总共 大概 大约 左右 最多 最少 至少 最高 最低 到底 究竟"
    " 现在 目前 如果 要是 假如 因为 所以 但是 还是 或者 以及 然后 已经 正在 一直 其实 只是"
    " 就是 不是 是不是 能不能 可不可以 可以 可能 能够 能否 是否 有没有 有无 没有 需要 需"
    " 要不要 想要 想 要 应该 必须 得 会不会 会 能 行不行 行 可 什么 怎么 怎样 怎么样 怎么办"
    " 如何 为什么 为何 哪个 哪位 哪家 哪种 哪些 哪里 哪儿 哪 几 多少 多 吗 呢 吧 啊 呀 嘛 么"
    " 的 地 了 着 过 我 你 您 他 她 它 我们 你们 咱们 他们 大家 自己 人家 这 那 这个 这里"
    " 这边 那里 那边 这儿 那儿 这种 那种 这样 那样 一个 一种 一些 一点 有点 每个 某 各 都 也"
    " 还 又 再 才 就 只 很 太 更 最 挺 非常 特别 比较 不 没 别 在 从 到 去 来 往 给 把 被 让"
    " 叫 和 跟 与 及 对 对于 关于 按 按照 用 以 为 由 于 之 时 时候 的话 以后 之后 以前 之前"
    " 后 前 里 中 上 下 内 外 间 期间 当 当天 有 是 做 弄 拿 买 说 看 问 知道 告诉 东西 事"
    " 情况 处理 方面 里面 一 二 三 两 四 五 六 七 八 九 十 百 千 个 种 些 次 件 位 家 店里"
    " 你家 咱家 钱 块 元 最短 最长 最快 最慢 最早 最晚 最迟 加 扣 交 付 花 算 就要"
    " 寄 送 发 放 开 好 第 打算 愿意 每 请 收 本 该 带"
)
EMPTY_EN = (
    "how much many long often no not without only just also too very more most less least than then"
    " while when after before into onto over under about up down out off back again still yet new"
    " old next other another each every all both such same own per bring something anything thing"
    " things take get gets give want need know tell say like use make let go come its him her one"
    " two being wants possible able there who whom whose why already ever always within during"
    " between charge cost costs price pay maximum minimum normal because since customers customer"
    " people person don m re ve ll last lasts single good valid must until extra else whether"
)
# Two names of one thing that customers and owners use in turns, of no shop in particular.
SAME_ZH = (
    ("朋友", "好友"), ("礼拜", "星期"), ("邮费", "运费"), ("仓库", "仓"), ("快件", "包裹"),
    ("退钱", "退款"), ("宝宝", "儿童"), ("小孩", "儿童"), ("孩子", "儿童"), ("小朋友", "儿童"),
    ("过年", "春节"), ("司机", "驾驶人"), ("保修", "质保"),
)  # fmt: skip
SAME_EN = (
    "shop store branch", "guarantee warranty", "parcel package", "buy bought purchase order",
    "lift elevator", "reopen open", "send ship deliver delivery dispatch", "nearest nearby near",
    "couch sofa", "fix repair mend", "return back", "building house flat", "kid child children",
    "picture photo", "mobile phone cellphone", "begin start", "end finish close", "trip tour",
    "car vehicle", "room bedroom", "doctor physician", "class course lesson", "rent hire",
    "ahead advance", "ring call phone telephone", "kid child children teenager",
    "licence license", "plan contract", "appointment booking book", "bag luggage baggage",
    "toilet restroom bathroom",
)  # fmt: skip

NAMED_ZH = dict(SAME_ZH)
# 小朋友 is no 好友.
_NAMES = re.compile(
    "|".join(
        OVER_NEW_YEAR if word == "过年" else word
        for word in sorted(NAMED_ZH, key=lambda word: -len(word))
    )
)
_EMPTY = re.compile("|".join(sorted(EMPTY_ZH.split(), key=lambda word: (-len(word), word))))
_EMPTY_STEMS = frozenset(map(stem, (*COMMON, *EMPTY_EN.split())))
_SAME_STEMS = tuple(frozenset(map(stem, group.split())) for group in SAME_EN)
CLAUSE_END = re.compile(r"(?<=[?？])|[,，。;；!！]|[.](?=\s|$)")
BLANKS = " ?？"
DIGITS = re.compile(r"\d+(?:st|nd|rd|th)?")
SHORTEST_ROOT = 4
LONGEST_ENDING = 2


def name_alike(folded: str) -> str:
    """Chinese words by the name that owners rather write."""
    return _NAMES.sub(lambda found: NAMED_ZH[found[0]], folded)


@lru_cache(maxsize=64)
def find_focus(rest: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of a folded question: its telling words, and of these what the clause that asks has, which
    is the last one with a question mark or else the last. Every line that may answer is held
    against the same ones.

    Chinese words are single characters here: pairs across the borders of words are noise."""
    every = tuple(list_telling(rest))
    clauses = [clause for clause in CLAUSE_END.split(rest) if clause.strip(BLANKS)]
    asking = [clause for clause in clauses if clause.endswith(("?", "？"))] or clauses
    last = tuple(list_telling(asking[-1])) if asking else ()
    # One character is a word only with another.
    is_enough = len(last) > (1 if IS_HAN.search(rest) is not None else 0)
    return every, last if is_enough else every


def list_telling(folded: str) -> list[str]:
    plain = DIGITS.sub(" ", folded)
    if not IS_HAN.search(plain):
        return [word for word in list_words(plain) if word not in _EMPTY_STEMS and len(word) > 1]
    return split_characters(_EMPTY.sub(" ", plain))


def is_empty_word(word: str) -> bool:
    """Whether a stem says nothing about which thing, place or person is meant."""
    return word in _EMPTY_STEMS


def list_empty_places(folded: str) -> frozenset[int]:
    """Where the Chinese words stand that say nothing of that kind."""
    return frozenset(place for word in _EMPTY.finditer(folded) for place in range(*word.span()))


def split_characters(folded: str) -> list[str]:
    """Single Chinese characters, and whole words of other scripts."""
    others = [stem(run) for run in RUN.findall(folded) if not IS_HAN.match(run)]
    return re.findall(rf"[{HAN}]", folded) + others


def list_known(folded: str) -> frozenset[str]:
    """The words of a text that `is_known` looks among."""
    folded = name_alike(folded)
    return frozenset((*split_characters(folded), *list_words(folded)))


def is_known(word: str, known: Collection[str]) -> bool:
    """`word`, another form of it or another name for it: "wood" for "wooden"."""
    if word in known:
        return True
    if not word.isascii():
        return False
    names = {word, *(other for group in _SAME_STEMS if word in group for other in group)}
    return any(share_root(name, other) for name in names for other in known)


def share_root(word: str, other: str) -> bool:
    shorter, longer = sorted((word, other), key=len)
    return shorter == longer or (
        len(shorter) >= SHORTEST_ROOT
        and len(longer) - len(shorter) <= LONGEST_ENDING
        and longer.startswith(shorter)
    )
