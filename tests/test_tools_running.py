"""Tools that run: rows, limits, what SQL may not do, writes that are one, requests, functions."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from appliance.toolbox import read_registry
from appliance.tools import running
from appliance.tools.declared import Call, Database, Request, Result, Statement, Tool
from appliance.tools.entries import MOST_AT_ONCE, find_entry, read_rows
from appliance.tools.example_orders import make_orders
from appliance.tools.failures import ToolFailed, ToolUnsure
from appliance.tools.requests import build_address, send_request
from appliance.tools.running import Tools
from appliance.tools.sql import reading, run, writing
from appliance.tools.templates import fill, render
from tests.shop_tools import TOOLS, count_returns, make_shop

MINE = {"order_no": "A10023", "phone_tail": "6688"}


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(read_registry(make_shop(tmp_path / "shop"), tmp_path))


async def test_what_is_not_there_and_what_is_somebody_else_s_read_the_same(tools: Tools) -> None:
    tool = tools.registry.tools["query_order"]
    absent = await tools.look(Call("query_order", {"order_no": "A99999", "phone_tail": "6688"}))
    foreign = await tools.look(Call("query_order", {"order_no": "A10045", "phone_tail": "6688"}))
    assert absent == foreign == Result("none")
    assert render(tool, absent, MINE, "zh") == render(tool, foreign, MINE, "zh")


async def test_a_line_without_its_value_is_left_out_and_a_value_is_no_template(
    tools: Tools,
) -> None:
    tool = tools.registry.tools["query_order"]
    bare = await tools.look(Call("query_order", MINE))
    assert render(tool, bare, MINE, "zh") == "订单 A10023：运输中。"
    odd = await tools.look(Call("query_order", {"order_no": "A10046", "phone_tail": "6688"}))
    assert render(tool, odd, MINE, "en").splitlines()[1] == "note: {state} <b>**粗** 第二行"


async def test_a_value_that_its_schema_forbids_never_reaches_the_database(tools: Tools) -> None:
    for value in ("A10023' OR 1=1 --", "", "A10023\n", "a10023"):
        call = Call("query_order", {**MINE, "order_no": value})
        assert (await tools.look(call)).outcome == "error"
    assert (await tools.look(Call("query_order", {**MINE, "more": "1"}))).outcome == "error"
    assert (await tools.look(Call("drop_everything", MINE))).outcome == "error"


async def test_nothing_is_written_without_a_confirmed_call_with_a_key(
    tools: Tools, tmp_path: Path
) -> None:
    assert (await tools.look(Call("request_return", MINE))).outcome == "confirm"
    for call in (
        Call("request_return", MINE, "k1"),
        Call("request_return", MINE, "", is_confirmed=True),
        Call("query_order", MINE, "k1", is_confirmed=True),
    ):
        assert (await tools.write(call)).outcome == "error"
    assert count_returns(tmp_path) == 0


async def test_a_write_that_is_run_again_is_one(tools: Tools, tmp_path: Path) -> None:
    first = await tools.write(Call("request_return", MINE, "k1", is_confirmed=True))
    again = await tools.write(Call("request_return", MINE, "k1", is_confirmed=True))
    other = await tools.write(Call("request_return", MINE, "k2", is_confirmed=True))
    assert first.outcome == "done"
    assert first == again == other
    assert count_returns(tmp_path) == 1


async def test_a_write_that_was_begun_is_waited_for_to_its_end(
    tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, write = threading.Event(), Tools._write

    def write_slowly(*given: Any) -> Result:
        may_end.wait()
        return write(*given)

    monkeypatch.setattr(Tools, "_write", write_slowly)
    monkeypatch.setattr(running, "PATIENCE_S", 0.2)
    call = Call("request_return", MINE, "k1", is_confirmed=True)
    begun = asyncio.create_task(tools.write(call))
    behind = asyncio.create_task(tools.write(replace(call, key="k2")))
    # Who still waits for the thread when patience ends is told so, and nothing comes of it later.
    assert await behind == Result("error")
    await asyncio.wait((begun,), timeout=0.2)
    assert not begun.done()
    may_end.set()
    assert (await begun).outcome == "done"
    tools.close()
    with closing(sqlite3.connect(tmp_path / "requests.db")) as connection:
        assert connection.execute("SELECT key FROM returns").fetchall() == [("k1",)]


async def test_a_request_that_is_not_answered_in_time_is_no_failure_that_is_known() -> None:
    def hang(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ReadTimeout("", request=request)

    with pytest.raises(TimeoutError):
        await send_request(make_request(), {"order_no": "A1"}, httpx2.MockTransport(hang))


@pytest.mark.parametrize(
    ("said", "may_be_done"),
    [
        (httpx2.ConnectError(""), False),
        (httpx2.ConnectTimeout(""), False),
        (httpx2.ReadError(""), True),
        (httpx2.RemoteProtocolError(""), True),
        (httpx2.Response(302), False),
        (httpx2.Response(409), False),
        (httpx2.Response(503), True),
        (httpx2.Response(204), True),
        (httpx2.Response(201, text="made"), True),
    ],
    ids=repr,
)
async def test_what_may_have_been_done_is_told_from_what_was_not(
    said: httpx2.Response | httpx2.HTTPError, may_be_done: bool
) -> None:
    def tell(_: httpx2.Request) -> httpx2.Response:
        if isinstance(said, httpx2.Response):
            return said
        raise said

    with pytest.raises(ToolFailed) as failed:
        await send_request(make_request(), {"order_no": "A1"}, httpx2.MockTransport(tell))
    assert isinstance(failed.value, ToolUnsure) == may_be_done


async def test_a_write_looks_once_more_whether_it_may(tools: Tools, tmp_path: Path) -> None:
    call = Call("request_return", {**MINE, "phone_tail": "0000"}, "k1", is_confirmed=True)
    assert (await tools.write(call)).outcome == "none"
    assert count_returns(tmp_path) == 0


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM orders",
        "UPDATE orders SET state = 'x'",
        "INSERT INTO orders VALUES (1, 2, 3, 4)",
        "DROP TABLE orders",
        "ATTACH 'other.db' AS other",
        "PRAGMA query_only = 0",
        "CREATE TEMP TABLE t (a)",
        "SELECT load_extension('x')",
        "SELECT hex(randomblob(1000000000))",
        "SELECT 1; DELETE FROM orders",
        "VACUUM",
    ],
)
def test_a_reading_statement_can_do_nothing_but_read(tmp_path: Path, text: str) -> None:
    database = Database("orders", make_shop(tmp_path) / "orders.db")
    before = database.path.read_bytes()
    with pytest.raises(ToolFailed), reading(database) as connection:
        run(connection, Statement("orders", text), {}, 5)
    assert database.path.read_bytes() == before


def test_a_statement_without_end_is_stopped(tmp_path: Path) -> None:
    database = Database("orders", make_shop(tmp_path) / "orders.db")
    endless = "WITH RECURSIVE n(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM n) SELECT max(a) FROM n"
    with pytest.raises(ToolFailed, match="interrupted"), reading(database) as connection:
        run(connection, Statement("orders", endless), {}, 5)


@pytest.mark.parametrize(
    "text",
    ["DELETE FROM returns", "DROP TABLE returns", "ATTACH 'x' AS y", "CREATE TABLE t (a)",
     "UPDATE sqlite_master SET sql = ''", "PRAGMA writable_schema = 1"],
)  # fmt: skip
def test_a_writing_statement_can_only_add_and_change_rows(tmp_path: Path, text: str) -> None:
    tables = "CREATE TABLE IF NOT EXISTS returns (id INTEGER PRIMARY KEY)"
    database = Database("requests", tmp_path / "requests.db", tables)
    with pytest.raises(ToolFailed), writing(database) as connection:
        run(connection, Statement("requests", "INSERT INTO returns VALUES (1)"), {}, 0)
        run(connection, Statement("requests", text), {}, 0)
    assert count_returns(tmp_path) == 0


async def test_a_database_that_is_missing_or_broken_is_the_error_reply(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    tools = Tools(read_registry(folder, tmp_path))
    (folder / "orders.db").write_bytes(b"no database at all" * 100)
    assert (await tools.look(Call("query_order", MINE))).outcome == "error"
    (folder / "orders.db").unlink()
    assert (await tools.look(Call("query_order", MINE))).outcome == "error"
    assert not (folder / "orders.db").exists()


async def test_rows_may_name_their_own_reply_but_only_a_declared_one(tmp_path: Path) -> None:
    named = TOOLS.replace("SELECT order_no, state, note", "SELECT order_no, note AS outcome")
    tools = Tools(read_registry(make_shop(tmp_path / "shop", named), tmp_path))
    odd = {"order_no": "A10045", "phone_tail": "1357"}
    assert (await tools.look(Call("query_order", odd))).outcome == "error"


def test_the_example_s_orders_are_the_same_wherever_they_are_made(tmp_path: Path) -> None:
    def read(name: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            return connection.execute(
                "SELECT order_no, phone, state, article_zh, total_cents FROM orders "
                "JOIN customers ON id = customer_id"
            ).fetchall()

    make_orders(tmp_path / "one.db", date(2026, 11, 21))
    make_orders(tmp_path / "two.db", date(2027, 2, 1))
    assert read("one.db") == read("two.db")
    assert len(read("one.db")) == 3000
    assert ("A10023", "19900006688", "shipped") in [row[:3] for row in read("one.db")]


def answer(request: httpx2.Request) -> httpx2.Response:
    match request.url.path:
        case "/orders/A10023":
            return httpx2.Response(200, json={"data": {"rows": [{"state": "运输中"}]}})
        case "/orders/moved":
            return httpx2.Response(302, headers={"Location": "https://evil.example"})
        case "/orders/long":
            return httpx2.Response(200, content=b"x" * 300_000)
        case _:
            return httpx2.Response(404)


def make_request(**changes: object) -> Request:
    values: dict[str, object] = {
        "method": "GET",
        "url": "https://api.example/orders/{order_no}",
        "hosts": ("api.example",),
        "timeout_s": 1.0,
        "rows": ("data", "rows"),
        **changes,
    }
    return Request(**values)  # type: ignore[arg-type]


async def test_a_request_gives_rows_and_404_none() -> None:
    transport = httpx2.MockTransport(answer)
    rows = await send_request(make_request(), {"order_no": "A10023"}, transport)
    assert rows == ({"state": "运输中"},)
    assert await send_request(make_request(), {"order_no": "gone"}, transport) == ()


@pytest.mark.parametrize("value", ["moved", "long"])
async def test_a_redirect_and_an_endless_answer_are_failures(value: str) -> None:
    with pytest.raises(ToolFailed):
        await send_request(make_request(), {"order_no": value}, httpx2.MockTransport(answer))


@pytest.mark.parametrize(
    "value",
    ["../../admin", "x?admin=1", "@evil.example/", "//evil.example", "a#b", "%2e%2e", "a b"],
)
def test_a_value_is_one_part_of_the_path(value: str) -> None:
    url = build_address(make_request(), {"order_no": value})
    assert url.startswith("https://api.example/orders/")
    assert not set(url.removeprefix("https://api.example/orders/")) & set("/?#@ ")


async def test_a_secret_comes_from_the_environment_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def note(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["Authorization"])
        return httpx2.Response(200, json={})

    request = make_request(secrets={"Authorization": "SHOP_TOKEN"})
    transport = httpx2.MockTransport(note)
    with pytest.raises(ToolFailed, match="SHOP_TOKEN is not set"):
        await send_request(request, {"order_no": "A1"}, transport)
    monkeypatch.setenv("SHOP_TOKEN", "Bearer x")
    await send_request(request, {"order_no": "A1"}, transport)
    assert seen == ["Bearer x"]


RELEASE = threading.Event()


def find_state(order_no: str) -> list[dict[str, str]]:
    if order_no == "A10099":
        RELEASE.wait()
    if order_no == "A10045":
        raise KeyError(order_no)
    if order_no == "A10046":
        raise sqlite3.OperationalError(order_no)
    return [{"state": "已签收"}] if order_no == "A10023" else []


PYTHON = r"""
[parameter.order_no]
title = { zh = "订单号", en = "order number" }
schema = { pattern = "A[0-9]{5}" }
example = "A10023"
ask = { zh = "订单号？", en = "Number?" }
[tool.state]
kind = "python"
description = { zh = "查", en = "state" }
parameters = ["order_no"]
entry = "tests.test_tools_running:find_state"
reply.found = { zh = "{state}", en = "{state}" }
reply.none = { zh = "无", en = "none" }
reply.error = { zh = "错", en = "error" }
"""


@pytest.mark.parametrize(
    ("order_no", "outcome"),
    [("A10023", "found"), ("A10000", "none"), ("A10045", "error"), ("A10046", "error")],
)
async def test_a_function_is_a_tool(tmp_path: Path, order_no: str, outcome: str) -> None:
    tools = Tools(read_registry(make_shop(tmp_path / "shop", PYTHON), tmp_path))
    result = await tools.look(Call("state", {"order_no": order_no}))
    assert result.outcome == outcome


async def test_functions_that_hang_hold_up_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ENTRY_PATIENCE_S", 0.05)
    tools = Tools(read_registry(make_shop(tmp_path / "shop", PYTHON), tmp_path))
    call = Call("state", {"order_no": "A10099"})
    try:
        looks = [tools.look(call) for _ in range(MOST_AT_ONCE)]
        assert {result.outcome for result in await asyncio.gather(*looks)} == {"error"}
        with pytest.raises(ToolFailed, match="not come back"):
            await tools.attempt(Call("state", {"order_no": "A10023"}))
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), 5) == 1
    finally:
        RELEASE.set()
    hung = [one for one in threading.enumerate() if one.name.startswith("entry ")]
    assert all(one.daemon for one in hung)
    for one in hung:
        await asyncio.to_thread(one.join, 5)
    assert (await tools.look(Call("state", {"order_no": "A10023"}))).outcome == "found"


def test_a_module_that_cannot_be_read_is_a_fault_of_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_written.py").write_text("def find(:", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ToolFailed, match="cannot be imported"):
        find_entry("half_written:find")


def test_a_price_and_a_day_of_a_function_s_answer_are_told() -> None:
    row = {"price": Decimal("12.50"), "on": date(2026, 3, 1), "at": time(9, 30), "other": object()}
    assert read_rows(row) == (
        {"price": "12.50", "on": "2026-03-01", "at": "09:30:00", "other": ""},
    )


def test_a_reply_without_a_template_is_told_as_an_error() -> None:
    replies = {"error": {"zh": "错", "en": "error"}}
    tool = Tool("t", "sql", {"zh": "", "en": ""}, (), replies)  # type: ignore[arg-type]
    assert render(tool, Result("found", ({"a": 1},)), {}, "zh") == "错"
    assert fill("{a}\n{b}", {"a": "{b}", "b": None}) == "{b}"
