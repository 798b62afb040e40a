"""What shield, sealing and audit log together take of the real model's tokens.

Customers talk to the engine at once. Each has two turns open: one streams through the whole shield
and seals what it keeps, one streams from the bare handler and keeps it in clear. The words of his
one answer go by turns to this and to that, a few at a time and in the order ABBA, so both sides
meet the same words, the same depth and the same second of the machine. Counted is the processor
time of all threads but the engine's: the clock of a machine whose steps swing by tenths cannot see
a hundredth. What a turn costs once, at its beginning and its end, is `shield_cost.py`'s. The rule
that must not break: only fours that every customer went through whole are compared, and the figure
stands with its interval.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

from starlette.types import Message

from appliance.engine.engine import Broken, Engine, Generation, Piece, Prefilled, Sampling
from appliance.engine.prompt import Prompt
from appliance.errors import ModelUnavailable
from appliance.eval_cli import make_engine
from appliance.events import Done, Source, Token
from appliance.settings import Settings
from appliance.store.keyring import Keyring
from appliance.store.master import FileMaster
from appliance.store.messages import Answer
from appliance.store.verdicts import StoredVerdict
from benchmarks.fault_report import Row, tell
from benchmarks.sealing import Side, opened, read_day
from benchmarks.shield_cost import BODY, STREAM_PATH, Application, build_applications, build_scope

CUSTOMERS = 4
BLOCK_TOKENS = 4
ORDER = "ABBA"
FOUR = len(ORDER)
ANSWER_TOKENS = 240
ROUNDS = 5
QUICK_ROUNDS = 1
BAR_PERCENT = 1.0
SURE = 0.95
DEADLINE_S = 300.0
GREEDY = Sampling(temperature=0.0)
TASKS = (
    "请写一篇关于秋天的长文，不少于两千字。",
    "请给一位老朋友写一封很长的信，说说这十年的生活。",
    "Please write a very long story about a lighthouse, in many chapters.",
    "请讲一个关于小猫和月亮的很长很长的故事，分成十章。",
)
VERDICTS = (StoredVerdict("in", "rule", "category", "pass"),)
MODEL: Source = "model"
# As the stores name their threads.
SERVING = ("store", "live")


@dataclass(frozen=True, slots=True)
class Way:
    """One side: where its rows go, and the application by which a turn comes in and leaves."""

    side: Side
    application: Application


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one block of words, from its first word to the next block's."""

    tokens: int
    seconds: float
    processor_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """Of all customers together in one four: tokens a second, and processor time of a token."""

    tokens_per_s: float
    processor_ms: float


Pair: TypeAlias = tuple[Told, Told]
"""Without and with, of the same four."""


class Visitor:
    """The other end of one request: sends its body, hears until it is let go."""

    def __init__(self, way: Way) -> None:
        self._words: asyncio.Queue[str | None] = asyncio.Queue()
        self._body: list[Message] = [{"type": "http.request", "body": BODY, "more_body": False}]
        self._gone = asyncio.Event()
        self.status = 0
        scope = {**build_scope(STREAM_PATH, ""), "state": {"words": self._words}}
        self._request = asyncio.ensure_future(way.application(scope, self._receive, self._send))

    def hear(self, word: str) -> None:
        self._words.put_nowait(word)

    async def leave(self) -> None:
        self._words.put_nowait(None)
        await self._request
        if self.status != 200:
            raise ValueError(f"the stream was answered with {self.status}")

    async def _receive(self) -> Message:
        if self._body:
            return self._body.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.status = message.get("status", self.status)


class OpenTurn:
    """A turn of one side, from the customer's message to the commit of its end."""

    def __init__(self, way: Way, key: str, run_id: str) -> None:
        self._way, self._key, self._run_id = way, key, run_id
        self._visitor = Visitor(way)
        self._said = ""
        self._ids: list[int] = []

    @classmethod
    async def begin(cls, way: Way, asked: str) -> OpenTurn:
        session = await way.side.sessions.create()
        accepted = await way.side.sessions.accept(session, asked)
        return cls(way, accepted.session_key, accepted.run_id)

    async def say(self, piece: Piece) -> None:
        self._said += piece.text
        self._ids += piece.token_ids
        token = Token(piece.text, piece.token_ids)
        await self._way.side.log.append(self._key, self._run_id, token)
        self._visitor.hear(piece.text)

    async def end(self) -> None:
        answer = Answer(self._said, tuple(self._ids), MODEL)
        sessions, done = self._way.side.sessions, Done("stop", MODEL)
        await sessions.finish(self._key, self._run_id, answer, done, VERDICTS)
        await self._visitor.leave()


class Clock:
    """Cuts one customer's answer into blocks."""

    def __init__(self) -> None:
        self.spent: list[Spent] = []
        self._began: tuple[float, float] | None = None
        self._tokens = 0

    def count(self, tokens: int) -> None:
        """A word has come. Where it ends a block the next one begins with what comes then."""
        now = time.perf_counter(), read_processor_s()
        if self._began is None:
            self._began = now
        elif self._tokens >= BLOCK_TOKENS:
            began_s, began_processor_s = self._began
            self.spent.append(Spent(self._tokens, now[0] - began_s, now[1] - began_processor_s))
            self._began, self._tokens = now, 0
        self._tokens += tokens


def read_processor_s() -> float:
    """Of the threads that serve: the event loop's and the stores'."""
    return sum(
        time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident and (thread is threading.main_thread() or thread.name.startswith(SERVING))
    )


