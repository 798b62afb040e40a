"""Conversations whose cells were given up: kept in memory under a budget, or packed for a file.

It saves and restores no cells, touches no disk and knows no model; one thread uses a `Parking`.
The rule that must not break: what is held never exceeds the budget, every state that is let go
for that is handed to the caller, and a packed state is unpacked as it was or not at all.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from appliance.engine.prompt import TokenIds
from appliance.engine.step_table import StepTimes

# An id in memory: its place in the tuple and, above 256, an integer object of its own.
ID_BYTES = 8 + 32
LARGEST_BUDGET_BYTES = 256 << 20
# One part in so many of the memory, where the budget is not set.
MEMORY_PER_BUDGET = 10

# What stands before a sealed state on disk: magic | key of model and prefix | BLAKE2b of both
# and of all that follows.
MAGIC = b"parked\r\n"
FRAME = struct.Struct("<8s16s32s")
FRAME_BYTES = FRAME.size

# A packed state: how long the JSON is | JSON | ids | data.
LENGTH = struct.Struct("<I")
PACKED_ID_BYTES = 4


@dataclass(frozen=True, slots=True)
class Parked:
    """A conversation's tokens and its cells behind the first `shared_tokens`, which are the
    common prefix's and not in `data`."""

    ids: TokenIds
    shared_tokens: int
    data: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.shared_tokens <= len(self.ids):
            raise ValueError(f"{self.shared_tokens} shared of {len(self.ids)} tokens")

    @property
    def size_bytes(self) -> int:
        return len(self.data) + ID_BYTES * len(self.ids)


@dataclass(frozen=True, slots=True)
class ParkedPrefix:
    """The common prefix's cells, and how long steps take."""

    ids: TokenIds
    data: bytes
    times: StepTimes


def choose_budget(wanted_mb: int, memory_bytes: int) -> int:
    """Bytes of memory for parked conversations; `wanted_mb` 0 leaves the choice to the memory."""
    if wanted_mb:
        return wanted_mb << 20
    return min(LARGEST_BUDGET_BYTES, memory_bytes // MEMORY_PER_BUDGET)


def pack_ids(ids: TokenIds) -> bytes:
    """Raises ValueError for an id that no model has."""
    try:
        return struct.pack(f"<{len(ids)}i", *ids)
    except struct.error:
        raise ValueError("an id is not a number of 32 bits") from None


def pack_state(parked: Parked, facts: Mapping[str, object]) -> bytes:
    """The state with what must be known of it. Raises ValueError where it cannot be written."""
    counts = {
        "shared_tokens": parked.shared_tokens,
        "ids": len(parked.ids),
        "data_bytes": len(parked.data),
    }
    head = json.dumps({**facts, **counts}, allow_nan=False).encode()
    return b"".join((LENGTH.pack(len(head)), head, pack_ids(parked.ids), parked.data))


def unpack_state(packed: bytes, expected: Mapping[str, object]) -> tuple[Parked, dict[str, object]]:
    """The state and all its facts, of which those `expected` must be as they are there.

    Raises ValueError for anything that `pack_state` did not write with these facts.
    """
    if len(packed) < LENGTH.size:
        raise ValueError("it has no beginning")
    ids_at = LENGTH.size + LENGTH.unpack_from(packed)[0]
    facts = json.loads(packed[LENGTH.size : ids_at])
    if not isinstance(facts, dict):
        raise ValueError("it does not say what it is")
    for name, value in expected.items():
        if facts.get(name) != value:
            raise ValueError(f"it has another {name}")
    shared_tokens, id_count, data_bytes = (
        _take_count(facts, name) for name in ("shared_tokens", "ids", "data_bytes")
    )
    data_at = ids_at + PACKED_ID_BYTES * id_count
    if data_at + data_bytes != len(packed):
        raise ValueError("it is not as long as it says")
    ids = struct.unpack_from(f"<{id_count}i", packed, ids_at)
    return Parked(ids, shared_tokens, packed[data_at:]), facts


def _take_count(facts: Mapping[str, object], name: str) -> int:
    count = facts.get(name)
    if type(count) is not int or count < 0:
        raise ValueError(f"it does not say its {name}")
    return count


def parse_times(table: object) -> dict[int, float]:
    """Raises ValueError where it does not give times by widths."""
    if not isinstance(table, dict):
        raise ValueError("it has no step table")
    if not all(isinstance(ms, int | float) and 0 <= ms < math.inf for ms in table.values()):
        raise ValueError("its step table holds what is no time")
    return {int(width): float(ms) for width, ms in table.items()}


def frame(key: bytes, sealed: bytes) -> bytes:
    return FRAME.pack(MAGIC, key, compute_digest(key, (sealed,)))


def split_frame(head: bytes) -> tuple[bytes, bytes]:
    """Key and digest. Raises ValueError where this is no frame."""
    if len(head) != FRAME_BYTES:
        raise ValueError("it is cut short")
    magic, key, digest = FRAME.unpack(head)
    if magic != MAGIC:
        raise ValueError("it is no parked state")
    return key, digest


def compute_digest(key: bytes, chunks: Iterable[bytes]) -> bytes:
    running = blake2b(MAGIC + key, digest_size=FRAME_BYTES - len(MAGIC + key))
    for chunk in chunks:
        running.update(chunk)
    return running.digest()


class Parking:
    """At most `budget_bytes` of states; who was parked longest ago goes first."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        # In the order of parking, the oldest first.
        self._parked: dict[str, Parked] = {}
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    @property
    def count(self) -> int:
        return len(self._parked)

    def put(self, conversation: str, parked: Parked) -> tuple[tuple[str, Parked], ...]:
        """Keep `parked` in place of what the conversation had; who had to go for it, oldest
        first. A state larger than the whole budget goes itself and pushes nobody out."""
        self.take(conversation)
        if parked.size_bytes > self._budget_bytes:
            return ((conversation, parked),)
        pushed_out = []
        while self._size_bytes + parked.size_bytes > self._budget_bytes:
            oldest = next(iter(self._parked))
            pushed_out.append((oldest, self._remove(oldest)))
        self._parked[conversation] = parked
        self._size_bytes += parked.size_bytes
        return tuple(pushed_out)

    def take(self, conversation: str) -> Parked | None:
        """What is kept for the conversation, which is kept no longer."""
        return self._remove(conversation) if conversation in self._parked else None

    def find(self, conversation: str) -> Parked | None:
        return self._parked.get(conversation)

    def forget(self, conversation: str) -> bool:
        return self.take(conversation) is not None

    def list_recent(self) -> tuple[tuple[str, Parked], ...]:
        """All of them, the one parked last first."""
        return tuple(reversed(self._parked.items()))

    def check_integrity(self) -> None:
        """Raise AssertionError where the sums contradict what is held."""
        held_bytes = sum(parked.size_bytes for parked in self._parked.values())
        assert self._size_bytes == held_bytes, "the sum is not that of the states"
        assert 0 <= self._size_bytes <= max(0, self._budget_bytes), "more than the budget"

    def _remove(self, conversation: str) -> Parked:
        parked = self._parked.pop(conversation)
        self._size_bytes -= parked.size_bytes
        return parked
