"""The engine's start and end on the real model: stopped at any moment, it ends soon and whole."""

from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from appliance.config import Settings
from appliance.engine import models
from appliance.engine.engine import Generation, Phase
from appliance.engine.local import LocalEngine
from appliance.engine.prompt import Prompt
from appliance.errors import ModelFileError, ModelUnavailable

pytestmark = pytest.mark.model
STOP_S = 2.0


def make_engine(**changes: object) -> LocalEngine:
    settings = Settings(system_prompt="简短。", context_tokens=2048).model_copy(update=changes)
    try:
        models.resolve(settings)
    except ModelFileError as error:
        pytest.skip(f"no model file: {error}")
    return LocalEngine(settings)


async def stop_in(engine: LocalEngine, phase: Phase) -> None:
    """Stop as soon as `phase` has begun, and expect neither a delay nor a thread left behind."""
    reached, event_loop = asyncio.Event(), asyncio.get_running_loop()
    set_status = engine._set

    def watch(**changes: object) -> None:
        set_status(**changes)
        if changes.get("phase") == phase:
            event_loop.call_soon_threadsafe(reached.set)

    engine._set = watch  # type: ignore[method-assign]
    starting = asyncio.create_task(engine.start())
    await reached.wait()
    async with asyncio.timeout(STOP_S):
        await engine.stop()
    await starting
    assert engine.status.phase == "stopped"
    assert engine.status.reason == ""


async def test_stopping_while_the_model_loads_ends_the_load() -> None:
    engine = make_engine(load_mode="memory")
    with capture_logs() as lines:
        await stop_in(engine, "loading")
    assert engine.status.progress < 1.0
    assert not lines
    with pytest.raises(ModelUnavailable):
        await engine.wait_ready()


async def test_stopping_while_the_model_warms_ends_the_warming_without_a_traceback() -> None:
    with capture_logs() as lines:
        await stop_in(make_engine(system_prompt="退货政策。" * 100), "warming")
    assert "engine did not start" not in [line["event"] for line in lines]


async def test_a_context_that_holds_no_question_is_refused_with_the_way_out() -> None:
    engine = make_engine(context_tokens=1)
    await engine.start()
    assert engine.status.phase == "ready"
    await engine.stop()
    engine = make_engine(context_tokens=512, system_prompt="退货政策。" * 100)
    await engine.start()
    assert engine.status.phase == "unavailable"
    assert "APPLIANCE_CONTEXT_TOKENS" in engine.status.reason
    await engine.stop()


async def test_the_model_outlives_every_use_of_its_vocabulary() -> None:
    """The tokenizer's thread in a freed model would end the process."""
    engine = make_engine()
    await engine.start()
    opened = threading.Event()
    engine._tokenizer.submit(opened.wait)
    encoding = asyncio.create_task(engine.encode(["退货" * 1000]))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(engine.stop())
    await asyncio.sleep(0)
    with pytest.raises(ModelUnavailable, match="stopping"):
        engine.generate(Generation("a", Prompt((1, 2)), 4))
    opened.set()
    assert len((await encoding)[0]) > 100
    await stopping
