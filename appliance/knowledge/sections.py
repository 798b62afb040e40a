"""Sections of one document that say the same of different things: two stores, two plans.

Their headings end alike ("Hangzhou store", "Suzhou store"), and what comes before tells one from
the other. The rule that must not break: a line is turned away only where the question has another
section's name for its own, and the line's section does not speak of that name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from appliance.knowledge.bigrams import list_words
from appliance.knowledge.entries import Passage
from appliance.knowledge.folding import fold


def names_another(question: str, own: Passage, others: Iterable[Passage]) -> bool:
    """Whether `question` is about one of `others` and not about `own`, by their headings."""
    asked = _read(question)
    said = _read(" ".join((own.title, *own.headings, own.text)))
    foreign = asked - said
    return any(
        foreign & other and not asked & mine
        for mine, other in (tell_apart(own, each) for each in others)
    )


def tell_apart(one: Passage, other: Passage) -> tuple[frozenset[str], frozenset[str]]:
    """The words of the first heading that differs, each without the other's; nothing where the
    two are no sections that stand side by side, or their headings do not end alike."""
    nothing = frozenset[str](), frozenset[str]()
    if one.origin.file != other.origin.file:
        return nothing
    pair = _find_difference(one.headings, other.headings)
    if pair is None:
        return nothing
    first, second = (list_words(fold(heading).text) for heading in pair)
    # A pair of Chinese characters ends as its last one does.
    if not first or not second or not _end_alike(first[-1], second[-1]):
        return nothing
    return frozenset(first) - set(second), frozenset(second) - set(first)


def _find_difference(one: Sequence[str], other: Sequence[str]) -> tuple[str, str] | None:
    return next((pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]), None)


def _end_alike(one: str, other: str) -> bool:
    return one == other or (not one.isascii() and one[-1] == other[-1])


def _read(text: str) -> frozenset[str]:
    return frozenset(list_words(fold(text).text))
