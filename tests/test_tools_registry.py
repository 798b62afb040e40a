"""`tools.toml` as a shop may write it: what is taken, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.knowledge.folders import EXAMPLES
from appliance.toolbox import read_registry
from tests.shop_tools import TOOLS, read_shop_tools


def test_a_shop_without_the_file_has_no_tools_and_no_faults(tmp_path: Path) -> None:
    registry = read_registry(tmp_path, tmp_path)
    assert not registry.tools
    assert not registry.faults


def test_the_small_shop_and_the_example_are_taken_whole(tmp_path: Path) -> None:
    small = read_shop_tools(tmp_path)
    example = read_registry(EXAMPLES[-1], tmp_path)
    assert (small.faults, example.faults) == ((), ())
    assert list(small.tools) == ["request_return", "query_order"]
    assert set(example.tools) == {
        "cancel_order",
        "change_address",
        "query_order_status",
        "list_my_orders",
        "query_invoice",
        "create_ticket",
        "request_return",
    }
    assert {name for name, tool in example.tools.items() if tool.is_writing} == {
        "cancel_order",
        "change_address",
        "create_ticket",
        "request_return",
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("general =", "generals =", "generals is unknown; known are database"),
        ('"sql"\nbare', '"csv"\nbare', "tool.query_order.kind = “csv” is none of sql, http"),
        ("bare = true", "bear = true", "tool.query_order.bear is unknown; take it out"),
        ("bare = true", 'bare = "yes"', "tool.query_order.bare must be true or false"),
        ("'我的订单'", "'我.*订单'", "tool.query_order.asks = “我.*订单” is not possible: *"),
        ('"6688"', '"abc"', "parameter.phone_tail.example = “abc” does not fit"),
        ("\nfound.zh = ", "\nfund.zh = ", "tool.query_order.reply.fund.en is missing"),
        ("\nnone = { zh", "\nnon = { zh", "tool.request_return.reply.none is missing; write it"),
        ('file = "orders.db"', "", "database.orders.file is missing"),
        ("parameters = [", 'parameters = ["size", ', "tool.request_return.parameters names “size”"),
        ('"phone"\n', '"phone"\nfrom = ["dreams"]\n', "parameter.phone_tail.from has “dreams”"),
        ('write_to = "requests"', 'write_to = "orders"', "database.orders.tables is missing"),
    ],
)
def test_a_fault_names_file_tool_key_and_the_way_out(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in TOOLS
    registry = read_shop_tools(tmp_path, TOOLS.replace(old, new, 1))
    assert registry.faults[0].message.startswith(f"tools.toml: {told}")


def test_a_tool_that_cannot_be_taken_leaves_the_others(tmp_path: Path) -> None:
    registry = read_shop_tools(tmp_path, TOOLS.replace("bare = true", "bare = 1"))
    assert list(registry.tools) == ["request_return"]


@pytest.mark.parametrize("text", ["[tool", "\x00", "tool = 3", "[tool.A]\nkind = 'sql'"])
def test_a_broken_file_is_one_fault_and_no_exception(tmp_path: Path, text: str) -> None:
    registry = read_shop_tools(tmp_path, text)
    assert not registry.tools
    assert len(registry.faults) == 1


HTTP = r"""
[parameter.order_no]
title = { zh = "订单号", en = "order number" }
schema = { pattern = "A[0-9]{5}" }
example = "A10023"
ask = { zh = "订单号？", en = "Number?" }
[tool.track]
kind = "http"
description = { zh = "查", en = "track" }
parameters = ["order_no"]
url = "https://api.example/orders/{order_no}"
hosts = ["api.example"]
reply.found = { zh = "{state}", en = "{state}" }
reply.none = { zh = "无", en = "none" }
reply.error = { zh = "错", en = "error" }
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('hosts = ["api.example"]', 'hosts = ["other.example"]', "hosts must list “api.example”"),
        ("https://api.example", "https://{order_no}.example", "url must begin with a fixed"),
        ("https://api.example", "file://api.example", "url must begin with a fixed"),
        ("https://api.example", "https://u:p@api.example", "url holds a password"),
        ("orders/{order_no}", "orders/{id}", "url has {id}, which is no parameter"),
        ("hosts =", "timeout_ms = 99999\nhosts =", "timeout_ms must be from 1 to 30000"),
        ("hosts =", 'secrets = { Authorization = "abc" }\nhosts =', "secrets = Authorization must"),
    ],
)
def test_an_address_has_a_fixed_host_that_stands_in_the_list(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert not read_shop_tools(tmp_path / "whole", HTTP).faults
    registry = read_shop_tools(tmp_path / "broken", HTTP.replace(old, new, 1))
    assert registry.faults[0].message.startswith(f"tools.toml: tool.track.{told}")
