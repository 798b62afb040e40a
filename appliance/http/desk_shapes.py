"""The shapes of the JSON bodies of the operators' desk.

They hold no behaviour; `http/desk.py` builds them. The rule that must not break: a conversation is
named by its key, which opens nothing, and never by its customer's id.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.events import Cited, FinishReason, HandoffState, Role, Source, Verdict

NAME = r"^[\w.-]{1,64}$"
CLIENT_ID = r"^[A-Za-z0-9_-]{1,64}$"


class Body(BaseModel):
    """What all bodies have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class TakeWish(Body):
    """What becomes of an answer that is under way."""

    running: Literal["stop", "finish"] = Field("stop", description="Stop it, or let it end.")


class OperatorSays(Body):
    """An operator's message. The same `client_id` again says nothing twice."""

    text: str = Field(min_length=1, description="As plain text.")
    client_id: str | None = Field(None, pattern=CLIENT_ID, description="Chosen by the client.")


class ReleaseWish(Body):
    """Whose the conversation is to be."""

    to: Literal["bot", "waiting", "closed"] = Field("bot", description="Who comes next.")


class NoteWish(Body):
    """For operators alone."""

    text: str = Field(min_length=1, description="As plain text.")


class AssignWish(Body):
    """Whose it is to be."""

    account: str = Field(pattern=NAME, description="An operator's name.")


class HoldWish(Body):
    """Whether an operator looks at answers first."""

    on: bool = Field(description="From the next answer on.")


class DraftWish(Body):
    """What becomes of an answer that is held back; `text` with "edit" alone."""

    action: Literal["send", "edit", "drop"] = Field(description="As it is, changed, or not.")
    text: str | None = Field(None, min_length=1, description="What is said instead.")


class ReplyWish(Body):
    shortcut: str = Field(pattern=r"^\S{1,32}$", description="What is typed for it.")
    text: str = Field(min_length=1, max_length=2000, description="What it stands for.")


class RepliesWish(Body):
    """All of them, in their order."""

    replies: list[ReplyWish] = Field(max_length=200, description="The canned replies.")


class ShownRow(TypedDict):
    """A conversation in the list. `place` counts from 1 among those who wait, else it is 0."""

    id: str
    state: HandoffState
    since_ms: int
    last_text: str
    last_role: Role | None
    last_at_ms: int
    rung: Source | None
    language: Literal["zh", "en"]
    assigned_to: str
    is_held: bool
    is_running: bool
    place: int
    contact: str


class Conversations(TypedDict):
    """Those in which somebody waits or talks come with the first page, whatever its length; `next`
    goes into `before` for the following one."""

    conversations: list[ShownRow]
    counts: dict[str, int]
    next: int | None


class ShownJudgement(TypedDict):
    rule: str
    action: str


class ShownCall(TypedDict):
    name: str
    state: str


class DeskMessage(TypedDict):
    role: Role
    text: str
    at_ms: int
    run_id: str
    source: NotRequired[Source]
    sources: NotRequired[list[Cited]]
    score: NotRequired[float | None]
    rule: NotRequired[str]
    verdicts: NotRequired[list[ShownJudgement]]
    tools: NotRequired[list[ShownCall]]
    finish_reason: NotRequired[FinishReason]
    error: NotRequired[str]
    feedback: NotRequired[Verdict]
    feedback_reason: NotRequired[str]
    operator: NotRequired[str]


class ShownNote(TypedDict):
    text: str
    account: str
    at_ms: int


class ShownRating(TypedDict):
    stars: int
    comment: str
    at_ms: int


class ShownChange(TypedDict):
    """Whose it became, and why."""

    state: HandoffState
    reason: str
    at_ms: int
    operator: str


class Conversation(TypedDict):
    """All that was said before event `last_number`; the events behind it tell the rest. An answer
    under way is told by its events from the first on. `max_message_chars` holds for what is said
    in it."""

    conversation: ShownRow
    messages: list[DeskMessage]
    last_number: int
    notes: list[ShownNote]
    csat: ShownRating | None
    events: list[ShownChange]
    max_message_chars: int


class Changed(TypedDict):
    conversation: ShownRow


class Said(TypedDict):
    """It is on disk as the conversation's event `event_id`."""

    event_id: int


class Noted(TypedDict):
    noted: Literal[True]


class Suggestion(TypedDict):
    """What might be answered, from the FAQ or a document; nobody has said it."""

    kind: Literal["faq", "passage"]
    id: str
    title: str
    text: str
    score: float


class Suggestions(TypedDict):
    suggestions: list[Suggestion]


class AllHeld(TypedDict):
    """Whether all answers are looked at before the customers see them."""

    is_held: bool


class ShownReply(TypedDict):
    shortcut: str
    text: str


class Replies(TypedDict):
    replies: list[ShownReply]


class FoundText(TypedDict):
    id: str
    at_ms: int
    role: Role
    text: str


class FoundTexts(TypedDict):
    """The latest first; `is_cut` where there may be more."""

    found: list[FoundText]
    is_cut: bool


class ShownOperator(TypedDict):
    name: str
    role: str
    is_here: bool


class Operators(TypedDict):
    """`is_held`: all answers are looked at before the customer sees them."""

    operators: list[ShownOperator]
    is_held: bool


class RemovedEvent(TypedDict):
    id: str


class WritingEvent(TypedDict):
    """`who` is "customer" or an operator's name."""

    id: str
    who: str


class OperatorsEvent(TypedDict):
    names: list[str]


class ByeDeskEvent(TypedDict):
    retry_ms: int


DeskEvent: TypeAlias = ShownRow | RemovedEvent | WritingEvent | OperatorsEvent | ByeDeskEvent
