"""The events of a session: the only output of a turn, as plain frozen values.

They know no wire format and no storage; `http/` encodes them, `store/` keeps those that have a
number. The rules that must not break: every accepted turn ends in exactly one `Done` or `Failed`,
and one number of a session never stands for two events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Source: TypeAlias = Literal["rule", "faq", "tool", "knowledge", "model", "fallback", "human"]
FinishReason: TypeAlias = Literal[
    "stop", "length", "cancelled", "refused", "handed_over", "timeout"
]
Role: TypeAlias = Literal["customer", "assistant", "operator", "system"]
# The rule of an answer that is a line of a document, to the letter.
QUOTED = "quoted"
# The rule of one that the model began and such a line ended.
PARTLY_QUOTED = "partly-quoted"
# The rule of an answer that only offers known questions, because none is surely meant.
NEAR = "near"
Verdict: TypeAlias = Literal["up", "down"]
Label: TypeAlias = Literal["official", "ai"]
HandoffState: TypeAlias = Literal["bot", "waiting", "human", "closed"]


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
class Message:
    """A whole message: a customer's, an operator's, the system's. `name` says which operator."""

    role: Role
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Started:
    """The answer begins; `model_id` says whose the token ids are."""

    source: Source
    model_id: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer; `token_ids` are what the model said for it, kept to go on from."""

    text: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the customer should know that ends nothing: trimmed, slower, repetition."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """Something is looked up or done: `state` is "asking" for what is missing, "confirming",
    "running", or what came of it, as "found", "none", "done", "error"."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Rewind:
    """Events above number `after` are lost: of the answer under way its first `chars` stand."""

    after: int
    chars: int


@dataclass(frozen=True, slots=True)
class Cited:
    """What an answer rests on: an entry of the FAQ or a passage of a document; `quote` is its
    text or the beginning of it, `href` a link that its owner gave."""

    kind: Literal["faq", "passage"]
    id: str
    title: str
    quote: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """The turn ended in order. `score`, from 0 to 1, says how sure the rung was, `rule` which
    rule spoke or stopped it; `suggestions` are known questions close to the one that was asked."""

    finish_reason: FinishReason
    source: Source
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    sources: tuple[Cited, ...] = ()
    score: float | None = None
    rule: str = ""
    is_cached: bool = False
    suggestions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The `error` event: the turn ended without a whole answer."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Handoff:
    """Who the conversation belongs to from here on. While it waits, `place` counts from 1 and
    `promise` says in the customer's language when a person comes; `asks_contact`: it is better to
    leave word how one can be reached. `name` says which operator has taken it."""

    state: HandoffState
    place: int = 0
    promise: str = ""
    asks_contact: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """The turn waits: for `reason` "model_loading" or behind `position` others in the queue."""

    position: int
    eta_ms: int
    reason: Literal["queue", "model_loading"] = "queue"


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody writes just now."""

    who: Literal["customer", "operator"]


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that an operator looks at before the customer does: all of it so far. It can be
    sent once it is `is_whole`; with an empty `text` and whole it is decided on."""

    text: str
    source: Source
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Bye:
    """The appliance stops in order: come back after `retry_ms`."""

    retry_ms: int


Ending: TypeAlias = Done | Failed
Event: TypeAlias = (
    Message
    | Started
    | Token
    | Notice
    | Tool
    | Rewind
    | Done
    | Failed
    | Handoff
    | Queued
    | Typing
    | Draft
    | Bye
)


@dataclass(frozen=True, slots=True)
class Numbered:
    """One event in its place: `number` counts from 1 within its session, with gaps where a power
    cut took events; it is 0 for one that passes by and is not stored (`Queued`, `Typing`, `Draft`,
    `Bye`)."""

    number: int
    run_id: str
    event: Event


def label_of(source: Source, rule: str = "") -> Label:
    """Whether all words are the shop's own, to the letter, or the model made some of them."""
    return "ai" if source in ("knowledge", "model") and rule != QUOTED else "official"
