"""Questions that are put to the shop, and those that only sound like it."""

from __future__ import annotations

import pytest

from appliance.dialogue.addressed import is_put_to_shop


@pytest.mark.parametrize(
    "question",
    [
        "羊毛地毯你们有卖吗",
        "你们家有儿童餐具吗？",
        "店里有没有充电宝可以借",
        "我想买个杯子送朋友，有推荐吗",
        "送妈妈的话哪款比较合适",
        "I'm looking for a present for my aunt",
        "which one would you recommend?",
        "有咖啡机现货吗",
        "蓝色的什么时候补货",
        "能不能上门退货",
        "您们周末送货吗",
        "哪里能买到替换的灯泡",
        "Do you sell wool rugs?",
        "do you guys have any candles",
        "Do you still stock the green mug?",
        "would you sharpen a knife",
        "What is your policy on pets?",
        "is there a toilet in your store",
        "can I rent a ladder",
        "Can we pay in euros here? I mean, can we pay with cash",
    ],
)
def test_what_is_asked_of_the_shop(question: str) -> None:
    assert is_put_to_shop(question)


@pytest.mark.parametrize(
    "question",
    [
        "红烧肉怎么做才不腻",
        "火星上今天多少度",
        "帮我写一首关于秋天的诗",
        "你会写诗吗",
        "你好厉害",
        "你家人好吗",
        "你们人类为什么要睡觉",
        "有没有听过这个故事",
        "推荐两首老歌",
        "周末去哪里玩比较好",
        "Can you write a poem?",
        "do you have a favourite colour",
        "do you have feelings",
        "How do I cook rice?",
        "who won the match yesterday",
        "what do you think of autumn",
        "Do you know what a quark is?",
        "",
    ],
)
def test_what_is_asked_of_the_whole_world(question: str) -> None:
    assert not is_put_to_shop(question)


def test_a_long_message_is_read_to_its_bound() -> None:
    assert not is_put_to_shop("啊" * 5000 + "你们店")


@pytest.mark.parametrize(
    ("question", "business", "is_first"),
    [
        ("羊毛地毯应该怎么保养", 0.95, True),
        ("羊毛地毯怎么洗", 0.95, False),
        ("how should one look after a rug", 0.95, True),
        ("how should one look after a rug", 0.95, False),
        ("真的吗", 0.95, True),
        ("买三十把打折不", 0.95, True),
        ("自己过来拿行不行", 0.95, True),
        ("床垫偏软还是偏硬", 0.95, True),
        ("床垫多厚", 0.95, True),
    ],
)
def test_what_is_likely_a_shops_business_is_asked_of_the_shop(
    question: str, business: float, is_first: bool
) -> None:
    assert is_put_to_shop(question, business, is_first)


@pytest.mark.parametrize(
    ("question", "business", "is_first"),
    [
        ("彩虹是怎么来的", 0.3, True),
        ("why is the sky blue", 0.1, True),
        # Of words and not of things.
        ("What is the opposite of hot?", 0.97, True),
        ("热的反义词是什么", 0.97, True),
        # It says something and asks nothing.
        ("我家有一只很老的猫", 0.99, True),
        # It may take up what was said before.
        ("真的吗", 0.99, False),
        ("which one is better", 0.99, False),
        ("can you say it in Chinese", 0.99, False),
        ("那能不能说得再短一点", 0.99, False),
    ],
)
def test_what_is_no_business_or_goes_on_is_not(
    question: str, business: float, is_first: bool
) -> None:
    assert not is_put_to_shop(question, business, is_first)
