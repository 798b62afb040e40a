"""Who holds which KV cells: pure bookkeeping, one sequence per conversation.

It touches no llama.cpp: it returns operations for `cells.py` to carry out, and is told what was
decoded. The rule that must not break: a sequence's `ids` are exactly the tokens whose cells it
holds, so a prompt is continued only over cells that hold its own prefix.

    sequence 0      [ system prompt ]                     the prefix, shared by reference
    sequence 3      [ system prompt | question | answer ]  conversation "a", idle
                      `shared` cells   own cells
"""

from __future__ import annotations

from collections.abc import Sequence as Values
from dataclasses import dataclass, field
from typing import TypeAlias

from appliance.engine.prompt import TokenIds

PREFIX_SLOT = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """Cells [0, tokens) of `source` also belong to `target`."""

    source: int
    target: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Remove:
    """`slot` gives up its cells from position `start` on."""

    slot: int
    start: int


@dataclass(frozen=True, slots=True)
class Evict:
    """All cells of `slot` go. They held `ids` of an idle conversation, the first `shared_tokens`
    of them by reference to the prefix; whoever keeps the rest must copy it out before."""

    slot: int
    conversation: str
    ids: TokenIds
    shared_tokens: int


Operation: TypeAlias = Copy | Remove | Evict


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a prompt goes: its first `cached_tokens` are in `slot` after `operations`. Of what the
    slot held before, `dropped_tokens` behind them are no part of the prompt."""

    slot: int
    cached_tokens: int
    operations: tuple[Operation, ...]
    dropped_tokens: int = 0


@dataclass(slots=True)
class _Slot:
    ids: list[int] = field(default_factory=list)
    shared: int = 0
    owner: str | None = None
    reserved: int = 0
    used_at: int = 0

    @property
    def is_busy(self) -> bool:
        return self.reserved > 0

    @property
    def own_cells(self) -> int:
        """Cells that only this sequence holds or has been promised."""
        return max(len(self.ids), self.reserved) - self.shared


class SequenceTable:
    """The sequences of one context with `cells` KV cells and `slots` sequence ids."""

    def __init__(self, slots: int, cells: int) -> None:
        if slots < 2 or cells < 1:
            raise ValueError(f"{slots} sequences in {cells} cells hold no conversation")
        self._slots = [_Slot() for _ in range(slots)]
        self._cells = cells
        self._clock = 0

    @property
    def used_cells(self) -> int:
        return sum(slot.own_cells for slot in self._slots)

    @property
    def prefix_tokens(self) -> int:
        return len(self._slots[PREFIX_SLOT].ids)

    @property
    def held(self) -> tuple[str, ...]:
        """Conversations that hold cells, the most recently used first."""
        slots = sorted(self._slots, key=lambda slot: slot.used_at, reverse=True)
        return tuple(slot.owner for slot in slots if slot.owner is not None)

    def place(self, conversation: str, prompt: TokenIds, new_tokens: int) -> Placement | None:
        """Reserve cells for `prompt` and `new_tokens` more, evicting idle conversations, least
        recently used first, where they are short; None while running ones hold too many. One token
        of the prompt at least is left to decode, because its logits are wanted.

        Raises ValueError when not even the empty context could hold it.
        """
        needed = len(prompt) + new_tokens
        if needed > self.longest_tokens:
            raise ValueError(f"{needed} tokens do not fit into {self.longest_tokens} cells")
        return self._place(conversation, prompt, needed, most_cached=len(prompt) - 1)

    def place_ahead(self, conversation: str, prompt: TokenIds) -> Placement | None:
        """Reserve cells for a prompt that nobody asked yet. For it others are evicted only where
        the conversation has cells already; None where there is no room, nothing to read, or it
        runs."""
        own = self._find(conversation)
        if len(prompt) > self.longest_tokens:
            return None
        if own is not None and count_common(self._slots[own].ids, prompt) == len(prompt):
            return None
        own_tokens = len(prompt) - self._count_prefix(prompt)
        if own is None and (self._find_empty() is None or not self._has_room(own_tokens)):
            return None
        return self._place(conversation, prompt, len(prompt), most_cached=len(prompt))

    def readmit(self, conversation: str, ids: TokenIds, shared_tokens: int) -> Placement | None:
        """Room for a parked conversation in an empty slot: whoever kept the cells behind its first
        `shared_tokens` puts them there, and then `share_prefix` the rest. None where the
        conversation has cells already or running ones hold too many."""
        own_tokens = len(ids) - shared_tokens
        if self._find(conversation) is not None or own_tokens > self.longest_tokens:
            return None
        evictions = self._choose_evictions(None, own_tokens)
        if evictions is None:
            return None
        operations = tuple(self._evict(slot) for slot in evictions)
        slot = self._find_empty()
        assert slot is not None
        self._clock += 1
        self._slots[slot] = _Slot(list(ids), shared_tokens, conversation, 0, self._clock)
        return Placement(slot, len(ids), operations)

    def _place(
        self, conversation: str, prompt: TokenIds, needed: int, most_cached: int
    ) -> Placement | None:
        own = self._find(conversation)
        if own is not None and self._slots[own].is_busy:
            return None
        common = count_common(self._slots[own].ids, prompt) if own is not None else 0
        dropped = len(self._slots[own].ids) - common if own is not None else 0
        kept = min(common, most_cached)
        from_prefix = min(self._count_prefix(prompt), most_cached)
        stays = own is not None and kept >= from_prefix
        shared = min(self._slots[own].shared, kept) if own is not None and stays else from_prefix
        evictions = self._choose_evictions(own, needed - shared)
        if evictions is None:
            return None
        operations: list[Operation] = [self._evict(slot) for slot in evictions]
        slot = own if own is not None else self._find_empty()
        assert slot is not None
        if stays:
            operations += self._cut(slot, kept)
        else:
            operations += [self._drop(slot)] if self._slots[slot].ids else []
            operations += self._share_prefix(slot, from_prefix)
        chosen = self._slots[slot]
        chosen.owner, chosen.reserved = conversation, needed
        return Placement(slot, len(chosen.ids), tuple(operations), dropped)

    def holds(self, conversation: str) -> bool:
        return self._find(conversation) is not None

    @property
    def longest_tokens(self) -> int:
        """The longest prompt and answer that an otherwise idle context holds."""
        return self._cells - len(self._slots[PREFIX_SLOT].ids)

    def extend(self, slot: int, ids: Values[int]) -> None:
        """`ids` were decoded at the end of `slot`."""
        held = self._slots[slot]
        held.ids += ids
        assert held.owner is None or len(held.ids) <= held.reserved

    def get_length(self, slot: int) -> int:
        return len(self._slots[slot].ids)

    def describe(self, conversation: str) -> Evict | None:
        """What an eviction of this idle conversation would say; nothing is changed."""
        slot = self._find(conversation)
        if slot is None or self._slots[slot].is_busy:
            return None
        held = self._slots[slot]
        return Evict(slot, conversation, tuple(held.ids), held.shared)

    def truncate(self, slot: int, length: int) -> Operation:
        """A step failed: whatever it left behind `length` must go."""
        held = self._slots[slot]
        del held.ids[length:]
        return Remove(slot, length)

    def release(self, slot: int) -> None:
        """The generation in `slot` ended; its cells stay for the conversation's next turn."""
        self._clock += 1
        self._slots[slot].reserved = 0
        self._slots[slot].used_at = self._clock

    def forget(self, conversation: str) -> tuple[Operation, ...]:
        """Drop what is kept for an idle conversation."""
        slot = self._find(conversation)
        if slot is None or self._slots[slot].is_busy:
            return ()
        return (self._drop(slot),)

    def discard(self, slot: int) -> tuple[Operation, ...]:
        """A generation broke: nothing of its sequence can be trusted."""
        return (self._drop(slot),)

    def check_integrity(self) -> None:
        """Raise AssertionError where the books contradict themselves."""
        prefix = self._slots[PREFIX_SLOT]
        assert prefix.owner is None and not prefix.is_busy and prefix.shared == 0
        owners = [slot.owner for slot in self._slots if slot.owner is not None]
        assert len(owners) == len(set(owners)), "a conversation has two sequences"
        for slot in self._slots[PREFIX_SLOT + 1 :]:
            assert 0 <= slot.shared <= len(slot.ids), "more cells shared than held"
            assert slot.ids[: slot.shared] == prefix.ids[: slot.shared], "a foreign prefix"
            assert slot.owner is not None or not (slot.ids or slot.is_busy), "cells of nobody"
        assert self.used_cells <= self._cells, "more cells promised than there are"

    def _find(self, conversation: str) -> int | None:
        owners = (index for index, slot in enumerate(self._slots) if slot.owner == conversation)
        return next(owners, None)

    def _find_empty(self) -> int | None:
        empty = (
            index
            for index, slot in enumerate(self._slots)
            if index != PREFIX_SLOT and slot.owner is None
        )
        return next(empty, None)

    def _count_prefix(self, prompt: TokenIds) -> int:
        return count_common(self._slots[PREFIX_SLOT].ids, prompt)

    def _choose_evictions(self, own: int | None, cells: int) -> list[int] | None:
        """Idle sequences to drop so that `cells` and one sequence id are free, or None."""
        in_use = self.used_cells - (self._slots[own].own_cells if own is not None else 0)
        has_slot = own is not None or self._find_empty() is not None
        idle = [
            index
            for index, slot in enumerate(self._slots)
            if slot.owner is not None and not slot.is_busy and index != own
        ]
        evictions: list[int] = []
        for index in sorted(idle, key=lambda index: self._slots[index].used_at):
            if has_slot and in_use + cells <= self._cells:
                break
            evictions.append(index)
            in_use -= self._slots[index].own_cells
            has_slot = True
        return evictions if has_slot and in_use + cells <= self._cells else None

    def _has_room(self, tokens: int) -> bool:
        return self.used_cells + tokens <= self._cells

    def _evict(self, slot: int) -> Evict:
        held = self._slots[slot]
        assert held.owner is not None and not held.is_busy
        self._slots[slot] = _Slot()
        return Evict(slot, held.owner, tuple(held.ids), held.shared)

    def _drop(self, slot: int) -> Remove:
        self._slots[slot] = _Slot()
        return Remove(slot, 0)

    def _cut(self, slot: int, length: int) -> list[Operation]:
        held = self._slots[slot]
        if length == len(held.ids):
            return []
        del held.ids[length:]
        held.shared = min(held.shared, length)
        return [Remove(slot, length)]

    def _share_prefix(self, slot: int, length: int) -> list[Operation]:
        if length == 0:
            return []
        self._slots[slot].ids = self._slots[PREFIX_SLOT].ids[:length]
        self._slots[slot].shared = length
        return [Copy(PREFIX_SLOT, slot, length)]


def count_common(held: Values[int], prompt: Values[int]) -> int:
    count = 0
    for left, right in zip(held, prompt, strict=False):
        if left != right:
            break
        count += 1
    return count
