"""Ollama's interface: `/api/chat`, `/api/generate`, `/api/tags`, `/api/version`.

A thin coat over the same answers as `/v1`: fields are renamed, and a reply is written as lines of
JSON. The rule that must not break: what a stream says, line by line, is what the whole would say,
and its last line alone has `done` true.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from appliance import __version__
from appliance.dialogue.replies import Called, Ended, Part, Reply, Text
from appliance.dialogue.structured import read_response_format
from appliance.errors import ApplianceError, InvalidField
from appliance.http.answers import JsonAnswer, dump
from appliance.http.body import check_fields, read_open_body
from appliance.http.ollama_shapes import (
    OllamaAsked,
    OllamaCall,
    OllamaChat,
    OllamaGenerate,
    OllamaLine,
    OllamaMessage,
    OllamaModel,
    OllamaTags,
    OllamaVersion,
    Options,
    name_field,
)
from appliance.http.openai import OpenAi
from appliance.http.openai_chunks import find_end
from appliance.http.openai_reading import (
    SESSION_HEADER,
    BarePlan,
    LadderPlan,
    choose_rungs,
    plan_chat,
    read_stops,
    read_terms,
    redraw,
)
from appliance.http.openai_shapes import ChatWish
from appliance.http.outlets import begin, gather, tell
from appliance.http.renaming import named_by

LINES = "application/x-ndjson"
NS_IN_MS = 1_000_000
NO_OPTIONS = Options()


class Ollama:
    def __init__(self, openai: OpenAi, max_message_chars: int) -> None:
        self._openai = openai
        self._max_message_chars = max_message_chars

    async def chat(self, request: Request) -> Response:
        wish = await read_open_body(request, OllamaChat)
        messages = [_read_message(one, f"messages[{at}]") for at, one in enumerate(wish.messages)]
        lines = Lines(self._openai.name_model(), True)
        with named_by(partial(name_field, wish)):
            plan = self._plan(request, wish, messages, wish.tools)
            return await self._answer(request, wish, plan, lines)

    async def generate(self, request: Request) -> Response:
        wish = await read_open_body(request, OllamaGenerate)
        lines = Lines(self._openai.name_model(), False)
        if not wish.prompt:
            # So a client asks to have the model loaded, which it is.
            return JsonAnswer({**lines.build(""), "done": True, "done_reason": "load"})
        messages = [{"role": "user", "content": wish.prompt}]
        if wish.system and not wish.raw:
            messages.insert(0, {"role": "system", "content": wish.system})
        with named_by(partial(name_field, wish)):
            if wish.raw:
                return await self._go_on(request, wish, messages, lines)
            plan = self._plan(request, wish, messages, None)
            return await self._answer(request, wish, plan, lines)

    async def list_models(self, _request: Request) -> JsonAnswer:
        tags: OllamaTags = {"models": [_show_model(name) for name in self._openai.names()]}
        return JsonAnswer(tags)

    async def show_version(self, _request: Request) -> JsonAnswer:
        version: OllamaVersion = {"version": __version__}
        return JsonAnswer(version)

    def _plan(
        self,
        request: Request,
        wish: OllamaAsked,
        messages: Sequence[dict[str, Any]],
        tools: list[dict[str, Any]] | None,
    ) -> BarePlan | LadderPlan:
        asked = _read_asked(wish, messages, tools)
        return redraw(plan_chat(request, asked, self._max_message_chars), **_read_drawing(wish))

    async def _go_on(
        self,
        request: Request,
        wish: OllamaGenerate,
        messages: Sequence[dict[str, Any]],
        lines: Lines,
    ) -> Response:
        """What the model writes behind the prompt as it stands: no template, no rung, and no
        limit but the context."""
        if wish.system:
            raise InvalidField("system", "system goes with a template, and raw is without one.")
        choose_rungs(request, asks_model=True)
        asked = _read_asked(wish, messages, None)
        terms = replace(read_terms(asked, asked.max_tokens), **_read_drawing(wish))
        shape = read_response_format(asked.response_format)
        reply = await self._openai.complete_bare(request, wish.prompt, terms, shape)
        return await self._send(request, wish, reply, lines, "")

    async def _answer(
        self, request: Request, wish: OllamaAsked, plan: BarePlan | LadderPlan, lines: Lines
    ) -> Response:
        reply, session_id = await self._openai.answer(request, plan)
        return await self._send(request, wish, reply, lines, session_id)

    async def _send(
        self, request: Request, wish: OllamaAsked, reply: Reply, lines: Lines, session_id: str
    ) -> Response:
        headers = {SESSION_HEADER: session_id} if session_id else {}
        if wish.stream is False:
            return JsonAnswer(lines.build_whole(await gather(request, reply)), headers=headers)
        told = tell(lines.stream(await begin(request, reply)), _show_failure)
        headers |= {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        return StreamingResponse(told, media_type=LINES, headers=headers)


class Lines:
    """One answer; `is_chat` says under which name its text stands."""

    def __init__(self, model: str, is_chat: bool) -> None:
        self._model = model
        self._is_chat = is_chat

    def build_whole(self, parts: Sequence[Part]) -> OllamaLine:
        text = "".join(part.text for part in parts if isinstance(part, Text))
        calls = [part for part in parts if isinstance(part, Called)]
        return {**self.build(text, calls), **_show_end(find_end(parts))}

    async def stream(self, reply: Reply) -> AsyncIterator[str]:
        async with aclosing(reply) as parts:
            async for part in parts:
                match part:
                    case Text(text):
                        yield f"{dump(self.build(text))}\n"
                    case Called():
                        yield f"{dump(self.build('', [part]))}\n"
                    case Ended():
                        yield f"{dump({**self.build(''), **_show_end(part)})}\n"

    def build(self, text: str, calls: Sequence[Called] = ()) -> OllamaLine:
        line: OllamaLine = {"model": self._model, "created_at": show_time(), "done": False}
        if not self._is_chat:
            line["response"] = text
            return line
        message: OllamaMessage = {"role": "assistant", "content": text}
        if calls:
            message["tool_calls"] = list(map(_show_call, calls))
        line["message"] = message
        return line


def show_time() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _show_end(end: Ended) -> Any:
    usage, timings = end.usage, end.timings
    return {
        "done": True,
        "done_reason": "length" if end.finish == "length" else "stop",
        "total_duration": round(timings.total_ms * NS_IN_MS),
        "load_duration": 0,
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_duration": round(timings.prefill_ms * NS_IN_MS),
        "eval_count": usage.completion_tokens,
        "eval_duration": round(timings.decode_ms * NS_IN_MS),
    }


def _show_call(call: Called) -> OllamaCall:
    return {"function": {"name": call.name, "arguments": json.loads(call.arguments)}}


def _show_model(name: str) -> OllamaModel:
    return {
        "name": name,
        "model": name,
        "modified_at": show_time(),
        "size": 0,
        "digest": "",
        "details": {"format": "gguf", "family": "", "parameter_size": "", "quantization_level": ""},
    }


def _show_failure(error: ApplianceError) -> str:
    return f"{dump({'error': str(error)})}\n"


def _read_asked(
    wish: OllamaAsked, messages: Sequence[dict[str, Any]], tools: list[dict[str, Any]] | None
) -> ChatWish:
    """The same in OpenAI's fields. Raises InvalidField."""
    options = wish.options or NO_OPTIONS
    length = options.num_predict
    asked = {
        "messages": list(messages),
        "tools": tools,
        "response_format": _read_format(wish.format),
        "temperature": options.temperature,
        "top_p": options.top_p,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "seed": options.seed,
        "max_tokens": length if length and length > 0 else None,
    }
    return check_fields(asked, ChatWish)


def _read_drawing(wish: OllamaAsked) -> dict[str, Any]:
    """What OpenAI has no field for."""
    options = wish.options or NO_OPTIONS
    return {
        "top_k": options.top_k,
        "repeat_penalty": options.repeat_penalty,
        "stop": read_stops(options.stop),
    }


def _read_format(asked: dict[str, Any] | str | None) -> dict[str, Any] | None:
    if not asked:
        return None
    if isinstance(asked, str):
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "format", "schema": asked}}


def _read_message(message: dict[str, Any], place: str) -> dict[str, Any]:
    """As OpenAI writes it. Raises InvalidField."""
    if message.get("images"):
        raise InvalidField(f"{place}.images", f"{place}.images: pictures are not read.")
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    content = message.get("content")
    return {**message, "content": content or None, "tool_calls": list(map(_read_call, calls))}


def _read_call(call: object) -> object:
    told = call.get("function") if isinstance(call, dict) else None
    if not isinstance(told, dict) or not isinstance(told.get("arguments"), dict):
        return call
    return {"function": {**told, "arguments": json.dumps(told["arguments"], ensure_ascii=False)}}
