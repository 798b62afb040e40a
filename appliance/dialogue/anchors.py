"""Which words must occur in a text before a pattern can match it: most patterns need not be tried.

It never says that a pattern matches. The rule that must not break: a pattern that could match is
always tried; one of which no such words are known is tried on every text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from appliance.dialogue.lexicon import Lexicon
from appliance.dialogue.pattern_parser import Atom, Choice, Node, Repeat, Sequence
from appliance.dialogue.patterns import Pattern, read_fixed

MAX_ANCHORS = 400


class Anchors:
    """Patterns by the words they need."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._always: set[str] = set()
        words: dict[str, tuple[str, ...]] = {}
        for pattern in patterns:
            needed = find_anchors(pattern.tree)
            if not needed:
                self._always.add(pattern.source)
                continue
            for word in needed:
                words[word] = (*words.get(word, ()), pattern.source)
        self._words = Lexicon(words)

    def choose(self, text: str) -> set[str]:
        """The sources of the patterns worth trying on `text`."""
        chosen = set(self._always)
        seen: set[tuple[str, ...]] = set()
        for _, _, sources in self._words.find(text):
            if sources not in seen:
                seen.add(sources)
                chosen.update(sources)
        return chosen


def find_anchors(node: Node) -> frozenset[str]:
    """Words of which every match of `node` holds one; empty where no such words are known."""
    match node:
        case Repeat(body, least):
            return find_anchors(body) if least else frozenset()
        case Choice(branches):
            each = [find_anchors(branch) for branch in branches]
            return frozenset().union(*each) if all(each) else frozenset()
        case Sequence():
            found = [anchors for anchors in list_candidates(node) if len(anchors) <= MAX_ANCHORS]
            return max(found, key=rate, default=frozenset())
        case Atom(_, letter) if letter:
            return frozenset((letter,))
        case _:
            return frozenset()


def list_candidates(sequence: Sequence) -> Iterator[frozenset[str]]:
    run: tuple[Node, ...] = ()
    for item in (*sequence.items, None):
        if isinstance(item, Atom) and item.letter:
            run = (*run, item)
            continue
        if run:
            yield frozenset((read_fixed(Sequence(run)) or "",))
        run = ()
        if item is not None and (anchors := find_anchors(item)):
            yield anchors


def rate(anchors: frozenset[str]) -> tuple[int, int]:
    """Long words and few of them are rare in ordinary texts."""
    return min(map(len, anchors)), -len(anchors)
