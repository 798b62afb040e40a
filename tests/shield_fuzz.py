"""Requests that a machine makes of `/openapi.json`, sent to a house that listens.

It judges by status and shape alone. The rule that must not break: every case is sent by loopback
to a house of its own, with and without a key that opens everything.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from appliance.engine.scripted import ScriptedEngine
from appliance.store.access_file import AccessFile
from appliance.store.keys import SCOPES, Keys
from tests.scripted_house import choose_settings, serving

READY_S = 60.0
PHASES = (Phase.explicit, Phase.generate)
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
UNSAFE_IN_A_HEADER = re.compile(r"[^\x20-\x7e]")
# A stream of a conversation that is there would not end.
ENDLESS = ("/sessions/{session_id}/events",)
READ_BYTES = 1 << 16


@dataclass
class Told:
    cases: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def fuzz(folder: Path, cases: int) -> Told:
    """At least `cases`, spread evenly over all operations, each way of generating and each of
    with and without a key."""
    told = Told()
    chosen = choose_settings(folder).model_copy(update={"key_per_minute": 0, "key_answers": 0})
    key = Keys(AccessFile(chosen.data), lambda: 0).create("fuzz", SCOPES)
    with serving(chosen, ScriptedEngine(lambda question: [question[:8]])) as house:
        house.wait_ready(READY_S)
        with httpx2.Client(base_url=house.url, timeout=20) as client:
            contract = client.get("/openapi.json").json()
            session_id = client.post("/sessions").json()["session_id"]
            operations: list[Any] = list(
                schemathesis.openapi.from_dict(contract).get_all_operations()
            )
            each = -(-cases // (len(operations) * len(MODES) * 2))
            for found in operations:
                for mode in MODES:
                    for headers in ({}, {"Authorization": f"Bearer {key}"}):
                        _try(found.ok(), mode, headers, each, client, session_id, told)
    return told


def _try(
    operation: Any,
    mode: schemathesis.GenerationMode,
    headers: dict[str, str],
    cases: int,
    client: httpx2.Client,
    session_id: str,
    told: Told,
) -> None:
    own = {"Origin": str(client.base_url).rstrip("/"), **headers}
    sent = 0

    @settings(
        max_examples=cases,
        phases=PHASES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        nonlocal sent
        has_id = "session_id" in (case.path_parameters or {}) and operation.path not in ENDLESS
        # Every second one reaches the handler's inside.
        if has_id and sent % 2:
            case.path_parameters["session_id"] = session_id
        _send(client, case, own, told)
        sent += 1

    try:
        run()
    except Exception as error:
        # What cannot be generated any further is no fault of the house.
        if "Unsatisfiable" not in type(error).__name__:
            raise
    # A way that has few cases of its own (a route without a body or parameters) is filled up.
    named = dict.fromkeys(re.findall(r"{(\w+)}", operation.path), "a")
    if "session_id" in named:
        named["session_id"] = session_id[:-1]
    for _ in range(max(0, cases - sent)):
        _send(client, operation.Case(path_parameters=named), own, told)


def _send(client: httpx2.Client, case: Any, own: dict[str, str], told: Told) -> None:
    wire = case.as_transport_kwargs(base_url=str(client.base_url))
    headers = {
        name: UNSAFE_IN_A_HEADER.sub("", str(value))
        for name, value in {**dict(wire.get("headers") or {}), **own}.items()
    }
    body = wire.get("data")
    if "json" in wire:
        body = json.dumps(wire["json"]).encode()
    if isinstance(body, str):
        body = body.encode("utf-8", "surrogatepass")
    request = client.build_request(
        wire["method"], wire["url"], params=wire.get("params"), content=body, headers=headers
    )
    told.cases += 1
    reply = client.send(request, stream=True)
    try:
        text = b""
        for piece in reply.iter_bytes():
            text += piece
            if len(text) > READ_BYTES:
                break
    finally:
        reply.close()
    status = reply.status_code
    told.statuses[status] = told.statuses.get(status, 0) + 1
    # The refused widget is a page.
    has_shape = b'"error"' in text or request.method == "HEAD" or request.url.path == "/widget"
    if status >= 500 or b"Traceback" in text:
        told.faults.append(f"{request.method} {request.url.path}: {status} {text[:200]!r}")
    elif status >= 400 and not has_shape:
        told.faults.append(f"{request.method} {request.url.path}: {status} has no shape")
