"""What a message says of its customer, and what it only seems to say."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialogue.memory_checks import check_identity, check_luhn
from appliance.dialogue.memory_kinds import SHIPPED, read_memory_book
from appliance.dialogue.memory_reading import read_message

BOOK = read_memory_book()
KINDS = [kind.name for kind in BOOK.kinds]
HOSTILE = (
    "1",
    "a1-",
    "订单号",
    "我叫",
    "张",
    "a.b@",
    " 1 (2)",
    "my name is ",
    "上海市",
    "+1 2 ",
    "no, ",
    "不是A1000",
    "address to 1 st ",
    "13812345678 ",
    "A10023",
    "，。\n",
)
# Far more than it takes, and far less than one pattern that goes wild.
LONGEST_S = 3.0


def read(message: str) -> list[tuple[str, str]]:
    return [(said.kind, said.value) for said in read_message(BOOK, message, KINDS).facts]


@pytest.mark.parametrize(
    ("message", "facts"),
    [
        ("订单号：２０２６１１２１００１２３", [("order", "2026112100123")]),
        ("+86 138-1234-5678 是我手机", [("phone", "13812345678")]),
        ("我叫陳大文，訂單A10023", [("name", "陳大文"), ("order", "A10023")]),
        (
            "快递单号SF1234567890123，订单号A10023",
            [("tracking", "SF1234567890123"), ("order", "A10023")],
        ),
        ("call me at (415) 555-0132", [("phone", "4155550132")]),
        ("This is Mary Poppins speaking", [("name", "Mary Poppins")]),
    ],
)
def test_values_are_kept_in_one_spelling(message: str, facts: list[tuple[str, str]]) -> None:
    assert sorted(read(message)) == sorted(facts)


@pytest.mark.parametrize(
    "message",
    [
        "我付了13800元",
        "2026年11月21日下单的",
        "明天15:30能到吗",
        "你们电话是400-820-8820吗",
        "我朋友的电话是13912345678",
        "订单号不是A10023",
        "订单号比如A12345这种格式",
        "我叫了外卖",
        "我是高中生",
        "I'm happy with my order",
        "I paid 13800 dollars",
        "身份证11010519491231002X",
        "卡号4111 1111 1111 1111",
        "有XL码吗",
        "my name is not on it",
        "is 555-0132-4 your number",
    ],
)
def test_what_only_looks_like_a_fact_is_not_kept(message: str) -> None:
    assert read(message) == []


def test_identity_cards_and_bank_cards_are_known_by_their_checksums() -> None:
    assert check_identity("", "11010519491231002x")
    assert not check_identity("", "110105194912310021")
    assert check_luhn("", "4111 1111 1111 1111")
    assert not check_luhn("", "4111 1111 1111 1112")


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_message_is_read_in_time_that_grows_with_its_length(text: str) -> None:
    message = (text * 4000)[:4000]
    began_s = time.perf_counter()
    read_message(BOOK, message, KINDS)
    assert time.perf_counter() - began_s < LONGEST_S


@given(st.text(alphabet="订单号A10023是我叫张伟，不对13812345678@x.com \n-:/. no it", max_size=60))
def test_every_value_is_part_of_the_message(message: str) -> None:
    letters = {char for char in message.casefold() if char.isalnum()}
    for said in read_message(BOOK, message, KINDS).facts:
        assert {char for char in said.value.casefold() if char.isalnum()} <= letters


def test_a_shop_adds_a_kind_and_changes_another(tmp_path: Path) -> None:
    own = tmp_path / "memory.toml"
    own.write_text(
        '[kinds.member]\nzh = "会员号"\nen = "member number"\nnames = ["会员号"]\n'
        '[[kinds.member.forms]]\nvalue = "vip[0-9]{6}"\nwrite = "upper"\n'
        "[kinds.size]\nkeep = false\n",
        "utf-8",
    )
    book = read_memory_book(own)
    assert not book.faults
    said = [(one.kind, one.value) for one in read_message(book, "vip123456，我穿42码").facts]
    assert said == [("member", "VIP123456")]


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        '[kinds.order]\nforms = [{value = "(a+)+"}]',
        '[kinds.order]\nforms = [{value = "[0-9]{4}", check = "magic"}]',
        '[kinds.order]\nforms = [{value = "<nothing>"}]',
        "[kinds.order]\nkeep = 3",
        '[kinds.new]\nzh = "新"',
        "not toml",
    ],
)
def test_an_owner_s_error_is_told_and_costs_nothing_else(tmp_path: Path, text: str) -> None:
    own = tmp_path / "memory.toml"
    own.write_text(text, "utf-8")
    book = read_memory_book(own)
    assert len(book.faults) == 1
    assert book.faults[0].message.startswith("memory.toml")
    assert book.kinds == BOOK.kinds or [kind.name for kind in book.kinds] == KINDS


def test_the_shipped_file_has_words_for_both_languages() -> None:
    assert SHIPPED.exists()
    assert all({*kind.labels} == {"zh", "en"} and kind.names for kind in BOOK.kinds)
