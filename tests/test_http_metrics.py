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
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request

from appliance.engine.scripted import ScriptedEngine
from appliance.http import process
from appliance.http.metrics import Figures, Metrics
from appliance.http.process import ProcessFigures, find_start_s, measure_process
from tests.scripted_house import HouseServer

FIGURES = Figures(
    turns_done_total=7,
    turns_failed_total={"engine_failed": 2, "interrupted": 1},
    answers_total={"faq": 5, "model": 2},
    verdicts_total={"abuse": 1, "price": 4},
    handoffs_open={"waiting": 1, "human": 0},
    turns_continued_total=3,
    turns_running=4,
    turns_waiting=5,
    event_streams_open=6,
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


def test_every_figure_is_shown_under_its_name_with_its_value() -> None:
    shown = read(scrape(lambda: FIGURES))
    expected: dict[tuple[str, str], float] = {}
    for told in fields(Figures):
        value = getattr(FIGURES, told.name)
        rows = value if isinstance(value, dict) else {"": value}
        expected |= {(f"appliance_{told.name}", key): float(row) for key, row in rows.items()}
    assert shown == expected


def test_what_only_grows_is_a_counter_and_all_else_a_gauge() -> None:
    families = {
        family.name: family for family in text_string_to_metric_families(scrape(lambda: FIGURES))
    }
    assert len(families) == len(fields(Figures))
    for told in fields(Figures):
        family = families[f"appliance_{told.name.removesuffix('_total')}"]
        assert family.type == ("counter" if told.name.endswith("_total") else "gauge")
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
    assert 0 < figures.uptime_seconds < house.measure().uptime_seconds
