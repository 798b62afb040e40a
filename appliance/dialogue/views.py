"""A text as the guard reads it: folded, without separators, and with tricks of spelling undone.

It judges nothing; it only makes "加*微*信" and "f.u.c.k" readable and remembers where each
character stood. The rule that must not break: `locate` gives the place in the original text, never
one in a view.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from appliance.dialogue.language import HAN
from appliance.knowledge.folding import fold

MAX_GAP_CHARS = 3
HAN_CHAR = re.compile(f"[{HAN}]")
LATIN = re.compile(r"[a-z0-9]")
# What stands between words and sentences of its own right; all other marks there are tricks.
PLAIN_GAP = re.compile(r"[\s,.!?;:、。…\"'()“”‘’《》<>【】\[\]]")

TRICK_GAP = re.compile(rf"(?<=[a-z{HAN}])[*_·•~|/\\^+=#@&$%-]{{1,3}}(?=[a-z{HAN}])")
SPELLED_LATIN = re.compile(
    rf"(?<![a-z0-9])(?:[a-z0-9][^a-z0-9{HAN}]{{1,3}}){{3,200}}[a-z0-9](?![a-z0-9])"
)
SPELLED_HAN = re.compile(rf"(?<![{HAN}])(?:[{HAN}][^a-z0-9{HAN}]{{1,3}}){{2,200}}[{HAN}]")
SEPARATORS = re.compile(rf"[^a-z0-9{HAN}]")
LEET_WORD = re.compile(r"[a-z013457@$]{4,40}")
LEET = str.maketrans("013457@$", "oieastas")
BASE64 = re.compile(r"[A-Za-z0-9+/]{24,4000}")


@dataclass(frozen=True, slots=True)
class View:
    """Character i of `text` stands in the original from `starts[i]` to `ends[i]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def locate(self, start: int, end: int) -> tuple[int, int]:
        return self.starts[start], self.ends[end - 1]


@dataclass(frozen=True, slots=True)
class TightView(View):
    """Letters and digits only; character i stands in the folded text at `places[i]`."""

    folded: str
    places: tuple[int, ...]

    def is_spelled(self, start: int, end: int) -> bool:
        """Whether these characters make one word that was pulled apart, not a chance of two.

        Either every gap is a separator, as in "f u c k", or the gaps are marks that no sentence
        has there, as in "sh*it".
        """
        gaps = [
            self.folded[left + 1 : right]
            for left, right in zip(
                self.places[start : end - 1], self.places[start + 1 : end], strict=True
            )
        ]
        if not any(gaps) or max(map(len, gaps)) > MAX_GAP_CHARS:
            return False
        return (all(gaps) and len(gaps) > 1) or not any(map(PLAIN_GAP.search, gaps))


def view_folded(text: str) -> View:
    folded = fold(text)
    ends: list[int] = []
    following = len(text)
    for place in range(len(folded.starts) - 1, -1, -1):
        if place + 1 < len(folded.starts) and folded.starts[place + 1] != folded.starts[place]:
            following = folded.starts[place + 1]
        ends.append(following)
    return View(folded.text, folded.starts, tuple(reversed(ends)))


def view_tight(view: View) -> TightView:
    places = tuple(place for place, char in enumerate(view.text) if char.isalnum())
    return TightView(
        "".join(view.text[place] for place in places),
        tuple(view.starts[place] for place in places),
        tuple(view.ends[place] for place in places),
        view.text,
        places,
    )


def view_spaced(view: View) -> View:
    """Words in blanks, Han characters without: punctuation hides no run of words.

    No blank follows the last word: it may be unfinished.
    """
    chars: list[str] = []
    places: list[int] = []
    was_latin = True
    for place, char in enumerate(view.text):
        if not char.isalnum():
            continue
        is_latin = HAN_CHAR.match(char) is None
        is_joined = bool(places) and is_latin and was_latin and place == places[-1] + 1
        if not is_joined and (is_latin or was_latin) and chars[-1:] != [" "]:
            chars.append(" ")
            places.append(places[-1] if places else place)
        chars.append(char)
        places.append(place)
        was_latin = is_latin
    return View(
        "".join(chars),
        tuple(view.starts[place] for place in places),
        tuple(view.ends[place] for place in places),
    )


def join_spelled(folded: str) -> str:
    """The folded text with words put together that were pulled apart, and figures in them read."""
    joined = TRICK_GAP.sub("", folded)
    joined = SPELLED_LATIN.sub(drop_separators, joined)
    joined = SPELLED_HAN.sub(drop_separators, joined)
    return LEET_WORD.sub(read_leet, joined)


def read_hidden(text: str) -> str:
    """What stands in `text` as base64, where that is text again; else nothing."""
    found = []
    for block in BASE64.findall(text):
        try:
            decoded = base64.b64decode(block[: len(block) // 4 * 4]).decode("utf-8", "ignore")
        except ValueError:
            continue
        if len(decoded) * 4 >= len(block) and decoded.isprintable():
            found.append(decoded)
    return " ".join(found)


def drop_separators(found: re.Match[str]) -> str:
    return SEPARATORS.sub("", found[0])


def read_leet(found: re.Match[str]) -> str:
    letters = sum(char.isalpha() for char in found[0])
    is_leet = 3 <= letters < len(found[0]) <= letters * 2
    return found[0].translate(LEET) if is_leet else found[0]


def is_word(text: str, start: int, end: int) -> bool:
    """Whether the span begins and ends where a Latin word does; Han characters always do."""
    return not (
        (start > 0 and LATIN.match(text[start - 1]) and LATIN.match(text[start]))
        or (end < len(text) and LATIN.match(text[end]) and LATIN.match(text[end - 1]))
    )
