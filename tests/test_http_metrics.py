"""The numbers: their names, their kinds, and that a scrape shows the moment it is made."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from appliance.engine.figures import (
    TTFT_BOUNDS_S,
    WAIT_BOUNDS_S,
    WIDTH_BOUNDS_TOKENS,
    EngineFigures,
    Histogram,
    HistogramFigures,
)
from appliance.engine.scripted import ScriptedEngine
from appliance.http import process
from appliance.http.metrics import ENGINE_ROWS, Figures, Metrics
from appliance.http.process import ProcessFigures, find_start_s, measure_process
from tests.scripted_house import HouseServer

GAPS = Histogram((0.1, 0.2, 0.5))
for gap_s in (0.05, 0.1, 0.15, 3.0):
    GAPS.observe(gap_s)
ENGINE = EngineFigures(
    prefill_computed_tokens=10,
    prefill_reused_tokens=200,
    prefill_idle_tokens=30,
    decoded_tokens=41,
    steps=17,
    gap_s=GAPS.snapshot(),
    queue_depth=2,
    running=3,
    parked_memory_bytes=5_000,
    parked_memory_conversations=4,
    parked_disk_bytes=7_000,
    parked_disk_conversations=6,
    restores={"memory": 8, "disk": 9},
    restores_failed=1,
    evictions=12,
    divergences={"other rung": 5},
    drafts_accepted_tokens=13,
    cells_used=1_500,
    cells_total=8_192,
)
FIGURES = Figures(
    engine=ENGINE,
    turns_done_total=7,
    turns_failed_total={"engine_failed": 2, "interrupted": 1},
    answers_total={"faq": 5, "model": 2},
    verdicts_total={"abuse": 1, "price": 4},
    handoffs_open={"waiting": 1, "human": 0},
    turns_continued_total=3,
    turns_running=4,
    turns_waiting=5,
    event_streams_open=6,
    http_requests_total={"200": 41, "404": 2},
    build_info={"9.9.9": 1},
    events_stored_total=1234,
    event_commits_total=99,
    store_written_bytes_total=1_000_000,
    store_written_bytes_per_day=2_500_000,
    store_database_bytes=4096,
    store_wal_bytes=0,
    store_free_bytes=10**12,
    store_damages_total=0,
    store_full=False,
    store_ready=True,
    model_ready=True,
    knowledge_texts=640,
    knowledge_vectors=320,
    uptime_seconds=12.5,
    process_resident_bytes=50_000_000,
    process_threads=9,
    process_open_files=21,
)


def scrape(measure: Callable[[], Figures]) -> str:
    answer = asyncio.run(Metrics(measure).show(Request({"type": "http"})))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return bytes(answer.body).decode()


def read(text: str) -> dict[tuple[str, str], float]:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def list_told() -> list[str]:
    """The names of the figures that are not the engine's."""
    return [told.name for told in fields(Figures) if told.metadata]


def test_every_figure_is_shown_under_its_name_with_its_value() -> None:
    shown = read(scrape(lambda: FIGURES))
    expected: dict[tuple[str, str], float] = {}
    for name in list_told():
        value = getattr(FIGURES, name)
        rows = value if isinstance(value, dict) else {"": value}
        expected |= {(f"appliance_{name}", key): float(row) for key, row in rows.items()}
    assert {key: one for key, one in shown.items() if "_engine_" not in key[0]} == expected


def test_every_figure_of_the_engine_is_shown() -> None:
    shown = read(scrape(lambda: FIGURES))
    expected: dict[tuple[str, str], float] = {
        ("prefill_tokens_total", "computed"): 10,
        ("prefill_tokens_total", "reused"): 200,
        ("prefill_tokens_total", "idle"): 30,
        ("decoded_tokens_total", ""): 41,
        ("drafts_accepted_tokens_total", ""): 13,
        ("steps_total", ""): 17,
        ("queue_depth", ""): 2,
        ("running", ""): 3,
        ("cells_used", ""): 1_500,
        ("cells", ""): 8_192,
        ("parked_bytes", "memory"): 5_000,
        ("parked_bytes", "disk"): 7_000,
        ("parked_conversations", "memory"): 4,
        ("parked_conversations", "disk"): 6,
        ("restores_total", "memory"): 8,
        ("restores_total", "disk"): 9,
        ("restores_failed_total", ""): 1,
        ("evictions_total", ""): 12,
        ("divergences_total", "other rung"): 5,
        ("remote_failures_total", ""): 0,
        ("remote_fallbacks_total", ""): 0,
        ("token_gap_seconds_bucket", "0.1"): 2,
        ("token_gap_seconds_bucket", "0.2"): 3,
        ("token_gap_seconds_bucket", "0.5"): 3,
        ("token_gap_seconds_bucket", "+Inf"): 4,
        ("token_gap_seconds_count", ""): 4,
    }
    engine = {
        (name.removeprefix("appliance_engine_"), label): value
        for (name, label), value in shown.items()
        if name.startswith("appliance_engine_")
    }
    assert engine.pop(("token_gap_seconds_sum", "")) == pytest.approx(3.3)
    # The other histograms have seen nothing.
    for kind, bounds in (
        ("ttft_seconds", TTFT_BOUNDS_S),
        ("queue_wait_seconds", WAIT_BOUNDS_S),
        ("batch_width_tokens", WIDTH_BOUNDS_TOKENS),
    ):
        expected |= {(f"{kind}_bucket", str(bound)): 0.0 for bound in bounds}
        expected |= {
            (f"{kind}_bucket", "+Inf"): 0,
            (f"{kind}_count", ""): 0,
            (f"{kind}_sum", ""): 0,
        }
    assert engine == expected


