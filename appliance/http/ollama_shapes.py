"""The shapes of Ollama's interface: what is asked, field by field, and what comes back.

They hold no behaviour. The rule that must not break: each field of a request is obeyed, refused by
its name, or one of those that are named here as of no effect on an answer.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from appliance.http.openai_shapes import MAX_NAME_CHARS, MOST_MESSAGES, OF_NO_EFFECT


class Options(BaseModel):
    """How an answer is drawn, and how a machine would be used that is not this one."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=1, le=1000)
    repeat_penalty: float | None = Field(None, ge=1, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = None
    num_predict: int | None = Field(None, ge=-2, le=1 << 20, description="Below 1: as usual.")
    stop: str | list[str] | None = None
    num_ctx: int | None = Field(None, description=OF_NO_EFFECT)
    num_batch: int | None = Field(None, description=OF_NO_EFFECT)
    num_gpu: int | None = Field(None, description=OF_NO_EFFECT)
    num_keep: int | None = Field(None, description=OF_NO_EFFECT)
    num_thread: int | None = Field(None, description=OF_NO_EFFECT)
    use_mmap: bool | None = Field(None, description=OF_NO_EFFECT)


class OllamaAsked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    model: str = Field(max_length=MAX_NAME_CHARS, description="Any; what is loaded answers.")
    stream: bool | None = Field(None, description="True where it is left out.")
    format: dict[str, Any] | Literal["", "json"] | None = None
    options: Options | None = None
    keep_alive: float | str | None = Field(None, description=OF_NO_EFFECT)
    think: Literal[False] | None = None


class OllamaChat(OllamaAsked):
    """`POST /api/chat`."""

    messages: list[dict[str, Any]] = Field(min_length=1, max_length=MOST_MESSAGES)
    tools: list[dict[str, Any]] | None = None


class OllamaGenerate(OllamaAsked):
    """`POST /api/generate`."""

    prompt: str = ""
    system: str | None = None
    raw: bool | None = Field(None, description="The model alone goes on behind the bare prompt.")


def name_field(wish: OllamaAsked, field: str) -> str:
    """What `wish` calls a field of the chat that is made of it."""
    if field == "stop":
        return "options.stop"
    if field.startswith("response_format"):
        return "format"
    if isinstance(wish, OllamaGenerate) and field.startswith("messages"):
        return "prompt"
    return field


class OllamaFunction(TypedDict):
    name: str
    arguments: dict[str, Any]


class OllamaCall(TypedDict):
    function: OllamaFunction


class OllamaMessage(TypedDict):
    role: Literal["assistant"]
    content: str
    tool_calls: NotRequired[list[OllamaCall]]


class OllamaLine(TypedDict):
    """One line of a stream, or the whole; the counts are on the last. Times in nanoseconds."""

    model: str
    created_at: str
    done: bool
    message: NotRequired[OllamaMessage]
    response: NotRequired[str]
    done_reason: NotRequired[str]
    total_duration: NotRequired[int]
    load_duration: NotRequired[int]
    prompt_eval_count: NotRequired[int]
    prompt_eval_duration: NotRequired[int]
    eval_count: NotRequired[int]
    eval_duration: NotRequired[int]


class OllamaDetails(TypedDict):
    format: str
    family: str
    parameter_size: str
    quantization_level: str


class OllamaModel(TypedDict):
    name: str
    model: str
    modified_at: str
    size: int
    digest: str
    details: OllamaDetails


class OllamaTags(TypedDict):
    models: list[OllamaModel]


class OllamaVersion(TypedDict):
    version: str
