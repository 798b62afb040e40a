"""Which language a customer is answered in."""

from __future__ import annotations

import pytest

from appliance.dialogue.language import language_of


@pytest.mark.parametrize(
    "question",
    [
        "iPhone 15 Pro Max 多少钱",
        "AirPods Pro 有货吗",
        "Nike Air Max 还有吗",
        "有没有 Air Force 1",
        "MacBook Air M3 能退吗",
        "check in几点",
        "PC箱还是ABS",
        "请问",
        "？",
    ],
)
def test_names_of_products_make_no_chinese_question_english(question: str) -> None:
    assert language_of(question) == "zh"


@pytest.mark.parametrize(
    "question",
    [
        "How much is 茶叶",
        "Do you sell 龙井 tea",
        "What does 多少钱 mean?",
        "Please translate this for me: 我想退货",
        "iPhone 15 Pro Max",
    ],
)
def test_a_chinese_name_makes_no_english_question_chinese(question: str) -> None:
    assert language_of(question) == "en"
