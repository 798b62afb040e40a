"""What of an answer may be seen, decided while it is still being said.

It looks for no facts and repairs no sentence: it lets a stretch of text through, masks it, or stops
for good and says why. Text is cleaned (`clean.py`), cut into units, and each unit is judged whole.
A unit is a clause while a sentence has told no literal, because a clause of mere words needs no
second look. Once a literal shows, the unit goes to the end of the sentence: half a promise is worse
than none, and what replaces it must be able to begin where a sentence begins.

Ids stay exact because nothing leaves but whole pieces: a clause that ends inside a piece waits for
the piece's end to be judged too, which costs the delay of one piece and keeps the text that is
shown in the end independent of how it was cut. Only where a unit is refused or masked is a piece
cut, and then its ids are dropped. The rule that must not break: no character of an unknown literal
and none of a forbidden pattern leaves, however the pieces are cut, and memory stays bounded for an
answer that never ends a clause.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal as OneOf
from typing import Protocol

from appliance.dialogue.clauses import (
    FENCE,
    find_code,
    find_context,
    find_ends,
    is_between_words,
)
from appliance.dialogue.clean import Cleaner
from appliance.dialogue.literals import ALL_KINDS, Literal, find_literals
from appliance.dialogue.sources import Sources

# A clause without an end is cut after so many characters, seen with those behind it; a sentence
# with literals after more.
CLAUSE_LIMIT = 80
SENTENCE_LIMIT = 240
LOOK_AHEAD = 48
# No honest answer has so many characters without a place to cut.
LONGEST_HELD = 512
# What a shop is held to also where it stands in a block of code.
KINDS_IN_CODE = frozenset({"price", "phone", "url", "email", "time"})


class OutgoingCut(Protocol):
    """A place that a rule for outgoing text names; what stands there becomes `replacement`."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def rule(self) -> str: ...
    @property
    def action(self) -> OneOf["mask", "replace", "end"]: ...
    @property
    def replacement(self) -> str: ...


class OutgoingRules(Protocol):
    def read_outgoing(self, text: str) -> tuple[int, Sequence[OutgoingCut]]:
        """From where on a cut could still be growing, and those there are now."""


