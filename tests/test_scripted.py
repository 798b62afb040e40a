"""The engine without a model, and the whole appliance around it over a real connection."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest

from appliance.dialogue.shop import read_shop
from appliance.engine.engine import (
    Broken,
    Finished,
    Generation,
    Output,
    Piece,
    Prefilled,
    Run,
    Waiting,
)
from appliance.engine.figures import EngineFigures
from appliance.engine.letters import TEMPLATE
from appliance.engine.prompt import Exchange
from appliance.engine.scripted import (
    Fail,
    Line,
    ScriptedEngine,
    Wait,
    play_demo,
    read_question,
)
from appliance.errors import ModelUnavailable
from tests.scripted_house import LONG_ANSWER, NO_MODEL, HouseServer, LoadingEngine


def ids(text: str) -> tuple[int, ...]:
    return tuple(map(ord, text))


def asking(question: str, max_new_tokens: int = 100, said: str = "") -> Generation:
    prompt = TEMPLATE.render(ids("规则"), [], ids(question))
    return Generation("a", prompt, max_new_tokens, said=ids(said))


async def started(*lines: Line, parallel: int = 4) -> ScriptedEngine:
    engine = ScriptedEngine(lambda _: lines, parallel=parallel)
    await engine.start()
    return engine


async def hear(run: Run) -> list[Output]:
    return [output async for output in run]


def endings(outputs: Sequence[Output]) -> list[Output]:
    return [output for output in outputs if isinstance(output, Finished | Broken)]


def test_the_last_question_is_read_from_a_prompt_with_history() -> None:
    prompt = TEMPLATE.render(ids("规则"), [Exchange(ids("早"), ids("早上好"))], ids("几点？"))
    assert read_question(prompt.ids) == "几点？"


async def test_it_says_the_script_and_ends_once() -> None:
    engine = await started("你", "", "好")
    outputs = await hear(engine.generate(asking("在吗")))
    assert [output.text for output in outputs if isinstance(output, Piece)] == ["你", "好"]
    assert isinstance(outputs[0], Prefilled)
    assert isinstance(outputs[-1], Finished)
    assert (outputs[-1].reason, outputs[-1].token_ids) == ("stop", ids("你好"))


async def test_an_answer_is_cut_at_its_longest() -> None:
    engine = await started("一二", "三四", "五")
    *_, last_piece, end = await hear(engine.generate(asking("数", max_new_tokens=3)))
    assert last_piece == Piece("三", ids("三"))
    assert isinstance(end, Finished)
    assert (end.reason, end.token_ids) == ("length", ids("一二三"))


async def test_a_script_can_break() -> None:
    engine = await started("半", Fail("跳闸了"), "句")
    outputs = await hear(engine.generate(asking("问")))
    assert endings(outputs) == [Broken("跳闸了")]
    assert outputs[-1] == Broken("跳闸了")


LINES = ("您好", Wait(asyncio.Event()), "👋，", "", "退", "货吗？")


@pytest.mark.parametrize("chars", range(3, 9))
async def test_a_script_goes_on_behind_what_was_said_and_waits_for_nothing_twice(
    chars: int,
) -> None:
    text = "您好👋，退货吗？"
    engine = await started(*LINES)
    prefilled, *pieces, end = await hear(engine.generate(asking("在吗", said=text[:chars])))
    assert isinstance(prefilled, Prefilled)
    assert prefilled.prompt_tokens == len(asking("在吗").prompt.ids)
    spoken = [piece for piece in pieces if isinstance(piece, Piece)]
    assert "".join(piece.text for piece in spoken) == text[chars:]
    assert all(piece.token_ids == ids(piece.text) for piece in spoken)
    assert isinstance(end, Finished)
    assert (end.reason, end.token_ids) == ("stop", ids(text))


async def test_a_script_that_does_not_begin_so_is_played_behind_it() -> None:
    engine = await started("你", "好")
    *_, end = await hear(engine.generate(asking("在吗", said="早上")))
    assert isinstance(end, Finished)
    assert end.token_ids == ids("早上你好")


@pytest.mark.parametrize(("limit", "whole"), [(2, "一二"), (1, "一二"), (3, "一二三")])
async def test_what_was_said_counts_into_the_longest_answer(limit: int, whole: str) -> None:
    engine = await started("一二三四")
    *_, end = await hear(engine.generate(asking("数", max_new_tokens=limit, said="一二")))
    assert isinstance(end, Finished)
    assert (end.reason, end.token_ids) == ("length", ids(whole))


async def test_a_fault_is_met_again_only_by_who_stands_before_it() -> None:
    engine = await started("前", Fail("跳闸了"), "后")
    assert (await hear(engine.generate(asking("问", said="前"))))[-1] == Broken("跳闸了")
    *_, end = await hear(engine.generate(asking("问", said="前后")))
    assert isinstance(end, Finished)


CRASHING = """
import asyncio
from appliance.engine.engine import Generation
from appliance.engine.letters import TEMPLATE
from appliance.engine.scripted import Crash, ScriptedEngine

