"""The real model through the whole house, over a real connection: what no script can show.

It judges no wisdom, only that text comes, whole, soon and in order. It is skipped only where
there is no model file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from appliance.engine.catalogue import load_catalogue
from appliance.engine.local import LocalEngine
from appliance.engine.models import resolve
from appliance.errors import ModelFileError
from appliance.settings import Settings
from tests.scripted_house import serving

MODELS = Path(__file__).resolve().parents[1] / "models"
# Bounds against hanging, far from what it takes: no test here judges speed.
LOAD_S = 180.0
ANSWER_S = 180.0
MAX_NEW_TOKENS = 48
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def find_reason_to_skip() -> str:
    try:
        resolve(Settings(models=MODELS))
    except ModelFileError as error:
        return str(error)
    return ""


REASON = find_reason_to_skip()
pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.skipif(bool(REASON), reason=REASON or "no model"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The appliance with the model of this checkout, loaded."""
    settings = Settings(
        data=tmp_path_factory.mktemp("real"),
        knowledge=tmp_path_factory.mktemp("empty_shop"),
        models=MODELS,
        context_tokens=2048,
        max_new_tokens=MAX_NEW_TOKENS,
        temperature=0.0,
        answer_deadline_s=ANSWER_S,
    )
    engine = LocalEngine(settings)
    with serving(settings, engine) as server:
        server.wait_ready(LOAD_S)
        yield server.url


def ask(url: str, message: str, session_id: str | None = None) -> dict[str, Any]:
    """The whole answer as JSON."""
    body = {"message": message} | ({"session_id": session_id} if session_id else {})
    headers = {"Accept": "application/json"}
    answer = httpx2.post(f"{url}/chat", json=body, headers=headers, timeout=ANSWER_S)
    assert answer.status_code == 200, answer.text
    whole: dict[str, Any] = answer.json()
    return whole


def test_chinese_streams_in_whole_characters(url: str) -> None:
    body = {"message": "怎样泡一杯好喝的绿茶？"}
    with httpx2.stream("POST", f"{url}/chat", json=body, timeout=ANSWER_S) as response:
        frames = [
            json.loads(line.removeprefix("data: "))
            for line in response.iter_lines()
            if line.startswith("data: ")
        ]
    *tokens, last = frames
    text = "".join(frame["token"] for frame in tokens)
    assert CHINESE.search(text)
    assert "\ufffd" not in text
    assert len(tokens) > 1
    assert (last["done"], last["source"]) == (True, "model")
    assert last["timings"]["ttft_ms"] < last["timings"]["total_ms"]


def test_a_second_question_reuses_what_was_read_and_said_before(url: str) -> None:
    first = ask(url, "你们几点开门？")
    second = ask(url, "周末呢？", first["session_id"])
    assert CHINESE.search(second["answer"])
    assert second["usage"]["cached_tokens"] >= first["usage"]["prompt_tokens"]


def test_an_answer_is_cut_at_its_longest(url: str) -> None:
    whole = ask(url, "请写一封很长的信，感谢我们的老顾客。")
    assert whole["finish_reason"] == "length"
    # Half a character at the cut is not shown and not counted.
    assert MAX_NEW_TOKENS - 3 <= whole["usage"]["completion_tokens"] <= MAX_NEW_TOKENS


def test_stopping_in_mid_answer_ends_it_there(url: str) -> None:
    session_id = httpx2.post(f"{url}/sessions").json()["session_id"]
    body = {"message": "请写一封很长的信，感谢我们的老顾客。", "session_id": session_id}
    with httpx2.stream("POST", f"{url}/chat", json=body, timeout=ANSWER_S) as response:
        lines = response.iter_lines()
        while '"token"' not in next(lines):
            pass
        assert httpx2.post(f"{url}/sessions/{session_id}/stop").json() == {"stopped": True}
        *_, last = [line for line in lines if line]
    end = json.loads(last.removeprefix("data: "))
    assert end["finish_reason"] == "cancelled"
    assert end["usage"]["completion_tokens"] < MAX_NEW_TOKENS


def test_two_customers_at_once_are_both_answered(url: str) -> None:
    with ThreadPoolExecutor(2) as customers:
        answers = [*customers.map(lambda question: ask(url, question), ("挑伞", "怎么退货？"))]
    assert all(CHINESE.search(whole["answer"]) for whole in answers)
    assert len({whole["session_id"] for whole in answers}) == 2


def test_what_is_served_is_named_in_plain_words(url: str) -> None:
    served = resolve(Settings(models=MODELS))
    body = httpx2.get(f"{url}/readyz").json()
    assert (body["ready"], body["model"]["name"]) == (True, served.name)
    assert set(served.notes) <= set(body["notes"])
    if served.id != load_catalogue().default.id:
        assert any("stands in for" in note for note in body["notes"])
