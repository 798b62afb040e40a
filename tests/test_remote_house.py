"""A customer of the whole appliance whose model speaks elsewhere: over HTTP, over a restart.

The server elsewhere plays a script. The rule that must not break: to the customer nothing is
different, not even when the appliance or the server ends in mid-answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from appliance.engine.remote import RemoteEngine
from appliance.engine.scripted import ScriptedEngine
from appliance.settings import Settings
from tests.openai_server import Act, Die, OpenAIServer
from tests.scripted_house import HouseServer, choose_settings, serving

HANG_S = 30.0
ANSWER = "您好，我们的店在河边，门口有一棵很大的树。坐公共汽车来最方便，下车走几步就到。"
QUESTION = "写一段话介绍怎么来店里"


@asynccontextmanager
async def opened(
    folder: Path, server: OpenAIServer, local: ScriptedEngine | None = None
) -> AsyncIterator[HouseServer[RemoteEngine]]:
    changes = {"engine": "remote", "remote_urls": server.url, "remote_fallback": "none"}
    settings = Settings.model_validate(choose_settings(folder).model_dump() | changes)
    engine = RemoteEngine(settings, local)
    # In threads: the server elsewhere lives on this loop.
    house = serving(settings, engine)
    opened_house = await asyncio.to_thread(house.__enter__)
    try:
        await asyncio.to_thread(opened_house.wait_ready, HANG_S)
        yield opened_house
    finally:
        await asyncio.to_thread(house.__exit__, None, None, None)


async def chat(url: str, message: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient(timeout=HANG_S) as client:
        answer = await client.post(f"{url}/chat", json={"message": message})
        lines = answer.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def join(frames: list[dict[str, Any]]) -> str:
    return "".join(frame["token"] for frame in frames)


async def test_a_customer_is_answered_and_told_what_it_took(tmp_path: Path) -> None:
    async with OpenAIServer(lambda _: [*ANSWER]) as server, opened(tmp_path, server) as house:
        frames = await chat(house.url, QUESTION)
    assert join(frames) == ANSWER
    last = frames[-1]
    assert (last["source"], last["finish_reason"]) == ("model", "stop")
    usage = {"prompt_tokens": 20, "cached_tokens": 12, "completion_tokens": 5}
    assert usage.items() <= last["usage"].items()
    messages = server.requests[-1]["messages"]
    assert messages[0]["role"] == "system"
    assert QUESTION in messages[-1]["content"]


async def test_an_answer_goes_on_after_a_restart_in_mid_answer(tmp_path: Path) -> None:
    cut = ANSWER.index("坐")

    def play(request: dict[str, Any]) -> list[Act]:
        last = request["messages"][-1]
        if last["role"] == "user":
            return [*ANSWER[:cut], asyncio.Event()]
        assert ANSWER.startswith(last["content"])
        return [*ANSWER.removeprefix(last["content"])]

    async with OpenAIServer(play) as server:
        async with (
            opened(tmp_path, server) as house,
            httpx2.AsyncClient(base_url=house.url, timeout=HANG_S) as client,
        ):
            session_id = (await client.post("/sessions")).json()["session_id"]
            await client.post(f"/sessions/{session_id}/messages", json={"message": QUESTION})
            before = await read_events(client, session_id, 0, "树")
        assert before
        async with (
            opened(tmp_path, server) as house,
            httpx2.AsyncClient(base_url=house.url, timeout=HANG_S) as client,
        ):
            after = await read_events(client, session_id, 0)
    assert after == ANSWER
    assert after.startswith(before)


async def read_events(
    client: httpx2.AsyncClient, session_id: str, after: int, until: str = ""
) -> str:
    """The words up to the turn's end, or up to those that have `until` in them."""
    text, kind = "", ""
    url = f"/sessions/{session_id}/events?after={after}"
    async with client.stream("GET", url) as stream:
        async for line in stream.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                text += json.loads(value)["text"] if kind == "token" else ""
                assert kind != "error", value
                if kind == "done" or (until and until in text):
                    break
    return text


async def test_a_server_that_dies_in_mid_answer_is_one_clear_end_or_the_local_model(
    tmp_path: Path,
) -> None:
    play = [*ANSWER[: ANSWER.index("下车")], Die()]
    async with OpenAIServer(lambda _: play, owner="somebody") as server:
        async with opened(tmp_path, server) as house:
            frames = await chat(house.url, QUESTION)
        assert frames[-1]["error"]["code"] == "engine_failed"
        assert "127.0.0.1" not in json.dumps(frames)
        local = ScriptedEngine(lambda _: [*ANSWER])
        async with opened(tmp_path, server, local) as house:
            frames = await chat(house.url, QUESTION)
    assert join(frames) == ANSWER
    assert frames[-1]["finish_reason"] == "stop"


async def test_without_a_server_a_question_gets_fixed_words_at_once(tmp_path: Path) -> None:
    async with OpenAIServer(lambda _: [Die()]) as server, opened(tmp_path, server) as house:
        frames = await chat(house.url, QUESTION)
    assert frames[-1]["source"] == "fallback"
    assert join(frames)
