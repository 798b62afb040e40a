"""The KV cells of the context: the books carried out, conversations parked and restored.

It plans no step and reads no file. A conversation that must give up its cells is copied to memory,
but for the prefix it shares, and comes back as a copy instead of being read again. The rule that
must not break: cells that could not be copied, restored or trusted are dropped and computed again;
nobody is ever answered from cells that the books do not name.

    resident  --evicted-->  parked in memory  --budget short-->  `give_away` (a file, or nothing)
        ^-----asked again----------'  <----------adopt--------------'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import structlog

from appliance.engine.backend import Backend
from appliance.engine.parking import Parked, Parking
from appliance.engine.prompt import TokenIds
from appliance.engine.sequences import (
    PREFIX_SLOT,
    Copy,
    Evict,
    Operation,
    Placement,
    SequenceTable,
    count_common,
)
from appliance.engine.tally import Tally

GiveAway: TypeAlias = Callable[[str, Parked], None]
# Fewer own tokens than this are read again in less time than a copy is worth its memory.
LEAST_PARKED_TOKENS = 8


class Cells:
    """Used by the engine's thread alone."""

    def __init__(
        self, backend: Backend, parking: Parking, tally: Tally, give_away: GiveAway
    ) -> None:
        self._backend = backend
        self._table = SequenceTable(backend.slots, backend.cells)
        self._parking = parking
        self._tally = tally
        self._give_away = give_away
        self._from_disk: set[str] = set()
        self._log = structlog.get_logger(__name__)

    @property
    def used(self) -> int:
        return self._table.used_cells

    @property
    def total(self) -> int:
        return self._backend.cells

    @property
    def prefix_tokens(self) -> int:
        return self._table.prefix_tokens

    @property
    def longest_tokens(self) -> int:
        return self._table.longest_tokens

    @property
    def parked_bytes(self) -> int:
        return self._parking.size_bytes

    @property
    def parked_conversations(self) -> int:
        return self._parking.count

    def place(self, conversation: str, prompt: TokenIds, new_tokens: int) -> Placement | None:
        """As the table's, with what is parked put back first. The operations are done."""
        self._restore(conversation, prompt)
        placement = self._table.place(conversation, prompt, new_tokens)
        if placement is not None and placement.dropped_tokens:
            self._tell_divergence(placement)
        return self._carry_out_placement(placement)

    def place_ahead(self, conversation: str, prompt: TokenIds) -> Placement | None:
        """As the table's, for a prompt that is only prepared."""
        self._restore(conversation, prompt)
        return self._carry_out_placement(self._table.place_ahead(conversation, prompt))

    def read_prefix(self, data: bytes, ids: TokenIds) -> bool:
        """Take the prefix's cells from a copy; False where the backend refuses it."""
        if not self._backend.restore(PREFIX_SLOT, data):
            return False
        self._table.extend(PREFIX_SLOT, ids)
        return True

    def copy_prefix(self) -> bytes:
        return self._backend.save(PREFIX_SLOT, 0)

    def adopt(self, conversation: str, parked: Parked) -> None:
        """A conversation that was on disk; what is here already is newer."""
        if not self._table.holds(conversation) and self._parking.find(conversation) is None:
            self._from_disk.add(conversation)
            self._put(conversation, parked)

    def copy_all(self) -> Iterator[tuple[str, Parked]]:
        """Every idle conversation, the most recently used first; nothing is changed."""
        for conversation in self._table.held:
            held = self._table.describe(conversation)
            copied = self._copy(held) if held is not None else None
            if copied is not None:
                yield conversation, copied
        yield from self._parking.list_recent()

    def extend(self, slot: int, ids: Sequence[int]) -> None:
        self._table.extend(slot, ids)

    def get_length(self, slot: int) -> int:
        return self._table.get_length(slot)

    def take_back(self, slot: int) -> None:
        """A step failed: what it left behind the books' last token goes."""
        self._backend.apply(self._table.truncate(slot, self._table.get_length(slot)))

    def release(self, slot: int) -> None:
        self._table.release(slot)

    def discard(self, slot: int) -> None:
        self._carry_out(self._table.discard(slot))

    def forget(self, conversation: str) -> None:
        """Drop what is kept of an idle conversation, here and in memory."""
        self._parking.forget(conversation)
        self._from_disk.discard(conversation)
        self._carry_out(self._table.forget(conversation))

    def check_integrity(self) -> None:
        """Raise AssertionError where the books contradict themselves."""
        self._table.check_integrity()
        self._parking.check_integrity()
        both = set(self._table.held) & {name for name, _ in self._parking.list_recent()}
        assert not both, "a conversation is resident and parked"

    def _restore(self, conversation: str, prompt: TokenIds) -> None:
        """Put a parked conversation's cells back where its prompt goes on from them."""
        if self._table.holds(conversation):
            return
        parked = self._parking.find(conversation)
        if parked is None:
            return
        if count_common(parked.ids, prompt) <= parked.shared_tokens:
            self._parking.forget(conversation)
            self._from_disk.discard(conversation)
            return
        placement = self._table.readmit(conversation, parked.ids, parked.shared_tokens)
        if placement is None:
            return
        self._parking.take(conversation)
        self._carry_out(placement.operations)
        source = "disk" if conversation in self._from_disk else "memory"
        self._from_disk.discard(conversation)
        if not self._put_back(placement.slot, parked.data):
            self._tally.count_restore("failed")
            self._log.warning("a parked conversation was refused", tokens=len(parked.ids))
            self.discard(placement.slot)
            return
        self._tally.count_restore(source)
        if parked.shared_tokens:
            # After the rest: a copy onto a sequence that holds later positions adds to it, while a
            # state that is put back takes the place of all that was there.
            self._backend.apply(Copy(PREFIX_SLOT, placement.slot, parked.shared_tokens))

    def _put_back(self, slot: int, data: bytes) -> bool:
        try:
            return self._backend.restore(slot, data)
        except Exception:
            self._log.exception("a parked conversation was not put back")
            return False

    def _carry_out_placement(self, placement: Placement | None) -> Placement | None:
        if placement is None:
            return None
        try:
            self._carry_out(placement.operations)
        except Exception:
            # Else the slot would be busy for ever, and everybody would wait behind it.
            self.discard(placement.slot)
            raise
        return placement

    def _carry_out(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            if isinstance(operation, Evict):
                self._tally.evictions += 1
                self._park(operation)
            self._backend.apply(operation)

    def _park(self, leaving: Evict) -> None:
        try:
            parked = self._copy(leaving)
            if parked is not None:
                self._put(leaving.conversation, parked)
        except Exception:
            # The books gave the slot away: whatever fails here, its cells must go.
            self._log.exception("a conversation was not parked")

    def _copy(self, held: Evict) -> Parked | None:
        if len(held.ids) - held.shared_tokens < LEAST_PARKED_TOKENS:
            return None
        data = self._backend.save(held.slot, held.shared_tokens)
        return Parked(held.ids, held.shared_tokens, data) if data else None

    def _put(self, conversation: str, parked: Parked) -> None:
        for pushed_out, state in self._parking.put(conversation, parked):
            self._from_disk.discard(pushed_out)
            self._give_away(pushed_out, state)

    def _tell_divergence(self, placement: Placement) -> None:
        """Cells that were computed are of no use: say where the prompt left them."""
        kept = placement.cached_tokens
        reason = "history"
        if kept < self._table.prefix_tokens:
            reason = "prefix"
        elif kept == self._table.prefix_tokens:
            reason = "window"
        self._tally.count_divergence(reason)
        self._log.info(
            "prompt diverged", reason=reason, at=kept, dropped_tokens=placement.dropped_tokens
        )
