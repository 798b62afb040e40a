"""Grammars that an answer can be held to, written in llama.cpp's notation from checked values.

It neither samples nor reads a schema's keywords. Blanks are one at most, behind a comma or a
colon, and every repetition has an end, so no model can go on for ever inside a grammar. The
rule that must not break: a `Grammar` is made by the makers here alone, and nothing else ever
reaches llama.cpp's parser.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from unicodedata import category

from appliance.engine.grammar_text import (
    DATE,
    TIME,
    quote,
    write_integer,
    write_json_char,
    write_literals,
    write_number,
    write_text_char,
)
from appliance.engine.json_schema import (
    MAX_OPTIONS,
    MAX_PROPERTIES,
    MAX_VALUE_CHARS,
    MAX_VALUES,
    TEXT_CHARS,
    read_schema,
)
from appliance.engine.schema_keywords import check_text, read_list, refuse
from appliance.engine.schema_nodes import (
    Array,
    Choice,
    Formatted,
    Integer,
    Literals,
    Node,
    Number,
    Object,
    Pattern,
    Property,
    Repeat,
    Text,
)

MAX_GRAMMAR_CHARS = 200_000
# llama.cpp makes a rule of every repetition that may or may not come.
MAX_REPETITIONS = 20_000
QUOTE = quote('"')
FREE_DEPTH = 5
FREE_MEMBERS = 32
FREE_TEXT = Text(0, TEXT_CHARS)
FORMATS = {"date": "date", "time": "time", "date-time": 'date "T" time'}


@dataclass(frozen=True, slots=True)
class Grammar:
    """ASCII text with a rule `root`."""

    text: str
    root: str = "root"


@dataclass(frozen=True, slots=True)
class Argument:
    """What may be quoted for one argument of a tool; one without values is left out."""

    name: str
    values: tuple[str, ...]
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class Call:
    tool: str
    arguments: tuple[Argument, ...] = ()


def compile_schema(schema: object) -> Grammar:
    """Raises SchemaRefused, with its path, for a schema outside the subset."""
    return compile_node(read_schema(schema))


def compile_node(node: Node) -> Grammar:
    writer = _Writer()
    return writer.finish(writer.find_name(node))


def compile_choice(texts: Sequence[str]) -> Grammar:
    """One of these texts, bare: no quotes and no JSON around it."""
    for at, text in enumerate(read_list([*texts], (), MAX_VALUES)):
        check_text(text, (at,), MAX_VALUE_CHARS)
        if not text or any(category(char) == "Cc" for char in str(text)):
            refuse((at,), "must be text of one line")
    return _Writer().finish(write_literals(texts))


def compile_call(calls: Sequence[Call], *, may_decline: bool = True) -> Grammar:
    """`{"tool": …, "arguments": {…}}` of a declared tool, each argument one of its values, or
    `{"tool": null}`. Raises SchemaRefused for what is declared too large."""
    options: list[Node] = []
    for at, call in enumerate(read_list([*calls], ("tools",), MAX_OPTIONS)):
        assert isinstance(call, Call)
        path = ("tools", at)
        if len(call.arguments) > MAX_PROPERTIES:
            refuse(path, f"has more than {MAX_PROPERTIES} arguments")
        arguments = tuple(
            Property(argument.name, _quote_values(argument, path), argument.is_required)
            for argument in call.arguments
            if argument.values
        )
        check_text(call.tool, path, MAX_VALUE_CHARS)
        name = Property("tool", Literals((_write_json(call.tool),)), True)
        options.append(Object((name, Property("arguments", Object(arguments), True))))
    if may_decline:
        options.append(Object((Property("tool", Literals(("null",)), True),)))
    return compile_node(Choice(tuple(options)))


def _quote_values(argument: Argument, path: tuple[str | int, ...]) -> Literals:
    where = (*path, argument.name)
    check_text(argument.name, where, MAX_VALUE_CHARS)
    for value in read_list([*argument.values], where, MAX_VALUES):
        check_text(value, where, MAX_VALUE_CHARS)
    return Literals(tuple(map(_write_json, argument.values)))


def compile_integer(minimum: int, maximum: int) -> Grammar:
    if minimum > maximum:
        refuse((), "has bounds that no number fits")
    return compile_node(Integer(minimum, maximum))


def compile_date() -> Grammar:
    """A day of the calendar as 2026-11-21, bare."""
    return _Writer().finish("date")


def compile_json_object() -> Grammar:
    """Any JSON object, with lists and objects in it down to `FREE_DEPTH`."""
    writer = _Writer()
    scalars: tuple[Node, ...] = (FREE_TEXT, Number(), Literals(("true", "false", "null")))
    writer.rules["value-0"] = " | ".join(map(writer.find_name, scalars))
    more = f"{{0,{FREE_MEMBERS - 1}}}"
    text = writer.find_name(FREE_TEXT)
    for depth in range(FREE_DEPTH + 1):
        writer.count_repetitions(2 * FREE_MEMBERS)
        writer.rules[f"member-{depth}"] = f'{text} ":" blank value-{depth}'
        writer.rules[f"object-{depth}"] = (
            f'"{{" (member-{depth} (comma member-{depth}){more})? "}}"'
        )
        writer.rules[f"list-{depth}"] = f'"[" (value-{depth} (comma value-{depth}){more})? "]"'
        writer.rules[f"value-{depth + 1}"] = f"value-0 | object-{depth} | list-{depth}"
    return writer.finish(f"object-{FREE_DEPTH}")


@dataclass(slots=True)
class _Writer:
    """One grammar's rules. Equal nodes share a rule."""

    rules: dict[str, str] = field(default_factory=dict)
    names: dict[Node, str] = field(default_factory=dict)
    repetitions: int = 0

    def finish(self, body: str) -> Grammar:
        shared = {
            "blank": '" "?',
            "comma": '"," " "?',
            "char": write_text_char(),
            "date": DATE,
            "time": TIME,
        }
        rules = {"root": body, **self.rules, **shared}
        text = "".join(f"{name} ::= {body}\n" for name, body in rules.items())
        if len(text) > MAX_GRAMMAR_CHARS:
            refuse((), f"makes a grammar of more than {MAX_GRAMMAR_CHARS} characters")
        return Grammar(text)

    def find_name(self, node: Node) -> str:
        if node not in self.names:
            body = self._write(node)
            self.names[node] = f"n{len(self.names)}"
            self.rules[self.names[node]] = body
        return self.names[node]

    def count_repetitions(self, times: int) -> None:
        self.repetitions += times
        if self.repetitions > MAX_REPETITIONS:
            refuse((), f"allows more than {MAX_REPETITIONS} characters and items together")

    def _write(self, node: Node) -> str:
        match node:
            case Literals(texts):
                return write_literals(texts)
            case Text(least, most):
                self.count_repetitions(most)
                return f"{QUOTE} char{{{least},{most}}} {QUOTE}" if most else f"{QUOTE} {QUOTE}"
            case Pattern(parts):
                return " ".join((QUOTE, *map(self._write_repeat, parts), QUOTE))
            case Formatted(kind):
                return f"{QUOTE} {FORMATS[kind]} {QUOTE}"
            case Integer(minimum, maximum):
                return write_integer(minimum, maximum)
            case Number(minimum, maximum):
                return write_number(minimum, maximum)
            case Array():
                return self._write_array(node)
            case Object(properties):
                return self._write_object(properties)
            case Choice(options):
                return " | ".join(dict.fromkeys(map(self.find_name, options)))

    def _write_repeat(self, part: Repeat) -> str:
        self.count_repetitions(part.most)
        if part.most == 0:
            return ""
        char = write_json_char(part.spans)
        return char if part.least == part.most == 1 else f"{char}{{{part.least},{part.most}}}"

    def _write_array(self, node: Array) -> str:
        self.count_repetitions(node.most_items)
        if node.most_items == 0:
            return '"[]"'
        item = self.find_name(node.item)
        least, most = max(0, node.least_items - 1), node.most_items - 1
        more = f" (comma {item}){{{least},{most}}}" if most else ""
        return f'"[" {item}{more} "]"' if node.least_items else f'"[" ({item}{more})? "]"'

    def _write_object(self, properties: tuple[Property, ...]) -> str:
        """Who comes first has no comma, so all that may come first are alternatives, each
        followed by the rule of what may stand behind it."""
        members = [
            f"{quote(_write_json(one.name) + ':')} blank {self.find_name(one.value)}"
            for one in properties
        ]
        rests = self._write_rests(members, properties)
        firsts = []
        for at, one in enumerate(properties):
            firsts.append(f"{members[at]} {rests[at]}".rstrip())
            if one.is_required:
                break
        else:
            firsts.append("")
        return f'"{{" ({" | ".join(firsts)}) "}}"'

    def _write_rests(self, members: list[str], properties: tuple[Property, ...]) -> list[str]:
        """For each place the name of the rule for all members behind it; none for the last."""
        rests = [""] * len(members)
        for at in range(len(members) - 1, 0, -1):
            member = f"comma {members[at]}"
            body = member if properties[at].is_required else f"({member})?"
            rests[at - 1] = f"rest-{len(self.rules)}"
            self.rules[rests[at - 1]] = f"{body} {rests[at]}".rstrip()
        return rests


def _write_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
