"""Whether a JSON value is one that a checked schema allows: the last look at what a model wrote.

It is no JSON Schema validator: it knows the nodes of `schema_nodes.py` and nothing else. The rule
that must not break: it judges the value alone, not how it came about, so text that no grammar held
is refused as well.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime

from appliance.engine.schema_nodes import (
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
    Repeat,
    Text,
)

# What a format's text begins with once it is a whole moment.
MOMENTS = {"time": "2026-01-01T", "date-time": ""}


def fits(node: Node, value: object) -> bool:
    match node:
        case Literals(texts):
            return any(_is_same(json.loads(text), value) for text in texts)
        case Text(least, most):
            return isinstance(value, str) and least <= len(value) <= most
        case Pattern(parts):
            pattern = "".join(map(_write_repeat, parts))
            return isinstance(value, str) and re.fullmatch(pattern, value) is not None
        case Formatted(format):
            return isinstance(value, str) and _is_moment(format, value)
        case Integer(minimum, maximum):
            return type(value) is int and minimum <= value <= maximum
        case Number(minimum, maximum):
            return type(value) in (int, float) and minimum <= value <= maximum  # type: ignore[operator]
        case Array(item, least, most):
            is_list = isinstance(value, list) and least <= len(value) <= most
            return is_list and all(fits(item, one) for one in value)  # type: ignore[attr-defined]
        case Object():
            return isinstance(value, dict) and _fits_object(node, value)
        case Choice(options):
            return any(fits(option, value) for option in options)


def _fits_object(node: Object, value: dict[str, object]) -> bool:
    known = {one.name: one for one in node.properties}
    return (
        value.keys() <= known.keys()
        and all(one.name in value for one in node.properties if one.is_required)
        and all(fits(known[name].value, one) for name, one in value.items())
    )


def _is_same(wanted: object, value: object) -> bool:
    """1 is not true, though Python says so; 1 is 1.0."""
    return wanted == value and isinstance(wanted, bool) == isinstance(value, bool)


def _is_moment(format: Format, value: str) -> bool:
    try:
        if format == "date":
            return len(value) == 10 and bool(date.fromisoformat(value))
        return datetime.fromisoformat(MOMENTS[format] + value).tzinfo is not None
    except ValueError:
        return False


def _write_repeat(part: Repeat) -> str:
    spans = "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in part.spans)
    return f"[{spans}]{{{part.least},{part.most}}}"
