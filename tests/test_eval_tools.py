"""The shipped tool cases, and how they are judged: a doubt is decided against the appliance."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.eval_cases import BadCases
from appliance.eval_tools import (
    SeenCall,
    ToolCase,
    count_tool_figures,
    describe_failure,
    is_quoted,
    read_tool_cases,
)
from appliance.knowledge.folders import EXAMPLES
from appliance.store.calls import StoredCall
from appliance.toolbox import read_registry
from appliance.tools_cli import tools
from tests.shop_tools import make_shop

SETS = Path(__file__).parents[1] / "evals" / "tools"
CASES = read_tool_cases([SETS / "cases.toml"])
COLLOQUIAL = read_tool_cases([SETS / "colloquial.toml"])
SPEECH = read_tool_cases([SETS / "speech.toml"])
EVERYDAY = read_tool_cases([SETS / "everyday.toml"])
UNSEEN = read_tool_cases([SETS / "unseen.toml"])
PRACTICE = read_tool_cases([SETS / "practice.toml"])
MINE = {"order_no": "A10023", "phone_tail": "6688"}
CALL = ToolCase("1", "zh", "call", "tune", ("A10023 尾号6688",), "query", "", MINE)


def test_there_are_more_than_two_hundred_in_two_languages_and_halves() -> None:
    assert len(CASES) >= 240
    for language, least in (("zh", 140), ("en", 100)):
        mine = [case for case in CASES if case.language == language]
        assert len(mine) >= least
        for kind in ("call", "ask", "none"):
            splits = Counter(case.split for case in mine if case.kind == kind)
            assert abs(splits["tune"] - splits["report"]) <= 1
            assert splits.total() >= 25


def test_each_case_names_declared_tools_and_quotes_its_arguments(tmp_path: Path) -> None:
    registry = read_registry(EXAMPLES[-1], tmp_path)
    for case in (*CASES, *COLLOQUIAL, *SPEECH, *EVERYDAY, *UNSEEN, *PRACTICE):
        assert not case.tool or case.tool in registry.tools, case.id
        assert not case.missing or case.missing in registry.tools[case.tool].parameters, case.id
        assert all(is_quoted(value, case.said) for value in case.arguments.values()), case.id
        for name, value in case.arguments.items():
            assert registry.parameters[name].schema.allows(value), case.id


def test_no_conversation_is_in_both_halves() -> None:
    counts = Counter(case.said for case in (*CASES, *COLLOQUIAL, *EVERYDAY, *UNSEEN, *PRACTICE))
    assert [said for said, count in counts.items() if count > 1] == []


def test_nothing_that_is_reported_or_practised_with_stands_among_the_examples(
    tmp_path: Path,
) -> None:
    """Known by heart, it would tell nothing."""
    registry = read_registry(EXAMPLES[-1], tmp_path)
    known = {
        *registry.others,
        *(text for tool in registry.tools.values() for text in tool.examples),
    }
    plain = {squeeze(text) for text in known}
    for case in (*CASES, *COLLOQUIAL, *SPEECH, *EVERYDAY, *UNSEEN):
        assert case.split != "report" or squeeze(case.said[-1]) not in plain, case.id
    for case in PRACTICE:
        assert case.split == "tune" and squeeze(case.said[-1]) not in plain, case.id


def squeeze(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def test_right_is_the_tool_with_exactly_its_arguments() -> None:
    found = StoredCall("query", "found", {**MINE, "conversation": "abc"})
    assert SeenCall(CALL, (found,), "tool").is_right
    for wrong in (
        (),
        (replace(found, tool="other"),),
        (replace(found, arguments={"order_no": "A10023"}),),
        (replace(found, arguments={**MINE, "more": "1"}),),
        (replace(found, state="asking"),),
        (found, found),
    ):
        assert not SeenCall(CALL, wrong, "tool").is_right


def test_right_is_the_question_for_what_is_missing_and_no_call_where_none_fits() -> None:
    asking = StoredCall("query", "asking", {}, detail="order_no")
    ask = ToolCase("2", "en", "ask", "tune", ("my order?",), "query", "order_no")
    assert SeenCall(ask, (asking,), "tool").is_right
    assert not SeenCall(ask, (replace(asking, detail="phone_tail"),), "tool").is_right
    none = ToolCase("3", "en", "none", "tune", ("how?",))
    assert SeenCall(none, (), "faq").is_right
    assert not SeenCall(none, (asking,), "tool").is_right
    assert describe_failure(SeenCall(none, (asking,), "tool")) == (
        "how?",
        "no call",
        "query() asking order_no",
    )


def test_an_argument_is_a_quote_whatever_its_width_case_and_hyphens() -> None:
    assert is_quoted("A10023", ["我的 ａ-10 023"])
    assert is_quoted("19900006688", ["199 0000-6688"])
    assert not is_quoted("A10024", ["A10023", "24"])


def test_the_figures_count_each_thing_once() -> None:
    seen = [
        SeenCall(CALL, (StoredCall("query", "found", MINE),), "tool"),
        SeenCall(CALL, (StoredCall("query", "found", {"order_no": "A1"}),), "tool", ("A1",)),
        SeenCall(CALL, (), "failed"),
    ]
    figures = {one.what: (one.count, one.total) for one in count_tool_figures(seen)}
    assert figures["tool chosen rightly"] == (2, 3)
    assert figures["arguments exactly right, of those"] == (1, 2)
    assert figures["calls with an argument that is no quote"] == (1, 3)
    assert figures["turns that failed"] == (1, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[case", "cannot be read as TOML"),
        ("[[case]]\nid='a'\nsaid=['x']\nkind='maybe'", "case a: kind: is none of"),
        ("[[case]]\nid='a'\nsaid=['x']\nkind='ask'", "case a: tool and missing must be there"),
        ("[[case]]\nid='a'\nsaid='x'\nkind='none'", "case a: said: must be a list of texts"),
        ("[[case]]\nid='a'\nsaid=['x']\nkind='none'\nwish='y'", "case a: wish: unknown"),
    ],
)
def test_a_case_that_cannot_be_read_is_named(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "cases.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(BadCases, match=told):
        read_tool_cases([path])


def test_the_command_says_them_to_the_house_and_lists_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_shop(tmp_path / "knowledge")
    (tmp_path / "cases.toml").write_text(
        """
[[case]]
id = "right"
language = "zh"
kind = "call"
split = "report"
said = ["我的订单 A10023 到哪了", "6688"]
tool = "query_order"
arguments = { order_no = "A10023", phone_tail = "6688" }
[[case]]
id = "wrong"
language = "zh"
kind = "none"
split = "report"
said = ["我的订单 A10023 到哪了"]
""",
        "utf-8",
    )
    shown = CliRunner().invoke(tools, ["eval", "cases.toml", "--without-model"]).stdout
    assert "wrong: 我的订单 A10023 到哪了\n    expected  no call\n" in shown
    assert "right:" not in shown
    assert "tool chosen rightly" in shown
