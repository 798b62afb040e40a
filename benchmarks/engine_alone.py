"""One customer alone: decoding speed, first token, and what the server itself costs.

The servers take turns in every round. The rule that must not break: whoever is measured, the
others are quiet.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine_answer import Answer, compare_pairs, median
from benchmarks.engine_peers import (
    Appliance,
    LlamaServer,
    Peer,
    PythonServer,
    Setup,
    Talk,
    count_threads,
    has_llama_server,
    has_python_server,
    settle,
)
from benchmarks.engine_process import WrongAnswer, read_thread_cpu_s
from benchmarks.engine_report import (
    NO_PEER,
    Measured,
    bound,
    compare_ways,
    show_ms,
)
from benchmarks.engine_words import ask_long
from benchmarks.fault_report import tell
from benchmarks.ladder_report import Part, Row

ROUNDS, CPU_ROUNDS = 7, 5
ANSWER_TOKENS = 96
LEAST_SPEED, MOST_TTFT, MOST_TTFT_MS = 0.97, 1.05, 10.0
MOST_OWN_CPU = 0.03


def make_peers(folder: Path, setup: Setup, slots: int | None) -> list[Peer]:
    """Ours and whichever of the others are here."""
    peers: list[Peer] = [Appliance(folder / "appliance", setup)]
    if has_llama_server():
        peers.append(LlamaServer(folder / "llama-server", setup, slots))
    if has_python_server():
        peers.append(PythonServer(folder / "python-server", setup))
    return peers


async def start_all(peers: list[Peer]) -> None:
    for peer in peers:
        await peer.start()
        # The first answer pays for what is warmed once.
        await peer.ask(Talk(), ask_long(0))
        await settle(peer)


async def stop_all(peers: list[Peer]) -> None:
    for peer in peers:
        await peer.stop()


async def measure_one(folder: Path, *, is_quick: bool) -> Measured:
    rounds, tokens = (1, 8) if is_quick else (ROUNDS, ANSWER_TOKENS)
    tell(f"one client, {rounds} rounds …")
    peers = make_peers(folder, Setup(max_new_tokens=tokens), 4)
    heard: dict[str, list[Answer]] = {peer.name: [] for peer in peers}
    try:
        await start_all(peers)
        for number in range(1, rounds + 1):
            # Who goes first changes from round to round.
            for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
                heard[peer.name].append(await peer.ask(Talk(), ask_long(number)))
                await settle(peer)
    finally:
        await stop_all(peers)
    whole = [at for at, one in enumerate(heard["appliance"]) if one.is_whole]
    if not whole:
        raise WrongAnswer("a guard had every answer begun anew")
    return report_one({name: [told[at] for at in whole] for name, told in heard.items()})


def report_one(heard: dict[str, list[Answer]]) -> Measured:
    speeds = {name: [one.tokens_per_s for one in answers] for name, answers in heard.items()}
    ttfts = {name: [one.ttft_ms for one in answers] for name, answers in heard.items()}
    words = [one.words_ms for one in heard["appliance"]]
    peer = "llama-server"
    if peer in heard:
        ratio = compare_pairs(speeds["appliance"], speeds[peer])
        ours_ms, theirs_ms = median(ttfts["appliance"]), median(ttfts[peer])
        most_ms = theirs_ms * MOST_TTFT + MOST_TTFT_MS
        rows: tuple[Row, ...] = (
            Row(
                "one client: decoding, appliance / llama-server",
                f"{median(speeds['appliance']):.1f} / {median(speeds[peer]):.1f} tokens/s "
                f"= {ratio:.3f}",
                f"≥ {LEAST_SPEED}",
                ratio >= LEAST_SPEED,
            ),
            bound(
                "one client: first token, appliance / llama-server",
                ours_ms,
                most_ms,
                f"{ours_ms:.0f} / {theirs_ms:.0f} ms (words {median(words):.0f} ms)",
                f"≤ 1.05 × + 10 ms = {most_ms:.0f} ms",
            ),
        )
    else:
        figure = f"{median(speeds['appliance']):.1f} tokens/s; {NO_PEER}"
        rows = (Row("one client: decoding", figure, f"≥ {LEAST_SPEED}"),)
    told = {
        "tokens/s, one client": {name: f"{median(one):.1f}" for name, one in speeds.items()},
        "first token, median / p95": {name: show_ms(one) for name, one in ttfts.items()},
        "first words, median / p95": {
            name: show_ms([one.words_ms for one in answers]) for name, answers in heard.items()
        },
    }
    return Measured(
        Part(rows, compare_ways(told, tuple(heard))),
        {
            "tokens_per_s": speeds,
            "ttft_ms": ttfts,
            "words_ms": words,
            "prompt_tokens": {n: [one.prompt_tokens for one in a] for n, a in heard.items()},
            "cached_tokens": {n: [one.cached_tokens for one in a] for n, a in heard.items()},
        },
    )


class DecodeWatch:
    """Processor time of a server's threads at each of an answer's words."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.moments: list[tuple[float, dict[int, float]]] = []

    def hear(self, _at_s: float, frame: dict[str, Any]) -> None:
        if frame["token"]:
            self.moments.append((time.monotonic(), read_thread_cpu_s(self._pid)))


