"""Many words looked for at once, in one pass over the text: an Aho-Corasick automaton.

It folds nothing and knows no rule: words and texts are handed in as they are to be compared. The
rule that must not break: `open_from` never lies behind the start of a word that could still grow
out of the text's end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

import ahocorasick

Payload = TypeVar("Payload")


class Lexicon(Generic[Payload]):
    def __init__(self, words: Mapping[str, Payload]) -> None:
        self._longest = max(map(len, words), default=0)
        self._automaton = ahocorasick.Automaton()
        for word, payload in words.items():
            self._automaton.add_word(word, (len(word), payload))
        self._automaton.make_automaton()

    def find(self, text: str) -> Iterator[tuple[int, int, Payload]]:
        """Start, end and payload of every word in `text`, also of those inside others."""
        if not self._longest:
            return
        for last, (length, payload) in self._automaton.iter(text):
            yield last + 1 - length, last + 1, payload

    def open_from(self, text: str) -> int:
        """Where the longest end of `text` begins that is the beginning of a word, or a word."""
        for start in range(max(0, len(text) - self._longest), len(text)):
            if self._automaton.match(text[start:]):
                return start
        return len(text)
