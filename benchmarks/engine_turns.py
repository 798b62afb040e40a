"""Customers who take turns, return after others, and return after a restart.

Everybody types slowly: a question is asked once the server is quiet, whichever server it is. The
rule that must not break: all servers hear the same questions in the same order, and a first token
is compared with the first token of the same customer's same turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from random import Random

from benchmarks.engine_alone import start_all, stop_all
from benchmarks.engine_answer import Answer, median
from benchmarks.engine_peers import (
    Appliance,
    LlamaServer,
    Peer,
    PythonServer,
    Setup,
    Talk,
    has_llama_server,
    has_python_server,
    settle,
)
from benchmarks.engine_report import NO_PEER, Measured, bound, compare_ways, show_ms
from benchmarks.engine_words import ask_opening, ask_turn
from benchmarks.fault_report import find_percentile, tell
from benchmarks.ladder_report import Part, Row

CUSTOMERS, TURNS, ANSWER_TOKENS = 6, 6, 48
MANY, RESIDENT, VISITS = 32, 8, 3
# 280 tokens of system prompt once, and eight times the 190 or more of three turns.
CELLS_OF_EIGHT, PEER_CELLS_OF_EIGHT = 2048, 4096
BY_SIMILARITY, AS_IT_COMES, PINNED = "by similarity", "as it comes", "pinned"
# Settings of ours that this row is about; parking on disk is on unless it was switched off.
RESTART: dict[str, str] = {}


class Way:
    """One server, used in one way; `slots` of llama-server are pinned by hand or not."""

    def __init__(self, name: str, peer: Peer, *, is_pinned: bool = False) -> None:
        self.name = name
        self.peer = peer
        self._is_pinned = is_pinned
        self.talks: dict[int, Talk] = {}
        self.turns: list[list[Answer]] = []

    def begin(self) -> None:
        """New customers."""
        self.talks = {}

    async def ask(self, customer: int, question: str) -> Answer:
        slot = customer if self._is_pinned else None
        talk = self.talks.setdefault(customer, Talk(slot=slot))
        answer = await self.peer.ask(talk, question)
        await settle(self.peer)
        return answer


def make_ways(folder: Path, setup: Setup, customers: int) -> list[Way]:
    ways = [Way("appliance", Appliance(folder / "appliance", setup))]
    if has_llama_server():
        peers = {
            BY_SIMILARITY: LlamaServer(folder / "similar", setup, customers),
            AS_IT_COMES: LlamaServer(folder / "auto", setup, None),
            PINNED: LlamaServer(folder / "pinned", setup, customers),
        }
        ways += [
            Way(f"llama-server, {name}", peer, is_pinned=name == PINNED)
            for name, peer in peers.items()
        ]
    if has_python_server():
        ways.append(Way("llama_cpp.server", PythonServer(folder / "python-server", setup)))
    return ways


async def measure_turns(folder: Path, *, is_quick: bool) -> Measured:
    rounds, customers, turns, tokens = (1, 2, 3, 8) if is_quick else (3, CUSTOMERS, TURNS, 48)
    ways = make_ways(folder, Setup(max_new_tokens=tokens), customers)
    tell(f"{customers} customers taking turns, {turns} turns, {rounds} rounds …")
    try:
        await start_all([way.peer for way in ways])
        for way in ways:
            way.turns = [[] for _ in range(turns)]
        for number in range(rounds):
            for way in ways:
                way.begin()
            await take_turns(ways, customers, turns, number)
    finally:
        await stop_all([way.peer for way in ways])
    return report_turns({way.name: way.turns for way in ways}, customers)


async def take_turns(ways: Sequence[Way], customers: int, turns: int, number: int) -> None:
    for turn in range(turns):
        for customer in range(customers):
            question = ask_turn(number * customers + customer, turn)
            for way in ways:
                way.turns[turn].append(await way.ask(customer, question))


def report_turns(heard: dict[str, list[list[Answer]]], customers: int) -> Measured:
    ttfts = {
        name: [[one.ttft_ms for one in answers] for answers in turns]
        for name, turns in heard.items()
    }
    ours = ttfts["appliance"]
    turns = len(ours)
    first_ms, last_ms = median(ours[0]), median(ours[-1])
    words_ms = median([one.words_ms for one in heard["appliance"][-1]])
    rows = [
        bound(
            f"{customers} customers taking turns: first token of turn {turns} / turn 1",
            last_ms,
            1.25 * first_ms,
            f"{last_ms:.0f} / {first_ms:.0f} ms = {last_ms / first_ms:.2f} "
            f"(words {words_ms:.0f} ms)",
            "≤ 1.25",
        ),
        *compare_turns(ttfts, turns),
    ]
    told = {
        f"first token, turn {turn + 1}": {
            name: f"{median(told_ms[turn]):.0f} ms" for name, told_ms in ttfts.items()
        }
        for turn in range(turns)
    }
    cached = {
        name: [[one.cached_tokens for one in answers] for answers in turns]
        for name, turns in heard.items()
    }
    return Measured(
        Part(tuple(rows), compare_ways(told, tuple(heard))),
        {"ttft_ms": ttfts, "cached_tokens": cached},
    )


def compare_turns(ttfts: dict[str, list[list[float]]], turns: int) -> list[Row]:
    """With llama-server left to itself, the better of two ways, and in its best case."""
    ours = ttfts["appliance"]
    alone = {
        way: median(ttfts[f"llama-server, {way}"][-1])
        for way in (BY_SIMILARITY, AS_IT_COMES)
        if f"llama-server, {way}" in ttfts
    }
    if not alone:
        return [Row("the same, against llama-server", NO_PEER, "≤ 1/5")]
    last_ms, theirs_ms = median(ours[-1]), min(alone.values())
    pinned_ms = median([*chain(*ttfts[f"llama-server, {PINNED}"][1:])])
    later_ms = median([*chain(*ours[1:])])
    most_ms = 1.05 * pinned_ms + 10
    return [
        bound(
            f"first token of turn {turns}: appliance / llama-server, the better of two ways",
            last_ms,
            theirs_ms / 5,
            f"{last_ms:.0f} / {theirs_ms:.0f} ms = {last_ms / theirs_ms:.2f} ("
            + ", ".join(f"{way} {told:.0f} ms" for way, told in alone.items())
            + ")",
            "≤ 0.20",
        ),
        bound(
            "from turn 2 on: appliance / llama-server with each customer's slot pinned by hand",
            later_ms,
            most_ms,
            f"{later_ms:.0f} / {pinned_ms:.0f} ms",
            f"≤ 1.05 × + 10 ms = {most_ms:.0f} ms",
        ),
    ]


async def measure_many(folder: Path, *, is_quick: bool) -> Measured:
    """Customers come back in any order, four times as many as there are cells for."""
    customers, resident, visits = (6, 2, 2) if is_quick else (MANY, RESIDENT, VISITS)
    tell(f"{customers} conversations, cells for {resident}, {visits} turns in random order …")
    ours = Setup(context_tokens=CELLS_OF_EIGHT, max_new_tokens=24)
    theirs = Setup(context_tokens=PEER_CELLS_OF_EIGHT, max_new_tokens=24)
    ways = [
        Way("appliance", Appliance(folder / "appliance", ours)),
        Way("appliance, all resident", Appliance(folder / "resident", ours)),
    ]
    if has_llama_server():
        ways.append(Way("llama-server", LlamaServer(folder / "llama", theirs, RESIDENT)))
        ways.append(Way("llama-server, as it comes", LlamaServer(folder / "auto", theirs, None)))
    heard: dict[str, list[Answer]] = {way.name: [] for way in ways}
    mixed = make_visits(range(customers), visits)
    # As many at a time as there are cells for: the same questions, all of them resident.
    apart = [
        visit
        for first in range(0, customers, resident)
        for visit in make_visits(range(first, min(first + resident, customers)), visits)
    ]
    try:
        await start_all([way.peer for way in ways])
        for one, other in zip(mixed, apart, strict=True):
            for way in ways:
                customer, turn = other if "resident" in way.name else one
                question = ask_turn(customer, turn) if turn else ask_opening(customer)
                answer = await way.ask(customer, question)
                if turn:
                    heard[way.name].append(answer)
    finally:
        await stop_all([way.peer for way in ways])
    return report_many(heard, customers, resident)


def make_visits(customers: range, visits: int) -> list[tuple[int, int]]:
    """(customer, turn) in an order without rule, the turns of each in theirs."""
    order = [customer for customer in customers for _ in range(visits)]
    Random(7).shuffle(order)
    seen: dict[int, int] = {}
    made = []
    for customer in order:
        turn = seen.get(customer, 0)
        made.append((customer, turn))
        seen[customer] = turn + 1
    return made


def report_many(heard: dict[str, list[Answer]], customers: int, resident: int) -> Measured:
    ttfts = {name: [one.ttft_ms for one in answers] for name, answers in heard.items()}
    p95_ms = find_percentile(ttfts["appliance"], 95)
    base_ms = find_percentile(ttfts["appliance, all resident"], 95)
    others = "".join(
        f"; {name} {find_percentile(told, 95):.0f} ms"
        for name, told in ttfts.items()
        if name.startswith("llama")
    )
    row = bound(
        f"{customers} conversations, cells for {resident}, random order: first token, p95",
        p95_ms,
        1.5 * base_ms,
        f"{p95_ms:.0f} ms, all resident {base_ms:.0f} ms = {p95_ms / base_ms:.2f}{others}",
        "≤ 1.5",
    )
    cached = {name: [one.cached_tokens for one in answers] for name, answers in heard.items()}
    note = (
        f"Cells in that row: {CELLS_OF_EIGHT} for the appliance, which holds the system "
        f"prompt once, and {PEER_CELLS_OF_EIGHT} for llama-server, "
        f"which holds it in each of {RESIDENT} slots."
    )
    return Measured(Part((row,), notes=(note,)), {"ttft_ms": ttfts, "cached_tokens": cached})


async def measure_restart(folder: Path, *, is_quick: bool) -> Measured:
    """SIGTERM, the same data again, and every customer goes on."""
    customers, turns = (2, 2) if is_quick else (4, TURNS)
    tell(f"an orderly restart between turn {turns} and {turns + 1} of {customers} customers …")
    setup = Setup(max_new_tokens=8 if is_quick else ANSWER_TOKENS, more=RESTART)
    way = Way("appliance", Appliance(folder / "appliance", setup))
    way.turns = [[] for _ in range(turns + 1)]
    try:
        await start_all([way.peer])
        await take_turns([way], customers, turns, 0)
        await way.peer.stop()
        await way.peer.start()
        await settle(way.peer)
        for customer in range(customers):
            way.turns[turns].append(await way.ask(customer, ask_turn(customer, turns)))
    finally:
        await way.peer.stop()
    before = [one.ttft_ms for one in way.turns[turns - 1]]
    after = [one.ttft_ms for one in way.turns[turns]]
    row = bound(
        f"orderly restart: first token of turn {turns + 1} / turn {turns} before it",
        median(after),
        1.5 * median(before),
        f"{median(after):.0f} / {median(before):.0f} ms = {median(after) / median(before):.2f} "
        f"(slowest {show_ms(after)}, median / p95)",
        "≤ 1.5",
    )
    cached = [[one.cached_tokens for one in answers] for answers in way.turns]
    return Measured(Part((row,)), {"before_ms": before, "after_ms": after, "cached": cached})
