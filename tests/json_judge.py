"""Whether a text is valid JSON for a schema, in the judgement of others.

The schema is judged by the `jsonschema` package, its formats by Python's own calendar. The rule
that must not break: nothing of the appliance has a say in it.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from functools import partial

import jsonschema


def is_valid(schema: object, text: str) -> bool:
    checker = jsonschema.FormatChecker(formats=())
    for name, before in (("date", ""), ("time", "2026-01-01T"), ("date-time", "")):
        checker.checks(name, raises=ValueError)(partial(is_in_calendar, name, before))
    judge = jsonschema.Draft202012Validator(schema, format_checker=checker)
    try:
        return bool(judge.is_valid(json.loads(text)))
    except json.JSONDecodeError:
        return False


def is_in_calendar(name: str, before: str, value: object) -> bool:
    """A format says something of text alone. Raises ValueError for what is not there."""
    if not isinstance(value, str):
        return True
    if name == "date":
        return len(value) == 10 and bool(date.fromisoformat(value))
    return datetime.fromisoformat(before + value).tzinfo is not None


def check_schema(schema: object) -> None:
    """Raises where `schema` is no JSON Schema at all."""
    jsonschema.Draft202012Validator.check_schema(schema)
