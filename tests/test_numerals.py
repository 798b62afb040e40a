"""Numerals are read exactly or not at all, and what is written can be read again."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dialogue.numerals import (
    read_about,
    read_chinese,
    read_digits,
    read_english,
    read_numeral,
    write_chinese,
    write_english,
)

WHOLE = st.integers(0, 10**12 - 1)


@given(WHOLE)
def test_every_number_written_in_chinese_is_read_back(value: int) -> None:
    assert read_chinese(write_chinese(value)) == value


@given(WHOLE)
def test_every_number_written_in_english_is_read_back(value: int) -> None:
    assert read_english(write_english(value)) == value


@given(WHOLE)
def test_every_number_with_separators_is_read_back(value: int) -> None:
    assert read_numeral(f"{value:,}") == read_numeral(str(value)) == value


@given(st.text(max_size=12))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for read in (read_numeral, read_chinese, read_english, read_digits, read_about):
        read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("十", 10),
        ("十五", 15),
        ("二十", 20),
        ("廿五", 25),
        ("一百零五", 105),
        ("一百五", 150),
        ("一千二", 1200),
        ("一千零二", 1002),
        ("一千零二十", 1020),
        ("三万五", 35000),
        ("三万零五", 30005),
        ("两千", 2000),
        ("一千二百九十九", 1299),
        ("壹仟贰佰玖拾玖", 1299),
        ("二零二六", 2026),
        ("二〇二六", 2026),
        ("一亿二千万", 120_000_000),
        ("三点五", Fraction(7, 2)),
        ("零点零五", Fraction(1, 20)),
        ("1.5万", 15000),
        ("3千", 3000),
        ("1,299.50", Fraction(2599, 2)),
        ("twenty-one", 21),
        ("a hundred", 100),
        ("two hundred and five", 205),
        ("twelve hundred", 1200),
        ("one thousand two hundred ninety-nine", 1299),
        ("two million", 2_000_000),
    ],
)
def test_a_numeral_has_its_value(text: str, value: Fraction) -> None:
    assert read_numeral(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "一个",
        "百十",
        "十十",
        "一二十",
        "点五",
        "三点",
        "a",
        "and five",
        "five and",
        "one two",
        "twenty ten",
        "hundred",
        "1,29",
        "1.2.3",
        "万万万零",
        "one hundred hundred",
        "twenty zero",
    ],
)
def test_what_is_no_numeral_is_none(text: str) -> None:
    assert read_numeral(text) is None


@pytest.mark.parametrize(
    ("text", "digits"),
    [("一三八零零", "13800"), ("幺三八", "138"), ("one three eight oh", "1380"), ("十三", None)],
)
def test_digits_told_one_by_one_are_read(text: str, digits: str | None) -> None:
    assert read_digits(text) == digits


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("两三", (2, 3)),
        ("三五", (3, 5)),
        ("七八", (7, 8)),
        ("三八", None),
        ("五三", None),
        ("二零", None),
        ("三", None),
    ],
)
def test_two_rising_digits_tell_a_span(text: str, span: tuple[int, int] | None) -> None:
    assert read_about(text) == (span and (Fraction(span[0]), Fraction(span[1])))


@pytest.mark.parametrize("write", [write_chinese, write_english])
@pytest.mark.parametrize("value", [-1, 10**12])
def test_what_cannot_be_written_is_refused(write: Callable[[int], str], value: int) -> None:
    with pytest.raises(ValueError, match="only"):
        write(value)
