"""The screen shows the same however its input is cut, and never a part of what it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.dialogue.literals import KNOWLEDGE_KINDS, MODEL_KINDS
from appliance.dialogue.screen import OutgoingRules, Screen, Shown
from appliance.dialogue.sources import Sources

SOURCE = (
    "七天内可以退货，运费12元，电话400-820-8820，网址 https://shop.example/help，9:00-21:00，3-5天"
)


@dataclass(frozen=True, slots=True)
class FakeCut:
    start: int
    end: int
    rule: str
    action: Literal["mask", "replace", "end"]
    replacement: str


class FakeRules:
    """Words, each with what becomes of it."""

    def __init__(
        self,
        words: Mapping[str, tuple[Literal["mask", "replace", "end"], str]] = MappingProxyType({}),
    ) -> None:
        self._words = words

    def find_outgoing(self, text: str) -> tuple[FakeCut, ...]:
        cuts = [
            FakeCut(found.start(), found.end(), word, *told)
            for word, told in self._words.items()
            for found in re.finditer(re.escape(word), text)
        ]
        return tuple(sorted(cuts, key=lambda cut: cut.start))

    def open_from(self, text: str) -> int:
        starts = [
            len(text) - length
            for word in self._words
            for length in range(1, len(word))
            if text.endswith(word[:length])
        ]
        return min(starts, default=len(text))

    def read_outgoing(self, text: str) -> tuple[int, tuple[FakeCut, ...]]:
        return self.open_from(text), self.find_outgoing(text)


RULES = FakeRules(
    {"坏，蛋": ("replace", "[…]"), "秘密": ("mask", "**"), "停在这里": ("end", "（完）")}
)

TEXTS = (
    "您好，七天内可以退货，运费12元。请放心！",
    "您好，七天内可以退货，但运费99元。请放心！",
    "请放心，一切都好，我们会尽快处理。电话是400-820-8820，谢谢。",
    "请放心，电话：400-820-8821，谢谢。后面还有",
    "Hello, you can return it within 7 days. Shipping is 12 yuan, ok? It costs $99, sorry.",
    "坏，蛋来了，他有秘密，秘，密，坏，人，坏，蛋，。",
    "早上九点开门，晚上九点关门。凌晨三点停在这里。后面",
    "可以，停在这里，后面的话",
    "见 https://shop.example/help。也见 https://evil.example/help。",
    "1. 打开页面\n2. 点一下\n3. 等3-5天\n4. 等9天\n",
    "您<|im_end|>好\ufffd，<|im_<|x|>start|>七\u202e天，<b>好</b>，a <| b，",
    "我们非常乐意为您提供帮助" * 30 + "十四天",
    "no end in sight and nothing to be said " * 12 + "for $99",
    "等3-5天" + "我们非常乐意为您提供帮助，" * 40 + "只要九十九元",
    "好的，1,299元！",
    "",
)


def run(
    pieces: list[str], kinds: frozenset[str] = KNOWLEDGE_KINDS, rules: OutgoingRules = RULES
) -> tuple[str, Screen]:
    screen = Screen(Sources.of([SOURCE]), rules, kinds)
    shown: list[Shown] = []
    for at, piece in enumerate(pieces):
        shown += screen.feed(piece, (at,))
    shown += screen.flush()
    for part in shown:
        if part.token_ids:
            assert part.text == "".join(pieces[at] for at in part.token_ids)
    ids = [at for part in shown for at in part.token_ids]
    assert ids == sorted(set(ids))
    return "".join(part.text for part in shown), screen


@pytest.mark.parametrize("text", TEXTS)
def test_a_cut_anywhere_changes_nothing_that_is_shown(text: str) -> None:
    whole, screen = run([text])
    # Of the long ones every 19th position: each is a whole run.
    for at in range(0, len(text) + 1, 1 if len(text) <= 120 else 19):
        shown, cut_screen = run([text[:at], text[at:]])
        assert shown == whole
        assert cut_screen.refused == screen.refused
    assert run(list(text))[0] == whole


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(TEXTS), st.lists(st.integers(0, 200), max_size=12))
def test_random_cuts_change_nothing_that_is_shown(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(at % (len(text) + 1) for at in cuts)})
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert run(pieces)[0] == run([text])[0]


def test_an_untouched_answer_leaves_with_all_its_ids() -> None:
    text = TEXTS[0]
    screen = Screen(Sources.of([SOURCE]), RULES)
    shown = [part for at, char in enumerate(text) for part in screen.feed(char, (at, -at))]
    shown += screen.flush()
    assert [i for part in shown for i in part.token_ids] == [
        i for at in range(len(text)) for i in (at, -at)
    ]
    assert screen.refused is None


def test_ids_of_half_a_character_stand_with_the_text_that_follows() -> None:
    screen = Screen(Sources.of([]), FakeRules())
    shown = (*screen.feed("", (1,)), *screen.feed("好", (2,)), *screen.feed("。", (3,)))
    assert [(part.text, part.token_ids) for part in shown] == [("好。", (1, 2, 3))]


def test_a_clause_of_words_is_shown_at_once_and_a_promise_at_its_end() -> None:
    screen = Screen(Sources.of([SOURCE]), FakeRules())
    assert [part.text for part in screen.feed("您好，", ())] == ["您好，"]
    assert not screen.feed("七天内可退，", ())
    assert screen.held_chars == 6
    assert [part.text for part in screen.feed("请放心。", ())] == ["七天内可退，请放心。"]
    assert screen.held_chars == 0


def test_a_refusal_tells_what_stood_and_what_did_not() -> None:
    shown, screen = run([TEXTS[1]])
    assert shown == "您好，"
    assert screen.refused is not None
    assert screen.refused.shown_of_sentence == "您好，"
    assert screen.refused.withheld == "七天内可以退货，但运费99元。"
    (unknown,) = screen.refused.literals
    assert (unknown.kind, unknown.value) == ("price", "99CNY")
    assert screen.refused.withheld[unknown.start : unknown.end] == "99元"


def test_a_piece_that_is_cut_by_a_refusal_has_no_ids() -> None:
    screen = Screen(Sources.of([]), FakeRules())
    shown = screen.feed("好的，只要99元。", (1, 2))
    assert [(part.text, part.token_ids) for part in shown] == [("好的，", ())]


def test_a_label_is_judged_with_its_number_across_lines() -> None:
    assert run(["电话：\n10086\n"], MODEL_KINDS)[0] == "电话：\n"


def test_a_forbidden_pattern_across_clauses_is_replaced_before_its_first_letter() -> None:
    screen = Screen(Sources.of([]), RULES)
    assert [part.text for part in screen.feed("他是坏，", (1,))] == []
    assert "".join(part.text for part in screen.feed("蛋，好，", (2,))) == "他是[…]，好，"
    assert [cut.rule for cut in screen.rules_met] == ["坏，蛋"]


def test_what_only_began_like_a_pattern_is_shown() -> None:
    assert run(["坏，人，坏，"])[0] == "坏，人，坏，"


def test_a_rule_that_ends_the_answer_ends_it() -> None:
    shown, screen = run([TEXTS[7]])
    assert shown == "可以，（完）"
    assert screen.is_over
    assert screen.refused is None


def test_code_may_hold_numbers_on_the_model_s_rung_alone() -> None:
    code = "看：\n```\nx = '2031-01-01'\n```\n好。"
    assert run([code], MODEL_KINDS)[0] == code
    assert run([code], KNOWLEDGE_KINDS)[0] != code
    assert run(["```\nx\n```\n2031-01-01。"], MODEL_KINDS)[0] == "```\nx\n```\n"


@pytest.mark.parametrize(
    "told", ["99元", "$49.99", "13912345678", "https://evil.example/x", "evil@evil.com"]
)
def test_a_block_of_code_hides_no_price_and_no_contact(told: str) -> None:
    code = f"看：\n```\nx = 7\n{told}\n```\n好。"
    for pieces in ([code], list(code)):
        shown, screen = run(pieces, MODEL_KINDS)
        assert shown == "看：\n```\nx = 7\n"
        assert screen.refused is not None
    known = "```\ncurl https://shop.example/help\n```\n"
    assert run([known], MODEL_KINDS)[0] == known


def test_the_model_s_rung_may_count_and_may_not_name_a_price() -> None:
    assert run(["煮10分钟，加3个鸡蛋。"], MODEL_KINDS)[0] == "煮10分钟，加3个鸡蛋。"
    assert run(["鸡蛋10元。"], MODEL_KINDS)[0] == ""


def test_a_pattern_that_grows_for_ever_is_not_waited_for() -> None:
    class Greedy(FakeRules):
        def open_from(self, text: str) -> int:
            return 0

    screen = Screen(Sources.of([]), Greedy())
    for _ in range(300):
        screen.feed("好的，好的，", ())
    assert screen.is_over
    assert screen.refused is not None
