"""What the ladder decides: fixed words to say, tools to run, or a task for the model.

They are carried out by `answering.py` and hold no behaviour. The rule that must not break: a step
names its rung, so that every answer can be labelled with where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from appliance.dialogue.cache import Ground
from appliance.dialogue.excerpts import Excerpt
from appliance.dialogue.guard import Verdict
from appliance.dialogue.language import Language
from appliance.events import Cited, FinishReason, Source
from appliance.store.calls import StoredCall
from appliance.store.verdicts import Stage, StoredVerdict
from appliance.tools.declared import Call


@dataclass(frozen=True, slots=True)
class Words:
    """An answer that is said to the letter. `asks_handoff`: a person is called as well."""

    source: Source
    text: str
    finish_reason: FinishReason = "stop"
    rule: str = ""
    score: float | None = None
    sources: tuple[Cited, ...] = ()
    suggestions: tuple[str, ...] = ()
    is_cached: bool = False
    asks_handoff: bool = False
    verdicts: tuple[StoredVerdict, ...] = ()
    calls: tuple[StoredCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """Tools are run, one after the other, and their results told in the shop's sentences.
    `chosen_by` says how the tool was found: by a "rule", the "model", an answered "question".
    `is_looked_at`: an operator has sent the question to which the customer said yes."""

    calls: tuple[Call, ...]
    chosen_by: str
    language: Language
    is_looked_at: bool = False

    def without_yes(self) -> Act:
        """The same, with the customer asked once more before anything is written."""
        calls = tuple(replace(call, is_confirmed=False) for call in self.calls)
        return replace(self, calls=calls)


@dataclass(frozen=True, slots=True)
class Task:
    """The model phrases the answer: from `excerpts` on the rung "knowledge", freely on "model".

    `resting` is said instead where the model cannot, `unknown` where the excerpts do not hold
    the answer. Without a `ground` it is kept for nobody else.
    """

    source: Source
    resting: Words
    unknown: Words
    excerpts: tuple[Excerpt, ...] = ()
    sources: tuple[Cited, ...] = ()
    score: float | None = None
    suggestions: tuple[str, ...] = ()
    ground: Ground | None = None


Step: TypeAlias = Words | Act | Task
FINISHES: Mapping[str, FinishReason] = MappingProxyType(
    {"refuse": "refused", "handover": "handed_over"}
)


def words_of(verdict: Verdict, stage: Stage) -> Words:
    """What a guard says instead of an answer."""
    return Words(
        "rule",
        verdict.text,
        FINISHES.get(verdict.action, "stop"),
        rule=verdict.rule,
        asks_handoff=verdict.action == "handover",
        verdicts=(StoredVerdict(stage, verdict.rule, verdict.category, verdict.action),),
    )
