"""JSON on request: valid as a whole, or refused with the reason; never half of it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence

import pytest

from appliance.dialogue.structured import (
    Shape,
    answer_in_shape,
    read_response_format,
    shape_of,
)
from appliance.engine.engine import Generation
from appliance.engine.letters import CONTROL_IDS
from appliance.engine.prompt import Prompt
from appliance.engine.scripted import Fail, Line, ScriptedEngine
from appliance.errors import AnswerIncomplete, EngineFailure, InvalidField, SchemaRefused
from tests.gbnf import Gbnf
from tests.json_judge import is_valid
from tests.random_schemas import draw_schema, spoil

PROMPT = Prompt((CONTROL_IDS[2], ord("问"), CONTROL_IDS[3]))
SCHEMAS = 1000
CHUNKS = 10
SIZE = {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]}


async def write(lines: Sequence[Line], shape: Shape, most_tokens: int = 4096) -> object:
    engine = ScriptedEngine(lambda _: lines)
    await engine.start()
    generation = Generation("c", PROMPT, max_new_tokens=most_tokens)
    return (await answer_in_shape(engine.generate, generation, shape)).value


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_of_a_thousand_schemas_what_is_complete_is_valid_and_what_is_cut_is_refused(
    chunk: int,
) -> None:
    for seed in range(chunk, SCHEMAS, CHUNKS):
        rng = random.Random(seed)
        schema = draw_schema(rng)
        shape = shape_of(schema)
        text = Gbnf(shape.grammar.text, shape.grammar.root).write_at_random(rng)
        assert await write([text], shape) == json.loads(text)
        assert is_valid(schema, text), (schema, text)
        if len(text) > 1:
            with pytest.raises(AnswerIncomplete):
                await write([text], shape, rng.randint(1, len(text) - 1))
        path = spoil(rng, schema)
        with pytest.raises(SchemaRefused) as refused:
            read_response_format({"type": "json_schema", "json_schema": {"schema": schema}})
        assert refused.value.path == path and str(refused.value).startswith(path)


@pytest.mark.parametrize("seed", range(60))
async def test_text_that_no_grammar_held_is_judged_as_the_schema_says(seed: int) -> None:
    """One character left out, doubled or replaced."""
    rng = random.Random(seed)
    schema = draw_schema(rng)
    shape = shape_of(schema)
    text = Gbnf(shape.grammar.text, shape.grammar.root).write_at_random(rng)
    for _ in range(10):
        at = rng.randrange(len(text))
        spoilt = text[:at] + rng.choice(["", text[at] * 2, "x", "0", '"']) + text[at + 1 :]
        if is_valid(schema, spoilt):
            continue
        with pytest.raises(EngineFailure):
            await write([spoilt or " "], shape)


@pytest.mark.parametrize("lines", [[Fail()], ["[1]"], ['"text"'], ["{"], ["{} {}"]])
async def test_an_object_is_an_object_or_nothing(lines: list[Line]) -> None:
    shape = read_response_format({"type": "json_object"})
    assert shape is not None
    assert await write(['{"a": [1, {}]}'], shape) == {"a": [1, {}]}
    with pytest.raises(EngineFailure):
        await write(lines, shape)


async def test_the_beginning_of_a_number_is_no_number() -> None:
    with pytest.raises(AnswerIncomplete):
        await write(["1234"], shape_of({"type": "integer"}), 2)


async def test_the_grammar_is_given_to_the_engine() -> None:
    seen: list[Generation] = []

    class Watching(ScriptedEngine):
        def generate(self, generation: Generation):  # type: ignore[no-untyped-def]
            seen.append(generation)
            return super().generate(generation)

    engine = Watching(lambda _: ['{"size": 42}'])
    await engine.start()
    shape = shape_of(SIZE)
    answer = await asyncio.wait_for(
        answer_in_shape(engine.generate, Generation("c", PROMPT, 64), shape), timeout=5
    )
    assert answer.value == {"size": 42} and seen[0].grammar == shape.grammar


@pytest.mark.parametrize("asked", [None, {"type": "text"}])
def test_free_text_needs_no_shape(asked: object) -> None:
    assert read_response_format(asked) is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ([], "response_format"),
        ({}, "response_format.type"),
        ({"type": "xml"}, "response_format.type"),
        ({"type": []}, "response_format.type"),
        ({"type": "json_object", "schema": {}}, "response_format.schema"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        ({"type": "json_schema", "json_schema": {"name": "x"}}, "response_format.json_schema"),
        (
            {"type": "json_schema", "json_schema": {"schema": SIZE, "x": 1}},
            "response_format.json_schema.x",
        ),
        ({"type": "json_schema", "json_schema": {"schema": {"oneOf": []}}}, "$.oneOf"),
    ],
    ids=str,
)
def test_what_cannot_be_promised_is_refused_with_its_place(asked: object, field: str) -> None:
    with pytest.raises(InvalidField) as refused:
        read_response_format(asked)
    assert refused.value.field == field
