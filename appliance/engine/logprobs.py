"""How likely the model held each token of an answer, for who asks; and which text each stands in.

It computes nothing: `llama_sampling.py` reads the logits, a server elsewhere sends its figures. The
rule that must not break: what is given out with a text are the tokens that begin in it, each once,
so nothing is told of a token whose text is held back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# As many as OpenAI's interface lets one ask for.
MOST_TOP = 20
# What OpenAI writes for as good as never; JSON has no word for minus infinity.
LEAST = -9999.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """`data` are the token's bytes, none for one that ends the answer."""

    data: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The token that was chosen, and the likeliest at its place, the first of them first."""

    data: bytes
    logprob: float
    top: tuple[Candidate, ...] = ()


class LogprobQueue:
    """Tokens wait here as their text waits for its stop strings and for whole characters."""

    def __init__(self) -> None:
        self._waiting: list[TokenLogprob] = []
        # So many bytes of tokens that were given out stand in text that was not.
        self._ahead_bytes = 0

    def put(self, logprobs: Iterable[TokenLogprob]) -> None:
        self._waiting += logprobs

    def take(self, text: str, *, is_all: bool) -> tuple[TokenLogprob, ...]:
        """Those that begin in `text`, which is given out now; `is_all` where nothing is held."""
        if not self._waiting:
            return ()
        count, left_bytes = len(self._waiting), 0
        if not is_all:
            count, left_bytes = 0, len(text.encode()) - self._ahead_bytes
            while left_bytes > 0 and count < len(self._waiting):
                left_bytes -= len(self._waiting[count].data)
                count += 1
        self._ahead_bytes = max(0, -left_bytes)
        taken, self._waiting = tuple(self._waiting[:count]), self._waiting[count:]
        return taken
