"""Many at once: watchers that drop and come back, idle streams, more askers than places."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from pathlib import Path

from appliance.engine.scripted import ScriptedEngine
from benchmarks.fault_report import Row, find_percentile, tell, tell_faults
from tests.faults.client import Client, Frame
from tests.faults.customer import replay
from tests.faults.listening import choose_settings, listening
from tests.faults.process import housing
from tests.faults.script import pace
from tests.faults.script import tell as tell_answer
from tests.faults.watcher import Watcher

QUESTION = "请把退货的办法从头到尾说一遍。"
LONG_PHRASES = 24
PLACES, QUEUE = 4, 8
PROBE_S = 0.1


async def measure_watchers(folder: Path, *, is_quick: bool) -> list[Row]:
    """Three watchers drop after every frame; then one comes back behind every number."""
    tell("watchers drop and resume at every event id …")
    phrases = 6 if is_quick else LONG_PHRASES
    text, faults = tell_answer(QUESTION, phrases), list[str]()
    engine = ScriptedEngine(pace(0.005, phrases))
    async with listening(choose_settings(folder), engine) as client:
        session_id = (await client.call("POST", "/sessions")).json()["session_id"]
        asked = await client.call("POST", f"/sessions/{session_id}/messages", {"message": QUESTION})
        run_id = asked.json()["run_id"]
        dropping = [drop_after_each(client, session_id, run_id) for _ in range(3)]
        watchers = await asyncio.gather(*dropping)
        whole = await read_all(client, session_id, run_id, 0)
        for after in range(1, watchers[0].last):
            found = await read_all(client, session_id, run_id, after)
            if found != [frame for frame in whole if (frame.number or 0) > after]:
                faults.append(f"the replay after {after} differs")
    for watcher in watchers:
        faults += watcher.complaints
        if watcher.text_of(run_id) != text or "\ufffd" in text:
            faults.append(f"a watcher read {watcher.text_of(run_id)!r}")
    tell_faults(faults)
    return [
        Row(
            f"3 watchers at once drop at every one of {len(whole)} events of a Chinese answer",
            f"{len(faults)} faults; {len(text)} characters",
            "identical text, no U+FFFD",
            not faults,
        )
    ]


async def drop_after_each(client: Client, session_id: str, run_id: str) -> Watcher:
    watcher = Watcher()
    while not watcher.has_seen_end_of(run_id):
        async for frame in client.watch(session_id, watcher.last):
            watcher.see(frame)
            break
    return watcher


async def read_all(client: Client, session_id: str, run_id: str, after: int) -> list[Frame]:
    frames: list[Frame] = []
    async for frame in client.watch(session_id, after):
        frames.append(frame)
        if frame.event in ("done", "error") and frame.data["run_id"] == run_id:
            break
    return frames


def read_resident_bytes(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


async def probe(client: Client, seconds: float) -> list[float]:
    """How long /healthz took, in ms, asked ten times a second."""
    waits_ms = []
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        began_s = time.monotonic()
        assert (await client.call("GET", "/healthz")).status == 200
        waits_ms.append((time.monotonic() - began_s) * 1000)
        await asyncio.sleep(PROBE_S)
    return waits_ms


async def hold(client: Client, session_id: str) -> None:
    """Raises EOFError, or whatever else ends the stream."""
    async for _ in client.watch(session_id):
        pass


async def measure_idle(folder: Path, *, is_quick: bool) -> list[Row]:
    streams, seconds = (100, 10.0) if is_quick else (500, 60.0)
    tell(f"{streams} idle event streams for {seconds:.0f} s …")
    async with housing(folder, "--engine", "scripted") as house:
        client = await house.start()
        ids = [
            (await client.call("POST", "/sessions")).json()["session_id"] for _ in range(streams)
        ]
        await probe(client, 1.0)
        before = read_resident_bytes(house.pid)
        holding = [asyncio.create_task(hold(client, one)) for one in ids]
        waits_ms = await probe(client, seconds)
        each_kb = (read_resident_bytes(house.pid) - before) / streams / 1000
        dropped = sum(task.done() for task in holding)
        for task in holding:
            task.cancel()
        await asyncio.wait(holding)
        await house.stop()
    p95_ms = find_percentile(waits_ms, 95)
    return [
        Row(
            f"{streams} idle event streams for {seconds:.0f} s",
            f"{dropped} dropped, {each_kb:.0f} KB each, /healthz p95 {p95_ms:.1f} ms",
            "0 dropped, ≤ 60 KB each, p95 ≤ 50 ms",
            dropped == 0 and each_kb <= 60 and p95_ms <= 50,
        )
    ]


async def measure_overload(folder: Path, *, is_quick: bool) -> list[Row]:
    seconds, askers = 10.0 if is_quick else 60.0, 4 * (PLACES + QUEUE)
    tell(f"{askers} askers for {PLACES} places and a queue of {QUEUE}, {seconds:.0f} s …")
    flags = ("--parallel", str(PLACES), "--queue", str(QUEUE), "--phrases", "6")
    outcomes: Counter[str] = Counter()
    async with housing(folder, *flags) as house:
        client = await house.start()
        end_s = time.monotonic() + seconds
        probing = asyncio.create_task(probe(client, seconds))
        asking = [ask_until(client, end_s, number, outcomes) for number in range(askers)]
        await asyncio.gather(probing, *asking)
        waits_ms = probing.result()
        await house.stop()
    strange = sorted(set(outcomes) - {"answer", "fixed words", "429", "503"})
    return [
        Row(
            f"4× overload for {seconds:.0f} s: {sum(outcomes.values())} requests",
            f"{outcomes['answer']} answers, {outcomes['fixed words']} × fixed words, "
            f"{outcomes['429']} × 429, {outcomes['503']} × 503, "
            f"{sum(outcomes[one] for one in strange)} others {' '.join(strange)}; "
            f"/healthz p95 {find_percentile(waits_ms, 95):.0f} ms",
            "every request ends in an answer, fixed words, 429 or 503 with Retry-After",
            not strange and outcomes["answer"] > 0,
        )
    ]


async def ask_until(client: Client, end_s: float, number: int, outcomes: Counter[str]) -> None:
    """One after the other; who is refused comes back too soon, as the impatient do."""
    while time.monotonic() < end_s:
        try:
            outcomes[await ask_once(client, f"第{number}位的问题")] += 1
        except Exception as error:
            outcomes[type(error).__name__] += 1
        await asyncio.sleep(PROBE_S)


async def ask_once(client: Client, question: str) -> str:
    reply = await client.call("POST", "/chat", {"message": question})
    if reply.status == 200:
        is_whole = b"finish_reason" in reply.body
        if not is_whole:
            return "a stream without an end"
        return "fixed words" if b'"source": "fallback"' in reply.body else "answer"
    if reply.status in (429, 503) and "retry-after" not in reply.headers:
        return f"{reply.status} without Retry-After"
    return str(reply.status)


async def take_turn(client: Client, session_id: str, question: str, watcher: Watcher) -> str:
    asked = await client.call("POST", f"/sessions/{session_id}/messages", {"message": question})
    assert asked.status == 202, asked
    run_id = str(asked.json()["run_id"])
    await replay(client, session_id, watcher, {run_id})
    return run_id
