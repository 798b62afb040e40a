"""The guard: what a customer's message may not ask, and what an answer may not carry.

It is no model and no service: declared patterns and word lists over folded text, nothing else.
The rules that must not break: every verdict names its rule, and `text[: open_from(text)]` of a
stream holds no part of a match that is not whole.

For a stream, `find_outgoing` gives the cuts of a text as if it ended there. Those that end at or
before `open_from` are final; the rest of the text has to wait for more, or for its end. Whoever
drops what was settled drops exactly `text[: open_from(text)]`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, cast

from appliance.dialogue.anchors import Anchors
from appliance.dialogue.guard_rules import (
    Action,
    Category,
    OutgoingAction,
    RuleBook,
    read_rule_book,
)
from appliance.dialogue.language import language_of
from appliance.dialogue.lexicon import Lexicon
from appliance.dialogue.markup import KINDS, find_markup, find_unseen
from appliance.dialogue.patterns import Pattern
from appliance.dialogue.recital import list_runs
from appliance.dialogue.views import (
    LATIN,
    TightView,
    View,
    join_spelled,
    read_hidden,
    view_folded,
    view_spaced,
    view_tight,
)
from appliance.dialogue.word_lists import Hit, WordLists, start_last_word
from appliance.knowledge.entries import Fault

MAX_CHECKED_CHARS = 4000
# A match that is stretched over more than this, by blanks or unseen characters, is none.
MAX_HELD_CHARS = 400
RECITAL = "recital"
APOSTROPHES = str.maketrans("’‘`´", "''''")
STRENGTH: Mapping[str, int] = {"mask": 1, "replace": 2, "end": 3}

CutAction: TypeAlias = Literal["mask", "replace", "end"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A message is answered with `text` and nothing else; `rule` is as "injection/leak"."""

    rule: str
    category: str
    action: Action
    text: str


@dataclass(frozen=True, slots=True)
class Cut:
    """In an answer, `replacement` stands instead of `start` to `end`.

    "mask": the answer goes on. "replace": the whole sentence goes, once. "end": nothing follows.
    """

    start: int
    end: int
    rule: str
    action: CutAction
    replacement: str


def load_rules(own: Path | None = None) -> Rules:
    """The shipped rules with the owner's `guard.toml` laid over them; `faults` has its errors."""
    return Rules(read_rule_book(own))


