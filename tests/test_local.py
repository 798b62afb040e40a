"""The engine's start and end, most on the real model: stopped at any moment, it ends soon."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from appliance.engine import local_run, models
from appliance.engine.assembly import PARKED_FOLDER
from appliance.engine.delivery import Delivery
from appliance.engine.engine import (
    Finished,
    Generation,
    Phase,
    Piece,
    Prefilled,
    Sampling,
)
from appliance.engine.jobs import Job
from appliance.engine.llama import LlamaBackend
from appliance.engine.local import LocalEngine
from appliance.engine.loop import EngineLoop
from appliance.engine.parked_files import name_conversation
from appliance.engine.prompt import Prompt, TokenIds
from appliance.errors import ModelFileError, ModelUnavailable
from appliance.settings import Settings
from tests.toy_backend import ToyBackend, make_loop

STOP_S = 2.0
READ_AHEAD_S = 120.0
SYSTEM = "简短。"


def make_engine(**changes: object) -> LocalEngine:
    settings = Settings(system_prompt=SYSTEM, context_tokens=2048).model_copy(update=changes)
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


@pytest.mark.model
async def test_stopping_while_the_model_loads_ends_the_load() -> None:
    engine = make_engine(load_mode="memory")
    with capture_logs() as lines:
        await stop_in(engine, "loading")
    assert engine.status.progress < 1.0
    assert not lines
    with pytest.raises(ModelUnavailable):
        await engine.wait_ready()


@pytest.mark.model
async def test_stopping_while_the_model_warms_ends_the_warming_without_a_traceback() -> None:
    with capture_logs() as lines:
        await stop_in(make_engine(system_prompt="退货政策。" * 100), "warming")
    assert "engine did not start" not in [line["event"] for line in lines]


@pytest.mark.model
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


@pytest.mark.model
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


async def say(engine: LocalEngine, question: str, said: TokenIds) -> tuple[list[Piece], Finished]:
    system, asked = await engine.encode([SYSTEM, question])
    generation = Generation(
        f"after {len(said)}",
        engine.template.render(system, [], asked),
        max_new_tokens=40,
        sampling=Sampling(temperature=0.0, repeat_penalty=1.0),
        said=said,
    )
    *outputs, end = [output async for output in engine.generate(generation)]
    assert isinstance(end, Finished)
    return [output for output in outputs if isinstance(output, Piece)], end


class Clock:
    """Seconds that go on when the test says so."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("step_s", "told"),
    [
        (0.021, ["天", "气很好，", "不"]),
        (0.03, ["天", "气很好", "，不"]),
        (0.04, ["天", "气很", "好，", "不"]),
        (0.06, list("天气很好，不")),
    ],
)
async def test_a_word_is_told_with_the_next_one_where_that_is_about_to_come(
    monkeypatch: pytest.MonkeyPatch, step_s: float, told: list[str]
) -> None:
    clock = Clock()
    monkeypatch.setattr(local_run, "time", clock)
    jobs: list[Job] = []
    delivery = Delivery()
    loop = cast(EngineLoop, SimpleNamespace(submit=jobs.append, delivery=delivery))
    run = local_run.LocalRun(loop, Generation("a", Prompt((1,)), 8), None)
    emit = jobs[0].emit
    emit(Prefilled(1, 0, 0.0, 1.0))
    for number, text in enumerate("天气很好，不"):
        clock.now = 100.0 + number * step_s
        emit(Piece(text, (ord(text),)))
    emit(Finished("stop", (), 1.0))
    delivery.flush()
    heard = [output async for output in run]
    pieces = [Piece(text, tuple(map(ord, text))) for text in told]
    assert heard == [Prefilled(1, 0, 0.0, 1.0), *pieces, Finished("stop", (), 1.0)]


@pytest.mark.model
async def test_the_model_goes_on_from_any_piece_to_the_same_text() -> None:
    """A sentence to be said again leaves the model no choice: one that does may end otherwise,
    because a prompt read at once and one read word by word differ in their last bits."""
    engine = make_engine()
    await engine.start()
    question = "请把这句话说一遍：退货请带好订单和发票，谢谢您！🦔"
    pieces, end = await say(engine, question, ())
    whole = "".join(piece.text for piece in pieces)
    assert "退货请带好订单" in whole
    for count in range(0, len(pieces) + 1, 3):
        said = tuple(token for piece in pieces[:count] for token in piece.token_ids)
        rest, rest_end = await say(engine, question, said)
        assert "".join(piece.text for piece in (*pieces[:count], *rest)) == whole
        assert rest_end.token_ids == end.token_ids
    await engine.stop()


def make_modelless_engine(folder: Path) -> LocalEngine:
    return LocalEngine(Settings(models=folder, data=folder / "data"))


def load_toy(engine: LocalEngine) -> EngineLoop:
    toy = ToyBackend()
    engine._backend = cast(LlamaBackend, toy)
    engine._engine_loop = make_loop(toy)[0]
    engine._set(phase="ready")
    return engine._engine_loop


async def test_an_engine_that_never_started_stops_at_once(tmp_path: Path) -> None:
    engine = make_modelless_engine(tmp_path)
    await engine.stop()
    assert engine.status.phase == "stopped"
    with pytest.raises(ModelUnavailable):
        await engine.wait_ready()
    await engine.start()
    assert engine.status.phase == "stopped"


