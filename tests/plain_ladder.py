"""A ladder with one rung, for tests that are about turns: every question is the model's.

It knows no shop, and its rules let every text out; only the lock still looks for literals. The
rule that must not break: what is said where the model cannot speak is known to the test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from appliance.dialogue.answering import Answering
from appliance.dialogue.briefs import Briefs
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.guard import Cut
from appliance.dialogue.ladder import NOT_KNOWN, RESTING, Asked, Ladder
from appliance.dialogue.language import Language
from appliance.dialogue.steps import Task, Words
from appliance.engine.engine import Engine
from appliance.events import Source
from appliance.settings import Settings
from appliance.store.events import EventLog
from appliance.store.sessions import Sessions

RESTS = Words("fallback", "小助在休息。", rule=RESTING)
UNKNOWN = Words("fallback", "这个我不知道。", rule=NOT_KNOWN)


class OpenRules:
    def read_outgoing(self, text: str) -> tuple[int, tuple[Cut, ...]]:
        return len(text), ()


@dataclass(frozen=True, slots=True)
class OpenCharter:
    rules: OpenRules = field(default_factory=OpenRules)


class NoMemory:
    """It keeps nothing and knows nothing."""

    async def take(self, conversation: str, run_id: str, message: str) -> None:
        return None

    async def describe(self, conversation: str, language: Language, but: str = "") -> str:
        return ""

    async def reply(self, conversation: str, run_id: str, message: str) -> Words | None:
        return None


class PlainLadder:
    def __init__(self) -> None:
        self.charter = OpenCharter()
        self.memory = NoMemory()
        self.moderation = None
        self.tools = None

    async def climb(self, asked: Asked, persona: str, model_id: str) -> Task:
        return Task("model", resting=RESTS, unknown=UNKNOWN)

    async def take_up(self, asked: Asked, source: Source) -> Task:
        return Task(source, resting=RESTS, unknown=UNKNOWN)

    def keep_answer(self, asked: Asked, task: Task, text: str, persona: str, model: str) -> None:
        pass


def give_plain_answers(
    conversations: Conversations,
    engine: Engine,
    sessions: Sessions,
    log: EventLog,
    settings: Settings,
) -> None:
    """From here on the turns of `conversations` are led up the plain ladder."""
    ladder = cast(Ladder, PlainLadder())
    answering = Answering(engine, sessions, log, ladder, conversations.handoffs, settings, Briefs())
    conversations.give(answering)
