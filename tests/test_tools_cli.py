"""The commands of whoever declares tools: list, check, test; and a chat in the terminal."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from appliance.chat_cli import chat
from appliance.knowledge_cli import init
from appliance.tools_cli import tools
from tests.shop_tools import TOOLS, count_returns, make_shop


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, said: str = "") -> Result:
    group = click.Group("appliance", commands={"tools": tools, "init": init, "chat": chat})
    return CliRunner().invoke(group, arguments, input=said)


MINE = ("--arg", "order_no=A10023", "--arg", "phone_tail=6688")


def test_the_example_shop_and_a_new_folder_are_in_order(place: Path) -> None:
    example = run("tools", "check")
    assert (example.exit_code, example.stdout) == (0, "7 tools, 0 errors\n")
    assert run("init").exit_code == 0
    assert run("tools", "check").stdout == "0 tools, 0 errors\n"


def test_what_the_template_shows_is_a_tool_once_the_marks_are_taken_out(place: Path) -> None:
    run("init")
    path = place / "knowledge" / "tools.toml"
    lines = path.read_text("utf-8").splitlines()
    opened = [line.removeprefix("# ") for line in lines[6:]]
    kept = [line for line in opened if not line.startswith(("Words of", "Whole", "How", "助手"))]
    make_shop(place / "knowledge", "\n".join(kept))
    checked = run("tools", "check")
    assert checked.stdout == (
        "error: tools.toml: tool.query_order: cannot run: The database orders refused the "
        "statement: no such column: phone.\n1 tool, 1 error\n"
    )


def test_list_names_what_each_tool_takes(place: Path) -> None:
    make_shop(place / "knowledge")
    listed = run("tools", "list").stdout
    assert "request_return  (sql, writes, after a plain yes)" in listed
    assert "phone_tail: from words, memory, identity, as 6688" in listed


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SELECT order_no, state, note", "SELECT order_no, stat", "no such column: stat"),
        ("SELECT order_no, state, note", "DELETE", "near"),
        (
            "{state}。",
            "{state}{price}。",
            "reply.found: has {price}, which is no column and no par",
        ),
        ("return_no FROM returns", "return_no FROM refunds", "no such table: refunds"),
        ("已申请，{return_no}", "已申请，{state}", "reply.done: has {state}"),
        ('file = "orders.db"', 'file = "gone.db"', "gone.db is not there"),
        ("bare = true", "bear = true", "tool.query_order.bear is unknown"),
    ],
)
def test_check_tries_sql_on_the_database_and_replies_on_the_results(
    place: Path, old: str, new: str, told: str
) -> None:
    assert old in TOOLS
    make_shop(place / "knowledge", TOOLS.replace(old, new))
    checked = run("tools", "check")
    assert checked.exit_code == 1
    assert told in checked.stdout
    assert count_returns(place / "data") == 0


def test_a_tool_is_tried_in_both_languages_and_writes_only_when_told_to(place: Path) -> None:
    make_shop(place / "knowledge")
    shown = run("tools", "test", "query_order", *MINE).stdout
    assert shown.startswith("found: 1 row in ")
    assert "订单 A10023：运输中。" in shown and "Order A10023: 运输中." in shown
    assert run("tools", "test", "request_return", *MINE).stdout.startswith("confirm: 1 row")
    assert count_returns(place / "data") == 0
    assert run("tools", "test", "request_return", *MINE, "--write").stdout.startswith("done: 1 row")
    assert count_returns(place / "data") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("no_tool",), "There is no tool no_tool; known are request_return, query_order."),
        (("query_order",), "order_no is missing. Try: --arg order_no=A10023"),
        (("query_order", "--arg", "A10023"), "A10023 is no argument; write --arg order_no=A10023."),
        (("query_order", "--arg", "order_no=1"), "order_no = “1” does not fit its schema; it is"),
        (("query_order", *MINE, "--arg", "x=1"), "x is no parameter of query_order; order_no, pho"),
    ],
)
def test_a_wrong_trial_is_one_sentence(place: Path, arguments: tuple[str, ...], told: str) -> None:
    make_shop(place / "knowledge")
    tried = run("tools", "test", *arguments)
    assert tried.exit_code == 1
    assert tried.stderr.startswith(told)


def test_a_chat_shows_rungs_tools_memory_and_arguments(place: Path) -> None:
    make_shop(place / "knowledge")
    shown = run("chat", "--without-model", said="我的订单 A10023 到哪了\n6688\n\n")
    assert shown.exit_code == 0
    assert "tool query_order: asking" in shown.stdout
    assert "订单 A10023：运输中。" in shown.stdout
    assert "[tool], query_order/found, stop" in shown.stdout
    assert "call query_order(order_no=A10023, phone_tail=6688) by question: found" in shown.stdout
    assert "memory order=A10023" in shown.stdout
