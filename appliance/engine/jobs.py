"""One generation on its way through the engine: what it read, what it said, what it gave out.

It computes nothing and holds no cells: `loop.py` decodes and samples, and tells it each token.
The rule that must not break: the ids that are given out with the pieces are those whose text is
given out, so an answer that goes on behind them loses, doubles and cuts no character.

    prompt.ids | said | sampled and given out | sampled, half a character or a half stop string
               |<- ids ------------------------------------------------------------------------>|
               |<- _given_ids ---------------->|
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from appliance.engine.backend import Sampler
from appliance.engine.engine import (
    EngineFinish,
    Finished,
    Generation,
    Output,
    Piece,
    Prefilled,
    Waiting,
)
from appliance.engine.logprobs import LEAST, Candidate, LogprobQueue, TokenLogprob
from appliance.engine.prompt import TokenIds
from appliance.engine.prompt_lookup import PromptLookup
from appliance.engine.sequences import Placement
from appliance.engine.text import LoopDetector, StopMatcher, TextDecoder

Emit: TypeAlias = Callable[[Output], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why an answer is at its end."""

    reason: EngineFinish
    is_repetition: bool = False


@dataclass(eq=False, slots=True)
class Job:
    """One generation: waiting (no placement), reading its prompt, speaking."""

    generation: Generation
    emit: Emit
    arrived_at: float
    is_cancelled: bool = False
    is_forgotten: bool = False
    placement: Placement | None = None
    sampler: Sampler | None = None
    read_tokens: int = 0
    placed_at: float = 0.0
    speaks_since: float = 0.0
    said_at: float = 0.0
    last_waiting: Waiting | None = None
    ids: list[int] = field(default_factory=list)
    to_read: TokenIds = field(init=False)
    _stops: StopMatcher = field(init=False)
    _decoder: TextDecoder = field(default_factory=TextDecoder)
    _loops: LoopDetector = field(default_factory=LoopDetector)
    _logprobs: LogprobQueue = field(default_factory=LogprobQueue)
    _is_loop: bool = False
    _lookup: PromptLookup | None = None
    _guesses: TokenIds = ()
    _text: str = ""
    _given_ids: int = 0
    _whole_ids: int = 0

    def __post_init__(self) -> None:
        self.to_read = (*self.generation.prompt.ids, *self.generation.said)
        self._stops = StopMatcher(self.generation.stop)

    @property
    def unread_tokens(self) -> int:
        return len(self.to_read) - self.read_tokens

    @property
    def tokens_to_say(self) -> int:
        return max(0, self.generation.max_new_tokens - len(self.ids))

    @property
    def deadline(self) -> float:
        return (self.placed_at or self.arrived_at) + self.generation.deadline_s

    @property
    def ending(self) -> Ending | None:
        """Why nothing more is to be said, once that is so."""
        if self._stops.is_stopped:
            return Ending("stop")
        if self._is_loop:
            return Ending("stop", is_repetition=True)
        return None if self.tokens_to_say else Ending("length")

    def next_tokens(self, count: int) -> Sequence[int]:
        """What its share of the next step computes: `count` of its prompt, or its last word and
        the guesses behind it."""
        if self.unread_tokens:
            return self.to_read[self.read_tokens : self.read_tokens + count]
        return (self.ids[-1], *self._guesses[: count - 1])

    def guess(self, predict_ms: Callable[[int, int], float]) -> int:
        """Look up what comes next; how many guesses are worth to be verified in the next step."""
        if self._lookup is None:
            self._lookup = PromptLookup((*self.generation.prompt.ids, *self.ids))
        self._guesses = self._lookup.guess(self.tokens_to_say - 1, predict_ms)
        return len(self._guesses)

    def resume(self, get_piece: Callable[[int], bytes]) -> None:
        """Hear again what was said before the process died; none of it is given out twice."""
        for token in self.generation.said:
            self._hear(token, get_piece(token))
        self._stops.flush()
        self._text, self._given_ids = "", len(self.ids)

    def begin_to_speak(self) -> None:
        """The whole prompt is in the cells."""
        assert self.placement is not None
        self.speaks_since = time.monotonic()
        prompt_tokens = len(self.generation.prompt.ids)
        self.emit(
            Prefilled(
                prompt_tokens=prompt_tokens,
                cached_tokens=min(self.placement.cached_tokens, prompt_tokens),
                queued_ms=(self.placed_at - self.arrived_at) * 1000,
                prefill_ms=(self.speaks_since - self.placed_at) * 1000,
            )
        )

    def say(self, row: int, token: int, get_piece: Callable[[int], bytes]) -> None:
        """`token` was sampled from `row` of this step."""
        if (top := self.generation.top_logprobs) is not None:
            self._logprobs.put([self._weigh(row, token, top, get_piece)])
        self._hear(token, get_piece(token))
        if not self._stops.is_holding:
            self._give_out()

    def finish(self, ending: Ending) -> None:
        """Give out the rest and the end."""
        decode_ms = (time.monotonic() - self.speaks_since) * 1000 if self.speaks_since else 0.0
        self._text += self._stops.flush()
        self._give_out()
        # Ids of half a character at the end were never shown, so they are not part of it.
        ids = tuple(self.ids[: self._whole_ids])
        self.emit(Finished(ending.reason, ids, decode_ms, ending.is_repetition))

    def _weigh(
        self, row: int, token: int, top: int, get_piece: Callable[[int], bytes]
    ) -> TokenLogprob:
        assert self.sampler is not None
        logprob, likeliest = self.sampler.weigh(row, token, top)
        others = [Candidate(get_piece(one), max(LEAST, value)) for one, value in likeliest]
        return TokenLogprob(get_piece(token), max(LEAST, logprob), tuple(others))

    def _hear(self, token: int, data: bytes) -> None:
        self.ids.append(token)
        if self._lookup is not None:
            self._lookup.hear(token)
        self._text += self._stops.feed(self._decoder.feed(data))
        if self._decoder.is_between_characters:
            self._whole_ids = len(self.ids)
        # A grammar bounds what it allows, and twelve equal numbers in a row may be the answer.
        self._is_loop = self.generation.grammar is None and self._loops.feed(token)

    def _give_out(self) -> None:
        if self._text:
            text, ids = self._text, tuple(self.ids[self._given_ids :])
            self._text, self._given_ids = "", len(self.ids)
            is_all = not self._stops.is_stopped
            self.emit(Piece(text, ids, self._logprobs.take(text, is_all=is_all)))
