"""The parts every keyword of a schema is read with: bounds, counts, lists, and how to refuse.

It knows no keyword by name and makes no node. The rule that must not break: a refusal names
the place in the schema by its path, and nothing of it is longer than a caller's limit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NoReturn, TypeAlias

from appliance.engine.schema_nodes import MAX_INTEGER
from appliance.errors import SchemaRefused

Path: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = Mapping[str, object]

MAX_STEP_CHARS = 100
PLAIN_STEP = re.compile(r"\$?\w+")


def read_bound(
    keywords: Schema, name: str, path: Path, make_whole: Callable[[int | float], int]
) -> int | None:
    if name not in keywords:
        return None
    bound = keywords[name]
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        refuse((*path, name), "must be a number")
    if not abs(bound) <= MAX_INTEGER:
        refuse((*path, name), f"must be within ±{MAX_INTEGER}")
    return make_whole(bound)


def check_order(low: int, high: int, path: Path) -> None:
    if not -MAX_INTEGER <= low <= high <= MAX_INTEGER:
        refuse(path, "has bounds that no number fits")


def read_range(
    keywords: Schema, least_name: str, most_name: str, path: Path, usual: int, limit: int
) -> tuple[int, int]:
    least = read_count(keywords.get(least_name, 0), (*path, least_name), limit)
    most = read_count(keywords.get(most_name, max(usual, least)), (*path, most_name), limit)
    if most < least:
        refuse((*path, most_name), f"must not be below {least_name}")
    return least, most


def read_count(count: object, path: Path, limit: int) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= limit:
        refuse(path, f"must be a whole number from 0 to {limit}")
    return count


def read_list(value: object, path: Path, limit: int) -> Sequence[object]:
    if not isinstance(value, list) or not 0 < len(value) <= limit:
        refuse(path, f"must be a list of 1 to {limit}")
    return value


def check_text(text: object, path: Path, limit: int) -> None:
    if not isinstance(text, str) or len(text) > limit:
        refuse(path, f"must be text of at most {limit} characters")
    if any("\ud800" <= char <= "\udfff" for char in text):
        refuse(path, "has half a character in it")


def allow_only(keywords: Schema, allowed: Collection[str], path: Path, where: str) -> None:
    for key in keywords:
        if key not in allowed:
            refuse((*path, key), f"is not supported {where}")


def refuse(path: Path, message: str) -> NoReturn:
    raise SchemaRefused(write_path(path), message)


def write_path(path: Path) -> str:
    """`$.properties.size.enum[2]`, with quotes where a name is no plain word."""
    text = "$"
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
            continue
        step = step[:MAX_STEP_CHARS]
        text += f".{step}" if PLAIN_STEP.fullmatch(step) else f"[{json.dumps(step)}]"
    return text