@dataclass(frozen=True, slots=True)
class Shown:
    """`token_ids` are those of exactly this text; none where it is not what the model said."""

    text: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing more comes: of a sentence `shown_of_sentence` was let through and `withheld`,
    which is its beginning if the former is empty, was not. No literals: it was too long."""

    shown_of_sentence: str
    withheld: str
    literals: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class _Cut:
    start: int
    end: int
    replacement: str


class Screen:
    def __init__(
        self, sources: Sources, rules: OutgoingRules, kinds: frozenset[str] = ALL_KINDS
    ) -> None:
        self._sources = sources
        self._rules = rules
        self._kinds = kinds
        self._skips_code = "number" not in kinds
        self._cleaner = Cleaner()
        # Held text, the piece of each of its characters, and each held piece's ids and length.
        self._text = ""
        self._owners: list[int] = []
        self._pieces: dict[int, tuple[tuple[int, ...], int]] = {}
        self._serial = 0
        self._waiting_ids: tuple[int, ...] = ()
        # Places in the held text: before `_ready` the guard has agreed, before `_unit` the lock,
        # and the guard has seen the text before `_guarded`.
        self._ready = self._unit = self._guarded = 0
        # So much of the unit is known to tell a literal or none; each stretch is asked once.
        self._told = self._untold = 0
        # The limit up to which the unit was found to have no place to cut.
        self._uncut = 0
        self._cuts: list[_Cut] = []
        self._context = ""
        self._sentence = ""
        self._is_in_code = False
        self.refused: Refused | None = None
        self.rules_met: tuple[OutgoingCut, ...] = ()
        self.is_over = False

    @property
    def held_chars(self) -> int:
        """Characters that have come and are not shown yet: the delay of this moment."""
        return len(self._text) + self._cleaner.held

    def feed(self, text: str, token_ids: Sequence[int]) -> tuple[Shown, ...]:
        if self.is_over:
            return ()
        self._waiting_ids += tuple(token_ids)
        if not text:
            return ()
        self._serial += 1
        self._pieces[self._serial] = (self._waiting_ids, len(text))
        self._waiting_ids = ()
        self._hold(self._cleaner.feed(text, self._serial))
        return tuple(self._advance(is_last=False))

    def flush(self) -> tuple[Shown, ...]:
        """End of input: what is still held is judged as it stands."""
        if self.is_over:
            return ()
        self._hold(self._cleaner.flush())
        return tuple(self._advance(is_last=True))

    def resume(self, shown: str) -> None:
        """Go on behind what was shown before a restart; it is not judged and not shown again."""
        self._context = find_context(shown)
        ends = [end.at for end in find_ends(shown, 0, is_last=True) if end.is_sentence]
        self._sentence = shown[ends[-1] if ends else 0 :][-SENTENCE_LIMIT:]
        self._is_in_code = shown.count(FENCE) % 2 == 1

    def _hold(self, chars: Sequence[tuple[str, int]]) -> None:
        self._text += "".join(char for char, _ in chars)
        self._owners += [serial for _, serial in chars]

    def _advance(self, is_last: bool) -> Iterator[Shown]:
        while not self.is_over and (end := self._find_unit_end(is_last)):
            unknown = self._find_unknown(end)
            if unknown or end > self._unit + LONGEST_HELD:
                self._refuse(end, unknown)
            else:
                self._pass(end)
        if not self.is_over:
            self._guard(is_last)
        yield from self._release(is_last or self.is_over)
        if is_last or self.is_over:
            self.is_over = True
            self._forget()

    def _find_unit_end(self, is_last: bool) -> int:
        """Where in the held text the next unit ends; 0 while that is not known."""
        text, start = self._text, self._unit
        length = len(text) - start
        if not length:
            return 0
        last_end = 0
        for end in find_ends(text, start, is_last):
            size = end.at - start
            if size > SENTENCE_LIMIT or (not last_end and size > CLAUSE_LIMIT + LOOK_AHEAD - 1):
                break
            if end.is_sentence or not self._tells(start, end.at):
                return end.at
            last_end = end.at
        if last_end == 0 and length >= CLAUSE_LIMIT + LOOK_AHEAD:
            window = CLAUSE_LIMIT + LOOK_AHEAD
            if not self._tells(start, start + window):
                return self._cut_without_end(CLAUSE_LIMIT, is_last)
        if length >= SENTENCE_LIMIT + LOOK_AHEAD:
            return last_end or self._cut_without_end(SENTENCE_LIMIT, is_last)
        return len(text) if is_last else 0

    def _tells(self, start: int, end: int) -> bool:
        """Whether there is a literal, or the digit of one that is not whole."""
        size = end - start
        if 0 < self._told <= size:
            return True
        if size == self._untold:
            return False
        text = self._text[start:end]
        if any(char.isdigit() for char in text) or find_literals(text):
            self._told = size
            return True
        self._untold = size
        return False

    def _cut_without_end(self, limit: int, is_last: bool) -> int:
        if self._uncut < limit:
            text = self._text[self._unit : self._unit + limit + LOOK_AHEAD]
            spans = [(found.start, found.end) for found in find_literals(text)]
            for at in range(limit, 0, -1):
                is_in_literal = any(start < at < end for start, end in spans)
                if is_between_words(text, at) and not is_in_literal:
                    return self._unit + at
            self._uncut = limit
        length = len(self._text) - self._unit
        if length > LONGEST_HELD:
            return self._unit + LONGEST_HELD + 1
        return len(self._text) if is_last else 0

    def _find_unknown(self, end: int) -> tuple[Literal, ...]:
        """Literals of the unit that stand in no source. The text before the unit is read too: it
        may say what a number is."""
        unit = self._text[self._unit : end]
        before = len(self._context)
        code = find_code(unit, self._is_in_code) if self._skips_code else ()
        return tuple(
            replace(found, start=found.start - before, end=found.end - before)
            for found in find_literals(self._context + unit)
            if found.end > before
            and found.kind in self._kinds
            and (
                found.kind in KINDS_IN_CODE
                or not any(first <= found.start - before < last for first, last in code)
            )
            and self._sources.lacks(found)
        )

    def _pass(self, end: int) -> None:
        """The lock lets the unit through; so far as the guard agrees it is ready to be shown."""
        unit = self._text[self._unit : end]
        self._is_in_code ^= unit.count(FENCE) % 2 == 1
        self._context = find_context(self._context + unit)
        is_ended = unit.endswith(tuple("。！？\n.!?"))
        self._sentence = "" if is_ended else (self._sentence + unit)[-SENTENCE_LIMIT:]
        self._unit, self._told, self._untold, self._uncut = end, 0, 0, 0

    def _guard(self, is_last: bool) -> None:
        if not is_last and self._unit == self._guarded:
            return
        self._guarded = self._unit
        # Nothing before `opened` grows, the rules promise: what is settled is not seen again.
        text = self._text[self._ready : self._unit]
        shift = self._ready
        opened, cuts = self._rules.read_outgoing(text)
        opened = len(text) if is_last else opened
        safe = shift + min([opened, *(cut.start for cut in cuts if cut.end > opened)])
        if self._unit - safe > LONGEST_HELD:
            # A pattern that grows without end is not waited for.
            self.is_over = True
            self.refused = Refused(self._sentence, "", ())
            return
        for cut in sorted(cuts, key=lambda cut: (cut.start, -cut.end)):
            start, end = cut.start + shift, cut.end + shift
            if end > safe or (self._cuts and start < self._cuts[-1].end):
                continue
            self._cuts.append(_Cut(start, end, cut.replacement))
            self.rules_met += (cut,)
            if cut.action == "end":
                self.is_over, safe = True, end
                break
        self._ready = safe

    def _refuse(self, end: int, unknown: tuple[Literal, ...]) -> None:
        self._guard(is_last=False)
        if self.is_over:
            return
        self.is_over = True
        withheld = self._text[self._unit : end]
        self.refused = Refused(self._sentence, withheld, unknown)
        if unknown:
            self._guard_rest()

    def _guard_rest(self) -> None:
        """What was let through before the refused unit is shown, since nothing can grow now."""
        self.is_over = False
        self._guard(is_last=True)
        self.is_over = True

    def _release(self, is_last: bool) -> Iterator[Shown]:
        """Runs of whole pieces with their ids, and what replaces the cuts between them."""
        end = self._ready if is_last else self._find_piece_end(self._ready)
        at = 0
        for cut in [cut for cut in self._cuts if cut.end <= end]:
            yield from self._show(at, cut.start)
            if cut.replacement:
                yield Shown(cut.replacement)
            at = cut.end
        yield from self._show(at, end)
        self._drop(end)

    def _find_piece_end(self, at: int) -> int:
        """The last place up to `at` where a piece ends and no cut is cut."""
        while at and self._is_inside_piece(at):
            at -= 1
        inside = [cut.start for cut in self._cuts if cut.start < at < cut.end]
        return self._find_piece_end(inside[0]) if inside else at

    def _is_inside_piece(self, at: int) -> bool:
        owner = self._owners[at - 1]
        is_followed = at < len(self._owners) and self._owners[at] == owner
        return is_followed or self._cleaner.holds(owner)

    def _show(self, start: int, end: int) -> Iterator[Shown]:
        at = start
        run, is_exact = "", True
        ids: tuple[int, ...] = ()
        while at < end:
            owner, first = self._owners[at], at
            while at < end and self._owners[at] == owner:
                at += 1
            piece_ids, length = self._pieces[owner]
            is_whole = at - first == length
            if run and is_whole != is_exact:
                yield Shown(run, ids)
                run, ids = "", ()
            run, is_exact = run + self._text[first:at], is_whole
            ids += piece_ids if is_whole else ()
        if run:
            yield Shown(run, ids)

    def _drop(self, end: int) -> None:
        self._text, self._owners = self._text[end:], self._owners[end:]
        self._ready, self._unit = self._ready - end, self._unit - end
        self._guarded = max(0, self._guarded - end)
        self._cuts = [
            _Cut(cut.start - end, cut.end - end, cut.replacement)
            for cut in self._cuts
            if cut.end > end
        ]
        oldest = self._owners[0] if self._owners else self._serial
        for serial in [serial for serial in self._pieces if serial < oldest]:
            if not self._cleaner.holds(serial):
                del self._pieces[serial]

    def _forget(self) -> None:
        self._text, self._owners, self._cuts = "", [], []
        self._pieces.clear()
        self._cleaner = Cleaner()
        self._ready = self._unit = self._guarded = 0
