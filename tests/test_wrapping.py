"""Lines that fit a terminal: no word cut, no character lost, each language in lines of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store.master import ON_SAME_DISK
from appliance.wrapping import indent, measure, wrap

TEXTS = st.text(st.sampled_from("ab.,:! /主密钥保存。，（）”é\n") | st.characters(codec="utf-8"))


def without_blanks(text: str) -> str:
    return re.sub(r"\s", "", text)


@given(TEXTS, st.integers(4, 90))
def test_nothing_is_lost_and_nothing_added(text: str, columns: int) -> None:
    assert without_blanks("".join(wrap(text, columns))) == without_blanks(text)


@given(TEXTS, st.integers(4, 90))
def test_a_line_is_too_wide_only_where_one_piece_is(text: str, columns: int) -> None:
    for line in wrap(text, columns):
        assert line.strip() and line == line.rstrip()
        if measure(line) > columns:
            assert not re.search(r"\s", line)


def test_the_note_about_the_master_key_is_read_in_one_language_after_the_other() -> None:
    lines = wrap(ON_SAME_DISK)
    assert max(map(measure, lines)) <= 76
    first_chinese = next(at for at, line in enumerate(lines) if "主" in line)
    assert lines[first_chinese].startswith("主密钥") and lines[first_chinese - 1].endswith(".")
    assert " ".join(lines[:first_chinese]) in ON_SAME_DISK
    assert "".join(lines[first_chinese:]).replace(" ", "") in ON_SAME_DISK.replace(" ", "")


@pytest.mark.parametrize("columns", range(8, 40))
def test_no_line_of_chinese_begins_with_a_stop(columns: int) -> None:
    for line in wrap(
        "拿到磁盘的人就能读到对话，请把它设为口令。主密钥与对话在同一块磁盘上。", columns
    ):
        assert line[0] not in "，。" and measure(line) <= columns + 2


def test_further_lines_stand_below_the_first_word() -> None:
    told = indent("one two three four", "✓ disk  ", "        ", 18)
    assert told == "✓ disk  one two\n        three four"
    assert indent("", "- ", "  ") == "- "
