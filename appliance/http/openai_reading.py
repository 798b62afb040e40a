"""What a caller of OpenAI's interface wants, read from the fields of the request and its headers.

It asks no model. The rules that must not break: what cannot be done is refused before anything is
computed, with the field that asks for it, and every content becomes plain text of a role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from starlette.requests import Request

from appliance.dialogue.bare import Said, arrange
from appliance.dialogue.briefs import Brief, Terms
from appliance.dialogue.functions import (
    Function,
    read_choice,
    read_functions,
    show_call,
    show_result,
)
from appliance.dialogue.structured import Shape, read_response_format
from appliance.errors import InvalidField
from appliance.http.body import check_session_id, clean_text
from appliance.http.openai_shapes import ChatWish, Drawn

RUNGS_HEADER = "X-Appliance-Rungs"
# Else an answer that no guard looked at would pass for one that the shop stands for.
ON_WITH_TOOLS = (
    "Tools, JSON answers and raw prompts are the bare model's, without guards: send "
    f"{RUNGS_HEADER}: off, or leave the header out."
)
SESSION_HEADER = "X-Session-Id"
# Asked for by this word, a session is opened and named in the answer's header.
NEW_SESSION = "new"
MOST_STOPS = 4
MAX_STOP_CHARS = 200
SYSTEM_ROLES = ("system", "developer")


@dataclass(frozen=True, slots=True)
class BarePlan:
    """The model alone answers: freely, in a shape, or by a call of a function."""

    messages: tuple[Said, ...]
    terms: Terms
    shape: Shape | None = None
    functions: tuple[Function, ...] = ()
    choice: str = "none"
    is_after_result: bool = False


@dataclass(frozen=True, slots=True)
class LadderPlan:
    """The appliance answers; None for a session that ends with the answer."""

    question: str
    brief: Brief
    session_id: str | None = None


def plan_chat(request: Request, wish: ChatWish, max_message_chars: int) -> BarePlan | LadderPlan:
    """Raises InvalidField, SessionNotFound."""
    longest = wish.max_completion_tokens or wish.max_tokens
    terms = replace(read_terms(wish, longest), top_logprobs=read_top_logprobs(wish))
    messages = read_messages(wish.messages)
    functions = read_functions(wish.tools)
    choice = read_choice(wish.tool_choice, functions)
    shape = read_response_format(wish.response_format)
    last = wish.messages[-1].get("role")
    asks_model = choice != "none" or shape is not None or last == "tool"
    if choose_rungs(request, asks_model) == "off":
        if shape is not None and choice != "none":
            raise InvalidField("response_format", "Ask for a JSON answer or for a call, not both.")
        return BarePlan(messages, terms, shape, functions, choice, last == "tool")
    return plan_ladder(request, messages, terms, max_message_chars)


def plan_ladder(
    request: Request, messages: Sequence[Said], terms: Terms, max_message_chars: int
) -> LadderPlan:
    """The customer's last message is the question. A session that is kept knows what was before;
    any other is told by the messages."""
    _, past, question = arrange(messages)
    session = read_session(request)
    if session is not None:
        question, past = next(said.text for said in reversed(messages) if said.role == "user"), []
    question = clean_text("messages", question, max_message_chars)
    return LadderPlan(question, Brief(terms, tuple(past)), session)


def redraw(plan: BarePlan | LadderPlan, **terms: Any) -> BarePlan | LadderPlan:
    """The same plan on other terms, which OpenAI's fields have no word for."""
    if isinstance(plan, LadderPlan):
        drawn = replace(plan.brief.terms, **terms)
        return replace(plan, brief=replace(plan.brief, terms=drawn))
    return replace(plan, terms=replace(plan.terms, **terms))


def choose_rungs(request: Request, asks_model: bool) -> Literal["on", "off"]:
    """Off where the header says so, or where something is asked for that only a model can do.
    Raises InvalidField."""
    told = request.headers.get(RUNGS_HEADER, "").strip().lower()
    if told not in ("", "on", "off"):
        raise InvalidField(RUNGS_HEADER, f"{RUNGS_HEADER} must be on or off.")
    if told == "on" and asks_model:
        raise InvalidField(RUNGS_HEADER, ON_WITH_TOOLS)
    is_off = told == "off" or asks_model
    if is_off and SESSION_HEADER in request.headers:
        sentence = f"{SESSION_HEADER} is for answers of the appliance, not of the bare model."
        raise InvalidField(SESSION_HEADER, sentence)
    return "off" if is_off else "on"


