"""What of a customer's words never gets into an entry, and what stays because it is asked about."""

from __future__ import annotations

import pytest

from appliance.dialogue.memory_kinds import read_memory_book
from appliance.dialogue.personal import take_out_personal

BOOK = read_memory_book()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("停车费多少，我电话13912345678", "停车费多少"),
        ("我的订单号是 A202600017，停车场收费吗", "停车场收费吗"),
        ("我叫王小明，你们几点开门", "你们几点开门"),
        ("my order is A202600017, do you price match", "do you price match"),
        ("My order #88213345 is late, mail me at li@example.com", "My order is late"),
        ("送到北京市朝阳区建国路88号3单元要多久", "送到要多久"),
        ("hi, my name is Tom Baker. can I park?", "hi, can I park?"),
        ("请打13912345678", ""),
        ("13912345678", ""),
    ],
)
def test_what_is_somebody_s_goes_and_the_question_stays(said: str, kept: str) -> None:
    cleaned = take_out_personal(BOOK, said)
    assert cleaned.text == kept
    assert cleaned.kinds


@pytest.mark.parametrize(
    "said",
    [
        "满 200 元包邮吗",
        "买了12000元的沙发能分期吗",
        "2026年11月22日还开门吗",
        "iPhone 15 支持吗",
        "Is 19.99 dollars the price for 2 kg?",
        "晚上 9 点半还营业吗",
    ],
)
def test_prices_days_and_amounts_stay(said: str) -> None:
    cleaned = take_out_personal(BOOK, said)
    assert (cleaned.text, cleaned.kinds) == (said, ())


def test_the_kinds_are_told_and_never_the_values() -> None:
    cleaned = take_out_personal(BOOK, "我电话13912345678，能停车吗")
    assert "phone" in cleaned.kinds
    assert "13912345678" not in "".join((*cleaned.kinds, cleaned.text))