async def measure_tokens(folder: Path, rounds: int = ROUNDS) -> list[Row]:
    """One row; where there is no model it says so and holds nothing."""
    engine = make_engine(Settings(data=folder / "none", engine="local"), without_model=False)
    await engine.start()
    try:
        await engine.wait_ready()
        pairs = await _compare(folder, engine, rounds)
    except ModelUnavailable as error:
        return [make_row([], str(error))]
    finally:
        await engine.stop()
    return [make_row(pairs)]


async def _compare(folder: Path, engine: Engine, rounds: int) -> list[Pair]:
    data, probes = folder / "sealed", folder / "probes"
    data.mkdir()
    probes.mkdir()
    applications = build_applications(probes)
    keyring = Keyring(data, FileMaster(data / "keys" / "master.key", data), read_day)
    keyring.unlock()
    system, *tasks = await engine.encode([Settings().system_prompt, *TASKS[:CUSTOMERS]])
    prompts = [engine.template.render(system, [], task) for task in tasks]
    pairs: list[Pair] = []
    async with opened(folder / "plain", None) as plain, opened(data, keyring) as sealed:
        ways = Way(plain, applications.bare_stream), Way(sealed, applications.whole)
        for number in range(rounds + 1):
            # Which side is A takes turns too.
            is_whole_first = number % 2 == 1
            talked = await _talk(engine, prompts, ways, is_whole_first)
            told = compare_fours(talked, is_whole_first)
            # The first round is to warm up.
            pairs += told if number else []
            # So far, for a run that is cut off.
            tell(f"  {number} of {rounds} rounds: {make_row(pairs).figure if pairs else 'warm'}")
    return pairs


async def _talk(
    engine: Engine, prompts: Sequence[Prompt], ways: tuple[Way, Way], is_whole_first: bool
) -> list[list[Spent]]:
    """What each block took, customer by customer; none before all customers are in the batch."""
    is_full, begun = asyncio.Event(), 0

    async def ask(number: int) -> list[Spent]:
        nonlocal begun
        turns = [await OpenTurn.begin(way, TASKS[number]) for way in ways]
        generation = Generation(
            f"shield {number}", prompts[number], ANSWER_TOKENS, GREEDY, deadline_s=DEADLINE_S
        )
        clock = Clock()
        async for output in engine.generate(generation):
            match output:
                case Prefilled():
                    begun += 1
                    if begun == len(prompts):
                        is_full.set()
                case Piece():
                    if is_full.is_set():
                        clock.count(len(output.token_ids))
                    await turns[find_side(len(clock.spent), is_whole_first)].say(output)
                case Broken(message):
                    raise ValueError(message)
        for turn in turns:
            await turn.end()
        await engine.forget(generation.conversation)
        return clock.spent

    return await asyncio.gather(*(ask(number) for number in range(len(prompts))))


def find_side(block: int, is_whole_first: bool) -> int:
    """0 for the bare side, 1 for the whole one."""
    return (ORDER[block % FOUR] == "B") ^ is_whole_first


def compare_fours(talked: list[list[Spent]], is_whole_first: bool) -> list[Pair]:
    """Each four that all customers went through whole."""
    whole = min(len(spent) for spent in talked) // FOUR
    pairs = []
    for first in range(0, whole * FOUR, FOUR):
        sides: tuple[list[Spent], list[Spent]] = ([], [])
        for at in range(first, first + FOUR):
            sides[find_side(at, is_whole_first)].extend(spent[at] for spent in talked)
        without, beside = (_sum_up(side, len(talked)) for side in sides)
        pairs.append((without, beside))
    return pairs


def _sum_up(side: Sequence[Spent], customers: int) -> Told:
    """Each customer's block sees the processor time of all."""
    tokens = sum(one.tokens for one in side)
    seconds = sum(one.seconds for one in side)
    processor_s = sum(one.processor_s for one in side)
    return Told(customers * tokens / seconds, processor_s / customers / tokens * 1000)


def find_interval(values: Sequence[float], sure: float = SURE) -> tuple[float, float]:
    """Of the median, by order alone: whatever way the values swing. All of them where they are too
    few to leave any out."""
    ordered, left_out, beyond = sorted(values), 0, 0.0
    while left_out < len(ordered) // 2:
        beyond += math.comb(len(ordered), left_out) / 2 ** len(ordered)
        if 2 * beyond > 1 - sure:
            break
        left_out += 1
    at = max(0, left_out - 1)
    return ordered[at], ordered[-1 - at]


def make_row(pairs: Sequence[Pair], why_not: str = "") -> Row:
    """Held to the bar is the processor's share: a step waits for the threads of the model, and
    what another thread takes of a core it waits longer at most."""
    what = f"shield, sealing and audit beside {CUSTOMERS} customers of the real model"
    bar = f"≤ {BAR_PERCENT:.0f}% of tokens a second"
    if not pairs:
        return Row(what, f"not measured: {why_not}", bar, False)
    speed = median(without.tokens_per_s for without, _ in pairs)
    more_ms = [beside.processor_ms - without.processor_ms for without, beside in pairs]
    share = [ms * speed / 1000 * 100 for ms in more_ms]
    low, high = find_interval(share)
    lost = [100 * (1 - beside.tokens_per_s / without.tokens_per_s) for without, beside in pairs]
    least, most = find_interval(lost)
    figure = (
        f"{median(share):.2f}% of a core, {SURE:.0%} sure between {low:.2f} and {high:.2f}%: "
        f"{median(more_ms):.3f} ms a token at {speed:.1f} tokens a second, {len(pairs)} fours; by "
        f"the clock between {least:+.1f} and {most:+.1f}%"
    )
    return Row(what, figure, bar, high <= BAR_PERCENT)
