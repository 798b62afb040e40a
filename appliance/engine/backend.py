"""What the engine's loop asks of a llama.cpp context, so that tests can put a toy in its place.

It is not llama.cpp: `llama.py` is the only file that knows it. The rule that must not break:
one thread calls a backend, except for `interrupt`, which any thread may call, and `encode`,
which only reads the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from appliance.engine.engine import Sampling
from appliance.engine.prompt import Template, TokenIds
from appliance.engine.sequences import Operation

if TYPE_CHECKING:
    from appliance.engine.grammar import Grammar


@dataclass(frozen=True, slots=True)
class Entry:
    """One token of a batch. Only an entry that `wants_logits` may be sampled from."""

    token: int
    position: int
    slot: int
    wants_logits: bool


# The log probability of a token, and those of the likeliest by their ids.
Weighed: TypeAlias = tuple[float, Sequence[tuple[int, float]]]
DecodeResult: TypeAlias = Literal["done", "full", "interrupted", "failed"]


class Sampler(Protocol):
    def sample(self, row: int) -> int:
        """The next token after batch entry `row`, accepted into the sampler's own history.
        Raises EngineFailure where the row holds anything but numbers."""

    def weigh(self, row: int, token: int, top: int) -> Weighed:
        """What the model itself thought of `token` and of the `top` likeliest at this place, before
        temperature, penalties and grammar had their say."""

    def accept(self, token: int) -> None:
        """`token` was sampled before, in another process: it belongs to the history too."""

    def close(self) -> None: ...


class Backend(Protocol):
    slots: int
    cells: int
    template: Template
    # Of model, kernels and settings: a state copied under one key means nothing under another.
    state_key: str

    def encode(self, text: str) -> TokenIds:
        """Ids of a content: no id of a control or user-defined token, whatever the text."""

    def get_piece(self, token: int) -> bytes:
        """The token's bytes; empty for a control token. Raises EngineFailure for an id that
        this model does not have."""

    def is_end(self, token: int) -> bool:
        """Whether the token ends the assistant's turn."""

    def make_sampler(self, sampling: Sampling, grammar: Grammar | None = None) -> Sampler: ...

    def apply(self, operation: Operation) -> None:
        """Move cells as told. To evict is to remove; who wants a copy makes it before."""

    def save(self, slot: int, start: int) -> bytes:
        """A copy of the cells of `slot` from position `start` on; empty where it failed."""

    def restore(self, slot: int, data: bytes) -> bool:
        """Put a copy into `slot`, which holds nothing. Where it is refused, `slot` is empty."""

    def decode(self, entries: Sequence[Entry], *, interruptible: bool) -> DecodeResult:
        """Compute one step. After anything but "done" the batch's cells are in no known state
        and must be removed back to where the step began."""

    def interrupt(self) -> None:
        """End the interruptible step under way, if there is one, within milliseconds."""

    def close(self) -> None: ...
