"""Bytes to text: the input is cut at every position and the output must not change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.text import LoopDetector, StopMatcher, TextDecoder

AWKWARD = "退款👨‍👩‍👧 ok é 🇨🇳。"


def decode_in_two(data: bytes, at: int) -> str:
    decoder = TextDecoder()
    return decoder.feed(data[:at]) + decoder.feed(data[at:]) + decoder.flush()


def match_in_pieces(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    matcher = StopMatcher(stops)
    shown = "".join(matcher.feed(piece) for piece in pieces)
    return shown + matcher.flush(), matcher.is_stopped


def test_a_character_cut_at_any_byte_comes_out_whole() -> None:
    data = AWKWARD.encode()
    assert all(decode_in_two(data, at) == AWKWARD for at in range(len(data) + 1))


def test_half_a_character_at_the_end_is_dropped_not_garbled() -> None:
    for end in range(len("款".encode())):
        decoder = TextDecoder()
        shown = decoder.feed("退".encode() + "款".encode()[:end])
        assert shown + decoder.flush() == "退"


def test_bytes_that_are_no_character_are_never_shown() -> None:
    decoder = TextDecoder()
    assert decoder.feed(b"\xff\xfea\xc3(b") + decoder.flush() == "a(b"


def test_the_decoder_knows_when_it_stands_between_characters() -> None:
    decoder = TextDecoder()
    decoder.feed("款".encode()[:2])
    assert not decoder.is_between_characters
    decoder.feed("款".encode()[2:])
    assert decoder.is_between_characters


@given(st.binary(max_size=40), st.integers(0, 40))
def test_any_bytes_give_the_same_text_wherever_they_are_cut(data: bytes, at: int) -> None:
    assert decode_in_two(data, at) == decode_in_two(data, 0)


@pytest.mark.parametrize("stops", [["<|end|>"], ["\n\n", "\n客户"], ["aab", "ab"], ["。"]])
def test_a_stop_string_cut_at_any_position_is_found_and_never_shown(stops: list[str]) -> None:
    text = f"再见aa<|en{stops[0]}后面"
    whole = match_in_pieces([text], stops)
    assert whole == (text[: min(text.find(stop) for stop in stops if stop in text)], True)
    for first in range(len(text) + 1):
        for second in range(first, len(text) + 1):
            pieces = [text[:first], text[first:second], text[second:]]
            assert match_in_pieces(pieces, stops) == whole


def test_the_matcher_says_whether_it_holds_anything_back() -> None:
    matcher = StopMatcher(["<|end|>"])
    holding = []
    for text in ("再见", "<|", "x", "<|end", "|>y"):
        matcher.feed(text)
        holding.append(matcher.is_holding)
    assert holding == [False, True, False, True, False]


def test_what_only_looked_like_a_stop_string_is_shown_at_the_end() -> None:
    assert match_in_pieces(["再见", "<|", "en"], ["<|end|>"]) == ("再见<|en", False)


def test_without_stop_strings_nothing_is_held_back() -> None:
    matcher = StopMatcher([])
    assert matcher.feed("你好") == "你好"


@given(st.lists(st.sampled_from("ab"), max_size=30), st.integers(0, 30))
def test_overlapping_stop_strings_do_not_depend_on_the_cut(letters: list[str], at: int) -> None:
    text = "".join(letters)
    for stops in (["aba", "bb"], ["aba", "b"]):
        whole = match_in_pieces([text], stops)
        assert match_in_pieces([text[:at], text[at:]], stops) == whole


def test_a_sentence_told_four_times_is_a_loop() -> None:
    for length in range(1, 49):
        detector = LoopDetector()
        sentence = list(range(length))
        looped = [detector.feed(token) for token in sentence * 30]
        told = max(4 * length, 24)
        assert not any(looped[: told - 1])
        assert any(looped[told - 1 : told + 7])


def test_a_short_laugh_and_a_list_are_no_loop() -> None:
    detector = LoopDetector()
    assert not any(detector.feed(7) for _ in range(12))
    numbered = [token for item in range(12) for token in (1, 100 + item, 2)]
    detector = LoopDetector()
    assert not any(detector.feed(token) for token in numbered)
