"""What the house asks of an engine: a protocol and the values that cross it.

It is not an engine. `local.py`, `remote.py` and `scripted.py` are; the rooms above see only these
names.
A conversation is an opaque key here: an engine knows no session, no HTTP and no SQL.
The rule that must not break: every generation ends in exactly one `Finished` or `Broken`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from appliance.engine.figures import EngineFigures
from appliance.engine.logprobs import TokenLogprob
from appliance.engine.prompt import Prompt, Template, TokenIds

if TYPE_CHECKING:
    from appliance.engine.grammar import Grammar
    from appliance.engine.parked_files import Transform

Phase: TypeAlias = Literal["starting", "loading", "warming", "ready", "unavailable", "stopped"]
EngineFinish: TypeAlias = Literal["stop", "length", "cancelled", "timeout"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn. Qwen2.5-0.5B-Instruct's own generation_config is
    temperature 0.7, top_p 0.8, top_k 20, repetition_penalty 1.1; a customer-service answer
    wants less chance, so the default temperature is lower. Temperature 0 is greedy."""

    temperature: float = 0.3
    top_k: int = 40
    top_p: float = 0.8
    repeat_penalty: float = 1.1
    repeat_window_tokens: int = 256
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Generation:
    """One request for text. `conversation` keys the kept KV cells; `deadline_s` is wall time.

    `said` are ids of this very answer from before the process died: the run goes on behind them
    and says none of them again. They are part of `max_new_tokens`. With a `grammar` the answer
    is a text of that language, as far as it goes. With `top_logprobs` each token comes with its log
    probability and those of so many others; None costs nothing.
    """

    conversation: str
    prompt: Prompt
    max_new_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    deadline_s: float = 60.0
    said: TokenIds = ()
    grammar: Grammar | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """`position` others go first; `eta_ms` is an estimate from measured rates."""

    position: int
    eta_ms: int


@dataclass(frozen=True, slots=True)
class Prefilled:
    """The prompt is in the cache and decoding begins. What was `said` before is no prompt.

    It comes again where another model goes on. `model_id` is whose words follow, where that is
    not the model that the engine's status names.
    """

    prompt_tokens: int
    cached_tokens: int
    queued_ms: float
    prefill_ms: float
    model_id: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole characters of the answer, never an empty string, and the ids sampled for them.

    The ids of `said` and of all pieces, decoded, are the text of all pieces, and half a character
    at most behind it. So text waits while its end may yet become a stop string. Only where a stop
    string ended the answer do the ids reach into it, and who goes on from there ends at once.
    `logprobs` are of the tokens that begin in `text`, where they were asked for and are known.
    """

    text: str
    token_ids: TokenIds
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """What an answer took in tokens, as who computed it counts them."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Finished:
    """`token_ids` are all of the answer's ids, `said` and new, without an end-of-turn token.

    `counted` is told where these ids are not the tokens that were computed.
    """

    reason: EngineFinish
    token_ids: TokenIds
    decode_ms: float
    is_repetition: bool = False
    counted: Counted | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The generation failed in the engine; nothing of it stays in the cache.

    `message` is one plain sentence that names what happened.
    """

    message: str


Output: TypeAlias = Waiting | Prefilled | Piece | Finished | Broken


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A snapshot for the terminal, `/readyz` and the about box.

    `notes` are plain sentences: what was chosen and why, what is missing, what stands in.
    """

    phase: Phase
    model_id: str = ""
    model_name: str = ""
    reason: str = ""
    remedy: str = ""
    progress: float = 0.0
    threads: int = 0
    context_tokens: int = 0
    notes: tuple[str, ...] = ()


class Run(Protocol):
    """A generation under way. Iterating twice is an error; leaving the loop cancels nothing."""

    def __aiter__(self) -> AsyncIterator[Output]: ...

    def cancel(self) -> None:
        """Ask for the end: the run still ends by itself in one `Finished("cancelled")`."""


async def read_outputs(outputs: asyncio.Queue[Output]) -> AsyncIterator[Output]:
    """What a run puts out, to its end."""
    while True:
        output = await outputs.get()
        yield output
        if isinstance(output, Finished | Broken):
            return


class Engine(Protocol):
    """`status` is cheap and may be read from the event loop at any time."""

    @property
    def status(self) -> EngineStatus: ...

    async def start(self) -> None:
        """Load and warm; returns when ready or unavailable. Never raises for a bad model.

        After `withhold`, and where the model could not be had, it is tried again."""

    def seal_with(self, seal: Transform, open: Transform) -> None:
        """What it keeps of conversations on disk goes through these, with what it is bound to.
        Before `start`."""

    def withhold(self, reason: str, remedy: str = "") -> None:
        """Be unavailable with these words, without having tried, until `start`. Only while
        nothing is loaded or loading."""

    async def stop(self) -> None:
        """End every run with `Finished("cancelled")`, then free the context."""

    async def wait_ready(self) -> None:
        """Return once ready; raise ModelUnavailable when the model will not come."""

    @property
    def template(self) -> Template:
        """The chat template as token ids. Raises ModelUnavailable before `ready`."""

    @property
    def max_prompt_tokens(self) -> int:
        """The longest prompt that still leaves room for an answer, in tokens."""

    async def encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of contents: whatever the text, no id of a control token."""

    def generate(self, generation: Generation) -> Run:
        """Queue one generation. Raises ModelUnavailable without a model, ValueError for a
        prompt that cannot fit with its answer. How many may wait is for the caller to bound."""

    def estimate_wait_s(self) -> int:
        """When a place is likely to be free if all are taken, from measured rates; at least 1."""

    def prepare(self, conversation: str, prompt: Prompt) -> None:
        """Read `prompt` into the conversation's cells while nobody speaks, at the lowest priority.

        The latest prompt of a conversation counts; a question of the same conversation ends it.
        Never raises, returns at once; without a model it does nothing."""

    async def forget(self, conversation: str) -> None:
        """Drop every cell kept for this conversation, and what was to be prepared for it."""

    def measure(self) -> EngineFigures:
        """What it has computed so far and holds now. Cheap; from the event loop at any time."""
