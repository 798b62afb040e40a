"""OpenAI's chat completions, as much as is spoken with a server: the request, a piece, its list.

It opens no connection. What only some servers know is sent only to these; what is none of the
documented shapes is a fault of the server and never an answer. The rule that must not break: only
messages, limits and sampling leave, never who asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from appliance.engine.engine import Counted, EngineFinish, Generation
from appliance.engine.letters import Message, drop_broken
from appliance.engine.logprobs import LEAST, MOST_TOP, Candidate, TokenLogprob

if TYPE_CHECKING:
    from appliance.engine.grammar import Grammar

# By what a server says of who owns its models. Another one gets OpenAI's own fields alone.
Kind: TypeAlias = Literal["llamacpp", "vllm", "other"]
MOST_STOPS = 4
END = b"[DONE]"


class NoCompletion(Exception):
    """The server sent something else than what was agreed; the sentence names it, without a
    full stop and without a word of an answer."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What one event of a stream tells. `is_end`: nothing comes after it."""

    text: str = ""
    reason: EngineFinish | None = None
    counted: Counted | None = None
    is_end: bool = False
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A server's first model, or the one asked for."""

    model: str
    kind: Kind


def write_request(
    kind: Kind,
    model: str,
    messages: Sequence[Message],
    generation: Generation,
    said: str,
    max_tokens: int,
) -> bytes:
    """With `said`, what the answer begins with, the server is asked to go on behind it."""
    sampling = generation.sampling
    told = [{"role": one.role, "content": one.text} for one in messages]
    body: dict[str, Any] = {
        "model": model,
        "messages": told,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if generation.stop:
        body["stop"] = list(generation.stop[:MOST_STOPS])
    if sampling.presence_penalty:
        body["presence_penalty"] = sampling.presence_penalty
    if sampling.frequency_penalty:
        body["frequency_penalty"] = sampling.frequency_penalty
    if sampling.seed:
        body["seed"] = sampling.seed
    if generation.top_logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": generation.top_logprobs}
    if said:
        told.append({"role": "assistant", "content": said})
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    if kind != "other":
        # A shop's customer waits for the answer, not for what is thought before it.
        body |= {"top_k": sampling.top_k, "chat_template_kwargs": {"enable_thinking": False}}
        body |= _write_own(kind, generation)
    return json.dumps(body).encode()


def _write_own(kind: Kind, generation: Generation) -> dict[str, Any]:
    sampling, grammar = generation.sampling, generation.grammar
    if kind == "vllm":
        own: dict[str, Any] = {"repetition_penalty": sampling.repeat_penalty}
        return own | ({"structured_outputs": {"grammar": _name_root(grammar)}} if grammar else {})
    own = {
        "repeat_penalty": sampling.repeat_penalty,
        "repeat_last_n": sampling.repeat_window_tokens,
    }
    return own | ({"grammar": _name_root(grammar)} if grammar else {})


def _name_root(grammar: Grammar) -> str:
    """Servers know no other first rule than `root`."""
    return grammar.text if grammar.root == "root" else f"root ::= {grammar.root}\n{grammar.text}"


def read_delta(payload: bytes) -> Delta:
    """Raises NoCompletion."""
    if payload.strip() == END:
        return Delta(is_end=True)
    chunk = _read_object(payload)
    if "error" in chunk:
        raise NoCompletion("it sent an error")
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        raise NoCompletion("it sent an event without choices")
    counted = _read_usage(chunk.get("usage"))
    if not choices:
        return Delta(counted=counted)
    choice = choices[0]
    delta = choice.get("delta") if isinstance(choice, dict) else None
    if not isinstance(delta, dict):
        raise NoCompletion("it sent a choice without a delta")
    text = delta.get("content")
    if not isinstance(text, str | None):
        raise NoCompletion("it sent a content that is no text")
    return Delta(
        drop_broken(text or ""),
        _read_reason(choice.get("finish_reason")),
        counted,
        logprobs=_read_logprobs(choice.get("logprobs")),
    )


def read_models(body: bytes, wanted: str) -> Listed:
    """Raises NoCompletion where `wanted` is not among them."""
    data = _read_object(body).get("data")
    entries = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    for entry in entries:
        name = entry.get("id")
        if isinstance(name, str) and name and wanted in ("", name):
            owner = entry.get("owned_by")
            return Listed(name, owner if owner in ("llamacpp", "vllm") else "other")
    raise NoCompletion(f"it has no model {wanted}" if wanted else "it lists no model")


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise NoCompletion("it sent what is no JSON") from None
    if not isinstance(value, dict):
        raise NoCompletion("it sent JSON that is no object")
    return value


def _read_reason(reason: object) -> EngineFinish | None:
    if reason is None:
        return None
    return "length" if reason == "length" else "stop"


def _read_logprobs(told: object) -> tuple[TokenLogprob, ...]:
    """None where a server sends them in another shape: they are an extra, and no answer is lost
    for the want of them."""
    content = told.get("content") if isinstance(told, dict) else None
    read = []
    for entry in content if isinstance(content, list) else []:
        chosen = _read_candidate(entry)
        others = entry.get("top_logprobs") or [] if chosen is not None else None
        if chosen is None or not isinstance(others, list):
            return ()
        top = [one for one in map(_read_candidate, others[:MOST_TOP]) if one is not None]
        read.append(TokenLogprob(chosen.data, chosen.logprob, tuple(top)))
    return tuple(read)


def _read_candidate(told: object) -> Candidate | None:
    if not isinstance(told, dict):
        return None
    token, logprob, data = told.get("token"), told.get("logprob"), told.get("bytes")
    if not isinstance(token, str) or not isinstance(logprob, int | float):
        return None
    is_bytes = isinstance(data, list) and all(
        isinstance(one, int) and 0 <= one < 256 for one in data
    )
    # Python's JSON reads NaN and infinities, which no answer of ours may hold; NaN becomes LEAST.
    value = float(min(0.0, max(LEAST, logprob)))
    return Candidate(bytes(data or []) if is_bytes else token.encode(errors="replace"), value)


def _read_usage(usage: object) -> Counted | None:
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    told = usage.get("prompt_tokens"), cached or 0, usage.get("completion_tokens")
    counts = [count for count in told if isinstance(count, int) and count >= 0]
    return Counted(*counts) if len(counts) == len(told) else None
