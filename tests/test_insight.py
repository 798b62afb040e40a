"""What operators are told of a span of time: counted rightly, in words only where they are kept."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from starlette.testclient import TestClient

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.events import Cited, Done, Failed, Handoff, HandoffState, Timings
from appliance.http import insight_csv
from appliance.http.insight_csv import FORMULA_SIGNS, guard_cell, write_csv
from appliance.http.insight_sums import HOUR_MS, fold, list_starts, sum_up
from appliance.http.machine import read_temperature_c
from appliance.settings import Settings
from appliance.store import insight
from appliance.store.accounts import Role
from appliance.store.feedback import Feedback
from appliance.store.handoffs import Change, Owners
from appliance.store.insight import AskedQuestion, EndedTurn, InsightRows, OwnerStep, Span
from appliance.store.messages import Answer
from tests.operators import open_console
from tests.sealed_house import DAY_MS, Calendar, Sealed, answer, open_sealed

NOON_MS = int(datetime(2026, 11, 20, 12).timestamp()) * 1000
RETURNS = Done("stop", "faq", sources=(Cited("faq", "returns", "怎么退货？"),))
UNKNOWN = Done("stop", "fallback", rule="not-in-knowledge")


async def ask(sealed: Sealed, session_id: str, text: str, done: Done | Failed) -> str:
    accepted = await sealed.sessions.accept(session_id, text)
    said = Answer("An answer.")
    await sealed.sessions.finish(accepted.session_key, accepted.run_id, said, done)
    return accepted.run_id


def rows_of(sealed: Sealed) -> InsightRows:
    return InsightRows(sealed.store, sealed.keyring.seals, sealed.calendar.read_ms)


async def read_today(sealed: Sealed) -> Span:
    begin_ms = sealed.calendar.read_ms()
    return await rows_of(sealed).read(begin_ms, begin_ms + DAY_MS)


async def test_a_span_holds_what_was_asked_in_it_and_nothing_else(tmp_path: Path) -> None:
    calendar = Calendar()
    async with open_sealed(tmp_path, calendar) as sealed:
        session_id = await sealed.sessions.create()
        await ask(sealed, session_id, "昨天", UNKNOWN)
        calendar.day += 1
        timings = Timings(ttft_ms=120.0, total_ms=900.0)
        await ask(sealed, session_id, "今天", Done("stop", "model", timings=timings))
        await ask(sealed, session_id, "怎么退？", RETURNS)
        await ask(sealed, session_id, "坏了", Failed("engine_failed", "It broke."))
        await sealed.sessions.accept(session_id, "还没有回答")
        span = await read_today(sealed)
    assert {(turn.source, turn.ttft_ms) for turn in span.turns} == {
        ("model", 120.0),
        ("faq", 0.0),
        ("", None),
    }
    assert {(one.text, one.entry, one.source) for one in span.questions} == {
        ("今天", "", "model"),
        ("怎么退货？", "returns", "faq"),
        ("坏了", "", ""),
    }
    assert not span.is_cut


async def test_what_was_forgotten_or_whose_day_is_over_is_told_by_no_word(tmp_path: Path) -> None:
    calendar = Calendar()
    async with open_sealed(tmp_path, calendar) as sealed:
        kept, forgotten = await sealed.sessions.create(), await sealed.sessions.create()
        await ask(sealed, kept, "留下的话", UNKNOWN)
        await ask(sealed, forgotten, "忘掉的话", UNKNOWN)
        await sealed.sessions.forget(forgotten)
        span = await read_today(sealed)
        assert [one.text for one in span.questions] == ["留下的话"]
        begin_ms = calendar.read_ms()
        sealed.keyring.destroy_days(calendar.day)
        span = await rows_of(sealed).read(begin_ms, begin_ms + DAY_MS)
    assert span.questions == () and len(span.turns) == 1


async def test_a_wait_is_counted_from_the_wish_to_whatever_ended_it(tmp_path: Path) -> None:
    calendar = Calendar()
    async with open_sealed(tmp_path, calendar) as sealed:
        now = {"ms": calendar.read_ms()}
        owners = Owners(sealed.store, sealed.log, lambda: now["ms"])
        key = await answer(sealed, await sealed.sessions.create(), "人工")
        steps: tuple[tuple[HandoffState, int], ...] = (
            ("waiting", 0),
            ("human", 90_000),
            ("closed", 30_000),
        )
        for state, after_ms in steps:
            now["ms"] += after_ms
            await owners.change(key, "", Change(Handoff(state), "test"), lambda _: None)
        changes = (await read_today(sealed)).changes
    assert [(one.state, one.next_state) for one in changes] == [
        ("waiting", "human"),
        ("human", "closed"),
        ("closed", None),
    ]
    assert changes[0].next_ms == changes[0].at_ms + 90_000


async def test_one_call_reads_no_more_than_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight, "MOST_TURNS", 2)
    monkeypatch.setattr(insight, "MOST_QUESTIONS", 1)
    async with open_sealed(tmp_path) as sealed:
        session_id = await sealed.sessions.create()
        for _ in range(3):
            await ask(sealed, session_id, "问", UNKNOWN)
        span = await read_today(sealed)
    assert (len(span.turns), len(span.questions), span.is_cut) == (2, 1, True)


def make_span(hours: int = 30) -> Span:
    sources = ("faq", "model", "fallback", "human", "")
    turns = tuple(
        EndedTurn(
            at_ms=NOON_MS + number * HOUR_MS // 2,
            session_key=f"session {number % 7}",
            source=sources[number % 5],
            rule="near" if number % 10 == 0 else "",
            feedback=("", "up", "down")[number % 3] if sources[number % 5] else "",
            ttft_ms=float(number),
            total_ms=float(number * 10),
        )
        for number in range(hours * 2)
    )
    changes = (
        OwnerStep(NOON_MS, "waiting", "human", NOON_MS + 60_000),
        OwnerStep(NOON_MS + HOUR_MS, "waiting", "closed", NOON_MS + 2 * HOUR_MS),
        OwnerStep(NOON_MS + 60_000, "human", None, None),
    )
    questions = (
        AskedQuestion(NOON_MS, "你们几点开门？", "", "fallback", True),
        AskedQuestion(NOON_MS, "你们 几点开门", "", "fallback", True),
        AskedQuestion(NOON_MS, "Return it", "returns", "faq", False),
        AskedQuestion(NOON_MS + HOUR_MS, "Return it!", "returns", "faq", False),
        AskedQuestion(NOON_MS, "returns", "", "model", False),
    )
    return Span(turns, changes, questions, False)


@pytest.mark.parametrize("length_ms", [HOUR_MS, 30 * HOUR_MS, 10 * 24 * HOUR_MS])
def test_the_steps_add_up_to_the_totals(length_ms: int) -> None:
    span = make_span(length_ms // HOUR_MS)
    shown = sum_up(span, NOON_MS, NOON_MS + length_ms)
    assert shown["step"] == ("hour" if length_ms <= 49 * HOUR_MS else "day")
    for name in ("questions", "misses", "failed", "up", "down"):
        assert sum(step[name] for step in shown["steps"]) == shown["totals"][name], name
    rungs = sum((Counter(step["rungs"]) for step in shown["steps"]), Counter[str]())
    assert rungs == shown["rungs"]
    assert sum(shown["rungs"].values()) + shown["totals"]["failed"] == len(span.turns)
    assert sum(shown["by_hour"]) == len(span.turns) == shown["totals"]["questions"]
    assert sum(shown["misses_by_hour"]) == shown["totals"]["misses"]


def test_waiting_is_measured_where_a_person_came_and_times_where_the_bot_spoke() -> None:
    shown = sum_up(replace(make_span(), stars=(5, 4, 3)), NOON_MS, NOON_MS + 30 * HOUR_MS)
    assert shown["totals"]["waiting"] == 2 and shown["totals"]["taken"] == 1
    assert shown["waiting"] == {"count": 1, "median_ms": 60_000.0, "p95_ms": 60_000.0}
    spoken = [turn for turn in make_span().turns if turn.source not in ("", "human")]
    assert shown["ttft"]["count"] == len(spoken)
    assert shown["ratings"] == {"count": 3, "mean": 4.0, "stars": [0, 0, 1, 1, 1]}


def test_the_same_question_in_other_letters_is_one_and_an_entry_is_its_own() -> None:
    shown = sum_up(make_span(), NOON_MS, NOON_MS + 30 * HOUR_MS)
    assert [(one["text"], one["count"]) for one in shown["questions"]] == [
        ("你们几点开门？", 2),
        ("Return it", 2),
        ("returns", 1),
    ]
    assert [one["text"] for one in shown["misses"]] == ["你们几点开门？"]
    assert shown["questions"][1]["by_hour"][12:14] == [1, 1]
    assert shown["questions"][1]["by_day"] == {"2026-11-20": 2}
    assert fold("Ｒｅｔｕｒｎ  it！") == fold("return it") and fold("?!") == "?!"


def test_a_day_is_a_day_of_the_box_s_own_clock() -> None:
    begin = datetime(2026, 11, 20, 12)
    starts = list_starts(NOON_MS, NOON_MS + 3 * DAY_MS, is_hourly=False)
    days = [datetime.fromtimestamp(start / 1000) for start in starts]
    assert days == [datetime(2026, 11, 20) + timedelta(days=day) for day in range(4)]
    assert (
        datetime.fromtimestamp(list_starts(NOON_MS + 1, NOON_MS + 2, is_hourly=True)[0] / 1000)
        == begin
    )


HOSTILE = [
    *(f"{sign}cmd|' /C calc'!A0" for sign in "=+-@|%"),
    "＝1+1",
    "＠SUM(1)",
    " =1+1",
    "\t=1+1",
    "\r\n=1+1",
    '"=1+1"',
    'a","=1+1',
    "a\r\n=1+1,b",
    "",
    "普通的问题",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_cell_is_a_formula_and_no_text_breaks_out_of_its_own(text: str) -> None:
    question = AskedQuestion(NOON_MS, text, "", "fallback", True)
    span = replace(make_span(), questions=(question,))
    written = write_csv(sum_up(span, NOON_MS, NOON_MS + HOUR_MS * 30))
    rows = list(csv.reader(io.StringIO(written.removeprefix("\ufeff"))))
    assert {len(row) for row in rows} == {len(insight_csv.HEADER)}
    assert [row[0] for row in rows[-2:]] == ["question", "miss"]
    assert not [cell for row in rows for cell in row if cell[:1] in FORMULA_SIGNS]
    assert guard_cell(text).removeprefix("'") == " ".join(text.split())


def test_the_warmest_plausible_sensor_is_told_and_none_where_there_is_none(tmp_path: Path) -> None:
    assert read_temperature_c(tmp_path, tmp_path) is None
    for number, told in enumerate(("48500", "51250", "-273000", "nothing", "")):
        (tmp_path / f"thermal_zone{number}").mkdir()
        (tmp_path / f"thermal_zone{number}" / "temp").write_text(told)
    (tmp_path / "hwmon0").mkdir()
    (tmp_path / "hwmon0" / "temp1_input").write_text("39000")
    assert read_temperature_c(tmp_path, tmp_path) == 51.25


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "knowledge").mkdir()
    return Settings(data=tmp_path / "data", knowledge=tmp_path / "knowledge")


def test_an_operator_sees_what_customers_asked(settings: Settings) -> None:
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with open_console(house, settings.data, Role.VIEWER) as client:
        body = {"message": "你们卖什么？"}
        asked = client.post("/chat", json=body, headers={"Accept": "application/json"}).json()
        judged = {"run_id": asked["run_id"], "verdict": "down"}
        client.post(f"/sessions/{asked['session_id']}/feedback", json=judged)
        shown = client.get("/console/figures").json()
        assert shown["totals"]["questions"] == shown["totals"]["down"] == 1
        assert [one["text"] for one in shown["misses"]] == ["你们卖什么？"]
        table = client.get("/console/figures.csv")
        assert table.headers["content-type"].startswith("text/csv")
        assert "你们卖什么？" in table.text and table.text.startswith("\ufeff")
        box = client.get("/console/box").json()
        assert box["memory"]["process"] > 0 and box["disk"]["free"] > 0
        assert box["model"]["phase"] == "ready" and box["knowledge"]["state"] == "ready"
        assert (box["knowledge"]["vectors_done"], box["knowledge"]["vectors_total"]) == (0, 0)


def test_a_span_that_is_none_is_refused(settings: Settings) -> None:
    house = House(settings, ScriptedEngine(lambda question: ["答"]))
    with open_console(house, settings.data) as client:
        for span in (
            "from_ms=5&to_ms=5",
            "from_ms=9&to_ms=5",
            "from_ms=x",
            "to_ms=-1",
            "from_ms=0&to_ms=3999999999999",
            "to_ms=99999999999999999999",
        ):
            assert client.get(f"/console/figures?{span}").status_code == 422, span
        assert client.get("/console/figures?from_ms=0&to_ms=1000").json()["totals"]["up"] == 0


def test_nobody_else_is_told_anything(settings: Settings) -> None:
    house = House(settings, ScriptedEngine(lambda question: []))
    with TestClient(house.application, "http://localhost") as client:
        for path in ("/console/figures", "/console/figures.csv", "/console/box"):
            assert client.get(path).status_code in (401, 403)


async def test_feedback_is_counted_with_its_answer(tmp_path: Path) -> None:
    async with open_sealed(tmp_path) as sealed:
        session_id = await sealed.sessions.create()
        run_id = await ask(sealed, session_id, "问", Done("stop", "model"))
        await sealed.sessions.judge(session_id, run_id, Feedback("down", "wrong"))
        span = await read_today(sealed)
    assert [turn.is_miss for turn in span.turns] == [True]
    assert [one.is_miss for one in span.questions] == [True]


def keep_rating(rating: tuple[str, int, int], database: sqlite_utils.Database) -> None:
    database.conn.execute("INSERT INTO ratings VALUES (?, ?, NULL, ?)", rating)


async def test_a_long_span_is_read_in_pieces_and_none_of_it_twice_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many rows of one moment, so that the places between pieces are told apart by the row."""
    calendar = Calendar()
    steps: tuple[HandoffState, ...] = ("waiting", "human", "bot")
    async with open_sealed(tmp_path, calendar) as sealed:
        owners = Owners(sealed.store, sealed.log, calendar.read_ms)
        for number in range(7):
            session_id = await sealed.sessions.create()
            key = await answer(sealed, session_id, f"第{number}问")
            for state in steps[: 1 + number % 3]:
                await owners.change(key, "", Change(Handoff(state), "test"), lambda _: None)
            rating = (key, 1 + number % 5, calendar.read_ms())
            await sealed.store.write(partial(keep_rating, rating))
        whole = await read_today(sealed)
        reads: list[object] = []
        read = sealed.store.read

        async def count(query: Callable[[sqlite3.Connection], Any]) -> Any:
            reads.append(query)
            return await read(query)

        monkeypatch.setattr(sealed.store, "read", count)
        for piece in (1, 2, 3, 7):
            monkeypatch.setattr(insight, "PIECE", piece)
            monkeypatch.setattr(insight, "PIECE_OF_QUESTIONS", piece)
            assert await read_today(sealed) == whole
            assert len(reads) >= 4 * 7 // piece
            reads.clear()
    assert len(whole.turns) == len(whole.questions) == len(whole.stars) == 7
    assert [one.next_state for one in whole.changes].count(None) == 7
