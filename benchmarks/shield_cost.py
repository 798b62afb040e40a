"""What the shield and the access check cost one request, without a network in between.

The same handler is called bare, through the whole application, and with a key and a cookie; the
difference is what they take. Medians of many calls.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Message, Scope

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.http.answers import JsonAnswer
from appliance.http.openapi import Operation
from appliance.http.policies import Policy
from appliance.http.routes import build_http
from appliance.store.access_file import AccessFile
from appliance.store.keys import Keys
from benchmarks.fault_report import Row, find_percentile
from tests.scripted_house import answer, choose_settings

CALLS = 3_000
BAR_MS = 2.0
BODY = b'{"message": "a"}'


async def probe(request: Request) -> JsonAnswer:
    await request.body()
    return JsonAnswer({})


async def measure_cost(folder: Path) -> list[Row]:
    settings = choose_settings(folder).model_copy(
        update={"address_per_minute": 1_000_000, "key_per_minute": 1_000_000}
    )
    house = House(settings, ScriptedEngine(answer))
    probes = [
        Operation("POST", "/probe/chat", probe, "", (), policy=Policy.CHAT),
        Operation("POST", "/probe/key", probe, "", (), policy=Policy.API),
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
    bare = Route("/probe/chat", probe, methods=["POST"])
    key = Keys(AccessFile(settings.data), lambda: 0).create("cost", ("v1",))
    bare_ms = await _time(bare.handle, "/probe/chat", "")
    chat_ms = await _time(whole, "/probe/chat", "")
    key_ms = await _time(whole, "/probe/key", key)
    costs = [find_percentile(one, 50) - statistics.median(bare_ms) for one in (chat_ms, key_ms)]
    return [
        Row(
            "cost of the shield, per request",
            f"{costs[0]:.2f} ms; with a key {costs[1]:.2f} ms",
            f"≤ {BAR_MS:.0f} ms a turn",
            max(costs) <= BAR_MS,
        )
    ]


async def _time(application: Callable[..., Awaitable[None]], path: str, key: str) -> list[float]:
    taken_ms = []
    for _ in range(CALLS):
        scope = _build_scope(path, key)
        began_s = time.perf_counter()
        await application(scope, _receive, _send)
        taken_ms.append((time.perf_counter() - began_s) * 1000)
    return taken_ms


def _build_scope(path: str, key: str) -> Scope:
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
