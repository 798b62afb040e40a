"""The shapes of what stands behind `data:` in the streams of a conversation's events.

They hold no behaviour; `http/events.py` builds them. The rule that must not break: a key that is
not here is never sent.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

from appliance.events import Role, Source
from appliance.http.shapes import AnswerEnd, ErrorText, ShownHandoff


class MessageEvent(TypedDict):
    """`name` says which operator speaks."""

    run_id: str
    role: Role
    text: str
    name: NotRequired[str]


class QueuedEvent(TypedDict):
    """Has no id: it passes by."""

    run_id: str
    position: int
    eta_ms: int
    reason: Literal["queue", "model_loading"]


class StartedEvent(TypedDict):
    run_id: str
    source: Source


class TokenEvent(TypedDict):
    run_id: str
    text: str


class NoticeEvent(TypedDict):
    run_id: str
    code: str
    text: str


class ToolEvent(TypedDict):
    """Something is looked up or done: `state` is asking, confirming, running, or the outcome."""

    run_id: str
    name: str
    state: str


class RewindEvent(TypedDict):
    """Events above number `after` were lost with the power; of the answer under way the first
    `chars` Unicode characters stand."""

    run_id: str
    after: int
    chars: int


class DoneEvent(AnswerEnd):
    run_id: str


class ErrorEvent(ErrorText):
    """Has no id where the disk refused to keep it."""

    run_id: str


class HandoffEvent(ShownHandoff):
    """Who the conversation belongs to from here on; `run_id` is empty between two turns. Has no
    id where only the place has changed."""

    run_id: str


class TypingEvent(TypedDict):
    """Has no id: it passes by."""

    who: Literal["customer", "operator"]


class DraftEvent(TypedDict):
    """To operators alone, and without id: all of an answer that is held back."""

    run_id: str
    text: str
    source: Source
    is_whole: bool


class ByeEvent(TypedDict):
    """The last of a stream, without id: the appliance stops in order."""

    retry_ms: int


EventData: TypeAlias = (
    MessageEvent
    | QueuedEvent
    | StartedEvent
    | TokenEvent
    | NoticeEvent
    | ToolEvent
    | RewindEvent
    | DoneEvent
    | ErrorEvent
    | HandoffEvent
    | TypingEvent
    | DraftEvent
    | ByeEvent
)
