"""What the model says in one turn, kept word by word, and what it took.

It asks no engine and ends no turn. The rule that must not break: a piece is in the log, with the
token ids it came from, before anybody is shown it.
"""

from __future__ import annotations

import time

from appliance.dialogue.turn import Turn
from appliance.engine.engine import Finished, Piece, Prefilled
from appliance.engine.prompt import TokenIds
from appliance.events import Done, Event, FinishReason, Notice, Started, Timings, Token, Usage
from appliance.store.events import EventLog

REPETITION = Notice("repetition", "The answer began to repeat itself and was ended.")


class Speech:
    def __init__(self, turn: Turn, log: EventLog) -> None:
        self._turn = turn
        self._log = log
        self._prefilled: Prefilled | None = None
        self._first_at: float | None = None
        self._unshown: TokenIds = ()
        self.token_ids: TokenIds = ()

    async def publish(self, event: Event) -> None:
        """Raises StoreUnavailable; then nobody is shown the event."""
        turn = self._turn
        turn.publish(await self._log.append(turn.session_key, turn.run_id, event))

    async def begin(self, prefilled: Prefilled, model_id: str) -> None:
        self._prefilled = prefilled
        if self._turn.started_model != model_id:
            await self.publish(Started("model", model_id))

    async def say(self, piece: Piece) -> None:
        text = piece.text if self._turn.has_spoken else piece.text.lstrip()
        self._unshown += piece.token_ids
        if not text:
            return
        if self._first_at is None:
            self._first_at = time.monotonic()
        token, self._unshown = Token(text, self._unshown), ()
        await self.publish(token)

    async def finish(self, finished: Finished) -> Done:
        self.token_ids = finished.token_ids
        if finished.is_repetition:
            await self.publish(REPETITION)
        return self.conclude(finished.reason, finished.decode_ms)

    def conclude(self, reason: FinishReason, decode_ms: float = 0.0) -> Done:
        """The turn's end. Of an answer that went on after a restart, the times are those since."""
        now, begun_at = time.monotonic(), self._turn.accepted_at
        prefilled = self._prefilled or Prefilled(0, 0, 0.0, 0.0)
        usage = Usage(prefilled.prompt_tokens, prefilled.cached_tokens, len(self.token_ids))
        timings = Timings(
            queued_ms=round(prefilled.queued_ms, 1),
            prefill_ms=round(prefilled.prefill_ms, 1),
            ttft_ms=round(((self._first_at or now) - begun_at) * 1000, 1),
            decode_ms=round(decode_ms, 1),
            total_ms=round((now - begun_at) * 1000, 1),
        )
        return Done(reason, "model", usage, timings)
