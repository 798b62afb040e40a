"""The shapes of `/v1/responses`, and how its request is written in the words of a chat.

They ask no model. The rule that must not break: each field of a request is obeyed, refused by its
name, or one of those that are named here as of no effect on an answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import Field
from typing_extensions import TypedDict

from appliance.errors import InvalidField
from appliance.http.openai_shapes import MOST_MESSAGES, MOST_TOKENS, OF_NO_EFFECT, Asked

MAX_ID_CHARS = 200
OF_FORMAT = re.compile(r"response_format(\.json_schema)?")
OF_MESSAGES = re.compile(r"messages(?:\[(\d+)\](.*))?", re.DOTALL)


class ResponseWish(Asked):
    """`POST /v1/responses`."""

    input: str | list[dict[str, Any]] = Field(min_length=1, max_length=1 << 20)
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=MOST_TOKENS)
    previous_response_id: str | None = Field(None, max_length=MAX_ID_CHARS)
    store: bool | None = Field(None, description="True where it is left out.")
    background: bool | None = None
    text: dict[str, Any] | None = Field(None, description="`format`.")
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = Field(None, description=OF_NO_EFFECT)
    truncation: str | None = Field(None, description=OF_NO_EFFECT)
    include: list[str] | None = Field(None, description=OF_NO_EFFECT)
    reasoning: dict[str, Any] | None = Field(None, description=OF_NO_EFFECT)
    stream_options: dict[str, Any] | None = Field(None, description=OF_NO_EFFECT)


class ResponseObject(TypedDict):
    """As OpenAI's, with `appliance` beside it where a rung answered."""

    id: str
    object: str
    created_at: int
    status: str
    model: str
    output: list[dict[str, Any]]
    usage: dict[str, Any] | None
    error: dict[str, str] | None


class ResponseStep(TypedDict):
    """The event's name stands in `type`, too; the other fields hang on it."""

    type: str
    sequence_number: int


class ResponseDeleted(TypedDict):
    """The conversation goes with it."""

    id: str
    object: str
    deleted: bool


def write_chat(wish: ResponseWish) -> dict[str, Any]:
    """The fields of the same request for `/v1/chat/completions`. Raises InvalidField."""
    messages = [{"role": "system", "content": wish.instructions}] if wish.instructions else []
    if isinstance(wish.input, str):
        messages.append({"role": "user", "content": wish.input})
    else:
        messages += _read_items(wish.input)
    return {
        "messages": messages,
        "max_tokens": wish.max_output_tokens,
        "temperature": wish.temperature,
        "top_p": wish.top_p,
        "tools": wish.tools,
        "tool_choice": wish.tool_choice,
        "response_format": _read_format(wish.text),
    }


def name_field(wish: ResponseWish, field: str) -> str:
    """What `wish` calls a field of the chat that `write_chat` made of it."""
    if field.startswith("response_format"):
        return OF_FORMAT.sub("text.format", field, count=1)
    found = OF_MESSAGES.fullmatch(field)
    if found is None:
        return field
    if found[1] is None or isinstance(wish.input, str):
        return "input"
    at = int(found[1]) - bool(wish.instructions)
    match wish.input[at].get("type"):
        case "function_call":
            return f"input[{at}]"
        case "function_call_output":
            return f"input[{at}]{found[2].replace('.content', '.output', 1)}"
    return f"input[{at}]{found[2]}"


def _read_items(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(items) > MOST_MESSAGES:
        raise InvalidField("input", f"input has more than {MOST_MESSAGES} items.")
    return [_read_item(item, f"input[{at}]") for at, item in enumerate(items)]


def _read_item(item: dict[str, Any], place: str) -> dict[str, Any]:
    match item.get("type", "message"):
        case "message":
            return {"role": item.get("role"), "content": item.get("content")}
        case "function_call":
            called = {"name": item.get("name"), "arguments": item.get("arguments")}
            return {"role": "assistant", "tool_calls": [{"function": called}]}
        case "function_call_output":
            return {"role": "tool", "content": item.get("output")}
    kinds = "message, function_call or function_call_output"
    raise InvalidField(f"{place}.type", f"{place}.type must be {kinds}.")


def _read_format(text: dict[str, Any] | None) -> dict[str, Any] | None:
    if unknown := sorted(set(text or {}) - {"format", "verbosity"}):
        raise InvalidField("text", f"text holds a field that is unknown: {unknown[0][:40]}.")
    if text is None or text.get("format") is None:
        return None
    asked = text["format"]
    if not isinstance(asked, dict) or asked.get("type") != "json_schema":
        return asked  # type: ignore[no-any-return]
    return {
        "type": "json_schema",
        "json_schema": {key: value for key, value in asked.items() if key != "type"},
    }
