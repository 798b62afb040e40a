"""What the shield and the access check cost one request, and with the audit log one turn.

The same handler is called bare, through the whole application, and with a key and a cookie; the
difference is what they take. Medians of many calls. No network stands in between. Sealing and
the audit log are measured by `sealing.py`, here for the sum.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeAlias

from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Scope

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.http.answers import JsonAnswer, dump
from appliance.http.frames import stream
from appliance.http.openapi import Operation
from appliance.http.policies import Policy
from appliance.http.routes import build_http
from appliance.store.access_file import AccessFile
from appliance.store.keys import Keys
from benchmarks.fault_report import Row, find_percentile
from benchmarks.sealing import measure
from tests.scripted_house import answer, choose_settings

CALLS = 3_000
BAR_MS = 2.0
REQUESTS_A_TURN = 2
SEALING_ROUNDS = 20
CHAT_PATH, STREAM_PATH, KEY_PATH = "/probe/chat", "/probe/stream", "/probe/key"
BODY = b'{"message": "a"}'

Application: TypeAlias = Callable[..., Awaitable[None]]


async def probe(request: Request) -> JsonAnswer:
    await request.body()
    return JsonAnswer({})


async def probe_stream(request: Request) -> EventSourceResponse:
    """Frames of the words that the caller's scope hands in, until None."""
    await request.body()
    words: asyncio.Queue[str | None] = request.state.words

    async def show() -> AsyncIterator[dict[str, str | int]]:
        while (word := await words.get()) is not None:
            yield {"data": dump({"token": word, "done": False})}

    return stream(show())


@dataclass(frozen=True, slots=True)
class Applications:
    """Handlers, bare and behind the whole shield, and a key that opens the second path."""

    bare: Application
    bare_stream: Application
    whole: Application
    key: str


def build_applications(folder: Path) -> Applications:
    settings = choose_settings(folder).model_copy(
        update={"address_per_minute": 1_000_000, "key_per_minute": 1_000_000}
    )
    house = House(settings, ScriptedEngine(answer))
    probes = [
        Operation("POST", CHAT_PATH, probe, "", (), policy=Policy.CHAT),
        Operation("POST", STREAM_PATH, probe_stream, "", (), policy=Policy.CHAT),
        Operation("POST", KEY_PATH, probe, "", (), policy=Policy.API),
    ]
    admission = house.admission
    whole = build_http(
        house.conversations,
        None,  # type: ignore[arg-type]
        house.report,
        house.measure,
        folder,
        settings,
        None,
        probes,
        admission.check,
        admission.rates,
    )
    bare = Route(CHAT_PATH, probe, methods=["POST"])
    bare_stream = Route(STREAM_PATH, probe_stream, methods=["POST"])
    key = Keys(AccessFile(settings.data), lambda: 0).create("cost", ("v1",))
    return Applications(bare.handle, bare_stream.handle, whole, key)


async def measure_cost(folder: Path, is_quick: bool = False) -> list[Row]:
    (folder / "sides").mkdir()
    probes = build_applications(folder)
    calls, rounds = (CALLS // 10, 2) if is_quick else (CALLS, SEALING_ROUNDS)
    bare_ms = await _time(probes.bare, CHAT_PATH, "", calls)
    chat_ms = await _time(probes.whole, CHAT_PATH, "", calls)
    key_ms = await _time(probes.whole, KEY_PATH, probes.key, calls)
    chat, key = (find_percentile(one, 50) - median(bare_ms) for one in (chat_ms, key_ms))
    plain, sealed, _ = await measure(folder / "sides", rounds)
    pairs = zip(plain.wall_ms, sealed.wall_ms, strict=True)
    sealing = median(beside - without for without, beside in pairs)
    # A page sends the message and has its stream open; a program with a key sends one request.
    turn = max(REQUESTS_A_TURN * chat, key) + sealing
    return [
        Row(
            "cost of the shield, per request",
            f"{chat:.2f} ms; with a key {key:.2f} ms",
            f"≤ {BAR_MS:.0f} ms a turn",
            max(chat, key) <= BAR_MS,
        ),
        Row(
            "cost of shield, sealing and audit together, per turn",
            f"{turn:.2f} ms, {sealing:.2f} ms of it for sealing and audit",
            f"≤ {BAR_MS:.0f} ms a turn",
            turn <= BAR_MS,
        ),
    ]


async def _time(application: Application, path: str, key: str, calls: int) -> list[float]:
    taken_ms = []
    for _ in range(calls):
        scope = build_scope(path, key)
        began_s = time.perf_counter()
        await application(scope, _receive, _send)
        taken_ms.append((time.perf_counter() - began_s) * 1000)
    return taken_ms


def build_scope(path: str, key: str) -> Scope:
    headers = [
        (b"host", b"localhost:8000"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
        (b"origin", b"http://localhost:8000"),
        (b"sec-fetch-site", b"same-origin"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64) a browser's long name"),
        (b"accept", b"text/event-stream"),
    ]
    if key:
        headers.append((b"authorization", f"Bearer {key}".encode()))
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": BODY, "more_body": False}


async def _send(message: Message) -> None:
    pass
