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
# Stands where a value stood; no text has it.
HOLE = "\0"
CLAUSE_END = re.compile(r"([,，。;；!！?？\n]|\.(?=\s|$))")
JOINING = (
    r"我的?|叫|是|为|号码?|订单|这个|联系|请|打|给|发|到|"
    r"\b(?:my|is|the|it|its|me|at|order|call|mail|email|i am|i'm|no|number|please|on|to|and|by)\b"
)
TRIMMED = " \t,，:：;；#"
BLANKS = re.compile(r"[ \t]{2,}")
LEFT_OVER = re.compile(r"\s+([,，。.?？!！;；])")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """`text` without what is somebody's; `kinds` says what was taken out, never the values."""

    text: str
    kinds: tuple[str, ...]


def take_out_personal(book: MemoryBook, text: str) -> Cleaned:
    """A clause that only named such a value, as "my phone is …", goes with it."""
    spots = sorted(_find_spots(book, text))
    if not spots:
        return Cleaned(text.strip(), ())
    kept, behind = [], 0
    for start, end, _ in spots:
        if start >= behind:
            kept.append(text[behind:start] + HOLE)
        behind = max(behind, end)
    pieces = CLAUSE_END.split("".join((*kept, text[behind:])))
    # Each clause stands before the mark that ends it.
    clauses = list(zip(pieces[::2], [*pieces[1::2], ""], strict=True))
    names = _build_names(book)
    telling = [one for one in clauses if not (HOLE in one[0] and _is_bare(one[0], names))]
    whole = "".join(clause + mark for clause, mark in telling).replace(HOLE, "")
    whole = LEFT_OVER.sub(r"\1", BLANKS.sub(" ", whole)).strip(TRIMMED)
    return Cleaned(whole, tuple(dict.fromkeys(kind for _, _, kind in spots)))


def _build_names(book: MemoryBook) -> re.Pattern[str]:
    """What a value is called, the longest name first, and what joins the two."""
    names = {name for kind in book.kinds for name in kind.names}
    ordered = sorted(names, key=len, reverse=True)
    return re.compile("|".join((*map(re.escape, ordered), JOINING)), re.IGNORECASE)


def _is_bare(clause: str, names: re.Pattern[str]) -> bool:
    rest = names.sub("", clause.replace(HOLE, ""))
    return not any(char.isalnum() for char in rest)


def _find_spots(book: MemoryBook, text: str) -> list[tuple[int, int, str]]:
    spots = find_personal(book, text)
    spots += [
        (one.start, one.end, one.kind) for one in find_literals(text) if one.kind in LITERAL_KINDS
    ]
    for found in LONG_NUMBER.finditer(text):
        if not AMOUNT_BEHIND.match(text, found.end()):
            spots.append((found.start(), found.end(), "number"))
    return spots
