"""Which questions count as missed, told from how their turns ended, and who is to blame."""

from __future__ import annotations

from appliance.dialogue.ladder import HANDOFF, NOT_KNOWN
from appliance.dialogue.misses import Question, judge
from appliance.dialogue.replay import Foretold, gather, is_answered
from appliance.events import NEAR
from appliance.store.questions import AskedTurn, Spoken


def turn(
    position: int,
    text: str,
    source: str = "faq",
    rule: str = "",
    *,
    score: float | None = None,
    is_disliked: bool = False,
    cited: tuple[str, ...] = (),
    session: str = "s",
) -> AskedTurn:
    run_id = f"{session}{position}"
    at_ms = position * 1000
    return AskedTurn(
        session, run_id, position, text, at_ms, source, rule, score, is_disliked, cited
    )


def find_reasons(*turns: AskedTurn) -> dict[str, tuple[str, ...]]:
    return {one.turn.text: one.reasons for one in judge(turns, (), ())}


def test_each_end_of_a_turn_has_its_reason() -> None:
    assert find_reasons(
        turn(1, "answered"),
        turn(3, "resting", "fallback", "resting"),
        turn(5, "unknown", "fallback", NOT_KNOWN),
        turn(7, "near", "faq", NEAR),
        turn(9, "unsure", "knowledge", score=0.4),
        turn(11, "sure", "knowledge", score=0.6),
        turn(13, "failed", ""),
        turn(15, "disliked", is_disliked=True),
    ) == {
        "answered": (),
        "resting": ("fallback",),
        "unknown": ("unknown",),
        "near": ("low_score",),
        "unsure": ("low_score",),
        "sure": (),
        "failed": ("fallback",),
        "disliked": ("disliked",),
    }


def test_a_wish_for_a_person_counts_against_the_question_before_and_brings_his_answer() -> None:
    turns = (
        turn(1, "first"),
        turn(3, "second"),
        turn(5, "a person please", "rule", HANDOFF),
        turn(8, "thanks", "human"),
    )
    spoken = (Spoken("s", 7, "It is so.", 7000), Spoken("s", 9, "Bye.", 9000))
    found = {one.turn.text: (one.reasons, one.said) for one in judge(turns, (), spoken)}
    assert found == {"first": ((), ""), "second": (("handed_over",), "It is so.")}


def test_a_conversation_that_began_with_a_person_is_one_question_his_first() -> None:
    wish = turn(1, "a person please", "rule", HANDOFF)
    said = (Spoken("s", 4, "Yes, we do.", 4000),)
    (one,) = judge((wish, turn(3, "do you engrave?", "human"), turn(5, "fine", "human")), (), said)
    assert (one.turn.text, one.reasons, one.said) == (
        "do you engrave?",
        ("handed_over",),
        "Yes, we do.",
    )
    (alone,) = judge((wish,), (), ())
    assert (alone.turn, alone.reasons) == (wish, ("handed_over",))


def test_the_button_counts_against_the_question_before_it_in_its_own_conversation() -> None:
    turns = (turn(1, "mine"), turn(5, "later"), turn(1, "other", session="t"))
    found = {one.turn.text: one.reasons for one in judge(turns, (("s", 3000),), ())}
    assert found == {"mine": ("handed_over",), "later": (), "other": ()}


def test_the_same_entry_again_is_no_answer_for_whoever_disliked_it() -> None:
    one = Question(turn(1, "q", is_disliked=True, cited=("old",)), ("disliked",))
    assert not is_answered(one, Foretold("faq", "old"))
    assert is_answered(one, Foretold("faq", "new"))
    assert not is_answered(one, Foretold("phrased", "doc"))


def test_what_only_a_model_or_a_tool_could_tell_stays_as_it_was() -> None:
    content, missed = Question(turn(1, "q")), Question(turn(1, "q"), ("unknown",))
    for told in (Foretold("model"), Foretold("phrased"), Foretold("rule")):
        assert is_answered(content, told) and not is_answered(missed, told)
    tool = Question(turn(1, "q", "tool"))
    assert is_answered(tool, Foretold("near"))
    assert not is_answered(content, Foretold("near"))


def test_the_missed_are_tried_first_and_then_what_is_asked_most() -> None:
    often = [Question(turn(n, "How much?", session=f"o{n}")) for n in range(3)]
    questions = [Question(turn(1, "rare")), *often, Question(turn(9, "missed"), ("unknown",))]
    every, is_cut = gather(questions, 2)
    assert [one.text for one in every] == ["missed", "How much?"] and is_cut
    assert len(every[1].questions) == 3
