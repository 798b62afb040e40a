"""Words that a printed page parts at the end of its lines are put together again.

The rule that must not break: the hyphen of a word that has one, as in two-year, stays, and no
blank is put into a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
PARTED = re.compile(r"([^\W\d_]+)-[ \t]*\n[ \t]*([^\W\d_]+)")
FIRST_HALF = re.compile(r"(?:^|[^\w-])(\w+(?:-\w+)*)-$")
# Of a line, where its last word is looked for.
LAST_CHARS = 40
SECOND_HALF = re.compile(r"[^\W\d_]+")
# Halves of words with a hyphen of their own, but none that is a syllable too, as in re-turn.
FIRST_HALVES = re.compile(
    "two|three|four|five|six|seven|eight|nine|half|non|self|long|short|high|low|full|pick|check|"
    "sign|user|well"
)
SECOND_HALVES = re.compile(
    "years?|months?|weeks?|hours?|minutes?|piece|step|friendly|free|based|size|speed|style|term|"
    "person"
)


def list_words(texts: Iterable[str]) -> frozenset[str]:
    """The words of a document as they stand within its lines, those with hyphens too."""
    return frozenset(
        word.casefold() for text in texts for word in WORD.findall(PARTED.sub("\n", text))
    )


def mend_lines(lines: Sequence[str], words: frozenset[str]) -> list[str]:
    """`words` are those of the whole document."""
    mended: list[str] = []
    for line in lines:
        first = FIRST_HALF.search(mended[-1][-LAST_CHARS:]) if mended else None
        second = SECOND_HALF.match(line)
        if first and second and second[0][0].islower():
            has_hyphen = _has_hyphen(first[1].casefold(), second[0].casefold(), words)
            mended[-1] = (mended[-1] if has_hyphen else mended[-1][:-1]) + line
        else:
            mended.append(line)
    return mended


def _has_hyphen(first: str, second: str, words: frozenset[str]) -> bool:
    """Else the page has it for want of room."""
    if first + second in words:
        return False
    if f"{first}-{second}" in words or not first.isalpha():
        return True
    if FIRST_HALVES.fullmatch(first) or SECOND_HALVES.fullmatch(second):
        return True
    return {first, second} <= words