async def measure_cpu(folder: Path, *, is_quick: bool) -> Measured:
    """Processor time that is neither llama.cpp's steps nor its draws."""
    rounds, tokens = (2, 24) if is_quick else (CPU_ROUNDS, 128)
    tell(f"the server's own processor time, {rounds} rounds …")
    server = Appliance(folder / "appliance", Setup(max_new_tokens=tokens))
    spent: list[OwnCpu] = []
    try:
        await server.start()
        await server.ask(Talk(), ask_long(0))
        number = 0
        while len(spent) < rounds:
            number += 1
            await settle(server)
            if one := await spend(server, ask_long(number)):
                spent.append(one)
    finally:
        await server.stop()
    return report_cpu(spent)


@dataclass(frozen=True, slots=True)
class OwnCpu:
    """For a token of one answer: a step, the engine's thread beside it, and all other threads but
    llama.cpp's own. These spin between steps, so their time says nothing."""

    step_ms: float
    engine_ms: float
    others_ms: float

    @property
    def share(self) -> float:
        return (self.engine_ms + self.others_ms) / self.step_ms


async def spend(server: Appliance, question: str) -> OwnCpu | None:
    """None for an answer that a guard had begun anew."""
    watch = DecodeWatch(server.pid)
    answer = await server.ask(Talk(), question, watch.hear)
    if not answer.is_whole:
        return None
    (first_s, before), (last_s, after) = watch.moments[0], watch.moments[-1]
    own = [one for one in server.read_own_s(answer.run_id) if first_s < one[0] <= last_s]
    if len(own) < 2:
        raise WrongAnswer(f"{question!r} was shown in one piece, so no span can be timed")
    tokens = answer.tokens * (last_s - first_s) / (answer.token_s[-1] - answer.token_s[0])
    busiest = sorted(after[one] - before.get(one, 0.0) for one in after)
    return OwnCpu(
        step_ms=1000 / answer.tokens_per_s,
        engine_ms=(own[-1][1] - own[0][1]) / tokens * 1000,
        others_ms=sum(busiest[: -count_threads()]) / tokens * 1000,
    )


def report_cpu(spent: list[OwnCpu]) -> Measured:
    share = median([one.share for one in spent])
    engine_ms = median([one.engine_ms for one in spent])
    others_ms = median([one.others_ms for one in spent])
    step_ms = median([one.step_ms for one in spent])
    row = bound(
        "the server's own processor time for a token",
        share,
        MOST_OWN_CPU,
        f"{engine_ms:.2f} ms on the engine's thread + {others_ms:.2f} ms on others "
        f"= {100 * share:.1f} % of a step of {step_ms:.1f} ms",
        "≤ 3 % of the step",
    )
    return Measured(Part((row,)), {"spent": [asdict(one) for one in spent]})
