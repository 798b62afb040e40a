"""What is said in one turn, kept word by word, and what it took.

It asks no engine and ends no turn. The rule that must not break: a piece is in the log, with the
token ids it came from, before anybody is shown it, and nothing is shown while the conversation
belongs to a person.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from appliance.dialogue.turn import Turn
from appliance.engine.engine import Finished, Prefilled
from appliance.engine.logprobs import TokenLogprob
from appliance.engine.prompt import TokenIds
from appliance.errors import ApplianceError
from appliance.events import (
    Done,
    Event,
    FinishReason,
    Numbered,
    Source,
    Started,
    Timings,
    Token,
    Usage,
)
from appliance.store.calls import StoredCall
from appliance.store.events import EventLog
from appliance.store.verdicts import StoredVerdict


class TakenOver(ApplianceError):
    """A person has taken the conversation over in mid-answer; it never leaves the dialogue."""


class Speech:
    """`is_bots` says whether the bot may speak at this very moment."""

    is_draft = False

    def __init__(self, turn: Turn, log: EventLog, is_bots: Callable[[], bool]) -> None:
        self._turn = turn
        self._log = log
        self._is_bots = is_bots
        self._first_at: float | None = None
        self._unshown: TokenIds = ()
        self._unshown_logprobs: tuple[TokenLogprob, ...] = ()
        # Whose words they are; a person's as long as there are none.
        self.source: Source = "human"
        self.prefilled = Prefilled(0, 0, 0.0, 0.0)
        self.decode_ms = 0.0
        self.completion_tokens = 0
        self.verdicts: list[StoredVerdict] = []
        self.calls: list[StoredCall] = []

    def draft(self, copy: Turn) -> Speech:
        """One that is heard in `copy` alone."""
        return DraftSpeech(copy, self._log, self._is_bots)

    def take_over(
        self, drafted: Speech, leave: Callable[[Sequence[StoredCall]], list[StoredCall]]
    ) -> None:
        """What a draft took and what the guards said of it is this turn's; of its calls what
        `leave` does."""
        self.verdicts, self.calls = drafted.verdicts, leave(drafted.calls)
        self.prefilled, self.decode_ms = drafted.prefilled, drafted.decode_ms
        self.completion_tokens = drafted.completion_tokens

    @property
    def token_ids(self) -> TokenIds:
        """The ids of the whole text where all of it is the model's own, else none."""
        return self._turn.token_ids if self._turn.is_verbatim else ()

    async def publish(self, event: Event, logprobs: tuple[TokenLogprob, ...] = ()) -> None:
        """Raises StoreUnavailable; then nobody is shown the event. Raises TakenOver."""
        turn = self._turn
        kept = await self._log.append(turn.session_key, turn.run_id, event, self._check_owner)
        if logprobs:
            turn.logprobs[kept.number] = logprobs
        turn.publish(kept)

    def _check_owner(self) -> None:
        if not self._is_bots():
            raise TakenOver("A person answers now.")

    async def say(
        self,
        text: str,
        source: Source,
        token_ids: TokenIds = (),
        model_id: str = "",
        logprobs: tuple[TokenLogprob, ...] = (),
    ) -> None:
        """Show a piece of the answer; its first one says where the answer comes from."""
        if not self._turn.has_spoken:
            text = text.lstrip()
        self._unshown += token_ids
        self._unshown_logprobs += logprobs
        if not text:
            return
        if self._turn.needs_start(model_id):
            await self.publish(Started(source, model_id))
        if self._first_at is None:
            self._first_at = time.monotonic()
        self.source = source
        token, self._unshown = Token(text, self._unshown), ()
        told, self._unshown_logprobs = self._unshown_logprobs, ()
        await self.publish(token, told)

    def count(self, finished: Finished) -> None:
        """What the answer took, by whoever knows best."""
        self.completion_tokens = len(finished.token_ids)
        if counted := finished.counted:
            self.completion_tokens = counted.completion_tokens
            self.prefilled = replace(
                self.prefilled,
                prompt_tokens=counted.prompt_tokens,
                cached_tokens=counted.cached_tokens,
            )

    def conclude(self, reason: FinishReason, source: Source) -> Done:
        """The turn's end. Of an answer that went on after a restart, the times are those since."""
        now, begun_at = time.monotonic(), self._turn.accepted_at
        prefilled = self.prefilled
        usage = Usage(prefilled.prompt_tokens, prefilled.cached_tokens, self.completion_tokens)
        timings = Timings(
            queued_ms=round(prefilled.queued_ms, 1),
            prefill_ms=round(prefilled.prefill_ms, 1),
            ttft_ms=round(((self._first_at or now) - begun_at) * 1000, 1),
            decode_ms=round(self.decode_ms, 1),
            total_ms=round((now - begun_at) * 1000, 1),
        )
        return Done(reason, source, usage, timings)


class DraftSpeech(Speech):
    """What it says nobody sees but who looks at the copy, and it is in no log."""

    is_draft = True

    async def publish(self, event: Event, logprobs: tuple[TokenLogprob, ...] = ()) -> None:
        self._check_owner()
        self._turn.publish(Numbered(0, self._turn.run_id, event))
