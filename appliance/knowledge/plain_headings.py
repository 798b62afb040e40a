"""Which lines of a plain text are headings: numbered ones, and a few words that stand alone above
a text.

Plain text marks nothing, so this is told from how the lines stand. The rule that must not break: a
sentence, a figure and an item of a list are none, and of two short lines one below the other the
upper is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from appliance.knowledge.bigrams import IS_HAN

NUMBERED = re.compile(
    r"(?:第[一二三四五六七八九十百\d]{1,4}[章节条部]|[一二三四五六七八九十]{1,3}、|\d{1,2}(?:\.\d{1,2}){0,2}[.、]?\s)\s*\S.{0,38}"
)
NUMBER = re.compile(
    r"第[一二三四五六七八九十百\d]{1,4}[章节条部]|[一二三四五六七八九十]{1,3}、"
    r"|\d{1,2}(?:\.\d{1,2}){0,2}(?:[.、](?!\d)|(?=\s))"
)
# What numbers end with, the outermost first; figures stand below them all.
LEVELS = "部章节条、"
SENTENCE_END = "。！？!?.；;…：:，,、"
NO_NUMBER = (0, 0)
# Above all numbers the first line of all, and below them all what has none.
TITLE_LEVEL, UNNUMBERED_LEVEL = 1, 2 + len(LEVELS) + 3
# No figure, no mark that parts or ends a sentence, no item and no row.
FEW_WORDS = re.compile(
    r"[^\d。！？!?.；;…：:，,、|*•·—=_<>@/-][^\d。！？!?.；;…：:，,、|*•·=_<>@/]*"
)
MOST_HAN, MOST_WORDS, MOST_CHARS = 14, 6, 50


def find_headings(lines: Sequence[str]) -> Mapping[int, int]:
    """The level of each line that is one, by its place."""
    return dict(sorted((*_find_numbered(lines), *_find_unnumbered(lines))))


def _find_numbered(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Of a list that runs on all are headings or none, for one of its lines may be a sentence and
    the next a few words."""
    runs: list[list[tuple[int, int]]] = []
    before = NO_NUMBER
    for place, line in enumerate(lines):
        level, ordinal = number = _read_number(line.strip())
        if level:
            is_next = level == before[0] and ordinal in (0, before[1] + 1)
            if not is_next:
                runs.append([])
            runs[-1].append((place, level))
            before = number
        elif line.strip() and not (place and lines[place - 1].strip()):
            before = NO_NUMBER
    for run in runs:
        if all(_is_numbered(lines, place) for place, _ in run):
            yield from run


def _is_numbered(lines: Sequence[str], place: int) -> bool:
    line = lines[place].strip()
    return (
        _is_alone(lines, place)
        and NUMBERED.fullmatch(line) is not None
        and line[-1] not in SENTENCE_END
    )


def _read_number(line: str) -> tuple[int, int]:
    """The level by the kind of the number, 0 where there is none; and which it is of its kind,
    0 where that is told in Chinese."""
    found = NUMBER.match(line)
    if found is None:
        return NO_NUMBER
    number = found[0].rstrip(".、") if found[0][0].isdecimal() else found[0]
    if number[0].isdecimal():
        return 2 + len(LEVELS) + number.count("."), int(number.rpartition(".")[2])
    return 2 + LEVELS.index(number[-1]), 0


def _find_unnumbered(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    written = [place for place, line in enumerate(lines) if line.strip()]
    for place, below in pairwise(written):
        if not _has_few_words(lines, place):
            continue
        if place == written[0]:
            yield place, TITLE_LEVEL
        elif not _has_few_words(lines, below):
            yield place, UNNUMBERED_LEVEL


def _has_few_words(lines: Sequence[str], place: int) -> bool:
    line = lines[place].strip()
    if not _is_alone(lines, place) or len(line) > MOST_CHARS or not FEW_WORDS.fullmatch(line):
        return False
    if _read_number(line)[0] or not any(map(str.isalpha, line)):
        return False
    is_short = len(line.split()) <= MOST_WORDS
    return is_short and (IS_HAN.search(line) is None or len(line) <= MOST_HAN)


def _is_alone(lines: Sequence[str], place: int) -> bool:
    beside = (*lines[max(0, place - 1) : place], *lines[place + 1 : place + 2])
    return not any(other.strip() for other in beside)
