"""Nothing but text leaves: what is no character for a reader is taken out of the stream.

It knows no meaning and no markup; `<b>` is text and is shown as such. The rule that must not
break: however the stream is cut, what leaves holds no control character, no direction override, no
half of a surrogate pair and no `<|…|>`, also not one that its own removals put together.
"""

from __future__ import annotations

import re

# C0 and C1 but \n and \t, line separators, zero-width blanks, directions, annotations, the tag
# block, halves of surrogate pairs, non-characters and the sign for bytes that were none.
UNCLEAN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\uffff\ufdd0-\ufdef\ud800-\udfff\U000e0000-\U000e0fff]"
    "|[" + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in
                   range(0x10000, 0x110000, 0x10000)) + "]"
)  # fmt: skip
OPEN = ("<|", "<｜")
CLOSE = ("|>", "｜>")
LONGEST_TOKEN = 48
POSSIBLE = re.compile(r"<(?=<*+(?:[|｜]|\Z))")


class Cleaner:
    """Characters with the serial number of the piece that each belongs to."""

    def __init__(self) -> None:
        self._chars: list[tuple[str, int]] = []
        self._last = ""

    @property
    def held(self) -> int:
        return len(self._chars)

    def holds(self, serial: int) -> bool:
        return any(owner == serial for _, owner in self._chars)

    def feed(self, text: str, serial: int) -> list[tuple[str, int]]:
        """What is certain to be text now."""
        certain = []
        for char in UNCLEAN.sub("", text):
            self._chars.append((char, serial))
            if char == ">":
                self._drop_token()
            certain += self._take(self._count_certain())
        return certain

    def flush(self) -> list[tuple[str, int]]:
        """End of input. The beginning of a control token, "<|im_en", is no text either."""
        text = "".join(char for char, _ in self._chars)
        opened = min((at for mark in OPEN if (at := text.find(mark)) >= 0), default=len(text))
        certain = self._take(opened)
        self._chars.clear()
        return certain

    def _drop_token(self) -> None:
        text = "".join(char for char, _ in self._chars)
        if text.endswith(CLOSE):
            opened = max(text.rfind(mark, 0, len(text) - 2) for mark in OPEN)
            if opened >= 0 and opened + 2 <= len(text) - 2:
                del self._chars[opened:]

    def _count_certain(self) -> int:
        """All before what may yet become a control token, or its beginning if it will be one."""
        text = "".join(char for char, _ in self._chars[: LONGEST_TOKEN + 1])
        possible = POSSIBLE.search(text, max(0, len(text) - LONGEST_TOKEN))
        if possible:
            return possible.start()
        return len(text) if len(self._chars) <= LONGEST_TOKEN else 1

    def _take(self, count: int) -> list[tuple[str, int]]:
        """The first `count` characters. A bar behind "<" is dropped, so that what was too long to
        be held as a control token is no beginning of one either."""
        taken, self._chars = self._chars[:count], self._chars[count:]
        kept = []
        for char, serial in taken:
            if not (self._last == "<" and char in "|｜"):
                kept.append((char, serial))
                self._last = char
        return kept
