"""Many customers at once: eight together, a long prompt among open streams, more than there is
room for.

The servers are crowded one after the other and never two at a time. The rule that must not break:
every request that was made is accounted for, also the one that got no answer.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.engine_alone import make_peers, start_all, stop_all
from benchmarks.engine_answer import Answer, count_together, find_longest_gap_ms, median
from benchmarks.engine_peers import Appliance, LlamaServer, Peer, Setup, Talk, settle
from benchmarks.engine_report import NO_PEER, Measured, bound, compare_ways, show_ms
from benchmarks.engine_words import ask_at_length, ask_long, ask_new
from benchmarks.fault_load import read_resident_bytes
from benchmarks.fault_report import find_percentile, tell
from benchmarks.ladder_report import Part, Row

CLIENTS = 8
# The default of the setting that bounds the pause of an open stream.
BOUND_MS = 150.0
STREAMS = 4
# About 1,200 tokens beside a system prompt of 280.
PASSAGES = 22
FLOOD, PLACES, QUEUE, WAVES = 64, 4, 32, 4
MOST_GROWTH = 0.02
PARKED = re.compile(r'^appliance_engine_parked_bytes{place="memory"} (\S+)$', re.MULTILINE)


async def measure_eight(folder: Path, *, is_quick: bool) -> Measured:
    rounds, clients, tokens = (1, 3, 8) if is_quick else (4, CLIENTS, 64)
    tell(f"{clients} clients at once, {rounds} rounds …")
    peers = make_peers(folder, Setup(max_new_tokens=tokens, parallel=clients), clients)
    heard: dict[str, list[list[Answer]]] = {peer.name: [] for peer in peers}
    try:
        await start_all(peers)
        for number in range(rounds):
            for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
                heard[peer.name].append(await crowd(peer, clients, number))
                await settle(peer)
    finally:
        await stop_all(peers)
    return report_eight(heard, clients)


async def crowd(peer: Peer, clients: int, number: int) -> list[Answer]:
    questions = [ask_long(1 + number * clients + client) for client in range(clients)]
    asking = [peer.ask(Talk(), question) for question in questions]
    return list(await asyncio.gather(*asking))


def report_eight(heard: dict[str, list[list[Answer]]], clients: int) -> Measured:
    speeds = {name: [count_together(one) for one in rounds] for name, rounds in heard.items()}
    ttfts = {
        name: [one.ttft_ms for answers in rounds for one in answers]
        for name, rounds in heard.items()
    }
    gaps = {
        name: [find_percentile(one.gaps_ms, 95) for answers in rounds for one in answers]
        for name, rounds in heard.items()
    }
    steps = [gap for answers in heard["appliance"] for one in answers for gap in one.gaps_ms]
    most_gap_ms, step_ms = max(gaps["appliance"]), median(steps)
    allowed_ms = max(2 * step_ms, BOUND_MS)
    rows = [
        *compare_crowds(speeds, ttfts, clients),
        bound(
            f"{clients} clients at once: the worst stream's p95 gap",
            most_gap_ms,
            allowed_ms,
            f"{most_gap_ms:.0f} ms, a step is {step_ms:.0f} ms",
            f"≤ max(2 × step, {BOUND_MS:.0f} ms) = {allowed_ms:.0f} ms",
        ),
    ]
    words = {
        name: [one.words_ms for answers in rounds for one in answers]
        for name, rounds in heard.items()
    }
    told = {
        f"tokens/s, {clients} at once": {n: f"{median(one):.1f}" for n, one in speeds.items()},
        f"first token, {clients} at once, median / p95": {
            name: show_ms(one) for name, one in ttfts.items()
        },
        f"first words, {clients} at once, median / p95": {
            name: show_ms(one) for name, one in words.items()
        },
        "worst stream's p95 gap": {name: f"{max(one):.0f} ms" for name, one in gaps.items()},
    }
    return Measured(
        Part(tuple(rows), compare_ways(told, tuple(heard))),
        {"tokens_per_s": speeds, "ttft_ms": ttfts, "p95_gap_ms": gaps, "words_ms": words},
    )


def compare_crowds(
    speeds: dict[str, list[float]], ttfts: dict[str, list[float]], clients: int
) -> list[Row]:
    peer = "llama-server"
    if peer not in speeds:
        return [Row(f"{clients} clients at once, against llama-server", NO_PEER, "≥ 1.0")]
    p95_ms = {name: find_percentile(told, 95) for name, told in ttfts.items()}
    ours_ms = p95_ms["appliance"]
    better_ms = min(told for name, told in p95_ms.items() if name != "appliance")
    ratio = median(speeds["appliance"]) / median(speeds[peer])
    return [
        Row(
            f"{clients} clients at once: together, appliance / llama-server",
            f"{median(speeds['appliance']):.1f} / {median(speeds[peer]):.1f} tokens/s "
            f"= {ratio:.3f}",
            "≥ 1.0",
            ratio >= 1.0,
        ),
        bound(
            f"{clients} clients at once: first token, p95, appliance / llama-server",
            ours_ms,
            0.6 * p95_ms[peer],
            f"{ours_ms:.0f} / {p95_ms[peer]:.0f} ms = {ours_ms / p95_ms[peer]:.2f}",
            "≤ 0.6",
        ),
        bound(
            f"{clients} clients at once: first token, p95, appliance / the better peer",
            ours_ms,
            1.1 * better_ms,
            f"{ours_ms:.0f} / {better_ms:.0f} ms = {ours_ms / better_ms:.2f}",
            "≤ 1.1",
        ),
    ]


async def measure_long(folder: Path, *, is_quick: bool) -> Measured:
    rounds, passages, tokens = (1, 2, 48) if is_quick else (2, PASSAGES, 400)
    tell(f"a prompt of {passages} passages beside {STREAMS} streams, {rounds} rounds …")
    setup = Setup(max_new_tokens=tokens, parallel=STREAMS + 1, more={"max_new_tokens_cap": "512"})
    peers = [one for one in make_peers(folder, setup, STREAMS + 1) if can_share(one)]
    pauses: dict[str, list[float]] = {peer.name: [] for peer in peers}
    longs: dict[str, list[Answer]] = {peer.name: [] for peer in peers}
    try:
        await start_all(peers)
        for number in range(rounds):
            for peer in peers:
                longest_ms, long = await disturb(peer, number, passages)
                pauses[peer.name] += longest_ms
                longs[peer.name].append(long)
                await settle(peer)
    finally:
        await stop_all(peers)
    return report_long(pauses, longs)


def can_share(peer: Peer) -> bool:
    """Whether it has more than one stream open at a time."""
    return isinstance(peer, Appliance | LlamaServer)


async def disturb(peer: Peer, number: int, passages: int) -> tuple[list[float], Answer]:
    """The longest pause of each stream while the long prompt is read, and its own answer."""
    begun = asyncio.Barrier(STREAMS + 1)
    questions = [ask_long(number * STREAMS + one) for one in range(STREAMS)]
    asking = [asyncio.create_task(stream(peer, question, begun)) for question in questions]
    # Where a stream breaks nobody waits for it for ever.
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait([waiting, *asking], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    long = await peer.ask(Talk(), ask_at_length(passages))
    streams = await asyncio.gather(*asking)
    until_s = long.token_s[0]
    return [find_longest_gap_ms(one, long.asked_s, until_s) for one in streams], long


async def stream(peer: Peer, question: str, begun: asyncio.Barrier) -> Answer:
    """Meets the others at its first words."""
    meetings: list[asyncio.Task[int]] = []

    def meet(_at_s: float, _frame: object) -> None:
        if not meetings:
            meetings.append(asyncio.create_task(begun.wait()))

    return await peer.ask(Talk(), question, meet)


def report_long(pauses: dict[str, list[float]], longs: dict[str, list[Answer]]) -> Measured:
    ours = longs["appliance"]
    most_ms = max(pauses["appliance"])
    others = "".join(
        f"; {name} {max(told):.0f} ms" for name, told in pauses.items() if name != "appliance"
    )
    ttfts = {name: [one.ttft_ms for one in answers] for name, answers in longs.items()}
    waits = ", ".join(f"{name} {median(told) / 1000:.1f} s" for name, told in ttfts.items())
    row = bound(
        f"a prompt of {ours[0].prompt_tokens} tokens beside {STREAMS} streams: longest pause",
        most_ms,
        2 * BOUND_MS,
        f"{most_ms:.0f} ms{others}; first token of the long one: {waits}",
        f"≤ 2 × {BOUND_MS:.0f} ms",
    )
    return Measured(Part((row,)), {"pauses_ms": pauses, "ttft_ms": ttfts})


async def measure_flood(folder: Path, *, is_quick: bool) -> Measured:
    waves, clients, tokens = (2, 12, 4) if is_quick else (WAVES, FLOOD, 24)
    queue = 4 if is_quick else QUEUE
    tell(f"{clients} clients for {PLACES} places and a queue of {queue}, {waves} waves …")
    setup = Setup(max_new_tokens=tokens, parallel=PLACES, queue=queue)
    server = Appliance(folder / "appliance", setup)
    outcomes: Counter[str] = Counter()
    resident_bytes: list[int] = []
    try:
        await server.start()
        await server.ask(Talk(), ask_long(0))
        for wave in range(waves):
            asking = [ask_once(server, ask_new(wave * clients + one)) for one in range(clients)]
            outcomes.update(await asyncio.gather(*asking))
            await settle(server)
            resident_bytes.append(read_resident_bytes(server.pid) - await read_parked(server))
    finally:
        await server.stop()
    return report_flood(outcomes, resident_bytes, clients, queue)


async def ask_once(server: Appliance, question: str) -> str:
    try:
        heard = await server.try_ask(Talk(), question)
    except (OSError, EOFError, TimeoutError) as error:
        return type(error).__name__
    if heard.status != 200:
        has_place = "retry-after" in heard.headers
        return f"{heard.status}" if has_place else f"{heard.status} without Retry-After"
    last = heard.frames[-1][1] if heard.frames else {}
    if "finish_reason" not in last:
        return f"a stream without an end {json.dumps(last)[:80]}"
    return "answer" if last["source"] == "model" else "fixed words"


async def read_parked(server: Appliance) -> int:
    """What is parked in memory has a budget of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    page = (await reader.read(-1)).decode()
    writer.close()
    return sum(int(float(found)) for found in PARKED.findall(page))


def report_flood(
    outcomes: Counter[str], resident_bytes: Sequence[int], clients: int, queue: int
) -> Measured:
    strange = sorted(set(outcomes) - {"answer", "fixed words", "429", "503"})
    # The first wave fills caches and buffers once.
    growth = resident_bytes[-1] / resident_bytes[0] - 1
    figure = ", ".join(f"{count} × {what}" for what, count in outcomes.most_common())
    waves = " → ".join(f"{one / 1e6:.0f}" for one in resident_bytes)
    rows = (
        Row(
            f"{clients} clients, {PLACES} places, queue {queue}: {sum(outcomes.values())} requests",
            figure,
            "each an answer, or refused with Retry-After",
            not strange and outcomes["answer"] > 0,
        ),
        bound(
            f"{clients} clients: resident memory after each wave, less what is parked",
            growth,
            MOST_GROWTH,
            f"{waves} MB = {100 * growth:+.1f} %",
            f"≤ +{100 * MOST_GROWTH:.0f} %",
        ),
    )
    return Measured(Part(rows), {"outcomes": dict(outcomes), "resident_bytes": [*resident_bytes]})