async def test_what_is_withheld_is_refused_with_the_reason_until_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def load(self: LocalEngine) -> EngineLoop:
        assert gate.wait(5)
        return load_toy(self)

    monkeypatch.setattr(LocalEngine, "_load", load)
    engine = make_modelless_engine(tmp_path)
    early = asyncio.create_task(engine.wait_ready())
    await asyncio.sleep(0)
    engine.withhold("The model ended the process twice.", "appliance retry")
    with pytest.raises(ModelUnavailable, match="twice"):
        await early
    with pytest.raises(ModelUnavailable, match="twice"):
        await engine.wait_ready()
    assert (engine.status.phase, engine.status.remedy) == ("unavailable", "appliance retry")
    starting = asyncio.create_task(engine.start())
    await asyncio.sleep(0)
    assert (engine.status.phase, engine.status.reason) == ("starting", "")
    late = asyncio.create_task(engine.wait_ready())
    await asyncio.sleep(0)
    assert not late.done()
    gate.set()
    await late
    await starting
    assert await engine.encode(["早"]) == [(ord("早"),)]
    await engine.stop()
    assert engine.status.phase == "stopped"


async def test_a_model_that_could_not_be_had_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice at once: it is one try. The tokenizer of the second is its own."""
    tries: list[str] = []

    def load(self: LocalEngine) -> EngineLoop:
        tries.append(threading.current_thread().name)
        if len(tries) == 1:
            raise ModelFileError("There is no model.", "appliance models fetch")
        return load_toy(self)

    monkeypatch.setattr(LocalEngine, "_load", load)
    engine = make_modelless_engine(tmp_path)
    await engine.start()
    assert engine.status.reason == "There is no model."
    with pytest.raises(ModelUnavailable, match="no model"):
        await engine.wait_ready()
    await asyncio.gather(engine.start(), engine.start(), engine.wait_ready())
    assert (engine.status.phase, len(tries)) == ("ready", 2)
    assert await engine.encode(["早"]) == [(ord("早"),)]
    await engine.start()
    assert len(tries) == 2
    await engine.stop()


async def tell(engine: LocalEngine, name: str, history: TokenIds, question: str) -> TokenIds:
    """One turn of conversation `name`; the ids its next prompt begins with."""
    system, asked = await engine.encode([SYSTEM, question])
    template = engine.template
    head = history or (*template.system_open, *system, *template.first_open)
    prompt = Prompt((*head, *asked, *template.answer_open), len(head))
    run = engine.generate(Generation(name, prompt, 24, Sampling(temperature=0.0)))
    *_, end = [output async for output in run]
    assert isinstance(end, Finished)
    return (*prompt.ids, *end.token_ids, *template.next_open)


@pytest.mark.model
async def test_conversations_go_on_over_a_restart_without_being_read_again(tmp_path: Path) -> None:
    """Through the files: an orderly stop, a start that reads the prompt's cells, the next turn."""
    engine = make_engine(data=tmp_path, park_on_disk="on")
    await engine.start()
    assert engine.measure().parked_disk_conversations == 0
    histories = {name: await tell(engine, name, (), f"{name}：怎么退货？") for name in "abc"}
    await engine.forget("b")
    # Of the model without the shop: who says the same again has the same key.
    await engine.forget("c")
    histories["c"] = await tell(engine, "c", (), "c：怎么退货？")
    await engine.stop()
    engine = make_engine(data=tmp_path, park_on_disk="on")
    await engine.start()
    assert engine.measure().steps == 0
    assert engine.measure().parked_disk_conversations == 2
    for name, is_kept in (("a", True), ("b", False), ("c", True)):
        before = engine.measure()
        await tell(engine, name, histories[name], "要多久？")
        after = engine.measure()
        computed = after.prefill_computed_tokens - before.prefill_computed_tokens
        assert (computed < 20) is is_kept
    assert engine.measure().restores == {"memory": 0, "disk": 2}
    assert engine.measure().parked_disk_conversations == 0
    await engine.stop()


@pytest.mark.model
async def test_a_changed_system_prompt_never_meets_old_cells(tmp_path: Path) -> None:
    engine = make_engine(data=tmp_path, park_on_disk="on")
    await engine.start()
    history = await tell(engine, "a", (), "怎么退货？")
    await engine.stop()
    engine = make_engine(data=tmp_path, park_on_disk="on", system_prompt="用英文回答。")
    await engine.start()
    await tell(engine, "a", history, "要多久？")
    assert engine.measure().restores == {"memory": 0, "disk": 0}
    await engine.stop()


@pytest.mark.model
async def test_a_prompt_read_ahead_is_found_by_the_question(tmp_path: Path) -> None:
    engine = make_engine(data=tmp_path)
    await engine.start()
    system, earlier = await engine.encode([SYSTEM, "我昨天买了一把伞，今天发现伞柄是坏的，" * 6])
    template = engine.template
    head = Prompt((*template.system_open, *system, *template.first_open, *earlier))
    engine.prepare("b", head)
    async with asyncio.timeout(READ_AHEAD_S):
        while engine.measure().prefill_idle_tokens < len(earlier):
            # Leaves the engine's thread alone: a question would interrupt what is waited for.
            await engine.encode(["好"])
    await tell(engine, "b", head.ids, "能换吗？")
    assert engine.measure().prefill_idle_tokens == len(earlier)
    await engine.stop()


async def test_what_was_parked_is_forgotten_also_without_a_model(tmp_path: Path) -> None:
    engine = make_modelless_engine(tmp_path)
    folder = tmp_path / "data" / PARKED_FOLDER
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{name_conversation(name)}.parked").touch()
    await engine.forget("a")
    await engine.forget("never there")
    assert [path.stem for path in folder.iterdir()] == [name_conversation("b")]


async def test_what_cannot_be_removed_without_a_model_is_no_fault_of_who_forgets(
    tmp_path: Path,
) -> None:
    engine = make_modelless_engine(tmp_path)
    folder = tmp_path / "data" / PARKED_FOLDER
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in its place")
    with capture_logs() as lines:
        await engine.forget("a")
    assert "parked file not removed" in {line["event"] for line in lines}