def test_every_count_that_an_engine_keeps_changes_the_page() -> None:
    """So none can be added to the value and be forgotten on the page."""
    before = scrape(lambda: FIGURES)
    for told in fields(EngineFigures):
        value: object = getattr(ENGINE, told.name)
        match value:
            case HistogramFigures():
                histogram = Histogram(value.bounds)
                histogram.observe(0.3)
                changed: object = histogram.snapshot()
            case int():
                changed = value + 1
            case _:
                changed = {"memory": 77}
        engine = replace(ENGINE, **{told.name: changed})  # type: ignore[arg-type]
        assert scrape(lambda engine=engine: replace(FIGURES, engine=engine)) != before  # type: ignore[misc]


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0.01, 90), min_size=1, unique=True))
def test_a_histogram_counts_each_value_once_under_its_first_bound(
    values: list[float], bounds: list[float]
) -> None:
    bounds.sort()
    histogram = Histogram(bounds)
    before = histogram.snapshot()
    for value in values:
        histogram.observe(value)
    figures = histogram.snapshot()
    assert before == HistogramFigures.empty(bounds)
    assert figures.count == len(values) == figures.cumulative[-1]
    assert figures.total == pytest.approx(sum(values))
    for bound, below in zip(bounds, figures.cumulative, strict=False):
        assert below == sum(value <= bound for value in values)


@pytest.mark.parametrize("bounds", [(), (2.0, 1.0), (1.0, 1.0)])
def test_bounds_that_do_not_rise_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="rise"):
        Histogram(bounds)


def test_what_only_grows_is_a_counter_and_all_else_a_gauge() -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(scrape(lambda: FIGURES))
    }
    names = [*list_told(), *(row.name for row in ENGINE_ROWS)]
    assert len(families) == len(names)
    histograms = {"ttft_seconds", "token_gap_seconds", "queue_wait_seconds", "batch_width_tokens"}
    for name in names:
        family = families[f"appliance_{name.removesuffix('_total')}"]
        if name.removeprefix("engine_") in histograms:
            assert family.type == "histogram"
        else:
            assert family.type == ("counter" if name.endswith("_total") else "gauge")
        assert re.fullmatch(r"[A-Z1].+\.", family.documentation)


def test_an_error_code_is_a_label() -> None:
    assert 'appliance_turns_failed_total{code="interrupted"} 1.0\n' in scrape(lambda: FIGURES)


def test_a_figure_that_nobody_knows_is_left_out() -> None:
    unknown = replace(FIGURES, process_threads=None, process_open_files=None, turns_failed_total={})
    shown = scrape(lambda: unknown)
    assert "appliance_process_threads" not in shown
    assert "appliance_process_open_files" not in shown
    assert not [name for name, _ in read(shown) if name == "appliance_turns_failed_total"]


def test_two_scrapes_show_two_moments_and_nothing_is_global() -> None:
    moments = iter([FIGURES, replace(FIGURES, turns_running=0)])
    metrics = [read(scrape(lambda: next(moments))) for _ in range(2)]
    assert [shown["appliance_turns_running", ""] for shown in metrics] == [4.0, 0.0]
    assert not [family.name for family in REGISTRY.collect() if "appliance" in family.name]


def test_the_start_of_the_process_is_before_its_first_line() -> None:
    program = (
        "import time; before_s = time.monotonic()\n"
        "from appliance.http.process import find_start_s\n"
        "print(before_s - find_start_s())"
    )
    began_s = time.monotonic()
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    # The kernel counts in hundredths.
    assert 0.0 <= float(told.stdout) + 0.01 <= time.monotonic() - began_s + 0.02


def test_the_process_is_measured() -> None:
    before = measure_process()
    with open(os.devnull, "rb"):
        opened = measure_process()
    assert before.resident_bytes is not None and before.resident_bytes > 1_000_000
    assert before.threads is not None and before.threads >= 1
    assert before.open_files is not None and opened.open_files == before.open_files + 1


def test_where_the_kernel_tells_nothing_the_figures_are_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "SELF", process.SELF / "nowhere")
    assert measure_process() == ProcessFigures()
    assert abs(find_start_s() - time.monotonic()) < 1


def test_the_house_counts_what_happened(scripted_server: HouseServer[ScriptedEngine]) -> None:
    url, house = scripted_server.url, scripted_server.house
    for message in ("早", "坏", "早"):
        httpx2.post(f"{url}/chat", json={"message": message})
    figures = house.measure()
    assert (figures.turns_done_total, dict(figures.turns_failed_total)) == (
        2,
        {"engine_failed": 1},
    )
    assert (figures.turns_running, figures.turns_waiting, figures.turns_continued_total) == (
        0,
        0,
        0,
    )
    assert figures.events_stored_total > 6
    assert figures.store_database_bytes > 0 and figures.store_free_bytes > 0
    assert (figures.store_ready, figures.store_full, figures.store_damages_total) == (
        True,
        False,
        0,
    )
    assert figures.model_ready
    assert figures.engine == EngineFigures.empty()
    assert 0 < figures.uptime_seconds < house.measure().uptime_seconds
