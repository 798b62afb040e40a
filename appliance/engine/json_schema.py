"""A JSON Schema from outside, read into nodes: a documented subset, the rest refused by path.

It is no validator and writes no grammar. What a schema only allows may be left unwritten
(properties not named, numbers with exponents); what it forbids never is written. The rule that
must not break: every keyword is either obeyed or refused with its path, none is passed over
but the annotations named here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from appliance.engine.schema_keywords import (
    Path,
    Schema,
    allow_only,
    check_order,
    check_text,
    read_bound,
    read_list,
    read_range,
    refuse,
)
from appliance.engine.schema_nodes import (
    MAX_INTEGER,
    Array,
    Choice,
    Format,
    Formatted,
    Integer,
    Literals,
    Node,
    Number,
    Object,
    Pattern,
    Property,
    Text,
)
from appliance.engine.schema_pattern import PatternRefused, read_pattern

MAX_DEPTH = 16
MAX_NODES = 500
MAX_PROPERTIES = 64
MAX_OPTIONS = 32
MAX_VALUES = 256
MAX_NAME_CHARS = 100
MAX_VALUE_CHARS = 500
MAX_TEXT_CHARS = 1000
# Where the schema sets no end: a small model would go on for ever.
TEXT_CHARS = 500
MAX_ITEMS = 64
ITEMS = 16

ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$comment"}
)
DEFINITIONS = ("$defs", "definitions")
AT_ROOT = frozenset({"$schema", *DEFINITIONS})
OF_TYPE = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "number": frozenset({"minimum", "maximum"}),
    "boolean": frozenset[str](),
    "null": frozenset[str](),
}
OF_VALUES = frozenset({"type", "enum", "const"})
KNOWN = frozenset({"type", "enum", "const", "anyOf", "$ref"}).union(*OF_TYPE.values())
REFERENCE = re.compile(r"#/(\$defs|definitions)/([^/%]+)")
FORMATS: tuple[Format, ...] = ("date", "time", "date-time")


def read_schema(schema: object) -> Node:
    """Raises SchemaRefused for everything outside the subset."""
    if not isinstance(schema, dict):
        refuse((), "must be an object")
    definitions: dict[tuple[str, str], object] = {}
    for group in DEFINITIONS:
        named = schema.get(group, {})
        if not isinstance(named, dict):
            refuse((group,), "must be an object")
        definitions |= {(group, name): value for name, value in named.items()}
    reader = _Reader(definitions)
    for group, name in definitions:
        reader.read_definition((group, name), (), 0)
    return reader.read({key: schema[key] for key in schema if key not in AT_ROOT}, (), 0)


@dataclass(slots=True)
class _Reader:
    """One reading. `open_names` are the definitions being read, so that a circle is seen."""

    definitions: Mapping[tuple[str, str], object]
    nodes: int = 0
    open_names: list[tuple[str, str]] = field(default_factory=list)

    def read_definition(self, name: tuple[str, str], path: Path, depth: int) -> Node:
        """`path` is where it is asked for, () for nowhere yet."""
        if name in self.open_names:
            refuse(path, "refers to what it stands in; recursion is not supported")
        if not isinstance(name[1], str) or not name[1]:
            refuse(name, "must have a name")
        self.open_names.append(name)
        node = self.read(self.definitions[name], name, depth)
        self.open_names.pop()
        return node

    def read(self, schema: object, path: Path, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            refuse((), f"has more than {MAX_NODES} parts, references written out")
        if depth > MAX_DEPTH:
            refuse(path, f"is nested deeper than {MAX_DEPTH}")
        if not isinstance(schema, dict):
            refuse(path, "must be an object; true and false are not supported")
        keywords = {}
        for key, value in schema.items():
            if key in AT_ROOT:
                refuse((*path, key), "may stand only at the top")
            if key not in KNOWN and key not in ANNOTATIONS:
                refuse((*path, key), "is not supported")
            if key not in ANNOTATIONS:
                keywords[key] = value
        return self._dispatch(keywords, path, depth)

    def _dispatch(self, keywords: Schema, path: Path, depth: int) -> Node:
        if "$ref" in keywords:
            allow_only(keywords, ("$ref",), path, "beside $ref")
            return self._read_reference(keywords["$ref"], (*path, "$ref"), depth)
        if "anyOf" in keywords:
            allow_only(keywords, ("anyOf",), path, "beside anyOf")
            return self._read_options(keywords["anyOf"], (*path, "anyOf"), depth)
        if "const" in keywords or "enum" in keywords:
            allow_only(keywords, OF_VALUES, path, "beside fixed values")
            return _read_values(keywords, path)
        types = _read_types(keywords, path)
        allowed = frozenset({"type"}).union(*(OF_TYPE[name] for name in types))
        allow_only(keywords, allowed, path, f"for type {' or '.join(types)}")
        nodes = tuple(self._read_type(name, keywords, path, depth) for name in types)
        return nodes[0] if len(nodes) == 1 else Choice(nodes)

    def _read_reference(self, reference: object, path: Path, depth: int) -> Node:
        found = REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
        if not found:
            refuse(path, "must be written #/$defs/Name")
        name = (found[1], found[2].replace("~1", "/").replace("~0", "~"))
        if name not in self.definitions:
            refuse(path, "refers to nothing in this schema")
        return self.read_definition(name, path, depth + 1)

    def _read_options(self, options: object, path: Path, depth: int) -> Node:
        listed = read_list(options, path, MAX_OPTIONS)
        return Choice(
            tuple(self.read(option, (*path, at), depth + 1) for at, option in enumerate(listed))
        )

    def _read_type(self, name: str, keywords: Schema, path: Path, depth: int) -> Node:
        match name:
            case "object":
                return self._read_object(keywords, path, depth)
            case "array":
                return self._read_array(keywords, path, depth)
            case "string":
                return _read_string(keywords, path)
            case "integer":
                return _read_integer(keywords, path)
            case "number":
                return _read_number(keywords, path)
            case "boolean":
                return Literals(("true", "false"))
        return Literals(("null",))

    def _read_object(self, keywords: Schema, path: Path, depth: int) -> Node:
        if "properties" not in keywords:
            refuse(path, "must name its properties")
        if keywords.get("additionalProperties", False) is not False:
            refuse((*path, "additionalProperties"), "must be false; others are not written")
        properties = keywords["properties"]
        where = (*path, "properties")
        if not isinstance(properties, dict):
            refuse(where, "must be an object")
        if len(properties) > MAX_PROPERTIES:
            refuse(where, f"has more than {MAX_PROPERTIES} properties")
        required = _read_required(keywords.get("required", []), properties, (*path, "required"))
        found = []
        for name, value in properties.items():
            check_text(name, (*where, name), MAX_NAME_CHARS)
            node = self.read(value, (*where, name), depth + 1)
            found.append(Property(name, node, name in required))
        return Object(tuple(found))

    def _read_array(self, keywords: Schema, path: Path, depth: int) -> Node:
        if "items" not in keywords:
            refuse(path, "must name its items")
        least, most = read_range(keywords, "minItems", "maxItems", path, ITEMS, MAX_ITEMS)
        return Array(self.read(keywords["items"], (*path, "items"), depth + 1), least, most)


def _read_values(keywords: Schema, path: Path) -> Literals:
    if "const" in keywords:
        allow_only(keywords, ("type", "const"), path, "beside const")
        places: list[tuple[Path, object]] = [((*path, "const"), keywords["const"])]
    else:
        where = (*path, "enum")
        listed = read_list(keywords["enum"], where, MAX_VALUES)
        places = [((*where, at), value) for at, value in enumerate(listed)]
    types = _read_types(keywords, path) if "type" in keywords else tuple(OF_TYPE)
    texts = []
    for place, value in places:
        kinds = _find_types(value)
        if not kinds:
            refuse(place, "must be a string, a number, true, false or null")
        if not kinds & set(types):
            refuse(place, f"is no {' or '.join(types)}")
        if isinstance(value, str):
            check_text(value, place, MAX_VALUE_CHARS)
        if isinstance(value, int | float) and not abs(value) <= MAX_INTEGER:
            refuse(place, f"must be a number within ±{MAX_INTEGER}")
        texts.append(json.dumps(value, ensure_ascii=False))
    return Literals(tuple(dict.fromkeys(texts)))


def _find_types(value: object) -> set[str]:
    match value:
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"integer", "number"} if value.is_integer() else {"number"}
        case str():
            return {"string"}
        case None:
            return {"null"}
    return set()


def _read_string(keywords: Schema, path: Path) -> Node:
    for name in ("pattern", "format"):
        if name in keywords:
            allow_only(keywords, {name} | (KNOWN - OF_TYPE["string"]), path, f"beside {name}")
    if "format" in keywords:
        for known in FORMATS:
            if keywords["format"] == known:
                return Formatted(known)
        refuse((*path, "format"), f"must be one of {', '.join(FORMATS)}")
    if "pattern" in keywords:
        return _read_pattern(keywords["pattern"], (*path, "pattern"))
    return Text(*read_range(keywords, "minLength", "maxLength", path, TEXT_CHARS, MAX_TEXT_CHARS))


def _read_pattern(pattern: object, path: Path) -> Pattern:
    if not isinstance(pattern, str):
        refuse(path, "must be a string")
    try:
        return read_pattern(pattern, MAX_TEXT_CHARS)
    except PatternRefused as error:
        refuse(path, str(error))


def _read_integer(keywords: Schema, path: Path) -> Integer:
    """Integers have a next and a last one, so that every kind of bound can be kept."""
    lows = [
        read_bound(keywords, "minimum", path, math.ceil),
        read_bound(keywords, "exclusiveMinimum", path, lambda value: math.floor(value) + 1),
    ]
    highs = [
        read_bound(keywords, "maximum", path, math.floor),
        read_bound(keywords, "exclusiveMaximum", path, lambda value: math.ceil(value) - 1),
    ]
    low = max((bound for bound in lows if bound is not None), default=-MAX_INTEGER)
    high = min((bound for bound in highs if bound is not None), default=MAX_INTEGER)
    check_order(low, high, path)
    return Integer(low, high)


def _read_number(keywords: Schema, path: Path) -> Number:
    for name in ("minimum", "maximum"):
        bound = keywords.get(name)
        if isinstance(bound, float) and not bound.is_integer():
            refuse((*path, name), "must be whole for a number")
    low = read_bound(keywords, "minimum", path, math.floor)
    high = read_bound(keywords, "maximum", path, math.ceil)
    low = -MAX_INTEGER if low is None else low
    high = MAX_INTEGER if high is None else high
    check_order(low, high, path)
    return Number(low, high)


def _read_types(keywords: Schema, path: Path) -> tuple[str, ...]:
    if "type" not in keywords:
        refuse(path, "must have one of type, enum, const, anyOf, $ref")
    named = keywords["type"]
    where = (*path, "type")
    listed = [named] if isinstance(named, str) else read_list(named, where, len(OF_TYPE))
    for name in listed:
        if not isinstance(name, str) or name not in OF_TYPE:
            refuse(where, f"must be one of {', '.join(OF_TYPE)}, or a list of them")
    return tuple(dict.fromkeys(map(str, listed)))


def _read_required(required: object, properties: Schema, path: Path) -> Collection[str]:
    listed = required if required == [] else read_list(required, path, MAX_PROPERTIES)
    for at, name in enumerate(listed):
        if not isinstance(name, str) or name not in properties:
            refuse((*path, at), "is no property named here")
    return frozenset(map(str, listed))
