"""Functions that a caller declares: which one the model means, and arguments that fit its schema.

It runs none of them; the caller does and comes back with the result. The choice is one letter under
a grammar, the arguments are written under the function's own schema. The rule that must not break:
what is called is a function that was offered, with arguments that fit, or nothing is called at all.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from appliance.dialogue.bare import Bare, Said
from appliance.dialogue.briefs import Terms
from appliance.dialogue.replies import Called, Ended, Part, Reply, Text
from appliance.dialogue.structured import Shape, shape_of
from appliance.engine.grammar import compile_choice
from appliance.errors import InvalidField, SchemaRefused

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_FUNCTIONS = len(LETTERS) - 1
MAX_DESCRIPTION_CHARS = 2000
MAX_ASKED_CHARS = 1000
CHOOSE = (
    "Decide which function must be called to answer the user. Answer with one letter only.\n{}\n"
    "{}. none of these: talk, or a question that needs no function"
)
ASK = "The user says: {}\nAnswer:"
# Qwen2.5's own words for it.
DECLARE = (
    "{}\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{}\n"
    "</tools>\n\nFor each function call, return a json object with function name and arguments "
    "within <tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{{"name": <function-name>, "arguments": <args-json-object>}}\n</tool_call>'
)


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    description: str
    parameters: Mapping[str, object]
    shape: Shape


def read_functions(declared: object, field: str = "tools") -> tuple[Function, ...]:
    """OpenAI's list of tools. Raises InvalidField that names the place."""
    if declared is None:
        return ()
    if not isinstance(declared, list) or len(declared) > MOST_FUNCTIONS:
        raise InvalidField(field, f"{field} must be a list of at most {MOST_FUNCTIONS}.")
    functions = tuple(_read(one, f"{field}[{at}]") for at, one in enumerate(declared))
    if len({one.name for one in functions}) < len(functions):
        raise InvalidField(field, f"Two of {field} have the same name.")
    return functions


def read_choice(choice: object, functions: Sequence[Function]) -> str:
    """ "none", "auto", "required", or the name of the function that is to be called. Raises
    InvalidField."""
    field = "tool_choice"
    if choice is None:
        return "auto" if functions else "none"
    if isinstance(choice, str):
        if choice not in ("none", "auto", "required"):
            raise InvalidField(field, f"{field} must be none, auto, required or a function.")
        if choice == "required" and not functions:
            raise InvalidField(field, f"{field} asks for a call, but there are no tools.")
        return choice if functions else "none"
    named = choice.get("function", choice) if isinstance(choice, dict) else None
    name = named.get("name") if isinstance(named, dict) else None
    if name not in [one.name for one in functions]:
        raise InvalidField(field, f"{field} names no function of tools.")
    return f"={name}"


def show_call(name: str, arguments: str) -> str:
    """A call of the past as the model wrote it."""
    return f'<tool_call>\n{{"name": {json.dumps(name)}, "arguments": {arguments}}}\n</tool_call>'


def show_result(text: str) -> str:
    return f"<tool_response>\n{text}\n</tool_response>"


class Functions:
    def __init__(self, bare: Bare) -> None:
        self._bare = bare

    async def chat(
        self,
        messages: Sequence[Said],
        terms: Terms,
        functions: Sequence[Function],
        choice: str,
        is_after_result: bool,
    ) -> Reply:
        """A call, or free text where none is needed. After a result the model tells of it, unless
        a call is required: a small one would ask for the same again and again."""
        if choice == "auto" and is_after_result:
            choice = "none"
        chosen = await self._choose(messages, functions, choice)
        reply = (
            await self._bare.chat(messages, terms)
            if chosen is None
            else await self._call(messages, terms, functions, chosen)
        )
        async with aclosing(reply) as parts:
            async for part in parts:
                yield part

    async def _choose(
        self, messages: Sequence[Said], functions: Sequence[Function], choice: str
    ) -> Function | None:
        if choice == "none":
            return None
        if choice.startswith("="):
            return next(one for one in functions if f"={one.name}" == choice)
        if choice == "required" and len(functions) == 1:
            return functions[0]
        letters = LETTERS[: len(functions) + 1]
        offered = letters[:-1] if choice == "required" else letters
        listed = "\n".join(
            f"{letter}. {one.name}: {one.description}"
            for letter, one in zip(letters, functions, strict=False)
        )
        system = CHOOSE.format(listed, letters[-1])
        asked = ASK.format(messages[-1].text[:MAX_ASKED_CHARS])
        question = [Said("system", system), Said("user", asked)]
        said = await read_text(await self._bare.choose(question, compile_choice(tuple(offered))))
        place = letters.find(said.strip()[:1] or "?")
        return functions[place] if 0 <= place < len(functions) else None

    async def _call(
        self,
        messages: Sequence[Said],
        terms: Terms,
        functions: Sequence[Function],
        chosen: Function,
    ) -> Reply:
        instructions = "\n\n".join(one.text for one in messages if one.role == "system")
        declared = "\n".join(map(_show, functions))
        talk = [one for one in messages if one.role != "system"]
        begun = f'<tool_call>\n{{"name": {json.dumps(chosen.name)}, "arguments": '
        whole = [Said("system", DECLARE.format(instructions, declared).strip()), *talk]
        reply = await self._bare.chat(
            whole, replace(terms, stop=(), top_logprobs=None), chosen.shape, begun
        )
        return _name_call(reply, chosen.name)


async def _name_call(reply: Reply, name: str) -> Reply:
    """What is written is the arguments of one call."""
    async with aclosing(reply) as parts:
        async for part in parts:
            yield _turn_to_call(part, name)


def _turn_to_call(part: Part, name: str) -> Part:
    match part:
        case Text(text):
            return Called(f"call_{secrets.token_hex(12)}", name, text)
        case Ended():
            return replace(part, finish="tool_calls")
    return part


async def read_text(reply: Reply) -> str:
    """The whole of a reply that is only text."""
    async with aclosing(reply) as parts:
        return "".join([part.text async for part in parts if isinstance(part, Text)])


def _show(function: Function) -> str:
    told = {
        "name": function.name,
        "description": function.description,
        "parameters": function.parameters,
    }
    return json.dumps({"type": "function", "function": told}, ensure_ascii=False)


def _read(declared: object, place: str) -> Function:
    if not isinstance(declared, dict) or declared.get("type", "function") != "function":
        raise InvalidField(f"{place}.type", f"{place}.type must be function.")
    # /v1/responses writes the same without the inner object.
    told = declared.get("function", declared)
    inner = f"{place}.function" if "function" in declared else place
    if not isinstance(told, dict):
        raise InvalidField(inner, f"{inner} must be an object.")
    name, description = told.get("name"), told.get("description") or ""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidField(f"{inner}.name", f"{inner}.name must be 1 to 64 of A-Z a-z 0-9 _ -.")
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION_CHARS:
        sentence = f"must be text of at most {MAX_DESCRIPTION_CHARS} characters."
        raise InvalidField(f"{inner}.description", f"{inner}.description {sentence}")
    # What takes nothing is declared in any of these ways.
    parameters = told.get("parameters")
    if parameters in (None, {}, {"type": "object"}):
        parameters = {"type": "object", "properties": {}}
    try:
        shape = shape_of(parameters)
    except SchemaRefused as error:
        path = f"{inner}.parameters{error.path.removeprefix('$')}"
        raise InvalidField(path, f"{inner}.parameters: {error}") from None
    if not isinstance(parameters, dict) or parameters.get("type") != "object":
        raise InvalidField(f"{inner}.parameters", f"{inner}.parameters must be of type object.")
    return Function(name, description, parameters, shape)
