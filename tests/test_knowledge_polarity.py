"""Which questions want a yes or a no.

The rule that must not break: a question that asks for more than a yes is not one.
"""

from __future__ import annotations

import pytest

from appliance.knowledge.polarity import is_polar


@pytest.mark.parametrize(
    "question",
    [
        "苏州店可以带狗进去吗",
        "书架送上楼要加钱吗？",
        "四件套有没有灰色的",
        "退货要不要自己出运费",
        "物流三天没动了 是不是丢件了",
        "can I clean the lamp with alcohol?",
        "Hi, is the kettle dishwasher safe",
        "no lift in our building. do you carry it up?",
        "Aren't they open on Sundays?",
    ],
)
def test_a_question_for_a_yes_or_a_no(question: str) -> None:
    assert is_polar(question)


@pytest.mark.parametrize(
    "question",
    [
        "床垫质保几年",
        "能不能告诉我怎么洗",
        "礼品卡可以用几次吗",
        "怎么申请退货",
        "Where can I park?",
        "can you tell me the price",
        "how do I get tea stains out",
        "what do you charge, is it 10 yuan",
        "the lamp is broken",
        "",
    ],
)
def test_a_question_for_more_and_what_is_none(question: str) -> None:
    assert not is_polar(question)
