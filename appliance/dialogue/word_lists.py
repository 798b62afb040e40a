"""The word lists of many rules as one automaton, and the harmless phrases that void a hit.

It decides nothing about a hit: `guard.py` does. All spans are of the folded text. The rule that
must not break: a Latin word counts only where it stands alone, so that no harmless word is hit
for what it happens to contain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from appliance.dialogue.guard_rules import Category
from appliance.dialogue.language import HAN_CHAR
from appliance.dialogue.lexicon import Lexicon
from appliance.dialogue.views import LATIN, MAX_GAP_CHARS, TightView, is_word

MIN_SPELLED_LATIN = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """A word's place in the rules."""

    category: str
    rule: str
    is_beginning: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    start: int
    end: int
    category: str
    rule: str


class WordLists:
    def __init__(self, categories: Iterable[Category]) -> None:
        words: dict[str, tuple[Listed, ...]] = {}
        spelled: dict[str, tuple[Listed, ...]] = {}
        allowed: dict[str, tuple[str, ...]] = {}
        for category in categories:
            for rule in category.live_rules:
                rule_id = f"{category.name}/{rule.name}"
                for word in rule.words:
                    stem = word.rstrip("*")
                    listed = Listed(category.name, rule_id, is_beginning=word != stem)
                    words[stem] = (*words.get(stem, ()), listed)
                    if category.spelled and can_be_spelled(stem):
                        tight = stem.replace(" ", "")
                        spelled[tight] = (*spelled.get(tight, ()), listed)
                for phrase in rule.allow:
                    allowed[phrase] = (*allowed.get(phrase, ()), rule_id)
        self._words = Lexicon(words)
        self._spelled = Lexicon(spelled)
        self._allowed = Lexicon(allowed)

    def find(self, text: str) -> Iterator[Hit]:
        for start, end, listings in self._words.find(text):
            for listed in listings:
                reach = end_word(text, end) if listed.is_beginning else end
                if is_word(text, start, reach):
                    yield Hit(start, reach, listed.category, listed.rule)

    def find_spelled(self, view: TightView) -> Iterator[Hit]:
        """Words that were pulled apart."""
        for start, end, listings in self._spelled.find(view.text):
            first, behind = view.places[start], view.places[end - 1] + 1
            if view.is_spelled(start, end) and is_word(view.folded, first, behind):
                for listed in listings:
                    yield Hit(first, behind, listed.category, listed.rule)

    def find_allowed(self, text: str) -> Mapping[str, list[tuple[int, int]]]:
        """Of each rule, the spans of the phrases it lets pass."""
        spans: dict[str, list[tuple[int, int]]] = {}
        for start, end, rules in self._allowed.find(text):
            for rule in rules:
                spans.setdefault(rule, []).append((start, end))
        return spans

    def open_from(self, view: TightView) -> int:
        """The first place of the folded text from which a word may still be growing."""
        text = view.folded
        opened = min(
            self._words.open_from(text), self._allowed.open_from(text), start_last_word(text)
        )
        trailing = len(text) - (view.places[-1] + 1 if view.places else 0)
        spelled = self._spelled.open_from(view.text)
        if trailing <= MAX_GAP_CHARS and spelled < len(view.text):
            opened = min(opened, view.places[spelled])
        return opened


def can_be_spelled(stem: str) -> bool:
    if not stem.replace(" ", "").isalnum():
        return False
    return HAN_CHAR.search(stem) is not None or len(stem) >= MIN_SPELLED_LATIN


def end_word(text: str, end: int) -> int:
    """Where the Latin word goes on to whose beginning ends at `end`."""
    while end < len(text) and LATIN.match(text[end]) and LATIN.match(text[end - 1]):
        end += 1
    return end


def start_last_word(text: str) -> int:
    """Where the Latin word begins that the text ends in: who cuts inside loses what it is."""
    start = len(text)
    while start > 0 and LATIN.match(text[start - 1]):
        start -= 1
    return start
