"""`tools.toml` changed while the appliance runs: taken whole or not at all, without a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.app import House
from appliance.toolbox import ToolKeeper
from tests.shop_tools import TOOLS, count_returns, make_shop, say, talk
from tests.test_tooling import serve


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


async def change(house: House, shop: Path, text: str) -> None:
    (shop / "tools.toml").write_text(text, "utf-8")
    keeper = house.knowledge._tool_keeper
    assert isinstance(keeper, ToolKeeper)
    await keeper.refresh()


async def test_new_words_and_new_sql_are_taken_without_a_restart(shop: Path) -> None:
    async with serve(shop) as house:
        [before] = await talk(house, "我的订单 A10023 到哪了，尾号6688")
        text = TOOLS.replace("订单 {order_no}：{state}。", "{order_no} 现在{state}，{more}。")
        await change(
            house,
            shop,
            text.replace("order_no, state, note F", "order_no, state, note, '很快' AS more F"),
        )
        [after] = await talk(house, "我的订单 A10023 到哪了，尾号6688")
    assert (before.text, after.text) == ("订单 A10023：运输中。", "A10023 现在运输中，很快。")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[tool.query_order]", "[tool.query_order", "tools.toml cannot be read"),
        ("bare = true", "bare = 3", "tool.query_order.bare must be true or false"),
        ("SELECT order_no, state, note", "SELECT order_no, weight", "no such column: weight"),
        ("订单 {order_no}：{state}", "订单 {order_no}：{stat}", "has {stat}"),
    ],
)
async def test_a_broken_file_keeps_the_old_tools_and_is_named(
    shop: Path, old: str, new: str, told: str
) -> None:
    async with serve(shop) as house:
        await change(house, shop, TOOLS.replace(old, new))
        [said] = await talk(house, "我的订单 A10023 到哪了，尾号6688")
        notes = " ".join(house.report().notes)
        assert said.text == "订单 A10023：运输中。"
        assert told in notes
        assert "in the tools" in notes
        await change(house, shop, TOOLS)
        assert "in the tools" not in " ".join(house.report().notes)


@pytest.mark.parametrize("share", [0.1, 0.35, 0.6, 0.85, 0.99])
async def test_a_file_that_is_only_half_written_is_no_half_of_the_tools(
    shop: Path, share: float
) -> None:
    """Wherever an editor is while the file is looked at."""
    async with serve(shop) as house:
        tools = house.knowledge.tools
        assert tools is not None
        whole = set(tools.registry.tools)
        await change(house, shop, TOOLS[: int(len(TOOLS) * share)])
        if tools.faults:
            assert set(tools.registry.tools) == whole
        await change(house, shop, TOOLS)
        assert set(tools.registry.tools) == whole
        assert not tools.faults


async def test_an_open_question_lives_on_and_a_tool_that_is_gone_is_no_error(shop: Path) -> None:
    async with serve(shop) as house:
        session_id = await house.conversations.open()
        await say(house, session_id, "帮我申请退货 A10023 尾号6688")
        await change(house, shop, TOOLS.replace("已申请，{return_no}。", "办好了，{return_no}。"))
        done = await say(house, session_id, "确认")
        assert done.text == "办好了，R1。"
        assert count_returns(house.store.path.parent) == 1
        await say(house, session_id, "帮我申请退货 A10046 尾号6688")
        only = TOOLS[: TOOLS.index("[tool.request_return]")]
        await change(house, shop, only + TOOLS[TOOLS.index("[tool.query_order]") :])
        gone = await say(house, session_id, "确认")
        assert gone.source != "failed"
        assert count_returns(house.store.path.parent) == 1


async def test_a_message_that_is_being_answered_keeps_the_tool_that_it_chose(shop: Path) -> None:
    async with serve(shop) as house:
        tools = house.knowledge.tools
        assert tools is not None
        step = await tools.choose("k", "我的订单 A10023 到哪了，尾号6688", may_guess=True)
        await change(house, shop, 'general = ["怎么"]\n')
        assert step is not None
        [(call, words)] = await tools.act("k", step)  # type: ignore[arg-type]
    assert call.state == "error"
    assert words
