"""The shapes of OpenAI's interface: what is asked, field by field, and what comes back.

They hold no behaviour; `openai_reading.py` reads what a type cannot say. The rule that must not
break: each field of a request is obeyed, refused by its name, or one of those that are named here
as of no effect on an answer.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.engine.logprobs import MOST_TOP
from appliance.events import Cited, Label, Source

MAX_NAME_CHARS = 200
MOST_MESSAGES = 2000
MOST_TOKENS = 1 << 20
MOST_TEXTS = 64
OF_NO_EFFECT = "Of no effect here."


class Asked(BaseModel):
    """What every request for text may hold."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    model: str = Field(
        "", max_length=MAX_NAME_CHARS, description="Any; the model that is loaded answers."
    )
    stream: bool | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    user: str | None = Field(None, description=OF_NO_EFFECT)
    metadata: dict[str, Any] | None = Field(None, description=OF_NO_EFFECT)
    service_tier: str | None = Field(None, description=OF_NO_EFFECT)
    safety_identifier: str | None = Field(None, description=OF_NO_EFFECT)
    prompt_cache_key: str | None = Field(None, description=OF_NO_EFFECT)


class Drawn(Asked):
    """How an answer is drawn, as the older two interfaces write it."""

    max_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, description="Best effort: the same, mostly.")
    stop: str | list[str] | None = Field(None, description="Up to four.")
    n: Literal[1] | None = None
    logit_bias: dict[str, float] | None = Field(None, max_length=0, description="Only empty.")
    stream_options: dict[str, Any] | None = Field(None, description="`include_usage`.")


class ChatWish(Drawn):
    """`POST /v1/chat/completions`."""

    messages: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_MESSAGES)
    max_completion_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = Field(None, description=OF_NO_EFFECT)
    response_format: dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=MOST_TOP, description="With `logprobs`.")
    store: bool | None = Field(None, description=OF_NO_EFFECT)
    reasoning_effort: str | None = Field(None, description=OF_NO_EFFECT)
    verbosity: str | None = Field(None, description=OF_NO_EFFECT)


class CompletionWish(Drawn):
    """`POST /v1/completions`."""

    prompt: str | list[str] = Field(description="One text.")
    echo: Literal[False] | None = None
    suffix: Literal[""] | None = None
    best_of: Literal[1] | None = None
    logprobs: int | None = Field(None, ge=0, le=MOST_TOP)


class EmbeddingWish(BaseModel):
    """`POST /v1/embeddings`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    model: str = Field("", max_length=MAX_NAME_CHARS)
    input: str | list[str]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, description="Only what the embedder has.")
    user: str | None = Field(None, description=OF_NO_EFFECT)


class OpenAiUsage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: dict[str, int]


class Origin(TypedDict):
    """Our own addition: which rung answered, and on what it rests."""

    source: Source
    label: Label
    rule: str
    score: float | None
    sources: list[Cited]
    suggestions: list[str]


class FunctionCall(TypedDict):
    name: str
    arguments: str


class ToolCall(TypedDict):
    """`index` in a stream."""

    index: NotRequired[int]
    id: str
    type: Literal["function"]
    function: FunctionCall


class ShownCandidate(TypedDict):
    """Bytes that are no whole character are escapes in `token`."""

    token: str
    bytes: list[int]
    logprob: float


class ShownLogprob(ShownCandidate):
    top_logprobs: list[ShownCandidate]


class ChatLogprobs(TypedDict):
    content: list[ShownLogprob]
    refusal: None


class PlainLogprobs(TypedDict):
    """`text_offset` is counted from the beginning of the text."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class ChatMessage(TypedDict):
    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: NotRequired[list[ToolCall]]


class ChatChoice(TypedDict):
    index: int
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: str


class ChatCompletion(TypedDict):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: OpenAiUsage
    appliance: NotRequired[Origin]


class ChatDelta(TypedDict):
    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str | None]
    tool_calls: NotRequired[list[ToolCall]]


class ChunkChoice(TypedDict):
    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None
    finish_reason: str | None


class ChatChunk(TypedDict):
    """The last is followed by `data: [DONE]`."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: NotRequired[OpenAiUsage | None]
    appliance: NotRequired[Origin]


class CompletionChoice(TypedDict):
    index: int
    text: str
    logprobs: PlainLogprobs | None
    finish_reason: str | None


class Completion(TypedDict):
    """Also each piece of one that is streamed."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: NotRequired[OpenAiUsage | None]


class ModelCard(TypedDict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(TypedDict):
    object: Literal["list"]
    data: list[ModelCard]


class Embedding(TypedDict):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(TypedDict):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: dict[str, int]
