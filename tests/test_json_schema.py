"""Which JSON Schemas are read and as what, and that all others are refused at the right place."""

from __future__ import annotations

import random
from typing import Any

import pytest

from appliance.engine.grammar import compile_schema
from appliance.engine.json_schema import read_schema
from appliance.engine.schema_nodes import (
    MAX_INTEGER,
    Array,
    Choice,
    Formatted,
    Integer,
    Literals,
    Number,
    Object,
    Pattern,
    Property,
    Repeat,
    Text,
)
from appliance.errors import SchemaRefused
from tests.random_schemas import draw_schema, spoil

NULL = {"type": "null"}
STRING = {"type": "string"}


def find_path(schema: object) -> str:
    with pytest.raises(SchemaRefused) as refused:
        compile_schema(schema)
    assert str(refused.value).startswith(f"{refused.value.path} ")
    assert refused.value.detail == {"field": refused.value.path}
    assert refused.value.status == 422
    return refused.value.path


def nest(kind: str, depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = NULL
    for _ in range(depth):
        around: dict[str, dict[str, Any]] = {
            "array": {"type": "array", "items": schema},
            "object": {"type": "object", "properties": {"a": schema}},
            "anyOf": {"anyOf": [schema]},
        }
        schema = around[kind]
    return schema


def chain(links: int, uses: int) -> dict[str, Any]:
    """Definitions that each use the next one several times over."""
    definitions: dict[str, Any] = {
        f"D{at}": {"anyOf": [{"$ref": f"#/$defs/D{at + 1}"}] * uses} for at in range(links)
    }
    return {"$ref": "#/$defs/D0", "$defs": definitions | {f"D{links}": NULL}}


@pytest.mark.parametrize(
    ("schema", "node"),
    [
        (STRING, Text(0, 500)),
        ({"type": "string", "minLength": 700}, Text(700, 700)),
        ({"type": "string", "maxLength": 0}, Text(0, 0)),
        ({"type": "integer"}, Integer(-MAX_INTEGER, MAX_INTEGER)),
        ({"type": "integer", "minimum": 0.5, "maximum": 9.5}, Integer(1, 9)),
        ({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 9}, Integer(2, 8)),
        ({"type": "integer", "exclusiveMinimum": -0.5, "minimum": -7}, Integer(0, MAX_INTEGER)),
        ({"type": "integer", "exclusiveMaximum": 2.5, "maximum": 7}, Integer(-MAX_INTEGER, 2)),
        ({"type": "number", "minimum": -2.0}, Number(-2, MAX_INTEGER)),
        ({"type": "boolean"}, Literals(("true", "false"))),
        ({"type": ["string", "null"], "maxLength": 3}, Choice((Text(0, 3), Literals(("null",))))),
        ({"enum": ["红", "红", 1, True, None]}, Literals(('"红"', "1", "true", "null"))),
        ({"type": "number", "const": 2}, Literals(("2",))),
        ({"type": "integer", "const": 2.0}, Literals(("2.0",))),
        ({"type": "string", "format": "date"}, Formatted("date")),
        ({"type": "array", "items": NULL}, Array(Literals(("null",)), 0, 16)),
        ({"type": "array", "items": NULL, "minItems": 20}, Array(Literals(("null",)), 20, 20)),
        ({"type": "object", "properties": {}, "additionalProperties": False}, Object(())),
        (
            {"type": "object", "properties": {"b": NULL, "a": STRING}, "required": ["a"]},
            Object(
                (
                    Property("b", Literals(("null",)), False),
                    Property("a", Text(0, 500), True),
                )
            ),
        ),
        (
            {"anyOf": [NULL, {"$ref": "#/$defs/a~1b"}], "$defs": {"a/b": {"const": "x"}}},
            Choice((Literals(("null",)), Literals(('"x"',)))),
        ),
        (
            {"type": "string", "pattern": r"^A\d{2,3}[a-c_-]?\.$"},
            Pattern(
                (
                    Repeat(((0x41, 0x41),)),
                    Repeat(((0x30, 0x39),), 2, 3),
                    Repeat(((0x61, 0x63), (0x5F, 0x5F), (0x2D, 0x2D)), 0, 1),
                    Repeat(((0x2E, 0x2E),)),
                )
            ),
        ),
        ({"title": "T", "description": "D", "$schema": "S", **NULL}, Literals(("null",))),
    ],
    ids=str,
)
def test_a_schema_is_read_as_what_it_says(schema: object, node: object) -> None:
    assert read_schema(schema) == node


REFUSED: list[tuple[object, str]] = [
    (True, "$"),
    ([], "$"),
    ("{}", "$"),
    ({}, "$"),
    ({"title": "T"}, "$"),
    ({"type": "text"}, "$.type"),
    ({"type": []}, "$.type"),
    ({"type": [["null"]]}, "$.type"),
    ({"type": "object"}, "$"),
    ({"type": "object", "properties": []}, "$.properties"),
    ({"type": "object", "properties": {"a b": True}}, '$.properties["a b"]'),
    ({"type": "object", "properties": {"尺码": {}}}, "$.properties.尺码"),
    ({"type": "object", "properties": {"x" * 101: NULL}}, f"$.properties.{'x' * 100}"),
    ({"type": "object", "properties": {"\ud800": NULL}}, '$.properties["\\ud800"]'),
    ({"type": "object", "properties": {}, "required": ["a"]}, "$.required[0]"),
    ({"type": "object", "properties": {}, "required": "a"}, "$.required"),
    ({"type": "object", "properties": {}, "required": [{}]}, "$.required[0]"),
    (
        {"type": "object", "properties": {}, "additionalProperties": True},
        "$.additionalProperties",
    ),
    ({"type": "object", "properties": {str(n): NULL for n in range(65)}}, "$.properties"),
    ({"type": "array"}, "$"),
    ({"type": "array", "items": [NULL]}, "$.items"),
    ({"type": "array", "items": NULL, "maxItems": 65}, "$.maxItems"),
    ({"type": "array", "items": NULL, "minItems": 2, "maxItems": 1}, "$.maxItems"),
    ({"type": "string", "minLength": -1}, "$.minLength"),
    ({"type": "string", "minLength": True}, "$.minLength"),
    ({"type": "string", "maxLength": 1001}, "$.maxLength"),
    ({"type": "string", "maxLength": 3.5}, "$.maxLength"),
    ({"type": "string", "minimum": 1}, "$.minimum"),
    ({"type": "string", "format": "email"}, "$.format"),
    ({"type": "string", "format": []}, "$.format"),
    ({"type": "string", "format": "date", "minLength": 1}, "$.minLength"),
    ({"type": "string", "pattern": "^a$", "maxLength": 1}, "$.maxLength"),
    ({"type": "string", "pattern": 1}, "$.pattern"),
    ({"type": "integer", "minimum": "1"}, "$.minimum"),
    ({"type": "integer", "minimum": True}, "$.minimum"),
    ({"type": "integer", "maximum": 10**16}, "$.maximum"),
    ({"type": "integer", "maximum": 10**5000}, "$.maximum"),
    ({"type": "integer", "minimum": float("nan")}, "$.minimum"),
    ({"type": "integer", "minimum": float("-inf")}, "$.minimum"),
    ({"type": "integer", "minimum": 2, "maximum": 1}, "$"),
    ({"type": "integer", "exclusiveMinimum": MAX_INTEGER}, "$"),
    ({"type": "integer", "minimum": 0.1, "maximum": 0.9}, "$"),
    ({"type": "number", "minimum": 0.5}, "$.minimum"),
    ({"type": "number", "exclusiveMinimum": 0}, "$.exclusiveMinimum"),
    ({"enum": []}, "$.enum"),
    ({"enum": ["a", ["b"]]}, "$.enum[1]"),
    ({"enum": ["a"], "minLength": 1}, "$.minLength"),
    ({"enum": ["a"], "const": "a"}, "$.enum"),
    ({"enum": ["\udfff"]}, "$.enum[0]"),
    ({"enum": ["x" * 501]}, "$.enum[0]"),
    ({"enum": [*range(257)]}, "$.enum"),
    ({"const": {}}, "$.const"),
    ({"const": float("nan")}, "$.const"),
    ({"const": float("inf")}, "$.const"),
    ({"const": -(10**5000)}, "$.const"),
    ({"type": "string", "enum": ["a", 1]}, "$.enum[1]"),
    ({"type": "integer", "const": True}, "$.const"),
    ({"type": "boolean", "const": 1}, "$.const"),
    ({"anyOf": []}, "$.anyOf"),
    ({"anyOf": [NULL], "type": "null"}, "$.type"),
    ({"anyOf": [NULL] * 33}, "$.anyOf"),
    ({"anyOf": [NULL, {"not": {}}]}, "$.anyOf[1].not"),
    ({"$ref": "#/$defs/A"}, "$.$ref"),
    ({"$ref": "other.json#/$defs/A"}, "$.$ref"),
    ({"$ref": "#"}, "$.$ref"),
    ({"$ref": 1}, "$.$ref"),
    ({"$ref": "#/$defs/A", "type": "null", "$defs": {"A": NULL}}, "$.type"),
    ({**NULL, "$defs": {"A": {"$ref": "#/$defs/A"}}}, "$.$defs.A.$ref"),
    ({**NULL, "$defs": []}, "$.$defs"),
    ({**NULL, "$defs": {"A": {"oneOf": []}}}, "$.$defs.A.oneOf"),
    ({"anyOf": [{**NULL, "$defs": {}}]}, "$.anyOf[0].$defs"),
    (chain(7, 2), "$"),
    (nest("array", 17), "$" + ".items" * 17),
    (nest("object", 17), "$" + ".properties.a" * 17),
    (nest("anyOf", 17), "$" + ".anyOf[0]" * 17),
]


@pytest.mark.parametrize(
    ("schema", "path"),
    REFUSED,
    ids=[f"{at}-{path[:40]}" for at, (_, path) in enumerate(REFUSED)],
)
def test_what_is_not_supported_is_refused_at_its_path(schema: object, path: str) -> None:
    assert find_path(schema) == path


@pytest.mark.parametrize(
    "links",
    [["A"], ["A", "B"], ["A", "B", "C"]],
    ids=len,
)
def test_a_definition_that_leads_back_to_itself_is_refused(links: list[str]) -> None:
    following = [*links[1:], links[0]]
    definitions = {
        name: {"type": "array", "items": {"$ref": f"#/definitions/{after}"}}
        for name, after in zip(links, following, strict=True)
    }
    last = links[-1]
    schema = {"$ref": "#/definitions/A", "definitions": definitions}
    assert find_path(schema) == f"$.definitions.{last}.items.$ref"


def test_a_schema_as_deep_and_as_wide_as_allowed_is_read() -> None:
    for kind in ("array", "object", "anyOf"):
        compile_schema(nest(kind, 16))
    compile_schema(chain(5, 2))
    compile_schema({"type": "object", "properties": {str(at): STRING for at in range(64)}})


@pytest.mark.parametrize(
    "pattern",
    [
        *("", "a", "^a", "a$", r"^a\$", "^(a)$", "^a|b$", "^a.b$", r"^\s$", r"^\bx$", "^a**$"),
        *("^a+?$", "^*$", "^a{$", "^a{,3}$", "^a{3,2}$", "^a{1001}$", "^[$", "^[]$", "^[^a]$"),
        *("^[z-a]$", r"^[\d-z]$", r"^[a-\d]$", "^[A-z]$", '^["]$', "^[a[b]]$", "^[a-c-e]$"),
        *("^\ud800$", r"^\ud800$", "^\x07$", "^[\u4e00-\uffff]$", r"^\u12$", r"^\x41$"),
        *("^" + "a*" * 4 + "$", "^" + "[a-z]?" * 20 + "$", r"^\w+[a-z]*_?[0-9_]?\w$"),
        *(r"^\1$", "^(?=a)$", "^" + "a" * 200 + "$", "^[a-z]{999}[a-z]{2}$", "^^a$", "^a$$"),
    ],
    ids=ascii,
)
def test_a_pattern_outside_the_small_subset_is_refused(pattern: str) -> None:
    assert find_path({"type": "string", "pattern": pattern}) == "$.pattern"


@pytest.mark.parametrize("seed", range(200))
def test_one_fault_anywhere_in_a_schema_is_found_at_its_path(seed: int) -> None:
    rng = random.Random(seed)
    schema = draw_schema(rng)
    read_schema(schema)
    path = spoil(rng, schema)
    assert find_path(schema) == path
