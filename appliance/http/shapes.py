"""The shapes of every JSON body that leaves or enters, written once.

The handlers build them, mypy checks them, and `/openapi.json` is made from them. They hold no
behaviour. The rule that must not break: a key that is not here is never sent.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.events import (
    Cited,
    FinishReason,
    HandoffState,
    Label,
    Queued,
    Role,
    Source,
    Timings,
    Usage,
    Verdict,
)
from appliance.store.feedback import Reason


class Say(BaseModel):
    """One message of a customer; without `session_id` it opens a new conversation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    message: str = Field(min_length=1, description="What the customer says, as plain text.")
    session_id: str | None = Field(None, description="An id from an earlier answer.")


class SayLater(BaseModel):
    """One message whose answer comes as events. The same `client_id` again says nothing twice."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    message: str = Field(min_length=1, description="What the customer says, as plain text.")
    client_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Chosen by the client, once a message."
    )


class Hello(BaseModel):
    """The first message over a WebSocket; `after` is the last event's number that was seen."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    session_id: str | None = None
    after: int = Field(0, ge=0, le=(1 << 53) - 1)


class Spoken(BaseModel):
    """Any later one: something is said, or the answer under way is to end."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    message: str | None = Field(None, min_length=1)
    client_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    stop: Literal[True] | None = None


class HandoffWish(BaseModel):
    """ "waiting" asks for a person, "closed" says that none is needed any more."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    state: Literal["waiting", "closed"] = Field("waiting", description="What is wished for.")
    language: Literal["zh", "en"] = Field("zh", description="Of the words in the answer.")


class FeedbackWish(BaseModel):
    """What the customer says of one answer; `verdict` null takes it back."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    run_id: str = Field(min_length=1, max_length=64, description="Which answer.")
    verdict: Verdict | None = Field(description="Whether it helped.")
    reason: Reason = Field("", description='Why not; with "down" alone.')


class SignedIdentity(BaseModel):
    """Who the visitor is, signed by the site that shows the widget."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    token: str = Field(min_length=1, max_length=2048, description="`payload.signature`.")


class Nothing(BaseModel):
    """An empty object, for calls that need no body."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class ErrorText(TypedDict):
    code: str
    message: str


class ErrorParticulars(ErrorText):
    detail: NotRequired[dict[str, object]]


class ErrorBody(TypedDict):
    error: ErrorParticulars


class AnswerEnd(TypedDict):
    """Where an answer comes from and how it ended. `label` is "official" for the shop's own words,
    "ai" for the model's; `score`, from 0 to 1, says how sure the rung was."""

    source: Source
    label: Label
    finish_reason: FinishReason
    score: float | None
    rule: str
    cached: bool
    sources: list[Cited]
    suggestions: list[str]
    usage: Usage
    timings: Timings


class TokenFrame(TypedDict):
    token: str
    done: Literal[False]


class DoneFrame(AnswerEnd):
    token: Literal[""]
    done: Literal[True]
    session_id: str
    run_id: str


class ErrorFrame(TypedDict):
    token: Literal[""]
    done: Literal[True]
    session_id: str
    run_id: str
    error: ErrorText


Frame: TypeAlias = TokenFrame | DoneFrame | ErrorFrame


class WholeAnswer(AnswerEnd):
    answer: str
    done: Literal[True]
    session_id: str
    run_id: str


class SessionOpened(TypedDict):
    session_id: str


class Accepted(TypedDict):
    """The message is kept, as the session's event `event_id`."""

    run_id: str
    event_id: int


class ShownFeedback(TypedDict):
    verdict: Verdict
    reason: Reason


class Judged(TypedDict):
    """What stands with the answer now."""

    feedback: ShownFeedback | None


class HistoryMessage(TypedDict):
    id: int
    role: Role
    text: str
    created_ms: int
    run_id: str
    name: NotRequired[str]
    source: NotRequired[Source]
    label: NotRequired[Label]
    finish_reason: NotRequired[FinishReason]
    score: NotRequired[float | None]
    rule: NotRequired[str]
    cached: NotRequired[bool]
    sources: NotRequired[list[Cited]]
    suggestions: NotRequired[list[str]]
    total_ms: NotRequired[float]
    error: NotRequired[ErrorText]
    feedback: NotRequired[ShownFeedback]


class RunningTurn(TypedDict):
    """`source` once the answer has begun."""

    run_id: str
    text: str
    source: Source | None
    queued: Queued | None


class ProvedIdentity(TypedDict):
    """Who the visitor is by the signed word of a site; `name` may be empty."""

    id: str
    name: str


class ShownHandoff(TypedDict):
    """`place` counts from 1 among those who wait, `promise` says when a person comes, in the
    customer's language; with `asks_contact` a way to reach the customer may be left. `name` says
    who has taken it."""

    state: HandoffState
    place: NotRequired[int]
    promise: NotRequired[str]
    asks_contact: NotRequired[bool]
    name: NotRequired[str]


class History(TypedDict):
    messages: list[HistoryMessage]
    running: RunningTurn | None
    handoff: HandoffState
    handoff_told: ShownHandoff
    identity: ProvedIdentity | None
    event_id: int


class HandedOver(ShownHandoff):
    """Who the conversation belongs to now; `message` tells how a person is reached meanwhile."""

    handoff: HandoffState
    message: str


class Stopped(TypedDict):
    stopped: bool


class Revoked(TypedDict):
    revoked: Literal[True]


class DeletedCounts(TypedDict):
    messages: int
    turns: int


class ShownReceipt(TypedDict):
    """`mac` is the sign of row `audit_row` of the appliance's audit log, which says the same."""

    session: str
    keys_destroyed: int
    audit_row: int
    at_ms: int
    mac: str


class Deleted(TypedDict):
    deleted: DeletedCounts
    receipt: ShownReceipt | None


class Health(TypedDict):
    status: Literal["ok"]
