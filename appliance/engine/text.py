"""From a model's bytes to a customer's text, piece by piece.

It is not a tokenizer: it sees bytes, because a token may be a third of a Chinese character. Each
class has `feed` and `flush`; whatever way the input is cut, the joined output is the same. The
rule that must not break: no character is ever cut, and no part of a stop string is ever shown.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextDecoder:
    """Incremental UTF-8. Bytes that can be no character are dropped, never shown as U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    def feed(self, data: bytes) -> str:
        return self._decoder.decode(data)

    def flush(self) -> str:
        """End of input: half a character that stood last is dropped."""
        return self._decoder.decode(b"", final=True)

    @property
    def is_between_characters(self) -> bool:
        """True while no bytes wait for the rest of their character."""
        return not self._decoder.getstate()[0]


class StopMatcher:
    """Passes text on until one of `stops` is complete; holds back what may yet become one.

    feed("再见<|")  →  "再见"     "<|" may be the start of "<|end|>"
    feed("x")       →  "<|x"      it was not
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.is_stopped = False

    def feed(self, text: str) -> str:
        if self.is_stopped:
            return ""
        self._held += text
        # The first to be complete wins, as it would if the text came letter by letter.
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.is_stopped = True
            return self._take(min(found)[1])
        return self._take(len(self._held) - self._count_held_back())

    @property
    def is_holding(self) -> bool:
        """True while the end of the text may yet become a stop string."""
        return bool(self._held) and not self.is_stopped

    def flush(self) -> str:
        """End of input: what was held back was no stop string after all."""
        return "" if self.is_stopped else self._take(len(self._held))

    def _count_held_back(self) -> int:
        longest = 0
        for stop in self._stops:
            for length in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:length]):
                    longest = length
                    break
        return longest

    def _take(self, length: int) -> str:
        taken, self._held = self._held[:length], self._held[length:]
        return taken


# To look at every token for all blocks was half of what the engine's own Python took for one.
LOOKED_AT_EVERY = 8


class LoopDetector:
    """Notices a small model that says the same thing again and again.

    A loop is a tail of the token ids that consists of one block, at most `longest_block` ids
    long, at least `repeats` times over and at least `least_tokens` ids in all; so "哈哈哈" and
    a short list pass, and a paragraph told three times does not.
    """

    def __init__(self, longest_block: int = 48, repeats: int = 4, least_tokens: int = 24) -> None:
        self._ids: list[int] = []
        self._longest_block = longest_block
        self._repeats = repeats
        self._least_tokens = least_tokens

    def feed(self, token_id: int) -> bool:
        """True once the tail is a loop; every eighth token is looked at, so up to seven late."""
        self._ids.append(token_id)
        if len(self._ids) % LOOKED_AT_EVERY:
            return False
        return any(self._has_loop_of(block) for block in range(1, self._longest_block + 1))

    def _has_loop_of(self, block: int) -> bool:
        length = max(self._repeats * block, self._least_tokens)
        if length > len(self._ids) or self._ids[-1] != self._ids[-1 - block]:
            return False
        tail = self._ids[-length:]
        return tail[block:] == tail[:-block]
