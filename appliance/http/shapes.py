"""The shapes of every JSON body that leaves or enters, written once.

The handlers build them, mypy checks them, and `/openapi.json` is made from them. They hold no
behaviour. The rule that must not break: a key that is not here is never sent.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.events import FinishReason, Queued, Role, Source, Timings, Usage


class Say(BaseModel):
    """One message of a customer; without `session_id` it opens a new conversation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    message: str = Field(min_length=1, description="What the customer says, as plain text.")
    session_id: str | None = Field(None, description="An id from an earlier answer.")


class Nothing(BaseModel):
    """An empty object, for calls that need no body."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ErrorText(TypedDict):
    code: str
    message: str


class ErrorParticulars(ErrorText):
    detail: NotRequired[dict[str, object]]


class ErrorBody(TypedDict):
    error: ErrorParticulars


class TokenFrame(TypedDict):
    token: str
    done: Literal[False]


class DoneFrame(TypedDict):
    token: Literal[""]
    done: Literal[True]
    session_id: str
    run_id: str
    source: Source
    finish_reason: FinishReason
    usage: Usage
    timings: Timings


class ErrorFrame(TypedDict):
    token: Literal[""]
    done: Literal[True]
    session_id: str
    run_id: str
    error: ErrorText


Frame: TypeAlias = TokenFrame | DoneFrame | ErrorFrame


class WholeAnswer(TypedDict):
    answer: str
    done: Literal[True]
    session_id: str
    run_id: str
    source: Source
    finish_reason: FinishReason
    usage: Usage
    timings: Timings


class SessionOpened(TypedDict):
    session_id: str


class HistoryMessage(TypedDict):
    id: int
    role: Role
    text: str
    created_ms: int
    run_id: str
    source: NotRequired[Source]
    finish_reason: NotRequired[FinishReason]
    total_ms: NotRequired[float]
    error: NotRequired[ErrorText]


class RunningTurn(TypedDict):
    run_id: str
    text: str
    queued: Queued | None


class History(TypedDict):
    messages: list[HistoryMessage]
    running: RunningTurn | None


class Stopped(TypedDict):
    stopped: bool


class DeletedCounts(TypedDict):
    messages: int
    turns: int


class Deleted(TypedDict):
    deleted: DeletedCounts


class Health(TypedDict):
    status: Literal["ok"]
