"""What a checked JSON Schema says, as frozen values: one node for each form a value may have.

It is neither the schema's reader (`json_schema`) nor the grammar's writer (`grammar`): it is
what passes between them. The rule that must not break: a node is bounded, so whatever fits it
ends after a number of characters that can be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

MAX_INTEGER = 10**15 - 1
Format: TypeAlias = Literal["date", "time", "date-time"]


@dataclass(frozen=True, slots=True)
class Literals:
    """One of these values, each written as JSON."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Text:
    least_chars: int
    most_chars: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` characters of these code points, both ends included."""

    spans: tuple[tuple[int, int], ...]
    least: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Pattern:
    parts: tuple[Repeat, ...]


@dataclass(frozen=True, slots=True)
class Formatted:
    format: Format


@dataclass(frozen=True, slots=True)
class Integer:
    minimum: int = -MAX_INTEGER
    maximum: int = MAX_INTEGER


@dataclass(frozen=True, slots=True)
class Number:
    """Both bounds are whole, so that a digit's place tells on which side it lies."""

    minimum: int = -MAX_INTEGER
    maximum: int = MAX_INTEGER


@dataclass(frozen=True, slots=True)
class Array:
    item: Node
    least_items: int
    most_items: int


@dataclass(frozen=True, slots=True)
class Property:
    name: str
    value: Node
    is_required: bool


@dataclass(frozen=True, slots=True)
class Object:
    """These properties in this order and no others."""

    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    options: tuple[Node, ...]


Node: TypeAlias = Literals | Text | Pattern | Formatted | Integer | Number | Array | Object | Choice
