"""Prompts read ahead while nobody speaks, so that the next question finds them in the cells.

It knows no queue and no customer: the loop calls it when it has nothing else to do. Between two
batches it holds nothing, so whoever asks takes the cells as they are. The rule that must not
break: nothing here makes a customer wait longer than one small batch, which the loop interrupts.
"""

from __future__ import annotations

import structlog

from appliance.engine.backend import Backend, Entry
from appliance.engine.cells import Cells
from appliance.engine.prompt import TokenIds
from appliance.engine.tally import Tally

BATCH_TOKENS = 32
MOST_PREPARED = 64


class Preparing:
    """The prompts to read ahead, one for a conversation, the oldest first."""

    def __init__(self, backend: Backend, cells: Cells, tally: Tally) -> None:
        self._backend = backend
        self._cells = cells
        self._tally = tally
        self._prompts: dict[str, TokenIds] = {}
        self._log = structlog.get_logger(__name__)

    @property
    def is_idle(self) -> bool:
        return not self._prompts

    def put(self, conversation: str, prompt: TokenIds) -> None:
        """The latest prompt of a conversation counts."""
        self._prompts.pop(conversation, None)
        if prompt and len(self._prompts) < MOST_PREPARED:
            self._prompts[conversation] = prompt

    def drop(self, conversation: str) -> None:
        self._prompts.pop(conversation, None)

    def run_batch(self) -> None:
        """Read one batch of the oldest prompt, or find that there is nothing left to read."""
        conversation, prompt = next(iter(self._prompts.items()))
        placement = self._cells.place_ahead(conversation, prompt)
        if placement is None or placement.cached_tokens == len(prompt):
            self.drop(conversation)
            if placement is not None:
                self._cells.release(placement.slot)
            return
        chunk = prompt[placement.cached_tokens :][:BATCH_TOKENS]
        slot = placement.slot
        entries = [
            Entry(token, placement.cached_tokens + offset, slot, False)
            for offset, token in enumerate(chunk)
        ]
        # llama.cpp wants one row of logits in a batch, though nobody samples from it here.
        entries[-1] = Entry(chunk[-1], entries[-1].position, slot, True)
        try:
            result = self._backend.decode(entries, interruptible=True)
        except Exception:
            # Else the slot would be busy for ever, and everybody would wait behind it.
            self._cells.discard(slot)
            self.drop(conversation)
            raise
        if result == "done":
            self._cells.extend(slot, chunk)
            self._tally.prefill_idle_tokens += len(chunk)
            self._cells.release(slot)
        elif result == "interrupted":
            self._cells.take_back(slot)
            self._cells.release(slot)
        else:
            self._log.error("preparing failed", result=result)
            self._cells.discard(slot)
            self.drop(conversation)
