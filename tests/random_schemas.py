"""JSON Schemas drawn at random from the documented subset, and ones that leave it at one place.

It is used by tests and by `benchmarks/grammar.py`. The rule that must not break: a drawn schema
uses every keyword of the subset sooner or later, and a spoiled one has exactly one fault, whose
path is known.
"""

from __future__ import annotations

import random
from typing import Any

from appliance.engine.schema_keywords import write_path

NAMES = ("name", "尺码", "order id", 'a"b', "退\\货", "emoji😀", "x-1", "size", "q", "")
VALUES = ("红", "blue", 'say "hi"', "a\nb", "\\", "blau", "bla", "", "😀", 0, -3, 2.5, 1e-7, True)
PATTERNS = (
    r"^A\d{5}$",
    r"^[A-Z]{2,3}-[0-9]+$",
    r"^\w{1,8}@\w+\.com$",
    r"^[\u4e00-\u9fa5]{2,4}$",
    r'^"q\\w"?$',
    r"^退?[x-z_.-]*$",
    "^$",
)
SCALARS = ("string", "integer", "number", "boolean", "null", "enum", "const", "pattern", "format")
NESTED = ("object", "array", "anyOf", "types", "$ref")
# One keyword outside the subset, or a value no keyword takes, for any place of a schema.
FAULTS: tuple[tuple[str, object], ...] = (
    ("oneOf", [{"type": "null"}]),
    ("allOf", [{"type": "null"}]),
    ("not", {"type": "null"}),
    ("if", {"type": "null"}),
    ("patternProperties", {}),
    ("propertyNames", {}),
    ("uniqueItems", True),
    ("prefixItems", []),
    ("contains", {}),
    ("multipleOf", 2),
    ("dependentRequired", {}),
    ("$dynamicRef", "#a"),
    ("$id", "urn:x"),
    ("nullable", True),
    ("contentEncoding", "base64"),
    ("x-unknown", 1),
)


def draw_schema(rng: random.Random) -> dict[str, Any]:
    definitions = {f"D{at}": draw(rng, 1, ()) for at in range(rng.randint(0, 2))}
    # Mostly an object, as most callers want.
    schema = draw(rng, 3, tuple(definitions), rng.choice(("object", "object", "array", "")))
    return schema | ({"$defs": definitions} if definitions else {})


def draw(
    rng: random.Random, depth: int, definitions: tuple[str, ...], kind: str = ""
) -> dict[str, Any]:
    kind = kind or rng.choice(SCALARS if depth == 0 else SCALARS + NESTED * 3)
    schema = (
        draw_nested(rng, kind, depth, definitions) if kind in NESTED else draw_scalar(rng, kind)
    )
    if rng.random() < 0.1:
        schema = {"description": "一个说明", "title": "T", **schema}
    return schema


def draw_nested(
    rng: random.Random, kind: str, depth: int, definitions: tuple[str, ...]
) -> dict[str, Any]:
    if kind == "$ref" and definitions:
        return {"$ref": f"#/$defs/{rng.choice(definitions)}"}
    if kind == "anyOf":
        count = rng.randint(1, 3)
        return {"anyOf": [draw(rng, depth - 1, definitions) for _ in range(count)]}
    if kind == "types":
        return draw_scalar(rng, rng.choice(("string", "integer"))) | {
            "type": rng.sample(("string", "integer", "null", "boolean"), 4)
        }
    if kind == "array":
        array: dict[str, Any] = {"type": "array", "items": draw(rng, depth - 1, definitions)}
        if rng.random() < 0.7:
            least = rng.randint(0, 3)
            array |= {"minItems": least, "maxItems": least + rng.randint(0, 3)}
        return array
    names = rng.sample(NAMES, rng.randint(min(1, depth - 1), 4))
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: draw(rng, depth - 1, definitions) for name in names},
    }
    if rng.random() < 0.8:
        schema["required"] = [name for name in names if rng.random() < 0.6]
    if rng.random() < 0.5:
        schema["additionalProperties"] = False
    return schema


def draw_scalar(rng: random.Random, kind: str) -> dict[str, Any]:
    match kind:
        case "string":
            least = rng.choice((0, 0, 1, 5))
            return {"type": "string", "minLength": least, "maxLength": least + rng.randint(0, 9)}
        case "integer":
            low = rng.choice((0, -5, 7, 95, -1234, 10**9)) + rng.randint(0, 50)
            high = low + rng.choice((0, 3, 40, 5000, 10**12))
            names = rng.choice((("minimum", "maximum"), ("exclusiveMinimum", "maximum")))
            bounds = {names[0]: low - (names[0] != "minimum"), names[1]: high}
            return {"type": "integer"} | rng.choice((bounds, {}, {"exclusiveMaximum": high + 1.5}))
        case "number":
            low = rng.choice((0, -3, 12, -100))
            bounds = {"minimum": low, "maximum": low + rng.choice((0, 1, 90))}
            return {"type": "number"} | rng.choice((bounds, {}, {"minimum": 0.0}))
        case "enum":
            return {"enum": rng.sample(VALUES, rng.randint(1, 6))}
        case "const":
            return {"const": rng.choice((*VALUES, None))}
        case "pattern":
            return {"type": "string", "pattern": rng.choice(PATTERNS)}
        case "format":
            return {"type": "string", "format": rng.choice(("date", "time", "date-time"))}
        case "boolean" | "null":
            return {"type": kind}
    return {"type": "null"}


def spoil(rng: random.Random, schema: dict[str, Any]) -> str:
    """Put one fault somewhere into `schema`; its path."""
    path, place = rng.choice(list(find_places(schema, ())))
    keyword, value = rng.choice(FAULTS)
    place[keyword] = value
    return write_path((*path, keyword))


def find_places(
    schema: dict[str, Any], path: tuple[str | int, ...]
) -> list[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every schema inside `schema`, itself too, with where it stands."""
    found = [(path, schema)]
    for group in ("properties", "$defs"):
        for name, inner in schema.get(group, {}).items():
            found += find_places(inner, (*path, group, name))
    if "items" in schema:
        found += find_places(schema["items"], (*path, "items"))
    for at, inner in enumerate(schema.get("anyOf", ())):
        found += find_places(inner, (*path, "anyOf", at))
    return found
