"""Answers that are JSON: what was asked for becomes a grammar, and the answer is looked at again.

It knows no HTTP; whoever serves `response_format` hands its value in as it was sent. The rules that
must not break: text is given out only when it is whole and fits, and what cannot be promised is
refused before the model is asked, with the place that asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.engine.engine import Broken, Finished, Generation, Piece, Prefilled, Run
from appliance.engine.grammar import Grammar, compile_json_object, compile_node
from appliance.engine.json_schema import read_schema
from appliance.engine.logprobs import TokenLogprob
from appliance.engine.schema_fit import fits
from appliance.errors import AnswerIncomplete, EngineFailure, InvalidField

FIELD = "response_format"
TYPES = ("text", "json_object", "json_schema")
KEYS = {"text": {"type"}, "json_object": {"type"}, "json_schema": {"type", "json_schema"}}
OF_SCHEMA = {"name", "description", "schema", "strict"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What an answer must be: held to `grammar` while it is written, judged by `is_met` after."""

    grammar: Grammar
    is_met: Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class Structured:
    """`text` is the model's own JSON, `value` what it says; `begun` and `ended` are what the
    engine told of its work."""

    text: str
    value: object
    begun: Prefilled
    ended: Finished
    logprobs: tuple[TokenLogprob, ...] = ()


def read_response_format(asked: object) -> Shape | None:
    """None for free text. Raises InvalidField, and SchemaRefused with the path in the schema for
    a keyword outside the subset."""
    if asked is None:
        return None
    if not isinstance(asked, dict):
        raise InvalidField(FIELD, f"{FIELD} must be an object.")
    kind = asked.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise InvalidField(f"{FIELD}.type", f"{FIELD}.type must be one of {', '.join(TYPES)}.")
    if unknown := sorted(map(str, set(asked) - KEYS[kind])):
        raise InvalidField(f"{FIELD}.{unknown[0]}", f"{FIELD}.{unknown[0]} is unknown.")
    if kind == "text":
        return None
    if kind == "json_object":
        return Shape(compile_json_object(), lambda value: isinstance(value, dict))
    return _read_schema(asked.get("json_schema"))


def shape_of(schema: object) -> Shape:
    """For internal uses. Raises SchemaRefused."""
    node = read_schema(schema)
    return Shape(compile_node(node), lambda value: fits(node, value))


async def answer_in_shape(
    generate: Callable[[Generation], Run], generation: Generation, shape: Shape
) -> Structured:
    """The whole answer. Raises AnswerIncomplete where it was cut off, EngineFailure where it
    broke or is not what was asked for, ModelUnavailable."""
    pieces: list[str] = []
    logprobs: list[TokenLogprob] = []
    begun = Prefilled(len(generation.prompt.ids), 0, 0.0, 0.0)
    run = generate(replace(generation, grammar=shape.grammar))
    try:
        async for output in run:
            if isinstance(output, Piece):
                pieces.append(output.text)
                logprobs += output.logprobs
            elif isinstance(output, Prefilled):
                begun = output
            elif isinstance(output, Broken):
                raise EngineFailure(output.message)
            elif isinstance(output, Finished):
                text = "".join(pieces)
                value = _judge(text, output, shape)
                return Structured(text, value, begun, output, tuple(logprobs))
    finally:
        run.cancel()
    raise EngineFailure("The engine ended without a word.")


def _read_schema(asked: object) -> Shape:
    place = f"{FIELD}.json_schema"
    if not isinstance(asked, dict) or "schema" not in asked:
        raise InvalidField(place, f"{place} must be an object with a schema.")
    if unknown := sorted(map(str, set(asked) - OF_SCHEMA)):
        raise InvalidField(f"{place}.{unknown[0]}", f"{place}.{unknown[0]} is unknown.")
    return shape_of(asked["schema"])


def _judge(text: str, end: Finished, shape: Shape) -> object:
    """What `text` says. Raises AnswerIncomplete, EngineFailure."""
    # What was cut off may still be JSON: the 12 of 1234.
    if end.reason != "stop" or end.is_repetition:
        raise AnswerIncomplete(
            "The answer was cut off before it was whole; allow more tokens, or ask for less."
        )
    try:
        value: object = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        raise EngineFailure("The answer is no JSON.") from None
    if not shape.is_met(value):
        raise EngineFailure("The answer does not fit what was asked for.")
    return value
