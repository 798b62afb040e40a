"""A small shop with tools for tests: two orders of two customers, and one thing that is written.

It is not a test. The rule that must not break: it declares what the example shop declares, as short
as it can be, so that a test reads at a glance.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.app import House
from appliance.events import Done, Token, Tool
from appliance.toolbox import read_registry
from appliance.tools.declared import Registry

TOOLS = r'''
general = ['怎么|如何', '\bhow\b']

[database.orders]
file = "orders.db"

[database.requests]
folder = "data"
file = "requests.db"
tables = """
CREATE TABLE IF NOT EXISTS returns (id INTEGER PRIMARY KEY, key TEXT UNIQUE, order_no TEXT UNIQUE)
"""

[parameter.order_no]
title = { zh = "订单号", en = "order number" }
schema = { type = "string", pattern = "A[0-9]{5}" }
find = ['(?<![0-9a-z])a[ -]?[0-9]{5}(?![0-9])']
unlike = '[0-9]'
fold = "code"
memory = "order"
example = "A10023"
ask = { zh = "请问订单号？例如 A10023。", en = "Which order number, for example A10023?" }

[parameter.phone_tail]
title = { zh = "后四位", en = "last four digits" }
schema = { type = "string", pattern = "[0-9]{4}" }
find = ['(?:尾号|ending) ?[0-9]{4}(?![0-9])', '(?<![0-9])1[3-9][0-9]{9}(?![0-9])']
whole = ['(?<![0-9a-z])[0-9]{4}(?![0-9])']
unlike = '[0-9]'
fold = "digits"
memory = "phone"
example = "6688"
ask.zh = "请问手机号后四位？例如 6688。"
ask.en = "The last four digits of your phone, for example 6688?"

[tool.request_return]
kind = "sql"
description = { zh = "申请退货", en = "request a return" }
parameters = ["order_no", "phone_tail"]
identity = ["order_no", "phone_tail"]
asks = ['帮我.{0,4}退货', '\brequest a return\b']
words = ['退']
database = "orders"
sql = "SELECT order_no, state FROM orders WHERE order_no = :order_no AND phone_tail = :phone_tail"
write_to = "requests"
write = "INSERT INTO returns (key, order_no) VALUES (:key, :order_no) ON CONFLICT DO NOTHING"
receipt = "SELECT 'R' || id AS return_no FROM returns WHERE order_no = :order_no"
[tool.request_return.reply]
confirm = { zh = "为 {order_no} 申请退货吗？", en = "Request a return of {order_no}?" }
done = { zh = "已申请，{return_no}。", en = "Requested, {return_no}." }
none = { zh = "没有查到。", en = "Nothing found." }
error = { zh = "暂时不行。", en = "Not now." }

[tool.query_order]
kind = "sql"
bare = true
description = { zh = "查订单", en = "look up an order" }
parameters = ["order_no", "phone_tail"]
identity = ["order_no", "phone_tail"]
asks = ['我的订单', '\bmy order\b']
words = ['到哪|状态', '\bwhere\b']
database = "orders"
sql = """
SELECT order_no, state, note FROM orders WHERE order_no = :order_no AND phone_tail = :phone_tail
"""
[tool.query_order.reply]
found.zh = "订单 {order_no}：{state}。\n备注：{note}"
found.en = "Order {order_no}: {state}.\nnote: {note}"
none = { zh = "没有查到。", en = "Nothing found." }
error = { zh = "暂时不行。", en = "Not now." }
'''
ORDERS = (
    ("A10023", "6688", "运输中", None),
    ("A10045", "1357", "已签收", "门卫代收"),
    ("A10046", "6688", "备货中", "{state} <b>**粗**\n第二行"),
)


def make_shop(folder: Path, tools: str = TOOLS) -> Path:
    """The shop's folder, with an FAQ that answers how orders are found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tools.toml").write_text(tools, "utf-8")
    (folder / "faq.csv").write_text(
        "question,phrasings,answer\n怎么查订单？,在哪看订单,打开“我的订单”。\n", "utf-8"
    )
    with closing(sqlite3.connect(folder / "orders.db")) as connection:
        connection.execute("CREATE TABLE orders (order_no, phone_tail, state, note)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", ORDERS)
        connection.commit()
    return folder


def read_shop_tools(folder: Path, tools: str = TOOLS) -> Registry:
    return read_registry(make_shop(folder / "shop", tools), folder / "data")


def count_returns(folder: Path) -> int:
    """Rows that were written; none where nothing ever was."""
    path = folder / "requests.db"
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM returns").fetchone()[0])


@dataclass(frozen=True, slots=True)
class Said:
    """What one message got: the words, the tool events as "name:state", the rung."""

    text: str
    tools: tuple[str, ...]
    source: str
    rule: str = ""


async def say(house: House, session_id: str, message: str) -> Said:
    asked = await house.conversations.say(message, session_id)
    assert asked.turn is not None
    pieces: list[str] = []
    tools: list[str] = []
    said = Said("", (), "failed")
    async for numbered in asked.turn.watch():
        match numbered.event:
            case Token(text):
                pieces.append(text)
            case Tool(name, state):
                tools.append(f"{name}:{state}")
            case Done(source=source, rule=rule):
                said = Said("", (), source, rule)
    return replace(said, text="".join(pieces), tools=tuple(tools))


async def talk(house: House, *messages: str) -> list[Said]:
    """A conversation of its own."""
    session_id = await house.conversations.open()
    return [await say(house, session_id, message) for message in messages]
