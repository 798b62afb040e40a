"""The part of Python's regular expressions that an owner may use, read into a small tree.

It is no matcher and no judge of size. Known are letters, `.`, classes, groups, `|`, `?`, `{m,n}`,
`^`, `$`, `\\b`, `\\d`, `\\s`, `\\w` and the four look-arounds. The rule that must not break: what
it does not know it refuses, so that nothing reaches `re` whose cost was not looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

MAX_DEPTH = 12
OPENINGS = ("(?:", "(?=", "(?!", "(?<=", "(?<!")
COUNT = re.compile(r"\{\d{1,3}(?:,\d{0,3})?\}")
CLASS = re.compile(r"\[\^?\]?(?:[^\]\\]|\\.)*\]", re.DOTALL)
ESCAPE = re.compile(r"\\(?:[dswDSWbBnt]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[^\w\s])")


class PatternRefused(Exception):
    """The pattern cannot be taken; the sentence says why, without a full stop."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One character of the text; `letter` where only one is possible."""

    source: str
    letter: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place, not a character."""

    source: str


@dataclass(frozen=True, slots=True)
class Look:
    body: Choice
    opening: str


@dataclass(frozen=True, slots=True)
class Repeat:
    body: Atom | Choice
    least: int
    most: int
    is_lazy: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    branches: tuple[Sequence, ...]


Node: TypeAlias = Atom | Mark | Look | Repeat | Sequence | Choice


def parse(source: str) -> Choice:
    reader = _Reader(source)
    tree = reader.read_choice()
    if reader.rest:
        raise PatternRefused("a ) closes nothing")
    return tree


class _Reader:
    def __init__(self, source: str) -> None:
        self.rest = source
        self._depth = 0

    def read_choice(self) -> Choice:
        branches = [self._read_sequence()]
        while self._take("|"):
            branches.append(self._read_sequence())
        return Choice(tuple(branches))

    def _take(self, text: str) -> bool:
        if not self.rest.startswith(text):
            return False
        self.rest = self.rest[len(text) :]
        return True

    def _take_match(self, pattern: re.Pattern[str], complaint: str) -> str:
        found = pattern.match(self.rest)
        if found is None:
            raise PatternRefused(complaint)
        self.rest = self.rest[found.end() :]
        return found[0]

    def _read_sequence(self) -> Sequence:
        items: list[Node] = []
        while self.rest and self.rest[0] not in "|)":
            items.append(self._read_repeat(self._read_item()))
        return Sequence(tuple(items))

    def _read_item(self) -> Node:
        char = self.rest[0]
        if char == "(":
            return self._read_group()
        if char == "[":
            return Atom(self._take_match(CLASS, "a [ is not closed"))
        if char == "\\":
            return self._read_escape()
        if char in "?*+{":
            raise PatternRefused(f"nothing stands before {char}")
        self.rest = self.rest[1:]
        if char in "^$":
            return Mark(char)
        return Atom(char) if char == "." else Atom(re.escape(char), char)

    def _read_group(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternRefused(f"its brackets are nested deeper than {MAX_DEPTH}")
        opening = next((each for each in OPENINGS if self._take(each)), "")
        if not opening:
            self._take("(")
            if self.rest.startswith("?"):
                raise PatternRefused(f"({self.rest[:2]} is not possible here")
        body = self.read_choice()
        if not self._take(")"):
            raise PatternRefused("a ( is not closed")
        self._depth -= 1
        return body if opening in ("", "(?:") else Look(body, opening)

    def _read_escape(self) -> Node:
        source = self._take_match(ESCAPE, f"{self.rest[:2]} is not possible here")
        if source in (r"\b", r"\B"):
            return Mark(source)
        is_letter = len(source) == 2 and not source[1].isalnum()
        return Atom(source, source[1] if is_letter else None)

    def _read_repeat(self, item: Node) -> Node:
        if self.rest[:1] in ("*", "+") and self.rest:
            raise PatternRefused(f"{self.rest[0]} has no end; write {{0,40}} or {{1,40}}")
        if self._take("?"):
            least, most = 0, 1
        elif self.rest.startswith("{"):
            complaint = "a { is no count such as {0,40}; a brace itself is \\{"
            least, most = read_count(self._take_match(COUNT, complaint))
        else:
            return item
        is_lazy = self._take("?")
        if self.rest[:1] in ("*", "+", "?", "{") and self.rest:
            raise PatternRefused("something repeated is repeated again")
        if not isinstance(item, Atom | Choice):
            raise PatternRefused("a place is repeated")
        return Repeat(item, least, most, is_lazy)


def read_count(source: str) -> tuple[int, int]:
    """The bounds of `{m}` and `{m,n}`."""
    least, *rest = source.strip("{}").split(",")
    if rest == [""]:
        raise PatternRefused(f"{source} has no end; write {{{least},40}}")
    most = int(rest[0]) if rest else int(least)
    if most < int(least):
        raise PatternRefused(f"{source} ends before it begins")
    return int(least), most
