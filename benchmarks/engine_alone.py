"""One customer alone: decoding speed, first token, and what the server itself costs.

The servers take turns in every round. The rule that must not break: whoever is measured, the
others are quiet.
"""

from __future__ import annotations

import time
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
    find_model,
    has_llama_server,
    has_python_server,
    settle,
)
from benchmarks.engine_process import WrongAnswer, read_cpu_s
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
from benchmarks.serve import BareLoop as ServedBareLoop

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
    """Processor time of a server between the first and the last words of an answer."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.moments: list[tuple[float, float]] = []

    def hear(self, _at_s: float, frame: dict[str, Any]) -> None:
        if frame["token"]:
            self.moments.append((time.monotonic(), read_cpu_s(self._pid)))


class BareLoop(ServedBareLoop):
    @property
    def pid(self) -> int:
        return self._process.pid


async def measure_cpu(folder: Path, *, is_quick: bool) -> Measured:
    """The server's processor time for a token less a bare loop's for the same token."""
    rounds, tokens = (2, 24) if is_quick else (CPU_ROUNDS, 128)
    tell(f"the server's own processor time, {rounds} rounds …")
    setup = Setup(max_new_tokens=tokens)
    server = Appliance(folder / "appliance", setup)
    served_ms: list[float] = []
    bare_ms: list[float] = []
    steps_ms: list[float] = []
    bare = BareLoop(find_model(), count_threads(), setup.context_tokens)
    try:
        await server.start()
        await server.ask(Talk(), ask_long(0))
        number = 0
        while len(served_ms) < rounds:
            number += 1
            await settle(server)
            cpu_ms, step_ms, prompt = await spend_served(server, ask_long(number))
            if not prompt:
                continue
            served_ms.append(cpu_ms)
            steps_ms.append(step_ms)
            bare_ms.append(spend_bare(bare, prompt, tokens))
    finally:
        bare.close()
        await server.stop()
    return report_cpu(served_ms, bare_ms, steps_ms)


async def spend_served(server: Appliance, question: str) -> tuple[float, float, int]:
    """Processor ms for a token, ms of a step, tokens of the prompt; nothing of an answer that a
    guard had begun anew."""
    watch = DecodeWatch(server.pid)
    answer = await server.ask(Talk(), question, watch.hear)
    if not answer.is_whole:
        return 0.0, 0.0, 0
    (first_s, first_cpu_s), (last_s, last_cpu_s) = watch.moments[0], watch.moments[-1]
    said = sum(first_s < at_s <= last_s for at_s in answer.token_s)
    if not said:
        raise WrongAnswer(f"{question!r} was shown in one piece, so no span can be timed")
    steps = answer.gaps_ms
    return (last_cpu_s - first_cpu_s) / said * 1000, median(steps), answer.prompt_tokens


def spend_bare(bare: BareLoop, prompt_tokens: int, answer_tokens: int) -> float:
    """A long answer less a short one, so that the prompt falls out."""
    spent_s = []
    for tokens in (answer_tokens // 4, answer_tokens):
        before_s = read_cpu_s(bare.pid)
        bare.run(0, prompt_tokens, tokens)
        spent_s.append(read_cpu_s(bare.pid) - before_s)
    return (spent_s[1] - spent_s[0]) / (answer_tokens - answer_tokens // 4) * 1000


def report_cpu(served_ms: list[float], bare_ms: list[float], steps_ms: list[float]) -> Measured:
    pairs = zip(served_ms, bare_ms, steps_ms, strict=True)
    share = median([(served - bare) / step for served, bare, step in pairs])
    row = bound(
        "the server's own processor time for a token",
        share,
        MOST_OWN_CPU,
        f"{median(served_ms):.2f} ms − {median(bare_ms):.2f} ms of a bare loop = "
        f"{100 * share:.1f} % of a step of {median(steps_ms):.1f} ms",
        "≤ 3 % of the step",
    )
    raw = {"served_cpu_ms": served_ms, "bare_cpu_ms": bare_ms, "step_ms": steps_ms}
    return Measured(Part((row,)), raw)
