"""A reply in OpenAI's words: whole, and as the chunks of a stream.

It decides nothing of the reply. The rules that must not break: all chunks of an answer carry the
same id and time, every key that clients read is there even where it is null, and a stream that ends
in order ends with `[DONE]`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from appliance import __version__
from appliance.dialogue.replies import Called, Ended, Part, Reply, Text
from appliance.engine.logprobs import TokenLogprob
from appliance.events import Done, Usage, label_of
from appliance.http.answers import dump
from appliance.http.openai_logprobs import show_logprobs, show_plain_logprobs
from appliance.http.openai_shapes import (
    ChatChunk,
    ChatCompletion,
    ChatDelta,
    ChunkChoice,
    Completion,
    CompletionChoice,
    OpenAiUsage,
    Origin,
    ToolCall,
)

FINGERPRINT = f"appliance-{__version__}"
DONE = "[DONE]"
EMPTY = Ended("stop")


@dataclass(frozen=True, slots=True)
class Chat:
    """One answer of `/v1/chat/completions`."""

    model: str
    wants_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def build_whole(self, parts: Sequence[Part]) -> ChatCompletion:
        text = "".join(part.text for part in parts if isinstance(part, Text))
        logprobs = gather_logprobs(parts)
        calls = [show_call(part) for part in parts if isinstance(part, Called)]
        end = find_end(parts)
        completion: ChatCompletion = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None if calls and not text else text,
                        "refusal": None,
                    },
                    "logprobs": show_logprobs(logprobs),
                    "finish_reason": end.finish,
                }
            ],
            "usage": show_usage(end.usage),
        }
        if calls:
            completion["choices"][0]["message"]["tool_calls"] = calls
        if end.done is not None:
            completion["appliance"] = show_origin(end.done)
        return completion

    async def stream(self, reply: Reply) -> AsyncIterator[str]:
        """The data of each frame."""
        yield dump(self._build({"role": "assistant", "content": ""}))
        calls = 0
        async for part in reply:
            match part:
                case Text(text, logprobs):
                    yield dump(self._build({"content": text}, logprobs=logprobs))
                case Called():
                    yield dump(self._build({"tool_calls": [{"index": calls, **show_call(part)}]}))
                    calls += 1
                case Ended():
                    for chunk in self._conclude(part):
                        yield dump(chunk)
                    yield DONE

    def _conclude(self, end: Ended) -> list[ChatChunk]:
        last = self._build({}, end.finish)
        if end.done is not None:
            last["appliance"] = show_origin(end.done)
        if not self.wants_usage:
            return [last]
        told = self._build({})
        told["choices"] = []
        told["usage"] = show_usage(end.usage)
        return [last, told]

    def _build(
        self,
        delta: ChatDelta,
        finish: str | None = None,
        logprobs: Sequence[TokenLogprob] = (),
    ) -> ChatChunk:
        choice: ChunkChoice = {
            "index": 0,
            "delta": delta,
            "logprobs": show_logprobs(logprobs),
            "finish_reason": finish,
        }
        chunk: ChatChunk = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": [choice],
        }
        if self.wants_usage:
            chunk["usage"] = None
        return chunk


@dataclass(frozen=True, slots=True)
class Plain:
    """One answer of `/v1/completions`."""

    model: str
    wants_usage: bool = False
    id: str = field(default_factory=lambda: f"cmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def build_whole(self, parts: Sequence[Part]) -> Completion:
        text = "".join(part.text for part in parts if isinstance(part, Text))
        end = find_end(parts)
        told = self._build(text, end.finish, gather_logprobs(parts))
        return {**told, "usage": show_usage(end.usage)}

    async def stream(self, reply: Reply) -> AsyncIterator[str]:
        offset = 0
        async for part in reply:
            match part:
                case Text(text, logprobs):
                    yield dump(self._build(text, None, logprobs, offset))
                    offset += len(text)
                case Ended(finish, usage):
                    yield dump(self._build("", finish))
                    if self.wants_usage:
                        told = self._build("")
                        yield dump({**told, "choices": [], "usage": show_usage(usage)})
                    yield DONE

    def _build(
        self,
        text: str,
        finish: str | None = None,
        logprobs: Sequence[TokenLogprob] = (),
        offset: int = 0,
    ) -> Completion:
        choice: CompletionChoice = {
            "index": 0,
            "text": text,
            "logprobs": show_plain_logprobs(logprobs, offset),
            "finish_reason": finish,
        }
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": FINGERPRINT,
            "choices": [choice],
        }


def find_end(parts: Sequence[Part]) -> Ended:
    return next((part for part in parts if isinstance(part, Ended)), EMPTY)


def gather_logprobs(parts: Sequence[Part]) -> list[TokenLogprob]:
    return [one for part in parts if isinstance(part, Text) for one in part.logprobs]


def show_call(call: Called) -> ToolCall:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def show_usage(usage: Usage) -> OpenAiUsage:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def show_origin(done: Done) -> Origin:
    return {
        "source": done.source,
        "label": label_of(done.source, done.rule),
        "rule": done.rule,
        "score": done.score,
        "sources": list(done.sources),
        "suggestions": list(done.suggestions),
    }
