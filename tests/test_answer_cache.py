"""The memory for answers that several customers asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.dialogue.cache import MOST_KEPT, AnswerCache, CachedAnswer, Ground, Key

KEY = Key("怎么退货", Ground("knowledge-1", "rules-1"), "model-1", "persona-1")
ANSWER = CachedAnswer("7 天内可以退。", (), 0.9)


class Clock:
    now_s = 0.0

    def read(self) -> float:
        return self.now_s


def ask(cache: AnswerCache, conversation: str, key: Key = KEY) -> CachedAnswer | None:
    """As the ladder does: look, and where nothing is there let the model answer."""
    found = cache.find(key, conversation)
    if found is None:
        cache.keep(key, conversation, ANSWER)
    return found


def test_the_third_conversation_to_ask_is_answered_from_memory() -> None:
    cache = AnswerCache(60.0, Clock().read)
    assert [ask(cache, name) for name in "abcd"] == [None, None, ANSWER, ANSWER]


def test_one_customer_who_asks_again_and_again_counts_once() -> None:
    cache = AnswerCache(60.0, Clock().read)
    assert [ask(cache, "a") for _ in range(5)] == [None] * 5


@pytest.mark.parametrize(
    "key",
    [
        replace(KEY, question="another"),
        replace(KEY, model="another"),
        replace(KEY, persona="another"),
        replace(KEY, ground=replace(KEY.ground, knowledge="another")),
        replace(KEY, ground=replace(KEY.ground, rules="another")),
    ],
)
def test_nothing_is_given_for_another_question_or_on_another_ground(key: Key) -> None:
    cache = AnswerCache(60.0, Clock().read)
    for name in "abc":
        ask(cache, name)
    assert cache.find(key, "d") is None


def test_what_stands_on_an_older_ground_is_let_go_of() -> None:
    cache = AnswerCache(60.0, Clock().read)
    for name in "abc":
        ask(cache, name)
    cache.keep(replace(KEY, ground=Ground("knowledge-2", "rules-1")), "d", ANSWER)
    assert cache.find(KEY, "e") is None


def test_an_answer_is_forgotten_after_its_time() -> None:
    clock = Clock()
    cache = AnswerCache(60.0, clock.read)
    for name in "abc":
        ask(cache, name)
    clock.now_s = 59.0
    assert cache.find(KEY, "d") == ANSWER
    clock.now_s = 61.0
    assert cache.find(KEY, "e") is None


def test_a_time_of_nought_switches_the_memory_off() -> None:
    cache = AnswerCache(0.0, Clock().read)
    assert [ask(cache, name) for name in "abcd"] == [None] * 4


def test_the_least_recently_kept_answer_makes_room() -> None:
    cache = AnswerCache(60.0, Clock().read)
    for name in "ab":
        ask(cache, name)
    for number in range(MOST_KEPT):
        ask(cache, "a", replace(KEY, question=str(number)))
    assert ask(cache, "c") is None
