"""An answer as callers of the interface get it, whoever gave it: pieces, calls, an end.

It knows no wire format; `http/` writes these as OpenAI's chunks, its named events or Ollama's
lines. The rule that must not break: a reply ends in exactly one `Ended`, or raises the one
ApplianceError that says why there is none.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from appliance.engine.logprobs import TokenLogprob
from appliance.events import Done, Timings, Usage

ReplyFinish: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class Text:
    """`logprobs` are of the model's tokens in `text`, where they were asked for."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A function the caller shall run; `arguments` is JSON that fits the function's schema."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Ended:
    """`done` is the turn's own end, where the ladder answered."""

    finish: ReplyFinish
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    done: Done | None = None


Part: TypeAlias = Text | Called | Ended
# Closing it ends what computes the answer.
Reply: TypeAlias = AsyncGenerator[Part, None]