async def main():
    engine = ScriptedEngine(lambda _: ["半", Crash(), "句"])
    await engine.start()
    async for output in engine.generate(Generation("a", TEMPLATE.render((), [], (65,)), 9)):
        print(output, flush=True)

asyncio.run(main())
"""


def test_a_script_can_end_the_whole_process() -> None:
    crashed = subprocess.run(
        [sys.executable, "-c", CRASHING], capture_output=True, encoding="utf-8", timeout=60
    )
    assert crashed.returncode == -signal.SIGABRT
    assert "半" in crashed.stdout
    assert "句" not in crashed.stdout


async def test_a_cancelled_answer_keeps_what_was_said() -> None:
    engine = await started("前", Wait(asyncio.Event()), "后")
    run = engine.generate(asking("问"))
    outputs: list[Output] = []
    async for output in run:
        outputs.append(output)
        if isinstance(output, Piece):
            run.cancel()
    assert len(endings(outputs)) == 1
    assert isinstance(outputs[-1], Finished)
    assert (outputs[-1].reason, outputs[-1].token_ids) == ("cancelled", ids("前"))


async def test_one_who_waits_is_told_how_many_go_first_and_then_speaks() -> None:
    gate = asyncio.Event()
    engine = await started(Wait(gate), "好", parallel=1)
    first = asyncio.create_task(hear(engine.generate(asking("一"))))
    await asyncio.sleep(0)
    second = engine.generate(asking("二"))
    outputs = []
    async for output in second:
        outputs.append(output)
        gate.set()
    assert outputs[0] == Waiting(1, 1000)
    assert isinstance(outputs[1], Prefilled)
    assert isinstance((await first)[-1], Finished)


async def test_one_who_waits_can_leave_before_his_place_is_free() -> None:
    """It once waited for the place before it noticed that it was cancelled."""
    engine = await started(Wait(asyncio.Event()), parallel=1)
    first = engine.generate(asking("一"))
    speaking = asyncio.create_task(hear(first))
    await asyncio.sleep(0)
    second = engine.generate(asking("二"))
    outputs = []
    async for output in second:
        outputs.append(output)
        second.cancel()
    assert [type(output) for output in outputs] == [Waiting, Finished]
    first.cancel()
    assert isinstance((await speaking)[-1], Finished)


async def test_a_place_is_free_as_soon_as_the_end_is_heard() -> None:
    engine = await started("好", parallel=1)
    async for output in engine.generate(asking("一")):
        if isinstance(output, Finished):
            break
    outputs = await hear(engine.generate(asking("二")))
    assert isinstance(outputs[0], Prefilled)


async def test_stopping_ends_every_run_and_refuses_the_next() -> None:
    engine = await started(Wait(asyncio.Event()), parallel=1)
    runs = [asyncio.create_task(hear(engine.generate(asking("问")))) for _ in range(3)]
    await asyncio.sleep(0)
    await engine.stop()
    for run in runs:
        end = (await run)[-1]
        assert isinstance(end, Finished) and end.reason == "cancelled"
    with pytest.raises(ModelUnavailable):
        engine.generate(asking("再问"))
    with pytest.raises(ModelUnavailable):
        await engine.wait_ready()


async def test_what_was_stopped_is_not_made_ready_by_a_late_start() -> None:
    engine = ScriptedEngine(play_demo)
    await engine.stop()
    await engine.start()
    assert engine.status.phase == "stopped"


async def test_what_was_refused_is_not_made_ready_by_another_try() -> None:
    engine = ScriptedEngine(play_demo)
    engine.refuse("没有模型")
    await engine.start()
    assert engine.status.phase == "unavailable"


async def test_what_is_withheld_is_refused_with_the_reason_until_it_is_started() -> None:
    engine = ScriptedEngine(play_demo)
    engine.withhold("死了两次", "appliance retry")
    assert (engine.status.phase, engine.status.remedy) == ("unavailable", "appliance retry")
    with pytest.raises(ModelUnavailable, match="死了两次"):
        await engine.wait_ready()
    with pytest.raises(ModelUnavailable, match="死了两次"):
        engine.generate(asking("问"))
    await engine.start()
    await engine.wait_ready()
    assert isinstance((await hear(engine.generate(asking("问", 4))))[-1], Finished)


async def test_what_is_prepared_is_kept_for_a_while_and_changes_no_answer() -> None:
    engine = await started("好")
    for at in range(70):
        engine.prepare(f"c{at}", TEMPLATE.render_head(ids("规则"), []))
    assert [conversation for conversation, _ in engine.prepared] == [f"c{n}" for n in range(6, 70)]
    assert isinstance((await hear(engine.generate(asking("问"))))[-1], Finished)


@pytest.mark.parametrize("end", ["refuse", "stop"])
async def test_without_a_model_nothing_is_prepared_and_nothing_is_raised(end: str) -> None:
    engine = await started("好")
    if end == "stop":
        await engine.stop()
    else:
        engine.refuse("没有模型")
    engine.prepare("a", TEMPLATE.render_head(ids("规则"), []))
    assert not engine.prepared


def test_it_computes_nothing_and_says_so() -> None:
    assert ScriptedEngine(play_demo).measure() == EngineFigures.empty()


def test_a_prompt_is_its_head_and_the_question() -> None:
    history = [Exchange(ids("早"), ids("早上好")), Exchange(ids("在吗"), ids("在"))]
    for shown in range(3):
        head = TEMPLATE.render_head(ids("规则"), history[:shown])
        prompt = TEMPLATE.render(ids("规则"), history[:shown], ids("几点？"))
        assert prompt.ids == (*head.ids, *ids("几点？"), *TEMPLATE.answer_open)
        assert prompt.shared_tokens == head.shared_tokens == 4


def ask(url: str, message: str, **headers: str) -> httpx2.Response:
    return httpx2.post(f"{url}/chat", json={"message": message}, headers=headers)


def read_frames(body: str) -> list[dict[str, Any]]:
    return [
        json.loads(line.removeprefix("data: "))
        for line in body.splitlines()
        if line.startswith("data: ")
    ]


def test_the_whole_house_says_the_words_back(scripted_server: HouseServer[ScriptedEngine]) -> None:
    *tokens, last = read_frames(ask(scripted_server.url, "再说一遍，好吗").text)
    assert [frame["token"] for frame in tokens] == ["你说：再说一遍，", "好吗"]
    assert last["done"] and last["finish_reason"] == "stop"


def test_the_whole_house_tells_of_an_answer_that_broke(
    scripted_server: HouseServer[ScriptedEngine],
) -> None:
    *tokens, last = read_frames(ask(scripted_server.url, "坏").text)
    assert "".join(frame["token"] for frame in tokens) == "第一句说完了。"
    assert last["done"] and last["error"]["code"] == "engine_failed"


def test_the_long_answer_is_whole(scripted_server: HouseServer[ScriptedEngine]) -> None:
    assert 400 <= len(LONG_ANSWER) < 512
    body = ask(scripted_server.url, "长", accept="application/json").json()
    assert body["finish_reason"] == "stop"
    assert body["answer"] == LONG_ANSWER


def test_while_the_model_loads_the_answer_waits_and_tells_why(
    loading_server: HouseServer[LoadingEngine],
) -> None:
    url = loading_server.url
    assert httpx2.get(f"{url}/readyz").status_code == 503
    with httpx2.stream("POST", f"{url}/chat", json={"message": "还在吗"}) as response:
        lines = response.iter_lines()
        assert any("model_loading" in line for line in lines)
        loading_server.call(loading_server.engine.loaded.set)
        *_, last = read_frames("\n".join(lines))
    assert last["finish_reason"] == "stop"
    assert httpx2.get(f"{url}/readyz").json()["ready"]


def test_without_a_model_a_question_gets_fixed_words_and_the_operator_the_reason(
    modelless_server: HouseServer[ScriptedEngine],
) -> None:
    *tokens, last = read_frames(ask(modelless_server.url, "还在吗").text)
    assert "".join(frame["token"] for frame in tokens) == resting_words()
    assert (last["source"], last["rule"], last["finish_reason"]) == ("fallback", "resting", "stop")
    assert httpx2.get(f"{modelless_server.url}/readyz").json()["model"]["reason"] == NO_MODEL
    assert httpx2.get(modelless_server.url).status_code == 200


def resting_words() -> str:
    """What a shop that has written nothing says where the model cannot."""
    return read_shop(Path("no folder") / "shop.toml").words("resting_empty", "zh")
