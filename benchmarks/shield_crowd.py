"""One address with fifty conversations against one honest customer, on a box as it is delivered.

The attackers hold the limits of one address, 127.0.0.2; the customer asks from 127.0.0.1. Bounded
in time, and all of it on this machine.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2

from benchmarks.fault_report import Row, find_percentile, tell

ATTACKERS, ATTACK_S, QUESTIONS = 50, 30.0, 20
# A refused attacker comes again after that, whatever Retry-After says.
AGAIN_S = 0.05
READY_S = 30.0
ADDRESS = re.compile(rb"http://127\.0\.0\.1:(\d+)")
QUESTION = "请你把这一句话原样再说一遍，谢谢你，一个字也不要改。"
SLOWER_ANSWERS = 1.5
REFUSED_SHARE = 0.9


async def measure_crowd(folder: Path) -> list[Row]:
    async with _serve(folder) as url:
        unloaded = [await _ask(url) for _ in range(QUESTIONS)]
        statuses: Counter[int] = Counter()
        end_s = time.monotonic() + ATTACK_S
        attack = asyncio.gather(*(_attack(url, end_s, statuses) for _ in range(ATTACKERS)))
        loaded = [await _ask(url) for _ in range(QUESTIONS)]
        await attack
    ttft_ms, answer_ms = (find_percentile([one[at] for one in unloaded], 95) for at in (0, 1))
    under_ms = find_percentile([one[0] for one in loaded], 95)
    total = statuses.total()
    refused = (statuses[429] + statuses[503]) / max(total, 1)
    tell(f"  {dict(statuses)}")
    return [
        Row(
            f"an attacker with {ATTACKERS} conversations at one address, one honest customer",
            f"p95 of the first token {under_ms:.0f} ms, unloaded {ttft_ms:.0f} ms, an answer "
            f"{answer_ms:.0f} ms; {refused:.0%} of {total} attacks refused",
            f"≤ unloaded + {SLOWER_ANSWERS} answers; ≥ {REFUSED_SHARE:.0%} refused",
            under_ms <= ttft_ms + SLOWER_ANSWERS * answer_ms and refused >= REFUSED_SHARE,
        )
    ]


@asynccontextmanager
async def _serve(folder: Path) -> AsyncIterator[str]:
    """`appliance serve --demo` with every default."""
    (folder / "knowledge").mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "appliance", "serve", "--demo", "--host", "127.0.0.1"),
        *("--port", "0"),
        env={
            **os.environ,
            "APPLIANCE_DATA": str(folder / "data"),
            "APPLIANCE_KNOWLEDGE": str(folder / "knowledge"),
        },
        stdout=PIPE,
        stderr=DEVNULL,
    )
    assert process.stdout is not None
    try:
        port = b""
        async with asyncio.timeout(READY_S):
            while not port:
                found = ADDRESS.search(await process.stdout.readline())
                port = found[1] if found else b""
            url = f"http://127.0.0.1:{port.decode()}"
            async with httpx2.AsyncClient(base_url=url) as client:
                while (await client.get("/readyz")).status_code != 200:
                    await asyncio.sleep(AGAIN_S)
        yield url
    finally:
        process.terminate()
        await process.wait()


async def _ask(url: str) -> tuple[float, float]:
    """Milliseconds to the first token and to the end, for the honest customer."""
    began_s = time.perf_counter()
    first_ms = 0.0
    async with (
        httpx2.AsyncClient(base_url=url, timeout=60) as client,
        client.stream("POST", "/chat", json={"message": QUESTION}) as reply,
    ):
        assert reply.status_code == 200, reply.status_code
        async for line in reply.aiter_lines():
            if line.startswith("data:") and not first_ms:
                first_ms = (time.perf_counter() - began_s) * 1000
    return first_ms, (time.perf_counter() - began_s) * 1000


async def _attack(url: str, end_s: float, statuses: Counter[int]) -> None:
    transport = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx2.AsyncClient(base_url=url, timeout=60, transport=transport) as client:
        while time.monotonic() < end_s:
            try:
                reply = await client.post("/chat", json={"message": QUESTION})
                statuses[reply.status_code] += 1
            except httpx2.TransportError:
                # Cut before it was read: one connection too many.
                statuses[429] += 1
            await asyncio.sleep(AGAIN_S)
