"""What of a customer's words must not stand in the shop's knowledge: found, and taken out.

It knows the kinds of the shop's memory and the literals of the lock, and no customer. The rule
that must not break: a phone number, an order, an address or a name in a question never gets into
an entry, and prices, times and amounts, which a question may be about, stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from appliance.dialogue.literals import find_literals
from appliance.dialogue.memory_kinds import MemoryBook
from appliance.dialogue.memory_reading import find_personal

LITERAL_KINDS = frozenset(("email", "phone", "url"))
# Whatever it is the number of, it is of one customer: no question needs so many digits.
LONG_NUMBER = re.compile(r"(?<![\d.,])[A-Za-z]{0,6}[-#]?\d(?:[ -]?\d){5,}(?![\d.,]*\d)")
AMOUNT_BEHIND = re.compile(r"\s?(?:元|块|万|rmb|yuan|usd|eur)", re.IGNORECASE)
BLANKS = re.compile(r"[ \t]{2,}")
LEFT_OVER = re.compile(r"\s+([,，。.?？!！;；])")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` without what is somebody's; `kinds` says what was taken out, never the values."""

    text: str
    kinds: tuple[str, ...]


def take_out_personal(book: MemoryBook, text: str) -> Cleaned:
    spots = sorted(_find_spots(book, text))
    kept, behind, kinds = [], 0, []
    for start, end, kind in spots:
        if start >= behind:
            kept.append(text[behind:start])
        behind = max(behind, end)
        kinds.append(kind)
    kept.append(text[behind:])
    if not spots:
        return Cleaned(text.strip(), ())
    whole = LEFT_OVER.sub(r"\1", BLANKS.sub(" ", "".join(kept)))
    return Cleaned(whole.strip(" \t,，:：#"), tuple(dict.fromkeys(kinds)))


def _find_spots(book: MemoryBook, text: str) -> list[tuple[int, int, str]]:
    spots = find_personal(book, text)
    spots += [
        (one.start, one.end, one.kind) for one in find_literals(text) if one.kind in LITERAL_KINDS
    ]
    for found in LONG_NUMBER.finditer(text):
        if not AMOUNT_BEHIND.match(text, found.end()):
            spots.append((found.start(), found.end(), "number"))
    return spots