class Rules:
    def __init__(self, book: RuleBook, runs: tuple[str, ...] = ()) -> None:
        self._book = book
        self._categories = {category.name: category for category in book.categories}
        incoming = [each for each in book.categories if each.incoming != "off"]
        outgoing = [each for each in book.categories if each.outgoing != "off"]
        self._incoming, self._incoming_words = incoming, WordLists(incoming)
        self._outgoing_words = WordLists(outgoing)
        self._anchors = Anchors(
            pattern for category in incoming for _, pattern in list_patterns(category)
        )
        self._runs = Lexicon(dict.fromkeys(runs, RECITAL))
        self._outgoing_patterns = [
            (category.name, rule, pattern)
            for category in outgoing
            for rule, pattern in list_outgoing_patterns(category)
        ]
        patterns = [pattern for _, _, pattern in self._outgoing_patterns]
        self._outgoing_anchors = Anchors(patterns)
        self._growing = [*patterns, *(kind.pattern for kind in KINDS)]

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self._book.faults

    def forbid_recital(self, system_prompt: str, sayable: Collection[str] = ()) -> Rules:
        """These rules, and long runs of the instructions are not let out.

        Example answers in the prompt and the texts of `sayable` may be said.
        """
        recital = self._categories.get(RECITAL)
        if recital is None or recital.outgoing == "off":
            return self
        return Rules(self._book, list_runs(system_prompt, sayable))

    def check(self, question: str) -> Verdict | None:
        """What is to be done instead of answering, by the first category that matches."""
        text = question[:MAX_CHECKED_CHARS]
        found = self._find_first(text)
        hidden = None if found else read_hidden(text)
        if hidden:
            found = self._find_first(hidden)
        if found is None:
            return None
        category, rule = found
        words = category.words(language_of(text))
        return Verdict(rule, category.name, cast(Action, category.incoming), words)

    def _find_first(self, text: str) -> tuple[Category, str] | None:
        view = view_folded(text)
        folded = view.text.strip().translate(APOSTROPHES)
        texts = [folded] if (joined := join_spelled(folded)) == folded else [folded, joined]
        allowed = [self._incoming_words.find_allowed(each) for each in texts]
        tried = [self._anchors.choose(each) for each in texts]
        listed: dict[str, str] = {}
        for each, spans in zip(texts, allowed, strict=True):
            for hit in self._incoming_words.find(each):
                if not is_inside(hit.start, hit.end, spans.get(hit.rule, ())):
                    listed.setdefault(hit.category, hit.rule)
        for hit in self._incoming_words.find_spelled(view_tight(view)):
            listed.setdefault(hit.category, hit.rule)
        for category in self._incoming:
            if category.name in listed:
                return category, listed[category.name]
            for rule, pattern in list_patterns(category):
                for each, spans, chosen in zip(texts, allowed, tried, strict=True):
                    if pattern.source in chosen and matches(pattern, each, spans.get(rule, ())):
                        return category, rule
        return None

    def find_outgoing(self, text: str) -> tuple[Cut, ...]:
        """The cuts of `text`, first one first; none touches another."""
        return self._find_cuts(text, see(text))

    def _find_cuts(self, text: str, seen: Seen) -> tuple[Cut, ...]:
        cuts = [*self._cut_markup(text, seen.folded), *self._cut_hits(text, seen)]
        cuts += self._cut_recital(text, seen.spaced)
        return merge(cut for cut in cuts if cut.end - cut.start <= MAX_HELD_CHARS)

    def _cut_markup(self, text: str, view: View) -> Iterator[Cut]:
        for first, behind in find_unseen(text):
            yield Cut(first, behind, "markup/unseen", "mask", "")
        for start, end, kind in find_markup(view):
            replacement = kind.replace(view.text[start:end])
            yield Cut(*view.locate(start, end), kind.id, "mask", replacement)

    def _cut_hits(self, text: str, seen: Seen) -> Iterator[Cut]:
        words, view = self._outgoing_words, seen.folded
        chosen = self._outgoing_anchors.choose(view.text)
        allowed = words.find_allowed(view.text)
        hits = [*words.find(view.text), *words.find_spelled(seen.tight)]
        hits += [
            Hit(found.start(), found.end(), category, rule)
            for category, rule, pattern in self._outgoing_patterns
            if pattern.source in chosen
            for found in pattern.compiled.finditer(view.text)
        ]
        for hit in hits:
            if not is_inside(hit.start, hit.end, allowed.get(hit.rule, ())):
                place = view.locate(hit.start, hit.end)
                yield self._cut(text, *place, self._categories[hit.category], hit.rule)

    def _cut_recital(self, text: str, spaced: View) -> Iterator[Cut]:
        # The blank ends the last word, as the text's end does.
        for start, end, _ in self._runs.find(spaced.text + " "):
            inner_start = start + (spaced.text[start] == " ")
            inner_end = min(end, len(spaced.text))
            inner_end -= spaced.text[inner_end - 1] == " "
            place = spaced.locate(inner_start, inner_end)
            yield self._cut(text, *place, self._categories[RECITAL], f"{RECITAL}/instructions")

    def _cut(self, text: str, start: int, end: int, category: Category, rule: str) -> Cut:
        action = cast(OutgoingAction, category.outgoing)
        words = category.mask if action == "mask" else category.words(language_of(text))
        return Cut(start, end, rule, action, words)

    def open_from(self, text: str) -> int:
        """From where on a match could still be growing; len(text) where none could."""
        return self.read_outgoing(text)[0]

    def read_outgoing(self, text: str) -> tuple[int, tuple[Cut, ...]]:
        """`open_from` and `find_outgoing` of one text, each of its views made once."""
        seen = see(text)
        cuts = self._find_cuts(text, seen)
        return self._open_from(text, seen, cuts), cuts

    def _open_from(self, text: str, seen: Seen, cuts: Sequence[Cut]) -> int:
        view, spaced = seen.folded, seen.spaced
        opened = self._open_folded(seen)
        place = view.starts[opened] if opened < len(view.text) else len(text)
        run = self._runs.open_from(spaced.text)
        if run < len(spaced.text):
            run += spaced.text[run] == " " and run + 1 < len(spaced.text)
            place = min(place, spaced.starts[run])
        for cut in reversed(cuts):
            if cut.start < place < cut.end:
                place = cut.start
        return place if len(text) - place <= MAX_HELD_CHARS else len(text)

    def _open_folded(self, seen: Seen) -> int:
        view = seen.folded
        opened = self._outgoing_words.open_from(seen.tight)
        for pattern in self._growing:
            since = max(0, len(view.text) - pattern.longest)
            found = pattern.growing.search(view.text, since)
            opened = min(opened, found.start() if found else opened)
        if opened < len(view.text) and LATIN.match(view.text[opened]):
            return start_last_word(view.text[:opened])
        return opened


class Seen(NamedTuple):
    """An answer's text in all the ways in which it is looked through."""

    folded: View
    tight: TightView
    spaced: View


def see(text: str) -> Seen:
    folded = view_folded(text)
    return Seen(folded, view_tight(folded), view_spaced(folded))


def list_patterns(category: Category) -> Iterator[tuple[str, Pattern]]:
    for rule in category.live_rules:
        for pattern in rule.patterns:
            yield f"{category.name}/{rule.name}", pattern


def list_outgoing_patterns(category: Category) -> Iterator[tuple[str, Pattern]]:
    """A pattern that looks around is for messages only: an answer is not known to its end."""
    return ((rule, pattern) for rule, pattern in list_patterns(category) if pattern.is_streamable)


def is_inside(start: int, end: int, spans: Iterable[tuple[int, int]]) -> bool:
    return any(first <= start and end <= behind for first, behind in spans)


def matches(pattern: Pattern, text: str, allowed: Sequence[tuple[int, int]]) -> bool:
    """Whether the pattern matches anywhere but at a phrase that is allowed."""
    return any(
        not any(first < found.end() and found.start() < behind for first, behind in allowed)
        for found in pattern.compiled.finditer(text)
    )


def merge(cuts: Iterable[Cut]) -> tuple[Cut, ...]:
    """Cuts that overlap become one that does what the strongest of them does."""
    merged: list[Cut] = []
    for cut in sorted(cuts, key=lambda cut: (cut.start, -cut.end, -weigh(cut))):
        if not merged or cut.start >= merged[-1].end:
            merged.append(cut)
            continue
        last = merged[-1]
        stronger = cut if weigh(cut) > weigh(last) else last
        merged[-1] = replace(stronger, start=last.start, end=max(last.end, cut.end))
    return tuple(merged)


def weigh(cut: Cut) -> int:
    return 0 if cut.rule.startswith("markup/") else STRENGTH[cut.action]
