"""Health and readiness: alive at once, ready only when the model rung can answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from appliance.http.ops import ModelReadiness, StoreReadiness
from tests.test_http_house import READY, open_house


def test_the_process_says_that_it_lives(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        answer = client.get("/healthz")
        head = client.head("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert head.status_code == 200
    assert head.headers["content-length"] == answer.headers["content-length"]


def test_ready_names_the_model_and_what_was_chosen(tmp_path: Path) -> None:
    with open_house(tmp_path) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "rungs": {"model": "ready"},
        "store": {"state": "ready", "reason": ""},
        "model": {
            "phase": "ready",
            "id": "tiny",
            "name": "Tiny 0.1B",
            "reason": "",
            "remedy": "",
            "progress": 1.0,
            "threads": 2,
            "context_tokens": 2048,
        },
        "notes": ["A sibling stands in for the default model."],
        "version": "0.1.0",
        "ready_ms": {},
        "questions": {"zh": ["怎么退货？"], "en": []},
        "chat_access": "open",
        "max_message_chars": 2000,
    }


def test_a_loading_model_is_a_503_with_the_same_body_and_a_time_to_come_back(
    tmp_path: Path,
) -> None:
    loading = replace(
        READY,
        ready=False,
        rungs={"model": "loading"},
        store=StoreReadiness("opening"),
        model=ModelReadiness("loading", "tiny", progress=0.4),
    )
    with open_house(tmp_path, readiness=loading) as client:
        answer = client.get("/readyz")
        health = client.get("/healthz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["ready"] is False
    assert answer.json()["rungs"] == {"model": "loading"}
    assert answer.json()["model"]["progress"] == 0.4
    assert health.status_code == 200
