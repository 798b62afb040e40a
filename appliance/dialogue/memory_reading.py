"""What a customer's message says of the customer: facts, corrections, and what was denied.

It keeps nothing and reads no answer of the assistant. The rules that must not break: every value is
a part of the message as it was written, none is an amount, a date or a time, and the cost grows
with the message's length and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from appliance.dialogue.literals import find_literals
from appliance.dialogue.memory_checks import CHECKS
from appliance.dialogue.memory_kinds import Form, MemoryBook
from appliance.knowledge.folding import fold

MAX_READ_CHARS = 4000
MAX_FACTS = 12
MAX_CLAUSE_CHARS = 60
CLAUSE_END = re.compile(r"[,!?;。]|\.(?= )(?<!no\.)")
DENIED = re.compile(r"(?:不是|并非|不叫|isn't|is not|'s not|not)(?: ?(?:的|my|the|called))? ?$")
CORRECTION = re.compile(
    r"^(?:(?:哎|啊|哦|噢|呃|额|抱歉|不好意思|对不起|sorry|oh|oops|wait|ah|hmm)[, ]{0,2}){0,2}"
    r"(?:(?:不对|不是的?|错了|我?(?:说|写|打|记|输)错了|纠正一下|更正一下|更正|不好意思|抱歉|"
    r"no|nope|wrong|that's wrong|that is wrong|not quite|correction|actually|i meant|"
    r"i made a mistake|my mistake|typo|sorry)[,.:!; ]{0,3}){1,3}"
    r"(?:(?:应该|其实|正确的?|真正的?|现在)?(?:是|叫|为)|改成|改为|"
    r"it's|it is|it should be|that's|that is|i meant|should be|make it)?[: ]{0,2}"
)
AMOUNTS = frozenset(("price", "date", "time", "percent", "discount", "duration"))
AMOUNT_BEFORE = re.compile(r"(?:[¥$€£]|rmb|usd|eur|cny|金额|价格|总价|共|付了?|花了?|总计|合计) ?$")
AMOUNT_BEHIND = re.compile(
    r" ?(?:元|块|万|亿|年|月|日|点|分钟|小时|天|岁|米|公里|公斤|千克|克|件|个|只|包|箱|台|人|"
    r"rmb|usd|eur|cny|yuan|dollars?|euros?|pounds?|kg|km|cm|mm|ml|mah|gb|mb|%|percent|pieces|units|cups|people|years|days|hours|minutes)"
    r"(?![a-z])"
)
JOINS = frozenset("@._/-+:#")


@dataclass(frozen=True, slots=True)
class Said:
    """A value of `kind`; `corrects`: it stands in the place of what was said last."""

    kind: str
    value: str
    corrects: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """`facts` are this customer's own, `denied` the values that are not."""

    facts: tuple[Said, ...] = ()
    denied: tuple[Said, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    written: str
    text: str
    starts: tuple[int, ...]

    def cut(self, start: int, end: int) -> str:
        behind = self.starts[end] if end < len(self.starts) else len(self.written)
        return self.written[self.starts[start] : behind]


def read_message(book: MemoryBook, message: str, known: Sequence[str] = ()) -> Reading:
    """`known` are the kinds said before, the latest first: what "no, it is …" may mean."""
    facts: list[Said] = []
    denied: list[Said] = []
    for written in message[:MAX_READ_CHARS].splitlines():
        folded = fold(written)
        line = _Line(written, folded.text, folded.starts)
        correction = CORRECTION.match(line.text)
        found, refused = _read_line(book, line)
        if correction is not None and correction.end() and not found:
            found = list(_read_bare(book, line, correction.end(), known))
        is_corrected = bool(correction and correction.end()) or bool(refused)
        kinds = {said.kind for said in refused} if refused else {said.kind for said in found}
        facts += [
            Said(said.kind, said.value, corrects=is_corrected and said.kind in kinds)
            for said in found
        ]
        denied += refused
    unique = {(said.kind, said.value): said for said in facts}
    return Reading(tuple(unique.values())[:MAX_FACTS], tuple(denied[:MAX_FACTS]))


def find_personal(book: MemoryBook, text: str) -> list[tuple[int, int, str]]:
    """Where in `text` a value of any kind stands, whoever's it is, and the kind; what is kept of
    nobody, as the number of a card, too."""
    found: list[tuple[int, int, str]] = []
    begin = 0
    for written in text[:MAX_READ_CHARS].splitlines(keepends=True):
        folded = fold(written)
        line = _Line(written, folded.text, folded.starts)
        taken: list[tuple[int, int]] = []
        amounts = _find_amounts(line.text)
        for kind in book.kinds:
            for form in kind.forms:
                for start, end in _find_places(form, line, taken):
                    if not _is_amount(line.text, start, end, amounts):
                        taken.append((start, end))
                        length = len(line.cut(start, end).rstrip())
                        place = begin + line.starts[start]
                        found.append((place, place + length, kind.name))
        begin += len(written)
    return sorted(found)


def _read_line(book: MemoryBook, line: _Line) -> tuple[list[Said], list[Said]]:
    taken: list[tuple[int, int]] = []
    amounts: list[tuple[int, int]] | None = None
    found: list[tuple[int, Said]] = []
    denied: list[Said] = []
    for kind in book.kinds:
        for form in kind.forms:
            for start, end in _find_places(form, line, taken):
                if amounts is None:
                    amounts = _find_amounts(line.text)
                if _is_amount(line.text, start, end, amounts):
                    continue
                before = read_clause(line.text, start)
                said = Said(kind.name, write_value(line.cut(start, end), form.write))
                if DENIED.search(before):
                    denied.append(said)
                elif _stands(book.unless, before):
                    pass
                elif _stands(kind.unless, before):
                    # Not one of this kind; it may be one of another.
                    continue
                elif kind.is_kept:
                    found.append((start, said))
                taken.append((start, end))
    return [said for _, said in sorted(found, key=lambda one: one[0])], denied


def _find_amounts(text: str) -> list[tuple[int, int]]:
    return [(found.start, found.end) for found in find_literals(text) if found.kind in AMOUNTS]


def _find_places(
    form: Form, line: _Line, taken: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Where the form's value stands, as far as nothing else is there."""
    position = 0
    while match := form.compiled.search(line.text, position):
        start, end = match.span(1)
        position = max(match.start() + 1, start)
        end = start + _measure(form, line, start, end)
        if start == end or _is_torn(line.text, start, end):
            continue
        if any(start < behind and first < end for first, behind in taken):
            continue
        position = max(position, end)
        yield start, end


def _measure(form: Form, line: _Line, start: int, end: int) -> int:
    """How many folded characters are the value."""
    folded = line.text[start:end]
    if not form.check:
        return len(folded.rstrip())
    return min(len(folded), CHECKS[form.check](line.cut(start, end), folded))


def _read_bare(book: MemoryBook, line: _Line, start: int, known: Sequence[str]) -> Iterator[Said]:
    """The value that stands alone behind "no, it is", of the kind that was said last."""
    while start < len(line.text) and line.text[start] == " ":
        start += 1
    for kind in filter(None, map(book.find_kind, known)):
        for form in kind.forms:
            match = form.bare.match(line.text, start)
            if match is None:
                continue
            end = start + _measure(form, line, start, match.end(1))
            rest = line.text[end:].strip(" .!。~")
            if (
                end > start
                and not _is_torn(line.text, start, end)
                and rest in ("", "才对", "thanks")
            ):
                yield Said(kind.name, write_value(line.cut(start, end), form.write))
                return


def read_clause(text: str, end: int) -> str:
    """What stands before place `end` in its own clause."""
    begin = max(0, end - MAX_CLAUSE_CHARS)
    before = text[begin:end]
    ends = [found.end() for found in CLAUSE_END.finditer(before)]
    return before[ends[-1] :] if ends else before


def _stands(unless: Sequence[re.Pattern[str]], before: str) -> bool:
    return any(pattern.search(before) for pattern in unless)


def _is_torn(text: str, start: int, end: int) -> bool:
    """Whether the value is only a part of a longer number or word."""
    return _goes_on(
        text[start - 1 : start], text[start], text[max(0, start - 2) : start - 1]
    ) or _goes_on(text[end : end + 1], text[end - 1], text[end + 1 : end + 2])


def _goes_on(neighbour: str, own: str, beyond: str) -> bool:
    if not neighbour or not _is_latin(own):
        return False
    return _is_latin(neighbour) or (neighbour in JOINS - {":", "#"} and _is_latin(beyond))


def _is_latin(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _is_amount(text: str, start: int, end: int, amounts: Sequence[tuple[int, int]]) -> bool:
    """Whether the value is an amount, a date or a time, or a part of one; 27号 inside an address
    is none."""
    for first, behind in amounts:
        is_inside = start <= first and behind <= end and behind - first < end - start
        if start < behind and first < end and not is_inside:
            return True
    if not all(char.isdecimal() or char in "., -" for char in text[start:end]):
        return False
    behind_it = AMOUNT_BEHIND.match(text, end)
    return behind_it is not None or AMOUNT_BEFORE.search(read_clause(text, start)) is not None


def write_value(written: str, writing: str) -> str:
    """One spelling of a value, so that the same one is kept once."""
    plain = " ".join(unicodedata.normalize("NFKC", written).split()).strip()
    if writing == "digits":
        digits = "".join(char for char in plain if char.isdecimal())
        if digits.startswith("861") and len(digits) == 13:
            return digits[2:]
        return f"+{digits}" if plain.startswith("+") else digits
    if writing == "upper":
        return plain.upper().lstrip("#")
    return plain.lower() if writing == "lower" else plain
