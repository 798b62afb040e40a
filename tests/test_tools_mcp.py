"""Tools of MCP servers: a real server over stdio and HTTP, dead ones, and what may be declared."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import uvicorn

from appliance.toolbox import read_registry
from appliance.tools.checking import check_tools
from appliance.tools.declared import Call, Registry, Result
from appliance.tools.mcp import MISSING, find_rows
from appliance.tools.running import Tools
from appliance.tools.templates import render
from tests.shop_tools import make_shop

ROOT = Path(__file__).parents[1]
needs_sdk = pytest.mark.skipif(find_spec("mcp") is None, reason=MISSING)
SERVER = f'[server.stock]\ncommand = ["{sys.executable}", "-m", "tests.mcp_shop"]\n'
TOOLS = """
[parameter.article]
title = { zh = "商品", en = "article" }
schema = { type = "string" }
find = ['(?:杯子|lamp)']
example = "lamp"
ask = { zh = "哪一样？", en = "Which one?" }
"""
TOOL = """
[tool.{name}]
kind = "mcp"
server = "stock"
tool = "{name}"
description = {{ zh = "查库存", en = "stock" }}
parameters = ["article"]
{more}
reply.none = {{ zh = "没有。", en = "None." }}
reply.error = {{ zh = "暂时不行。", en = "Not now." }}
"""
FOUND = 'reply.found = { zh = "{article} 有 {pieces} 件，{note}", en = "{article}: {pieces}" }'
SAID = 'reply.found = { zh = "仓库说：{text}", en = "They say: {text}" }'
SEEN = 'reply.found = { zh = "{names} {token}", en = "{names} {token}" }'
WRITES = """
writes = true
reply.confirm = { zh = "留一件 {article} 吗？", en = "Keep one {article}?" }
reply.done = { zh = "留好了，{number}。", en = "Kept, {number}." }
"""


def declare(folder: Path, name: str, more: str, server: str = SERVER) -> Registry:
    text = server + TOOLS + TOOL.format(name=name, more=more)
    return read_registry(make_shop(folder / "shop", text), folder)


async def look(registry: Registry, article: str = "杯子") -> tuple[Result, str]:
    made = Tools(registry)
    [tool] = registry.tools.values()
    try:
        result = await made.look(Call(tool.name, {"article": article}))
    finally:
        made.close()
    return result, render(tool, result, {"article": article}, "zh")


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is a module of the tests and is found by the one variable that is named."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


PASSING = SERVER + 'environment = ["PYTHONPATH"]\n'


@needs_sdk
@pytest.mark.usefixtures("path")
async def test_what_a_server_finds_is_told_in_the_shop_s_words(tmp_path: Path) -> None:
    registry = declare(tmp_path, "find_stock", FOUND, PASSING)
    assert not registry.faults
    assert await look(registry) == (
        Result("found", ({"article": "杯子", "pieces": 12, "note": "{pieces} <b>**粗**"},)),
        "杯子 有 12 件，{pieces} <b>**粗**",
    )
    assert (await look(registry, "伞"))[0].outcome == "none"


@needs_sdk
@pytest.mark.usefixtures("path")
async def test_plain_text_is_one_value_on_one_line(tmp_path: Path) -> None:
    _, told = await look(declare(tmp_path, "tell_stock", SAID, PASSING))
    assert told == "仓库说：杯子: 12 第二行"


@needs_sdk
@pytest.mark.usefixtures("path")
async def test_a_process_sees_only_the_variables_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", "x")
    monkeypatch.setenv("SHOP_TOKEN", "Bearer y")
    server = SERVER + 'environment = ["PYTHONPATH", "SHOP_TOKEN"]\n'
    result, _ = await look(declare(tmp_path, "tell_environment", SEEN, server))
    names = set(str(result.rows[0]["names"]).split(","))
    assert result.rows[0]["token"] == "Bearer y"
    # Python itself may set its locale.
    assert names - {"LC_CTYPE"} == {
        "PATH", "HOME", "SHELL", "TERM", "USER", "LOGNAME", "PYTHONPATH", "SHOP_TOKEN",
    }  # fmt: skip


@needs_sdk
@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("name", ["refuse", "die", "hang", "not_there"])
async def test_a_server_that_fails_is_the_error_reply(tmp_path: Path, name: str) -> None:
    more = f"{SAID}\ntimeout_ms = {3000 if name == 'hang' else 10_000}"
    result, told = await look(declare(tmp_path, name, more, PASSING))
    assert (result, told) == (Result("error"), "暂时不行。")


@needs_sdk
@pytest.mark.parametrize(
    "server",
    [
        '[server.stock]\ncommand = ["/nowhere/stock"]\n',
        '[server.stock]\ncommand = ["/bin/echo", "no protocol"]\n',
        '[server.stock]\nurl = "http://127.0.0.1:9/mcp"\nhosts = ["127.0.0.1"]\n',
    ],
)
async def test_a_server_that_is_not_there_is_the_error_reply(tmp_path: Path, server: str) -> None:
    more = f"{SAID}\ntimeout_ms = 3000"
    result, _ = await look(declare(tmp_path, "find_stock", more, server))
    assert result == Result("error")


@needs_sdk
@pytest.mark.usefixtures("path")
async def test_what_writes_is_confirmed_first_and_carries_its_key(tmp_path: Path) -> None:
    registry = declare(tmp_path, "reserve", WRITES, PASSING)
    assert not registry.faults
    made = Tools(registry)
    call = Call("reserve", {"article": "lamp"}, "k1", is_confirmed=True)
    assert (await made.look(call)).outcome == "confirm"
    assert not list((tmp_path / "shop").glob("reserved-*"))
    first, again = await made.write(call), await made.write(call)
    assert first == again == Result("done", ({"number": "V1", "article": "lamp"},))
    made.close()


@needs_sdk
@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    ("name", "more", "may_be_done"),
    [("hang", "timeout_ms = 3000", True), ("die", "", True), ("refuse", "", False)],
)
async def test_a_write_that_a_server_was_asked_for_may_have_been_done(
    tmp_path: Path, name: str, more: str, may_be_done: bool
) -> None:
    made = Tools(declare(tmp_path, name, f"{WRITES}\n{more}", PASSING))
    call = Call(name, {"article": "lamp"}, "k1", is_confirmed=True)
    assert await made.write(call) == Result("error", is_unsure=may_be_done)
    made.close()


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    from tests.mcp_shop import make_server

    config = uvicorn.Config(make_server().streamable_http_app(), port=0, log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@needs_sdk
async def test_a_server_on_the_network_is_asked_by_http(tmp_path: Path) -> None:
    async with serving() as port:
        url = f'url = "http://127.0.0.1:{port}/mcp"\nhosts = ["127.0.0.1"]\n'
        result, _ = await look(declare(tmp_path, "find_stock", FOUND, f"[server.stock]\n{url}"))
    assert result.rows[0]["pieces"] == 12


@pytest.mark.parametrize(
    ("server", "more", "told"),
    [
        ('command = ["stock"]', FOUND, "server.stock.command = “stock” must be a whole path"),
        ("hosts = []", FOUND, "server.stock.command or url: write one of the two"),
        ('url = "https://a.example/mcp"', FOUND, "server.stock.hosts must list “a.example”"),
        ('url = "https://{article}/"\nhosts = ["x"]', FOUND, "must begin with a fixed https://"),
        (
            'url = "https://a.example/{article}"\nhosts = ["a.example"]',
            FOUND,
            "server.stock.url is fixed text",
        ),
        ('command = ["/a"]\nenvironment = ["a b"]', FOUND, "has “a b”, which is no name"),
        ('command = ["/a"]\nsecrets = { Token = "T" }', FOUND, "is for a url alone"),
        (
            'command = ["/a"]',
            f'{FOUND}\narguments = {{ a = "{{other}}" }}',
            "tool.find_stock.arguments has {other}, which is no parameter",
        ),
        (
            'command = ["/a"]',
            f'{WRITES}\narguments = {{ a = "{{article}}" }}',
            "tool.find_stock.arguments lacks {key}",
        ),
        ('command = ["/a"]', f"{FOUND}\ntimeout_ms = 0", "timeout_ms must be from 1 to 30000"),
    ],
)
def test_a_fault_is_told_with_its_key(tmp_path: Path, server: str, more: str, told: str) -> None:
    registry = declare(tmp_path, "find_stock", more, f"[server.stock]\n{server}\n")
    assert told in " ".join(fault.message for fault in registry.faults)
    assert not registry.tools


@needs_sdk
def test_check_names_what_is_missing_and_starts_nothing(tmp_path: Path) -> None:
    server = '[server.stock]\ncommand = ["/nowhere/stock"]\nenvironment = ["STOCK_TOKEN"]\n'
    [fault] = check_tools(declare(tmp_path, "find_stock", FOUND, server))
    assert fault.message == "tools.toml: server.stock: STOCK_TOKEN is not in the environment."


@pytest.mark.parametrize(
    ("structured", "text", "rows"),
    [
        ({"items": [{"a": 1}]}, "", ({"a": 1},)),
        (None, '{"items": [{"a": 1}]}', ({"a": 1},)),
        ({"items": []}, "x", ()),
        ({"items": "两件"}, "", ({"text": "两件"},)),
        ({}, "", ()),
    ],
)
def test_the_way_to_the_rows_is_gone_in_data_and_in_text(
    structured: object, text: str, rows: tuple[object, ...], tmp_path: Path
) -> None:
    registry = declare(tmp_path, "find_stock", f'{FOUND}\nrows = "items"')
    call = registry.tools["find_stock"].server_call
    assert call is not None
    assert find_rows(structured, text, call) == rows
