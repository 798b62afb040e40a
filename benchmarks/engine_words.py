"""What the customers of the engine's benchmarks say: made by rule, the same every time.

Nothing here is judged for sense. The rule that must not break: no sentence is answered by a rule
of the house, so with an empty shop all of them reach the model (`peers` checks it each time).
"""

from __future__ import annotations

from itertools import product

THINGS = (
    "雨伞", "跑鞋", "茶杯", "枕头", "书包", "台灯", "毛巾", "炒锅", "手套", "帽子", "地毯", "花瓶",
    "窗帘", "水壶", "菜刀", "床单", "镜子", "梳子", "围巾", "拖鞋", "闹钟", "木椅", "书架", "蜡烛",
    "皮带", "风扇", "衣架", "剪刀", "相框", "竹篮", "饭盒", "砧板", "浴帘", "凉席", "茶壶", "棉被",
)  # fmt: skip
TURNS = (
    "{}怎么挑？",
    "{}平时怎么清洗？",
    "{}放在家里什么地方好？",
    "{}用什么材料做的比较好？",
    "送老人{}合适吗？为什么？",
    "{}坏了还能怎么再利用？",
    "给{}写一句好听的话。",
    "{}和孩子一起用要注意什么？",
)
LONG = "{}怎样挑选才合适？请从材料、做工、用途和保养几个方面详细介绍，写长一些。"
OPENING = (
    "我住在南方的一个小城，家里有老人和孩子，房子不大，平时比较潮湿，周末常常有朋友来做客，"
    "大家都喜欢简单、结实、好收拾的东西，颜色不要太亮，也不要太难打理。想请你说说，{}怎么挑？"
)
PASSAGE = (
    "清晨的集市慢慢热闹起来，卖菜的老人把青菜一把一把摆好，旁边的孩子蹲在地上看小鸡，"
    "风从河边吹过来，带着一点青草的味道，远处的桥上有人推着车慢慢走过，谁也不着急。"
)


def ask_turn(customer: int, turn: int) -> str:
    return TURNS[turn % len(TURNS)].format(THINGS[customer % len(THINGS)])


def ask_long(number: int) -> str:
    return LONG.format(THINGS[number % len(THINGS)])


def ask_opening(customer: int) -> str:
    """A first message of about 60 tokens."""
    return OPENING.format(THINGS[customer % len(THINGS)])


def ask_new(number: int) -> str:
    """Another one for each number up to some hundreds."""
    pairs = list(product(range(len(TURNS)), range(len(THINGS))))
    turn, customer = pairs[number % len(pairs)]
    return ask_turn(customer, turn)


def ask_at_length(passages: int) -> str:
    """A message of so many times 54 tokens."""
    return PASSAGE * passages + "请用一句话说说，这段文字写的是什么？"
