"""The events of a session: the only output of a turn, as plain frozen values.

They know no wire format and no storage; `http/` encodes them, `store/` keeps what must be kept.
The rule that must not break: every accepted turn ends in exactly one `Done` or `Failed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Source: TypeAlias = Literal["rule", "faq", "tool", "knowledge", "model", "fallback", "human"]
FinishReason: TypeAlias = Literal[
    "stop", "length", "cancelled", "refused", "handed_over", "timeout"
]
Role: TypeAlias = Literal["customer", "assistant", "operator", "system"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one answer; `cached_tokens` of the prompt were not computed again."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of one answer on the monotonic clock, in milliseconds.

    `ttft_ms` runs from the acceptance of the message to the first piece of text.
    """

    queued_ms: float = 0.0
    prefill_ms: float = 0.0
    ttft_ms: float = 0.0
    decode_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Queued:
    """The turn waits: for `reason` "model_loading" or behind `position` others in the queue."""

    position: int
    eta_ms: int
    reason: Literal["queue", "model_loading"] = "queue"


@dataclass(frozen=True, slots=True)
class Started:
    source: Source


@dataclass(frozen=True, slots=True)
class Token:
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the customer should know that ends nothing: trimmed, slower, repetition."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    finish_reason: FinishReason
    source: Source
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)


@dataclass(frozen=True, slots=True)
class Failed:
    """The `error` event: the turn ended without a whole answer."""

    code: str
    message: str


Event: TypeAlias = Queued | Started | Token | Notice | Done | Failed
Ending: TypeAlias = Done | Failed
