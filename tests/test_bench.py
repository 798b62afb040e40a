"""The bench of the owner's own box: what it measures, and the load it computes from that.

A scripted engine answers here, so its figures mean nothing but that they were measured. The rule
that must not break: the load is the formula that is printed, to the customer.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Literal

import pytest
from click.testing import CliRunner

from appliance import bench_cli
from appliance.bench import Speeds, measure
from appliance.bench_load import ANSWER_TOKENS, NEW_PROMPT_TOKENS, USED_SHARE, Habits, compute_load
from appliance.cli import main
from appliance.engine.scripted import ScriptedEngine, Wait
from appliance.evaluation import open_house
from appliance.settings import Settings

FAQ = "question,answer\n几点开门,早上九点。\n怎么退货,七天之内都可以。\n"


def make_speeds(ttft_ms: float | None = 180.0) -> Speeds:
    return Speeds("Demo", 2, 200.0, 25.0, 40.0, 4, ttft_ms, 5.0, 9.0, 20)


def test_the_load_is_what_the_formula_says() -> None:
    load = compute_load(150.0, 30.0, 10.0, Habits(4, 0.5, 0.1))
    answer_s = NEW_PROMPT_TOKENS / 150 + ANSWER_TOKENS / 30
    customer_s = 4 * (0.5 * answer_s + 0.5 * 0.01)
    assert load.model_answer_s == pytest.approx(answer_s)
    assert load.customer_s == pytest.approx(customer_s)
    assert load.customers_hour == int(USED_SHARE * 3600 / customer_s)
    assert load.customers_day == int(USED_SHARE * 3600 / customer_s / 0.1)


@pytest.mark.parametrize("name", ["questions", "model_share", "busiest_hour"])
def test_more_of_any_habit_leaves_room_for_fewer_customers(name: str) -> None:
    few = compute_load(150.0, 30.0, 10.0, Habits())
    more = Habits(**{name: getattr(Habits(), name) * 2})
    assert compute_load(150.0, 30.0, 10.0, more).customers_day < few.customers_day


def measure_shop(tmp_path: Path, scope: Literal["all", "shop"]) -> tuple[Speeds, list[float]]:
    knowledge = tmp_path / "knowledge"
    knowledge.mkdir()
    (knowledge / "faq.csv").write_text(FAQ, "utf-8")
    settings = Settings(knowledge=knowledge, data=tmp_path / "data", parallel=2, scope=scope)
    engine = ScriptedEngine(lambda question: ["好", Wait(seconds=0.01), "的，没问题。"])
    told: list[float] = []

    async def run() -> Speeds:
        async with open_house(settings, engine) as house:
            return await measure(house, settings, lambda what, done: told.append(done))

    return asyncio.run(run()), told


def test_everything_is_measured_through_engine_and_ladder(tmp_path: Path) -> None:
    speeds, told = measure_shop(tmp_path, "all")
    assert speeds.model == "Scripted answers" and speeds.parallel == 2
    assert min(speeds.prefill, speeds.decode, speeds.crowd) > 0
    assert speeds.ttft_ms is not None and speeds.ttft_ms > 0
    assert speeds.faq_questions == 2 and speeds.faq_ms is not None and speeds.faq_ms > 0
    assert told == sorted(told) and told[-1] == 1.0


def test_a_first_word_that_no_model_said_is_not_measured(tmp_path: Path) -> None:
    speeds, _ = measure_shop(tmp_path, "shop")
    assert speeds.ttft_ms is None and speeds.decode > 0


def run_bench(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, ttft_ms: float | None = 180.0
) -> str:
    async def measured(settings: Settings) -> Speeds:
        return make_speeds(ttft_ms)

    monkeypatch.setattr(bench_cli, "_measure", measured)
    told = CliRunner().invoke(main, ["bench", *arguments])
    assert told.exit_code == 0, told.output
    return told.stdout


def test_what_was_assumed_stands_beside_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    told = " ".join(run_bench(monkeypatch, "--questions", "6", "--model-share", "25").split())
    assert "Each asks 6 questions, 25% of them of the model" in told
    for number in (NEW_PROMPT_TOKENS, ANSWER_TOKENS):
        assert f"{number} " in told
    load = compute_load(200.0, 40.0, 5.0, Habits(6, 0.25, 0.15))
    assert f"About {load.customers_day:,} customers a day" in told


def test_what_was_not_measured_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "first word           0.18 s with nobody before\n" in run_bench(monkeypatch)
    told = run_bench(monkeypatch, ttft_ms=None)
    assert "first word           not measured: no question came to the model" in told
    figures = json.loads(run_bench(monkeypatch, "--json", ttft_ms=None))
    assert figures["speeds"]["ttft_ms"] is None


def test_the_figures_come_as_json_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told = json.loads(run_bench(monkeypatch, "--json"))
    assert told["speeds"]["crowd"] == 40.0 and told["load"]["customers_day"] > 0
    assert told["habits"] == {"questions": 4.0, "model_share": 0.4, "busiest_hour": 0.15}


def test_without_a_model_it_says_so(tmp_path: Path) -> None:
    environ = {"APPLIANCE_MODELS": str(tmp_path), "APPLIANCE_DATA": str(tmp_path / "data")}
    told = CliRunner().invoke(main, ["bench"], env=environ)
    assert told.exit_code == 1
    assert "Nothing can be measured: The model Qwen2.5 0.5B Instruct is not in" in told.stderr
