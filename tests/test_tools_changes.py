"""The example shop's order is cancelled and its address changed: after a plain yes, once."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from appliance.app import House
from appliance.dialogue.tool_choice import weigh
from appliance.dialogue.tool_slots import find_values, read_reply_to
from appliance.engine.scripted import ScriptedEngine
from appliance.evaluation import open_house
from appliance.knowledge.folders import EXAMPLES
from appliance.settings import Settings
from appliance.toolbox import read_registry
from appliance.tools.declared import Registry
from tests.shop_tools import TOOLS, read_shop_tools, say, talk
from tests.test_tooling import say_nothing

ADDRESS = "杭州市西湖区文三路 88 号 3 幢 502"


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[House]:
    """The example's tools without its documents, which take a while to be read."""
    shutil.copy(EXAMPLES[-1] / "tools.toml", folder)
    settings = Settings(knowledge=folder)
    async with open_house(settings, ScriptedEngine(say_nothing)) as house:
        yield house


def list_rows(house: House, table: str) -> list[tuple[str, ...]]:
    path = house.store.path.parent / "requests.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    return [tuple(map(str, row)) for row in rows]


async def test_an_order_is_cancelled_after_a_plain_yes_and_twice_is_once(tmp_path: Path) -> None:
    async with serve(tmp_path) as house:
        session_id = await house.conversations.open()
        asked = await say(house, session_id, "帮我取消订单 A10045，尾号1357")
        assert asked.tools[-1] == "cancel_order:confirming"
        unsure = await say(house, session_id, "取消")
        assert unsure.tools[-1] == "cancel_order:confirming"
        assert not list_rows(house, "cancellations")
        done = await say(house, session_id, "确认取消")
        assert "申请号 C000001" in done.text
        assert "24 小时内原路退回" in done.text
        [_, again] = await talk(house, "我要取消 A10045 这个订单，尾号1357", "是的，取消吧")
        assert "申请号 C000001" in again.text
        assert len(list_rows(house, "cancellations")) == 1


async def test_what_has_left_is_not_cancelled_and_who_says_no_keeps_it(tmp_path: Path) -> None:
    async with serve(tmp_path) as house:
        [late] = await talk(house, "please cancel my order A10023, ending 6688")
        assert "has left us" in late.text
        asked, kept = await talk(house, "cancel A10045, phone ending 1357", "no, don't cancel it")
        assert asked.tools[-1] == "cancel_order:confirming"
        assert kept.text.startswith("All right, I have done nothing.")
        assert not list_rows(house, "cancellations")


async def test_an_address_is_taken_as_it_was_written_and_changed_once(tmp_path: Path) -> None:
    async with serve(tmp_path) as house:
        session_id = await house.conversations.open()
        await say(house, session_id, "帮我把 A10045 的收货地址改一下，尾号1357")
        shown = await say(house, session_id, ADDRESS)
        assert ADDRESS in shown.text
        assert not list_rows(house, "address_changes")
        done = await say(house, session_id, "好的，改吧")
        assert "申请号 D000001" in done.text
        assert [row[3] for row in list_rows(house, "address_changes")] == [ADDRESS]
        *_, second = await talk(
            house, "A10045 的地址帮我换一个，尾号1357", "苏州市姑苏区竹影街 16 号", "确认"
        )
        assert "已经改过一次地址" in second.text
        assert ADDRESS in second.text
        assert len(list_rows(house, "address_changes")) == 1


async def test_an_address_that_was_told_for_something_else_is_not_meant(tmp_path: Path) -> None:
    async with serve(tmp_path) as house:
        *_, asked = await talk(
            house, f"我的收货地址是{ADDRESS}", "A10045 的地址帮我改一下，尾号1357"
        )
    assert asked.text.startswith("请告诉我新的收货地址")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return read_registry(EXAMPLES[-1], tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("取消", "bare"),
        ("取消吧", "bare"),
        ("取消订单", "bare"),
        ("cancel", "bare"),
        ("确认取消", "yes"),
        ("是的，取消", "yes"),
        ("yes, cancel it", "yes"),
        ("不取消", "no"),
        ("别取消了", "no"),
        ("no, don't cancel", "no"),
        ("确认", "yes"),
        ("不用了", "no"),
        ("我想先取消别的订单再说这一单的事情", ""),
    ],
)
def test_what_a_tool_does_is_neither_yes_nor_no(registry: Registry, said: str, answer: str) -> None:
    assert read_reply_to(registry.tools["cancel_order"], said) == answer


@pytest.mark.parametrize(
    ("said", "tool"),
    [
        ("我的定单到哪了", "query_order_status"),
        ("wheres my pkg", "query_order_status"),
        ("我的法票开了没", "query_invoice"),
        ("请帮我取销订单", "cancel_order"),
    ],
)
def test_slips_and_slang_are_read_as_what_is_meant(
    registry: Registry, said: str, tool: str
) -> None:
    assert weigh(registry, said, ()).tool == tool


def test_what_is_read_alike_changes_no_value(tmp_path: Path) -> None:
    end = TOOLS.index("[database.orders]")
    alike = '[alike]\na10023 = "a10045"\n\n'
    small = read_shop_tools(tmp_path, TOOLS[:end] + alike + TOOLS[end:])
    assert not small.faults
    assert find_values(small.parameters["order_no"], "A10023") == ("A10023",)
