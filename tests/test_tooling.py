"""The rung of the tools in a whole house: asked, filled in, confirmed, refused, restarted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.app import House
from appliance.dialogue.steps import Act
from appliance.dialogue.tool_likeness import Likeness
from appliance.dialogue.tooling import Tooling
from appliance.engine.scripted import Line, ScriptedEngine
from appliance.evaluation import open_house, wait_indexed
from appliance.events import Done
from appliance.knowledge.embedder import Matrix
from appliance.settings import Settings
from appliance.store.calls import StoredCall
from appliance.store.sessions import key_of
from appliance.tools.declared import Call, Result, Tool
from appliance.tools.running import Tools
from tests.shop_tools import TOOLS, count_returns, make_shop, read_shop_tools, say, talk


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop")


def say_nothing(question: str) -> Sequence[Line]:
    return ["模型说的话。"]


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[House]:
    async with open_house(Settings(knowledge=folder), ScriptedEngine(say_nothing)) as house:
        yield house


async def test_a_missing_argument_is_asked_for_once_each_and_then_the_order_is_told(
    shop: Path,
) -> None:
    async with serve(shop) as house:
        first, second, third = await talk(house, "我的订单到哪了", "a10023", "6688")
    assert first.text == "请问订单号？例如 A10023。"
    assert second.text == "请问手机号后四位？例如 6688。"
    assert third.text == "订单 A10023：运输中。"
    assert third.tools == ("query_order:running", "query_order:found")
    assert (third.source, third.rule) == ("tool", "query_order/found")


async def test_how_orders_are_found_is_the_faq_s_and_where_mine_is_the_tool_s(shop: Path) -> None:
    async with serve(shop) as house:
        general, own = await talk(house, "怎么查订单", "我的订单 A10023 到哪了，尾号6688")
    assert general.source == "faq"
    assert (own.source, own.text) == ("tool", "订单 A10023：运输中。")


async def test_what_was_said_before_is_not_asked_for_again(shop: Path) -> None:
    async with serve(shop) as house:
        *_, last = await talk(
            house, "我电话19900006688，订单A10023", "怎么查订单", "帮我看看我的订单"
        )
    assert last.text == "订单 A10023：运输中。"


async def test_a_number_that_came_out_wrong_is_asked_for_once_more(shop: Path) -> None:
    async with serve(shop) as house:
        said = await talk(house, "查我的订单", "A1", "A2", "A10023")
    assert said[1].text == "这个看起来不对，请再核对一下。请问订单号？例如 A10023。"
    assert said[1].tools == ("query_order:asking again",)
    assert said[2].source != "tool"


async def test_who_does_not_know_it_is_told_so_and_who_asks_something_else_is_answered(
    shop: Path,
) -> None:
    async with serve(shop) as house:
        _, forgot = await talk(house, "查我的订单", "我忘了订单号")
        _, other, late = await talk(house, "查我的订单", "怎么查订单", "6688")
        _, dropped = await talk(house, "查我的订单", "算了不查了")
    assert forgot.text.startswith("没有这项信息")
    assert other.source == "faq"
    assert late.source != "tool"
    assert dropped.rule == "query_order/declined"


async def test_somebody_else_s_order_and_none_at_all_read_the_same_and_not_for_long(
    shop: Path,
) -> None:
    async with serve(shop) as house:
        foreign, absent = [
            (await talk(house, f"我的订单 {order} 到哪了 尾号6688"))[0].text
            for order in ("A10045", "A99999")
        ]
        guesses = [f"我的订单 A10045 到哪了 尾号{tail}" for tail in range(2000, 2006)]
        tried = await talk(house, *guesses, "我的订单 A10045 到哪了 尾号1357")
    assert foreign == absent == "没有查到。"
    assert tried[3].text == "没有查到。"
    assert tried[-1].text.startswith("核对失败的次数太多")
    assert tried[-1].tools[-1] == "query_order:throttled"


async def test_an_order_that_was_guessed_at_is_shut_in_every_conversation(shop: Path) -> None:
    async with serve(shop) as house:
        for tail in range(2000, 2005):
            await talk(house, f"我的订单 A10045 到哪了 尾号{tail}")
        [said] = await talk(house, "我的订单 A10045 到哪了 尾号1357")
    assert said.tools[-1] == "query_order:throttled"


async def test_what_writes_is_done_after_a_plain_yes_and_never_else(shop: Path) -> None:
    async with serve(shop) as house:
        data = house.store.path.parent
        asking = ("帮我申请退货 A10023 尾号6688",)
        for reply in (
            "不用了",
            "好的，不过先等等",
            "怎么查订单",
            "no",
            "谢谢",
            "是吗？",
            "我的订单",
        ):
            said = await talk(house, *asking, reply, "确认")
            assert said[0].text == "为 A10023 申请退货吗？"
            assert count_returns(data) == 0, reply
        *_, done = await talk(house, *asking, "好的，确认")
        assert done.text == "已申请，R1。"
        *_, again = await talk(house, *asking, "是的")
        assert again.text == "已申请，R1。"
        assert count_returns(data) == 1


async def test_a_correction_of_what_is_to_be_confirmed_is_confirmed_anew(shop: Path) -> None:
    async with serve(shop) as house:
        _, corrected, done = await talk(
            house, "帮我申请退货 A10023 尾号6688", "不是A10023，是A10046", "确认"
        )
        assert corrected.text == "为 A10046 申请退货吗？"
        assert done.text == "已申请，R1。"


async def test_two_orders_in_one_message_are_two_calls(shop: Path) -> None:
    async with serve(shop) as house:
        [said] = await talk(house, "我的订单 A10023 和 A10046 到哪了，尾号6688")
    assert said.text.count("订单 A") == 2
    assert said.tools.count("query_order:running") == 1


async def test_a_question_that_is_open_and_its_arguments_survive_a_restart(
    shop: Path, tmp_path: Path
) -> None:
    settings = Settings(knowledge=shop, data=tmp_path / "kept")
    house = House(settings, ScriptedEngine(say_nothing))
    async with house.application.router.lifespan_context(house.application):
        await wait_indexed(house)
        session_id = await house.conversations.open()
        await say(house, session_id, "帮我申请退货 A10023")
        await say(house, session_id, "6688")
    house = House(settings, ScriptedEngine(say_nothing))
    async with house.application.router.lifespan_context(house.application):
        await wait_indexed(house)
        done = await say(house, session_id, "确认")
        kept = await house.sessions.calls.read_all(key_of(session_id))
    assert done.text == "已申请，R1。"
    assert [call.state for call in kept] == ["asking", "confirming", "done"]
    assert count_returns(tmp_path / "kept") == 1


async def test_a_write_that_was_cut_off_is_done_once(shop: Path) -> None:
    """The process dies behind the write: the turn is run again, by the key that was kept."""
    async with serve(shop) as house:
        session_id = await house.conversations.open()
        await say(house, session_id, "帮我申请退货 A10023 尾号6688")
        tools = house.knowledge.tools
        assert tools is not None
        step = await tools.go_on(key_of(session_id), "确认")
        assert isinstance(step, Act)
        await tools.act(key_of(session_id), step)
        done = await say(house, session_id, "确认")
        assert done.text == "已申请，R1。"
        assert count_returns(house.store.path.parent) == 1


ASKS_RETURN = "帮我申请退货 A10023 尾号6688"


def lose_answers(monkeypatch: pytest.MonkeyPatch, most: int = 1) -> list[str]:
    """The first writes are done and never heard of; the keys of all of them."""
    keys: list[str] = []
    run = Tools._run

    async def run_late(self: Tools, tool: Tool, call: Call, *, is_looking: bool) -> Result:
        result = await run(self, tool, call, is_looking=is_looking)
        if not is_looking:
            keys.append(call.key)
            if len(keys) <= most:
                raise TimeoutError
        return result

    monkeypatch.setattr(Tools, "_run", run_late)
    return keys


async def test_a_write_that_was_not_heard_of_is_asked_for_again_by_its_key(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = lose_answers(monkeypatch, most=2)
    async with serve(shop) as house:
        # Another question between, and all of it said anew: it is the same thing still.
        *_, late, other, _, again, _, done = await talk(
            house, ASKS_RETURN, "确认", "怎么查订单", ASKS_RETURN, "确认", ASKS_RETURN, "确认"
        )
        assert "可能已经办好了" in late.text and other.source == "faq"
        assert late.tools == ("request_return:running", "request_return:confirming")
        assert "可能已经办好了" in again.text
        assert done.text == "已申请，R1。"
        assert count_returns(house.store.path.parent) == 1
    assert len(keys) == 3 and len(set(keys)) == 1


async def test_a_yes_to_a_write_that_was_not_heard_of_tells_what_came_of_it(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = lose_answers(monkeypatch)
    async with serve(shop) as house:
        *_, done = await talk(house, ASKS_RETURN, "确认", "是")
        *_, new = await talk(house, ASKS_RETURN, "确认")
    assert done.text == new.text == "已申请，R1。"
    assert keys[0] == keys[1] != keys[2]


async def test_nobody_is_told_that_nothing_was_done_where_it_may_have_been(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_answers(monkeypatch, most=2)
    async with serve(shop) as house:
        *_, left = await talk(house, ASKS_RETURN, "确认", "不用了")
        # Also where it was said anew in between.
        *_, later = await talk(house, ASKS_RETURN, "确认", "怎么查订单", ASKS_RETURN, "不用了")
    for said in (left, later):
        assert "可能已经办好了" in said.text and "不办了" not in said.text
        assert said.tools == ("request_return:declined",)


async def test_a_write_that_was_not_heard_of_is_kept_where_the_customer_stops_listening(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = lose_answers(monkeypatch)
    run = Tools._run
    async with serve(shop) as house:
        session_id = await house.conversations.open()

        async def stop_and_run(self: Tools, tool: Tool, call: Call, *, is_looking: bool) -> Result:
            turn = house.conversations.find_turn(key_of(session_id))
            if not is_looking and not keys and turn is not None:
                turn.stop_asked.set()
            return await run(self, tool, call, is_looking=is_looking)

        monkeypatch.setattr(Tools, "_run", stop_and_run)
        await say(house, session_id, ASKS_RETURN)
        await say(house, session_id, "确认")
        kept = await house.sessions.calls.read_last(key_of(session_id))
        assert [(call.state, call.detail, call.key) for call in kept] == [
            ("error", "unsure", keys[0])
        ]
        await say(house, session_id, ASKS_RETURN)
        done = await say(house, session_id, "确认")
        assert done.text == "已申请，R1。" and count_returns(house.store.path.parent) == 1
    assert keys == [keys[0]] * 2


async def test_a_stop_does_not_wait_for_a_tool_but_for_one_that_writes(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_running, may_end, act = asyncio.Event(), asyncio.Event(), Tooling.act

    async def act_slowly(*given: Any) -> tuple[tuple[StoredCall, str], ...]:
        is_running.set()
        await may_end.wait()
        return await act(*given)

    monkeypatch.setattr(Tooling, "act", act_slowly)
    async with serve(shop) as house:
        talks = house.conversations
        asked = await talks.say("我的订单 A10023 到哪了，尾号6688", None)
        await is_running.wait()
        async with asyncio.timeout(30):
            assert await talks.stop(asked.session_id)
        assert asked.turn is not None
        end = asked.turn.events[-1].event
        assert isinstance(end, Done) and end.finish_reason == "cancelled"
        may_end.set()
        await say(house, asked.session_id, "帮我申请退货 A10023 尾号6688")
        may_end.clear()
        is_running.clear()
        await talks.say("确认", asked.session_id)
        await is_running.wait()
        stopping = asyncio.create_task(talks.stop(asked.session_id))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not stopping.done()
        may_end.set()
        assert await stopping
        kept = await house.sessions.calls.read_all(key_of(asked.session_id))
        assert count_returns(house.store.path.parent) == 1
    assert [call.state for call in kept][-1] == "done"


async def test_the_audit_tells_what_was_asked_with_what_and_what_came_of_it(shop: Path) -> None:
    async with serve(shop) as house:
        session_id = await house.conversations.open()
        await say(house, session_id, "我的订单到哪了 A10023")
        await say(house, session_id, "6688")
        kept = await house.sessions.calls.read_all(key_of(session_id))
        await house.conversations.forget(session_id)
        assert await house.sessions.calls.read_all(key_of(session_id)) == ()
    mine = {"order_no": "A10023", "phone_tail": "6688"}
    assert kept[0].state == "asking"
    assert kept[0].detail == "phone_tail"
    assert kept[1] == StoredCall("query_order", "found", mine, "question")


async def test_english_is_answered_in_english_even_to_a_bare_number(shop: Path) -> None:
    async with serve(shop) as house:
        said = await talk(house, "where is my order?", "A10023", "6688")
    assert [one.text for one in said] == [
        "Which order number, for example A10023?",
        "The last four digits of your phone, for example 6688?",
        "Order A10023: 运输中.",
    ]


async def test_what_patterns_leave_open_the_model_may_choose_and_only_from_the_list(
    shop: Path,
) -> None:
    for letter, source in (("B", "tool"), ("A", "model"), ("C", "model"), ("确认", "model")):
        engine = ScriptedEngine(lambda question, letter=letter: [letter])  # type: ignore[misc]
        async with open_house(Settings(knowledge=shop), engine) as house:
            [said] = await talk(house, "状态看不懂啊朋友")
        assert said.source == source, letter


async def test_who_names_an_order_and_asks_nothing_general_is_told_of_it(shop: Path) -> None:
    async with serve(shop) as house:
        [named] = await talk(house, "A10023 这个东西是不是有点太慢了呢朋友，尾号6688")
        [general] = await talk(house, "A10023 这样的订单如何改地址")
    assert named.text == "订单 A10023：运输中。"
    assert general.source != "tool"


class Meanings:
    """An embedder for which texts mean the same where they share a letter of these."""

    name = "letters"
    letters = "催查问"

    def embed(self, texts: Sequence[str]) -> Matrix:
        rows = np.array([[letter in text for letter in self.letters] for text in texts], np.float32)
        return rows + np.float32(1e-6)


async def test_a_message_is_like_the_examples_of_a_tool_and_unlike_the_others(
    tmp_path: Path,
) -> None:
    tools = TOOLS.replace("bare = true", 'bare = true\nexamples = ["催催", "查查"]')
    registry = read_shop_tools(tmp_path, 'others = ["问问", "问查"]\n' + tools)
    likeness = Likeness(registry, Meanings(), tmp_path / "vectors.db")
    assert (await likeness.find("帮我催一催")).tool == ""
    await likeness.prepare()
    clear, open_ = await likeness.find("帮我催一催"), await likeness.find("帮我查一问")
    assert (clear.tool, clear.is_clear) == ("query_order", True)
    assert open_.margin < clear.margin and not open_.is_clear
    assert (await likeness.find("催一催", ["request_return"])).tool == ""
    again = Likeness(registry, Meanings(), tmp_path / "vectors.db")
    await again.prepare()
    assert await again.find("帮我催一催") == clear


async def test_without_an_embedder_words_alone_are_compared(tmp_path: Path) -> None:
    tools = TOOLS.replace("bare = true", 'bare = true\nexamples = ["催催我那个", "查查我那个"]')
    registry = read_shop_tools(tmp_path, 'others = ["问问价钱", "问问天气"]\n' + tools)
    likeness = Likeness(registry, None, tmp_path / "vectors.db")
    await likeness.prepare()
    assert (await likeness.find("催一下我那个")).is_clear
    assert not (await likeness.find("问一下天气")).is_clear
    assert not (tmp_path / "vectors.db").exists()


async def test_what_the_faq_asks_no_tool_is_for_but_for_what_is_plainly_a_wish(
    tmp_path: Path,
) -> None:
    tools = TOOLS.replace("bare = true", 'bare = true\nexamples = ["催催我那个", "查查我那个"]')
    registry = read_shop_tools(tmp_path, 'others = ["问问价钱", "问问天气"]\n' + tools)

    async def list_questions() -> Sequence[str]:
        return ["催奶用的茶有吗", "那个茶怎么泡", "帮我申请退货"]

    without = Likeness(registry, None, tmp_path / "vectors.db")
    likeness = Likeness(registry, None, tmp_path / "vectors.db", list_questions)
    for one in (without, likeness):
        await one.prepare()
    asked = "催奶的茶"
    assert (await likeness.find(asked)).margin < 0.0 < (await without.find(asked)).margin
    assert (await likeness.find("催一下我那个")).is_clear
    wish = "申请退货"
    assert (await likeness.find(wish)).margin == pytest.approx(
        (await without.find(wish)).margin, abs=0.2
    )


async def test_a_wish_is_guessed_by_the_examples_and_how_it_is_done_is_left_to_the_faq(
    tmp_path: Path,
) -> None:
    tools = TOOLS.replace("bare = true", 'bare = true\nexamples = ["催催我那个", "查查我那个"]')
    folder = make_shop(tmp_path / "shop", 'others = ["问问价钱", "问问天气"]\n' + tools)
    async with serve(folder) as house:
        tooling = house.knowledge.tools
        assert tooling is not None
        await tooling.is_prepared.wait()
        [wish] = await talk(house, "催一下我那个")
        [general] = await talk(house, "如何催一下我那个")
        likeness = tooling._kit.likeness
        assert likeness is not None and (await likeness.find("如何催一下我那个")).is_clear
    assert wish.rule == "query_order/asking"
    assert general.source != "tool"


async def test_another_faq_is_weighed_without_a_restart(shop: Path) -> None:
    async with serve(shop) as house:
        keeper = house.knowledge._tool_keeper
        assert keeper is not None
        before = keeper.tooling._kit
        await keeper.refresh()
        assert keeper.tooling._kit is before
        with (shop / "faq.csv").open("a", encoding="utf-8") as faq:
            faq.write("茶怎么泡？,用热水。\n")
        await house.knowledge.library.catch_up()
        await wait_indexed(house)
        await keeper.refresh()
        assert keeper.tooling._kit is not before


async def test_a_person_who_owns_the_conversation_is_not_disturbed_by_tools(shop: Path) -> None:
    async with serve(shop) as house:
        session_id = await house.conversations.open()
        await say(house, session_id, "帮我申请退货 A10023 尾号6688")
        await house.conversations.handoffs.ask(key_of(session_id), "wish")
        await house.conversations.handoffs.move(key_of(session_id), "human", "operator")
        said = await say(house, session_id, "确认")
        assert said.source == "human"
        assert count_returns(house.store.path.parent) == 0
