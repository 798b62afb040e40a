"""Which questions of late were missed, and why: told from how their turns ended.

It reads no store and asks no model. The rule that must not break: a wish for a person is counted
against the question before it, and what an operator was asked while he had the conversation is no
question of the bot's, unless nothing was asked before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from appliance.dialogue.ladder import HANDOFF, NOT_KNOWN
from appliance.events import NEAR
from appliance.store.questions import AskedTurn, Spoken

Reason: TypeAlias = Literal["fallback", "unknown", "low_score", "disliked", "handed_over"]
# Of lines of documents, which answer from 0.35 on.
LOW_SCORE = 0.45


@dataclass(frozen=True, slots=True)
class Question:
    """`reasons` is empty where it was answered; `said` is what an operator answered then."""

    turn: AskedTurn
    reasons: tuple[Reason, ...] = ()
    said: str = ""

    @property
    def is_missed(self) -> bool:
        return bool(self.reasons)


def judge(
    turns: Iterable[AskedTurn], wishes: Iterable[tuple[str, int]], spoken: Iterable[Spoken]
) -> list[Question]:
    """Every question that was the bot's to answer, the latest first."""
    by_session: dict[str, list[AskedTurn]] = defaultdict(list)
    for turn in turns:
        by_session[turn.session_key].append(turn)
    pressed: dict[str, list[int]] = defaultdict(list)
    for session_key, at_ms in wishes:
        pressed[session_key].append(at_ms)
    said: dict[str, list[Spoken]] = defaultdict(list)
    for one in spoken:
        said[one.session_key].append(one)
    questions = [
        question
        for key, asked in by_session.items()
        for question in _judge_session(
            sorted(asked, key=lambda turn: turn.position), pressed[key], said[key]
        )
    ]
    return sorted(questions, key=lambda one: (-one.turn.at_ms, one.turn.run_id))


def _judge_session(
    turns: Sequence[AskedTurn], pressed: Sequence[int], spoken: Sequence[Spoken]
) -> list[Question]:
    questions = [turn for turn in turns if turn.source != "human" and turn.rule != HANDOFF]
    called = _find_called(turns, questions, pressed)
    answers = _find_answers(questions, called, spoken)
    return [
        Question(
            turn,
            _find_reasons(turn, turn.run_id in called),
            answers.get(turn.run_id, ""),
        )
        for turn in questions
    ] or _judge_persons(turns, spoken)


def _judge_persons(turns: Sequence[AskedTurn], spoken: Sequence[Spoken]) -> list[Question]:
    """A conversation that began with the wish for a person was not answered without one: what he
    answered first is what was asked, else there is only the wish."""
    for turn in turns:
        behind = [one for one in spoken if one.position > turn.position]
        if turn.source == "human" and behind:
            said = min(behind, key=lambda one: one.position).text
            return [Question(turn, ("handed_over",), said)]
    return [Question(turn, ("handed_over",)) for turn in turns[:1]]


def _find_called(
    turns: Sequence[AskedTurn], questions: Sequence[AskedTurn], pressed: Sequence[int]
) -> set[str]:
    """Runs behind which a person was asked for, by words or by the button."""
    called: set[str] = set()
    wishes = [turn.position for turn in turns if turn.rule == HANDOFF]
    for position in wishes:
        before = [turn for turn in questions if turn.position < position]
        called.update(turn.run_id for turn in before[-1:])
    for at_ms in pressed:
        before = [turn for turn in questions if turn.at_ms <= at_ms]
        called.update(turn.run_id for turn in before[-1:])
    return called


def _find_reasons(turn: AskedTurn, is_called: bool) -> tuple[Reason, ...]:
    reasons: list[Reason] = []
    if turn.source == "fallback":
        reasons.append("unknown" if turn.rule == NOT_KNOWN else "fallback")
    elif not turn.source:
        reasons.append("fallback")
    elif turn.rule == NEAR or (
        turn.source == "knowledge" and turn.score is not None and turn.score < LOW_SCORE
    ):
        reasons.append("low_score")
    if turn.is_disliked:
        reasons.append("disliked")
    if is_called:
        reasons.append("handed_over")
    return tuple(reasons)


def _find_answers(
    questions: Sequence[AskedTurn], called: set[str], spoken: Sequence[Spoken]
) -> Mapping[str, str]:
    """What an operator said first behind each question that went to a person."""
    answers = {}
    for turn in questions:
        later = [one.position for one in questions if one.position > turn.position]
        behind = [
            one
            for one in spoken
            if one.position > turn.position and (not later or one.position < min(later))
        ]
        if turn.run_id in called and behind:
            answers[turn.run_id] = min(behind, key=lambda one: one.position).text
    return answers
