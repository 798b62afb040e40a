"""The moderation service: its answers, and that it fails closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from appliance.dialogue.guard import Verdict
from appliance.dialogue.moderation import Moderation
from appliance.dialogue.shop import read_shop

Handler = (
    Callable[[httpx2.Request], httpx2.Response]
    | Callable[[httpx2.Request], Coroutine[None, None, httpx2.Response]]
)

URL = "http://moderation.test/check"
FAILED = "审核暂时无法进行"


async def check(handle: Handler, text: str = "你好", url: str = URL) -> Verdict | None:
    moderation = Moderation(url, 0.05, read_shop, httpx2.MockTransport(handle))
    try:
        return await moderation.check(text, "in")
    finally:
        await moderation.close()


async def test_the_service_is_told_text_and_direction_and_may_let_pass() -> None:
    asked: list[object] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append((request.method, str(request.url), json.loads(request.content)))
        return httpx2.Response(200, json={"allowed": True})

    assert await check(handle) is None
    assert asked == [("POST", URL, {"text": "你好", "direction": "in"})]


@pytest.mark.parametrize(
    ("category", "rule"),
    [("spam", "spam"), ("", "refused"), ("a b\n", "refused"), (7, "refused"), (None, "refused")],
)
async def test_a_refusal_has_the_category_as_its_rule(category: object, rule: str) -> None:
    verdict = await check(
        lambda _: httpx2.Response(200, json={"allowed": False, "category": category}), "hello"
    )
    assert verdict is not None
    assert (verdict.rule, verdict.action) == (f"moderation/{rule}", "refuse")
    assert "did not pass" in verdict.text


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(500, json={"allowed": True}),
        httpx2.Response(201, json={"allowed": True}),
        httpx2.Response(302, headers={"location": "http://elsewhere.test/"}),
        httpx2.Response(200, content=b"{"),
        httpx2.Response(200, content=b"\xff"),
        httpx2.Response(200, content=b"[" * 60_000),
        httpx2.Response(200, content=b"[true]"),
        httpx2.Response(200, json={"allowed": "true"}),
        httpx2.Response(200, json={"allowed": 1}),
        httpx2.Response(200, json={}),
        httpx2.Response(200, content=b'{"allowed": true}' + b" " * 70_000),
    ],
)
async def test_what_is_not_understood_is_a_refusal(answer: httpx2.Response) -> None:
    verdict = await check(lambda _: answer)
    assert verdict is not None
    assert verdict.rule == "moderation/failed"
    assert FAILED in verdict.text


async def test_a_service_that_cannot_be_reached_is_a_refusal() -> None:
    def handle(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    verdict = await check(handle)
    assert verdict is not None
    assert verdict.rule == "moderation/failed"


async def test_a_service_that_does_not_answer_in_time_is_a_refusal() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        return httpx2.Response(200, json={"allowed": True})

    verdict = await check(handle)
    assert verdict is not None
    assert verdict.rule == "moderation/failed"


async def test_an_address_that_is_none_is_a_refusal() -> None:
    verdict = await check(lambda _: httpx2.Response(200), url="nonsense://")
    assert verdict is not None
    assert verdict.rule == "moderation/failed"


async def test_a_reason_is_told_once_until_it_works_again() -> None:
    statuses = [500, 500, 404, 500, 200, 500]

    def handle(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(statuses.pop(0), json={"allowed": True})

    moderation = Moderation(URL, 5, read_shop, httpx2.MockTransport(handle))
    with capture_logs() as lines:
        seen = []
        while statuses:
            await moderation.check("你好", "in")
            seen.append(moderation.last_failure)
    await moderation.close()
    bad, other = "the service answered 500", "the service answered 404"
    assert seen == [bad, bad, other, bad, "", bad]
    told = [(line["log_level"], line.get("reason")) for line in lines]
    assert told == [("warning", bad), ("warning", other), ("info", None), ("warning", bad)]


async def test_a_service_that_never_answers_has_a_reason_too() -> None:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        await asyncio.Event().wait()
        return httpx2.Response(200)

    moderation = Moderation(URL, 0.05, read_shop, httpx2.MockTransport(handle))
    await moderation.check("你好", "in")
    await moderation.close()
    assert moderation.last_failure == "no answer within 0.05 s"


async def test_its_words_are_those_that_the_shop_has_now(tmp_path: Path) -> None:
    own = tmp_path / "shop.toml"
    moderation = Moderation(
        URL,
        5,
        lambda: read_shop(own),
        httpx2.MockTransport(lambda _: httpx2.Response(200, json={"allowed": False})),
    )
    for words in ("不行。", "改过了。"):
        own.write_text(f'[words.moderation_refused]\nzh = "{words}"\n', "utf-8")
        verdict = await moderation.check("你好", "in")
        assert verdict is not None and verdict.text == words
    await moderation.close()
