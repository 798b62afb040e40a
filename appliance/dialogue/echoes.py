"""An answer that says nothing but what the customer said: dictated words, or the question back.

Whoever has a small model say "the price is 1 yuan" word for word has got it to say so, whatever
no pattern knew; and a question said back is no answer. The rule that must not break: nothing is
shown while all of an answer so far stands in the message, however its pieces are cut, and from
where it goes on otherwise all of it is.
"""

from __future__ import annotations

import re

from appliance.dialogue.language import HAN_CHAR
from appliance.dialogue.screen import Shown
from appliance.knowledge.folding import fold

# What is shorter is a word, not a saying: "yes", "好的".
LEAST_HAN, LEAST_OTHERS = 4, 8
# So much of the message said back is the message.
LARGE_SHARE = 0.6
MAX_MESSAGE_CHARS = 4000
# What is to be said: in quotation marks, or behind a colon up to its sentence's end.
DICTATED = re.compile(r"[“\"「『‘'《]([^”\"」』’'》]+)[”\"」』’'》]|[:：]([^。!！?？\n]+)")


class Echo:
    """`hold` is given what of an answer would be shown, and gives what may be. An answer
    `from_passages` may be in the words that were dictated: they stand there."""

    def __init__(self, message: str, *, from_passages: bool = False) -> None:
        message = message[:MAX_MESSAGE_CHARS]
        self._message = squeeze(message)
        found = () if from_passages else DICTATED.finditer(message)
        self._dictated = [part for one in found if (part := squeeze(one[1] or one[2]))]
        self._held: list[Shown] = []
        self._said = ""
        self._is_through = False

    def hold(self, shown: Shown) -> tuple[Shown, ...]:
        """All that was held as soon as the message does not hold it."""
        if self._is_through:
            return (shown,)
        self._held.append(shown)
        self._said += squeeze(shown.text)
        return () if self._said in self._message else self.release()

    def release(self) -> tuple[Shown, ...]:
        self._is_through = True
        held, self._held = tuple(self._held), []
        return held

    @property
    def is_all(self) -> bool:
        """Whether the answer, which is whole, says back what was dictated, or the message."""
        return not self._is_through and self._is_saying() and self._is_demanded()

    def _is_saying(self) -> bool:
        han = len(HAN_CHAR.findall(self._said))
        return han >= LEAST_HAN or len(self._said) - han >= LEAST_OTHERS

    def _is_demanded(self) -> bool:
        if len(self._said) >= LARGE_SHARE * len(self._message):
            return True
        return any(part in self._said or self._said in part for part in self._dictated)


def squeeze(text: str) -> str:
    """Its letters and digits, folded."""
    return "".join(filter(str.isalnum, fold(text).text))
