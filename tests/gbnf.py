"""A small reader of llama.cpp's grammar notation, written from its description and from nothing
of the appliance: it says what a grammar allows, a character at a time, and walks it at random.

It knows what the appliance writes and no more. The rule that must not break: it fails on
notation that it does not understand, so that a test cannot pass by chance.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import TypeAlias

Spans: TypeAlias = tuple[tuple[int, int], ...]
# A rule's name, or one character out of these spans.
Element: TypeAlias = str | Spans
Stack: TypeAlias = tuple[Element, ...]
State: TypeAlias = frozenset[Stack]

TOKEN = re.compile(
    r'\s*("(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|[a-zA-Z0-9-]+|\{\d+(?:,\d+)?\}|[()|?])'
)
CHAR = re.compile(r"\\x(..)|\\u(....)|\\U(.{8})|\\([tnr\\\"\[\]-])|([^\\])", re.DOTALL)
CONTROLS = {"t": "\t", "n": "\n", "r": "\r"}


def read_chars(body: str) -> list[tuple[str, bool]]:
    """Characters, and whether each was escaped."""
    found = []
    at = 0
    while at < len(body):
        match = CHAR.match(body, at)
        assert match, f"unknown escape at {body[at:]!r}"
        code = match[1] or match[2] or match[3]
        if code:
            found.append((chr(int(code, 16)), True))
        else:
            found.append((CONTROLS.get(match[4], match[4]) or match[5], bool(match[4])))
        at = match.end()
    return found


def read_class(body: str) -> Spans:
    chars = read_chars(body)
    assert chars and chars[0] != ("^", False)
    spans = []
    at = 0
    while at < len(chars):
        low = high = ord(chars[at][0])
        if chars[at + 1 : at + 2] == [("-", False)]:
            high = ord(chars[at + 2][0])
            at += 2
        spans.append((low, high))
        at += 1
    return tuple(spans)


def get_spans(stack: Stack) -> Spans:
    top = stack[0]
    assert not isinstance(top, str), "a rule stands on top that was not replaced"
    return top


class Gbnf:
    def __init__(self, text: str, root: str) -> None:
        assert text.isascii()
        self.rules: dict[str, list[Stack]] = {}
        for line in text.splitlines():
            name, _, body = line.partition(" ::= ")
            assert re.fullmatch(r"[a-zA-Z0-9-]+", name) and name not in self.rules
            tokens = self._split(body)
            self.rules[name] = self._read_alternatives(tokens)
            assert not tokens, f"{name} does not end where it should"
        self.start: State = self._expand((root,))
        self._expand_cached = lru_cache(None)(self._expand)

    @staticmethod
    def _split(body: str) -> list[str]:
        tokens = []
        at = 0
        while at < len(body):
            match = TOKEN.match(body, at)
            assert match, f"unknown notation at {body[at:]!r}"
            tokens.append(match[1])
            at = match.end()
        return tokens

    def _add(self, alternatives: list[Stack]) -> str:
        name = f"_{len(self.rules)}"
        self.rules[name] = alternatives
        return name

    def _read_alternatives(self, tokens: list[str]) -> list[Stack]:
        found = [self._read_sequence(tokens)]
        while tokens and tokens[0] == "|":
            tokens.pop(0)
            found.append(self._read_sequence(tokens))
        return found

    def _read_sequence(self, tokens: list[str]) -> Stack:
        sequence: list[Element] = []
        last: Stack = ()
        while tokens and tokens[0] not in "|)":
            token = tokens.pop(0)
            if token[0] in "?{":
                assert last, "a count of nothing"
                least, most = (0, 1) if token == "?" else self._read_count(token)
                del sequence[len(sequence) - len(last) :]
                optional = ""
                for _ in range(most - least):
                    optional = self._add([(*last, optional) if optional else last, ()])
                sequence += [*last * least, *([optional] if optional else [])]
                last = ()
                continue
            if token[0] == '"':
                last = tuple(((ord(char), ord(char)),) for char, _ in read_chars(token[1:-1]))
            elif token[0] == "[":
                last = (read_class(token[1:-1]),)
            elif token == "(":
                last = (self._add(self._read_alternatives(tokens)),)
                assert tokens.pop(0) == ")"
            else:
                last = (token,)
            sequence += last
        return tuple(sequence)

    @staticmethod
    def _read_count(token: str) -> tuple[int, int]:
        least, _, most = token[1:-1].partition(",")
        return int(least), int(most or least)

    def _expand(self, stack: Stack) -> State:
        """The same stack, its rules replaced until a character stands on top."""
        found: set[Stack] = set()
        waiting = [stack]
        seen: set[Stack] = set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if one and isinstance(one[0], str):
                waiting += [(*body, *one[1:]) for body in self.rules[one[0]]]
            else:
                found.add(one)
        return frozenset(found)

    def step(self, state: State, char: str) -> State:
        after: set[Stack] = set()
        for stack in state:
            if stack and any(low <= ord(char) <= high for low, high in get_spans(stack)):
                after |= self._expand_cached(stack[1:])
        return frozenset(after)

    def accepts(self, text: str) -> bool:
        state = self.start
        for char in text:
            state = self.step(state, char)
        return () in state

    def write_at_random(self, rng: random.Random) -> str:
        """Some text that the grammar allows, ended at random where it may end."""
        text = ""
        state = self.start
        while True:
            stack = rng.choice(sorted(state, key=repr))
            if not stack:
                return text
            low, high = rng.choice(get_spans(stack))
            char = chr(rng.randint(low, high))
            text += char
            state = self.step(state, char)