def read_session(request: Request) -> str | None:
    """The session that is kept: an id, or "new". Raises SessionNotFound."""
    told = request.headers.get(SESSION_HEADER)
    return told if told in (None, NEW_SESSION) else check_session_id(str(told))


def read_terms(wish: Drawn, max_new_tokens: int | None) -> Terms:
    return Terms(
        max_new_tokens=max_new_tokens,
        temperature=wish.temperature,
        top_p=wish.top_p,
        presence_penalty=wish.presence_penalty or 0.0,
        frequency_penalty=wish.frequency_penalty or 0.0,
        seed=wish.seed,
        stop=read_stops(wish.stop),
    )


def read_top_logprobs(wish: ChatWish) -> int | None:
    """None where no log probabilities are asked for. Raises InvalidField."""
    if wish.logprobs:
        return wish.top_logprobs or 0
    if wish.top_logprobs:
        raise InvalidField("top_logprobs", "top_logprobs goes with logprobs alone.")
    return None


def read_stops(stop: str | list[str] | None) -> tuple[str, ...]:
    """Raises InvalidField."""
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > MOST_STOPS or any(not 0 < len(one) <= MAX_STOP_CHARS for one in stops):
        sentence = f"stop must be up to {MOST_STOPS} texts of 1 to {MAX_STOP_CHARS} characters."
        raise InvalidField("stop", sentence)
    return tuple(stops)


def wants_usage(wish: Drawn) -> bool:
    """Raises InvalidField."""
    options = wish.stream_options or {}
    if options and not wish.stream:
        raise InvalidField("stream_options", "stream_options goes with stream alone.")
    if unknown := sorted(set(options) - {"include_usage", "include_obfuscation"}):
        field = f"stream_options.{unknown[0][:MAX_STOP_CHARS]}"
        raise InvalidField(field, f"{field} is unknown.")
    return options.get("include_usage") is True


def read_messages(messages: Sequence[dict[str, Any]]) -> tuple[Said, ...]:
    """Raises InvalidField."""
    return tuple(_read_message(one, f"messages[{at}]") for at, one in enumerate(messages))


def _read_message(message: dict[str, Any], place: str) -> Said:
    role = message.get("role")
    if role in SYSTEM_ROLES:
        return Said("system", read_content(message.get("content"), f"{place}.content"))
    if role == "user":
        return Said("user", read_content(message.get("content"), f"{place}.content"))
    if role == "tool":
        return Said("user", show_result(read_content(message.get("content"), f"{place}.content")))
    if role == "assistant":
        return Said("assistant", _read_answer(message, place))
    raise InvalidField(
        f"{place}.role", f"{place}.role must be system, developer, user, assistant or tool."
    )


def _read_answer(message: dict[str, Any], place: str) -> str:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise InvalidField(f"{place}.tool_calls", f"{place}.tool_calls must be a list.")
    content = message.get("content")
    is_silent = content is None and bool(calls)
    said = [] if is_silent else [read_content(content, f"{place}.content")]
    for at, call in enumerate(calls):
        told = call.get("function") if isinstance(call, dict) else None
        field = f"{place}.tool_calls[{at}].function"
        if not isinstance(told, dict):
            raise InvalidField(field, f"{field} must be an object.")
        name, arguments = told.get("name"), told.get("arguments")
        if not isinstance(name, str) or not isinstance(arguments, str):
            raise InvalidField(field, f"{field} must have a name and arguments, both text.")
        said.append(show_call(name, arguments))
    return "\n".join(said)


def read_content(content: object, place: str) -> str:
    """Text, or a list of parts that are text. Raises InvalidField."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise InvalidField(place, f"{place} must be text.")
    texts = []
    for at, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "input_text", "output_text"):
            field = f"{place}[{at}].type"
            raise InvalidField(field, f"{field} must be text; pictures and sound are not read.")
        if not isinstance(part.get("text"), str):
            raise InvalidField(f"{place}[{at}].text", f"{place}[{at}].text must be text.")
        texts.append(part["text"])
    return "".join(texts)
