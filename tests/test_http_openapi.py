"""The contract: it covers every route, and what it says is what the appliance does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from appliance import __version__
from tests.test_http_house import open_house


def fetch_contract(folder: Path) -> tuple[dict[str, Any], Starlette]:
    with open_house(folder) as client:
        return client.get("/openapi.json").json(), cast(Starlette, client.app)


def test_every_route_is_described_and_nothing_else(tmp_path: Path) -> None:
    contract, application = fetch_contract(tmp_path)
    routed = {
        (re.sub(r":\w+}", "}", route.path), method.lower())
        for route in application.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(path, method) for path, item in contract["paths"].items() for method in item}
    sockets = [route for route in application.routes if isinstance(route, WebSocketRoute)]
    assert len(application.routes) == len(routed) + len(sockets)
    assert described == routed


def test_the_surface_is_this(tmp_path: Path) -> None:
    contract, _application = fetch_contract(tmp_path)
    assert (contract["openapi"], contract["info"]["version"]) == ("3.2.0", __version__)
    assert set(contract["paths"]) == {
        "/",
        "/chat",
        "/console",
        "/healthz",
        "/kiosk",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/sessions",
        "/sessions/{session_id}",
        "/sessions/{session_id}/events",
        "/sessions/{session_id}/feedback",
        "/sessions/{session_id}/handoff",
        "/sessions/{session_id}/identity",
        "/sessions/{session_id}/messages",
        "/sessions/{session_id}/revoke",
        "/sessions/{session_id}/stop",
        "/web/{path}",
        "/widget",
        "/widget.js",
    }


def test_every_reference_leads_to_a_schema(tmp_path: Path) -> None:
    contract, _application = fetch_contract(tmp_path)
    references = re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(contract))
    assert len(references) > 10
    assert set(references) == set(contract["components"]["schemas"])


def test_the_stream_is_described_frame_by_frame(tmp_path: Path) -> None:
    contract, _application = fetch_contract(tmp_path)
    content = contract["paths"]["/chat"]["post"]["responses"]["200"]["content"]
    assert set(content) == {"text/event-stream", "application/json"}
    frame = content["text/event-stream"]["itemSchema"]["properties"]["data"]["contentSchema"]
    names = [option["$ref"].rpartition("/")[2] for option in frame["anyOf"]]
    assert names == ["TokenFrame", "DoneFrame", "ErrorFrame"]
    token = contract["components"]["schemas"]["TokenFrame"]
    assert token["required"] == ["token", "done"]
    assert token["properties"]["done"]["const"] is False


def test_the_events_are_described_one_by_one(tmp_path: Path) -> None:
    contract, _application = fetch_contract(tmp_path)
    events = contract["paths"]["/sessions/{session_id}/events"]["get"]
    assert [(one["name"], one["in"]) for one in events["parameters"]] == [
        ("session_id", "path"),
        ("after", "query"),
        ("Last-Event-ID", "header"),
    ]
    content = events["responses"]["200"]["content"]["text/event-stream"]
    data = content["itemSchema"]["properties"]["data"]["contentSchema"]
    names = [option["$ref"].rpartition("/")[2] for option in data["anyOf"]]
    assert names == [
        "MessageEvent",
        "QueuedEvent",
        "StartedEvent",
        "TokenEvent",
        "NoticeEvent",
        "ToolEvent",
        "RewindEvent",
        "DoneEvent",
        "ErrorEvent",
        "HandoffEvent",
        "TypingEvent",
        "DraftEvent",
        "ByeEvent",
    ]
    assert set(events["responses"]) == {"200", "404", "422", "503"}
    say = contract["paths"]["/sessions/{session_id}/messages"]["post"]["responses"]
    assert set(say) == {"202", "400", "404", "409", "413", "415", "422", "503"}
    assert "restarting" in say["503"]["description"]


def test_every_error_a_call_may_give_is_described(tmp_path: Path) -> None:
    contract, _application = fetch_contract(tmp_path)
    chat = contract["paths"]["/chat"]["post"]["responses"]
    assert set(chat) == {"200", "400", "404", "409", "413", "415", "422", "503"}
    assert "busy" in chat["503"]["description"]
    for item in contract["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                # The widget's refusal is read by people.
                if int(status) >= 400 and "text/html" not in response["content"]:
                    assert "application/json" in response["content"]


def test_a_message_is_described_as_it_is_checked(tmp_path: Path) -> None:
    contract, _application = fetch_contract(tmp_path)
    say = contract["components"]["schemas"]["Say"]
    assert say["additionalProperties"] is False
    assert say["required"] == ["message"]
    assert set(say["properties"]) == {"message", "session_id"}
