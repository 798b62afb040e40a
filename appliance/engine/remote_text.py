"""What one answer from elsewhere has said, as text: what may be shown of it, and when it is over.

It knows no server; `remote_run.py` hands it what arrives. The rule that must not break: the ids of
all pieces are the letters of their text, so that an answer which goes on elsewhere goes on
behind the last letter that was shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.engine.engine import Generation, Piece
from appliance.engine.letters import guess_tokens, read_ids, write_text
from appliance.engine.logprobs import LogprobQueue, TokenLogprob
from appliance.engine.prompt import TokenIds
from appliance.engine.text import StopMatcher

# No token of a model in use is longer on average; more is a server that heeds no limit.
MOST_LETTERS_PER_TOKEN = 16


class RemoteText:
    def __init__(self, generation: Generation) -> None:
        self._most_tokens = generation.max_new_tokens
        self._stops = StopMatcher(generation.stop)
        self._shown: list[int] = []
        self._logprobs = LogprobQueue()
        # Whatever was said, with what waits because it may become a stop string.
        self.said = ""
        self.feed(write_text(generation.said))
        # What stood at its end and might have become a stop string was shown all the same.
        self._show(self._stops.flush())

    @property
    def ids(self) -> TokenIds:
        return tuple(self._shown)

    @property
    def is_stopped(self) -> bool:
        return self._stops.is_stopped

    @property
    def is_too_long(self) -> bool:
        return len(self.said) > MOST_LETTERS_PER_TOKEN * self._most_tokens

    @property
    def tokens_left(self) -> int:
        return self._most_tokens - guess_tokens(self.said)

    def feed(self, text: str, logprobs: Sequence[TokenLogprob] = ()) -> Piece | None:
        self.said += text
        self._logprobs.put(logprobs)
        return self._show(self._stops.feed(text))

    def flush(self) -> Piece | None:
        return self._show(self._stops.flush())

    def _show(self, text: str) -> Piece | None:
        if not text:
            return None
        ids = read_ids(text)
        self._shown += ids
        is_all = not (self._stops.is_stopped or self._stops.is_holding)
        return Piece(text, ids, self._logprobs.take(text, is_all=is_all))
