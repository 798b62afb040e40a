"""Guesses at what an answer says next, looked up in what was said before: prompt-lookup decoding.

An answer that quotes a passage repeats it token by token, and a step that verifies seven guesses
beside the last token costs less than eight steps. It computes nothing and draws nothing: whoever
decodes keeps the guesses that the verifying rows chose themselves. The rule that must not break: a
guess is never more than a guess, and where none is likely to be right none is made.

    prompt ... 7 天 内 可以 退货 ... | answer: 签收 后 7 天 内 ?
                       ^ _next                      the last GRAM tokens stood there

After A. Saxena, "Prompt Lookup Decoding" (2023). Whether it pays is measured all the time, at no
cost: also where nothing is drafted the next token shows whether a guess would have been right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

# So many tokens must have stood together before: two are an idiom in every second sentence.
GRAM = 3
MOST_GUESSES = 15
# Of being right before anything is known, and what one more token tells. Five hits in a row come
# before a draft on two cores of an EPYC, where a step of 8 costs as much as 5 steps of 1.
FIRST_RATE = 0.5
LEARNT_SHARE = 0.25
# A draft that wins less than this is not worth what the table of step times may be wrong by.
LEAST_GAIN = 1.1


class PromptLookup:
    """One answer's guesses; it hears every token of prompt and answer once and in order."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.rate = FIRST_RATE
        self._ids: list[int] = []
        self._places: dict[tuple[int, ...], int] = {}
        self._next: int | None = None
        for token in ids:
            self.hear(token)
        # What a prompt repeats of itself says nothing about its answer.
        self.rate = FIRST_RATE

    def hear(self, token: int) -> None:
        """The next token of the answer: the guess at it was right or wrong, if there was one."""
        if self._next is not None:
            is_right = self._ids[self._next] == token
            self.rate += LEARNT_SHARE * (is_right - self.rate)
            self._next = self._next + 1 if is_right else None
        self._ids.append(token)
        gram = tuple(self._ids[-GRAM:])
        if len(gram) == GRAM:
            if self._next is None:
                self._next = self._places.get(gram)
            self._places[gram] = len(self._ids)

    def guess(self, most: int, predict_ms: Callable[[int, int], float]) -> tuple[int, ...]:
        """The next tokens, `most` at most, or none where to verify them would not pay.
        `predict_ms` tells what a step of so many tokens with so many rows of logits takes, and
        infinity where one is too long."""
        if self._next is None:
            return ()
        found = self._ids[self._next : self._next + min(most, MOST_GUESSES)]
        return tuple(found[: choose_guesses(self.rate, len(found), predict_ms)])


def choose_guesses(rate: float, most: int, predict_ms: Callable[[int, int], float]) -> int:
    """How many guesses give the most tokens a second, each right with the chance `rate` while those
    before it are; 0 where the best gains less than a tenth."""
    best, best_speed = 0, LEAST_GAIN / predict_ms(1, 1)
    tokens = chance = 1.0
    for count in range(1, most + 1):
        chance *= rate
        tokens += chance
        speed = tokens / predict_ms(1 + count, 1 + count)
        if speed >= best_speed:
            best, best_speed = count, speed
    return best
