"""A context without a model: it checks every cell it is given, copied, put back or taken."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.engine.backend import DecodeResult, Entry, Weighed
from appliance.engine.cells import Cells
from appliance.engine.engine import Sampling
from appliance.engine.jobs import Job
from appliance.engine.loop import EngineLoop
from appliance.engine.parking import Parked, Parking
from appliance.engine.prompt import Template, TokenIds
from appliance.engine.scheduler import Bounds, Scheduler
from appliance.engine.sequences import Copy, Evict, Operation, Remove
from appliance.engine.step_table import StepTable
from appliance.engine.tally import Tally
from appliance.engine.warming import read_prefix

if TYPE_CHECKING:
    from appliance.engine.grammar import Grammar

PREFIX = (1, 2, 3)
END = 0
WORD = "款".encode()


class ToyBackend:
    """Holds the ids of each sequence and speaks a word that depends on them alone."""

    def __init__(self, slots: int = 6, cells: int = 120) -> None:
        self.slots, self.cells = slots, cells
        self.state_key = "toy"
        self.template = Template((1,), (2,), (3,), (4,))
        self._cells: list[dict[int, int]] = [{} for _ in range(slots)]
        self.rows: list[tuple[int, ...] | None] = []
        self.results: list[DecodeResult] = []
        self.decoded_tokens = 0
        self.batches: list[tuple[int, ...]] = []
        self.answer_tokens = 6
        self.open_samplers = 0
        self.weighed: list[tuple[int, int]] = []
        self.before_decode = threading.Event()
        self.before_decode.set()
        self.in_decode = threading.Event()
        self.interrupted = False
        self.poison: set[int] = set()
        self.is_refusing = False

    @property
    def held(self) -> list[list[int]]:
        """The ids of each sequence, which has no gap while nothing is moved."""
        for cells in self._cells:
            assert sorted(cells) == list(range(len(cells))), "a gap"
        return [[cells[at] for at in range(len(cells))] for cells in self._cells]

    def encode(self, text: str) -> TokenIds:
        return tuple(map(ord, text))

    def get_piece(self, token: int) -> bytes:
        return bytes([token & 0xFF])

    def is_end(self, token: int) -> bool:
        return token == END

    def make_sampler(self, sampling: Sampling, grammar: Grammar | None = None) -> ToySampler:
        self.open_samplers += 1
        return ToySampler(self)

    def apply(self, operation: Operation) -> None:
        match operation:
            case Copy(source, target, tokens):
                moved = {at: self._cells[source][at] for at in range(tokens)}
                assert not moved.keys() & self._cells[target].keys(), "a copy onto held cells"
                self._cells[target] |= moved
            case Remove(slot, start):
                self._cells[slot] = {
                    at: token for at, token in self._cells[slot].items() if at < start
                }
            case Evict(slot):
                self._cells[slot] = {}

    def save(self, slot: int, start: int) -> bytes:
        if self.is_refusing:
            return b""
        cells = self._cells[slot]
        return json.dumps([(at, token) for at, token in cells.items() if at >= start]).encode()

    def restore(self, slot: int, data: bytes) -> bool:
        assert not self._cells[slot], "a state put onto held cells"
        if self.is_refusing:
            return False
        self._cells[slot] = dict(json.loads(data))
        return True

    def decode(self, entries: Sequence[Entry], *, interruptible: bool) -> DecodeResult:
        self.in_decode.set()
        assert self.before_decode.wait(5)
        result = self.results.pop(0) if self.results else "done"
        self.rows = []
        for entry in entries:
            cells = self._cells[entry.slot]
            assert entry.position == len(cells), "a gap or an overlap"
            cells[entry.position] = entry.token
            self.rows.append(tuple(cells.values()) if entry.wants_logits else None)
        self.decoded_tokens += len(entries)
        self.batches.append(tuple(entry.token for entry in entries))
        assert sum(map(len, self._cells)) <= self.cells + len(PREFIX) * self.slots
        return result if all(entry.token not in self.poison for entry in entries) else "failed"

    def interrupt(self) -> None:
        self.interrupted = True

    def close(self) -> None: ...


class ToySampler:
    def __init__(self, backend: ToyBackend) -> None:
        self._backend = backend
        self._said = 0

    def sample(self, row: int) -> int:
        cells = self._backend.rows[row]
        assert cells is not None, "sampled where no logits were asked for"
        self._said += 1
        if self._said > self._backend.answer_tokens:
            return END
        return 256 + WORD[(self._said - 1) % 3] + 512 * (sum(cells) % 97)

    def weigh(self, row: int, token: int, top: int) -> Weighed:
        """The chosen one is as likely as not, the others are below it."""
        self._backend.weighed.append((row, top))
        return -0.7, [(token + 256 * at, -0.7 - at) for at in range(top)]

    def accept(self, token: int) -> None:
        self._said += 1

    def close(self) -> None:
        self._backend.open_samplers -= 1


def make_loop(
    backend: ToyBackend, parallel: int = 1, parking_bytes: int = 1 << 20
) -> tuple[EngineLoop, Cells, list[tuple[str, Parked]]]:
    """A loop whose cells hold the prefix, its cells, and what they gave away."""
    given_away: list[tuple[str, Parked]] = []
    tally, table = Tally(), StepTable()
    cells = Cells(backend, Parking(parking_bytes), tally, lambda *given: given_away.append(given))
    read_prefix(backend, cells, table, PREFIX)
    scheduler = Scheduler[Job](parallel, Bounds(), table)
    return EngineLoop(backend, cells, scheduler, table, tally), cells, given_away
