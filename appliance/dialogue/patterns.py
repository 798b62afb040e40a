"""The shape of a declared pattern: how long a match can be, and how many ways lead to one.

It is a reader of a small part of Python's regular expressions and matches nothing itself; `re`
does, over what this file let through. The rule that must not break: a pattern that is let through
has a longest match and a bounded number of ways to try it, so no message can hold up the guard.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from appliance.dialogue.pattern_parser import (
    Atom,
    Choice,
    Look,
    Mark,
    Node,
    PatternRefused,
    Repeat,
    Sequence,
    parse,
)

MAX_PATTERN_CHARS = 2000
MAX_MATCH_CHARS = 300
MAX_OUTGOING_MATCH_CHARS = 120
MAX_WAYS = 50_000
END = r"\Z"


@dataclass(frozen=True)
class Pattern:
    """A pattern over folded text."""

    source: str
    tree: Choice

    @cached_property
    def compiled(self) -> re.Pattern[str]:
        return re.compile(write(self.tree))

    @cached_property
    def growing(self) -> re.Pattern[str]:
        """Finds the first place from which the text's end is the beginning of a match."""
        return re.compile(write_growing(self.tree))

    @cached_property
    def longest(self) -> int:
        return measure(self.tree)

    @cached_property
    def is_streamable(self) -> bool:
        """Whether it can be looked for in a text that is not known to its end."""
        return self.longest <= MAX_OUTGOING_MATCH_CHARS and not looks_around(self.tree)


@lru_cache(maxsize=4096)
def read_pattern(source: str) -> Pattern:
    """Raises PatternRefused, whose sentence says what to write instead."""
    if len(source) > MAX_PATTERN_CHARS:
        raise PatternRefused(f"it is longer than {MAX_PATTERN_CHARS} characters")
    tree = parse(source)
    longest = measure(tree)
    if longest > MAX_MATCH_CHARS:
        raise PatternRefused(f"it can match {longest} characters, {MAX_MATCH_CHARS} are possible")
    if can_be_empty(tree):
        raise PatternRefused("it matches the empty text")
    if count_ways(tree) > MAX_WAYS:
        raise PatternRefused(
            "it can be tried in too many ways; repeat nothing that is itself repeated, and let "
            "fewer parts vary"
        )
    try:
        re.compile(write(tree))
    except re.error as error:
        raise PatternRefused(str(error)) from None
    return Pattern(source, tree)


def measure(node: Node) -> int:
    """The length of the longest match."""
    match node:
        case Atom():
            return 1
        case Repeat(body, _, most):
            return measure(body) * most
        case Choice(branches):
            return max(map(measure, branches))
        case Sequence(items):
            return sum(map(measure, items))
        case _:
            return 0


def can_be_empty(node: Node) -> bool:
    match node:
        case Atom():
            return False
        case Repeat(body, least):
            return least == 0 or can_be_empty(body)
        case Choice(branches):
            return any(map(can_be_empty, branches))
        case Sequence(items):
            return all(map(can_be_empty, items))
        case _:
            return True


def count_ways(node: Node) -> int:
    """An upper bound for how many ways `re` can try from one place before it gives up."""
    match node:
        case Look(body):
            return count_ways(body)
        case Repeat(body, least, most):
            ways = count_ways(body)
            # Beyond this size the sum is refused anyway and need not be exact.
            return sum(min(ways, MAX_WAYS) ** count for count in range(least, min(most, 64) + 1))
        case Choice(branches):
            return count_choices(branches)
        case Sequence(items):
            product = 1
            for item in items:
                product = min(product * count_ways(item), MAX_WAYS + 1)
            return product
        case _:
            return 1


def count_choices(branches: tuple[Sequence, ...]) -> int:
    """Branches that begin with different letters exclude each other; so do different words."""
    texts = [text for branch in branches if (text := read_fixed(branch)) is not None]
    ways_of: dict[str | None, int] = {}
    for text in texts:
        begun = sum(text.startswith(other) for other in texts)
        ways_of[text[:1]] = max(ways_of.get(text[:1], 0), begun)
    for branch in branches:
        if read_fixed(branch) is None:
            first = find_first(branch)
            ways_of[first] = ways_of.get(first, 0) + count_ways(branch)
    anything = ways_of.pop(None, 0)
    return anything + max(ways_of.values(), default=0)


def read_fixed(branch: Sequence) -> str | None:
    """The one text the branch can match, None where there are several."""
    letters = [item.letter for item in branch.items if isinstance(item, Atom) and item.letter]
    return "".join(letters) if len(letters) == len(branch.items) else None


def find_first(branch: Sequence) -> str | None:
    """The letter the branch begins with, None where it may be one of several."""
    first = branch.items[0] if branch.items else None
    return first.letter if isinstance(first, Atom) else None


def looks_around(node: Node) -> bool:
    match node:
        case Look():
            return True
        case Mark(source):
            return source in ("^", "$")
        case Repeat(body):
            return looks_around(body)
        case Choice(branches):
            return any(map(looks_around, branches))
        case Sequence(items):
            return any(map(looks_around, items))
        case _:
            return False


def write(node: Node) -> str:
    match node:
        case Atom(source) | Mark(source):
            return source
        case Look(body, opening):
            return f"{opening}{write(body)})"
        case Repeat(body, least, most):
            return f"(?:{write(body)}){{{least},{most}}}{'?' if node.is_lazy else ''}"
        case Choice(branches):
            return f"(?:{'|'.join(map(write, branches))})"
        case Sequence(items):
            return "".join(map(write, items))


def write_growing(node: Node) -> str:
    """A pattern for the end of a text that is the beginning of a match of `node`."""
    match node:
        case Repeat(body, _, most):
            return f"(?:{write(body)}){{0,{max(most - 1, 0)}}}{write_growing(body)}"
        case Choice(branches):
            return f"(?:{'|'.join(map(write_growing, branches))})"
        case Sequence(items):
            whole = list(map(write, items))
            ways = [
                "".join(whole[:count]) + write_growing(item) for count, item in enumerate(items)
            ]
            return f"(?:{'|'.join([*ways, ''.join(whole) + END])})"
        case _:
            return END
