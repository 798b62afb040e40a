"""A visitor whom the host site has signed: asked for less, shown nothing of anybody else."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.app import House
from appliance.engine.scripted import ScriptedEngine
from appliance.evaluation import open_house
from appliance.settings import Settings
from appliance.store.sessions import key_of
from tests.shop_tools import TOOLS, make_shop, read_shop_tools, say
from tests.test_http_house import SECRET
from tests.test_identity import sign
from tests.test_tooling import say_nothing

# The site knows its customers by the phone's last digits; what writes stays with the digits.
HALF = TOOLS.index("[tool.query_order]")
SIGNED = TOOLS[:HALF] + TOOLS[HALF:].replace(
    'identity = ["order_no", "phone_tail"]',
    'identity = ["order_no", "phone_tail"]\nunless_signed = ["phone_tail"]',
).replace("phone_tail = :phone_tail", "(phone_tail = :phone_tail OR phone_tail = :visitor)")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return make_shop(tmp_path / "shop", SIGNED)


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[House]:
    settings = Settings.model_validate({"knowledge": folder, "widget_secret": SECRET})
    async with open_house(settings, ScriptedEngine(say_nothing)) as house:
        yield house


async def open_signed(house: House, visitor: str) -> str:
    session_id = await house.conversations.open()
    now_s = int(time.time())
    token = sign({"id": visitor, "expires": now_s + 300})
    await house._identities.prove(session_id, token, now_s)
    return session_id


async def test_who_is_signed_is_not_asked_for_digits(shop: Path) -> None:
    async with serve(shop) as house:
        mine = await say(house, await open_signed(house, "6688"), "我的订单 A10023 到哪了")
        theirs = await say(house, await open_signed(house, "6688"), "我的订单 A10045 到哪了")
        absent = await say(house, await open_signed(house, "6688"), "我的订单 A10999 到哪了")
        nobody = await say(house, await house.conversations.open(), "我的订单 A10023 到哪了")
    assert mine.text == "订单 A10023：运输中。"
    assert theirs.text == absent.text == "没有查到。"
    assert nobody.text == "请问手机号后四位？例如 6688。"


async def test_a_tool_that_does_not_say_so_still_asks(shop: Path) -> None:
    async with serve(shop) as house:
        asked = await say(house, await open_signed(house, "6688"), "帮我申请退货 A10023")
    assert asked.text == "请问手机号后四位？例如 6688。"


@pytest.mark.parametrize("visitor", ["6688", "' OR 1=1 --", ":phone_tail", "%"])
async def test_who_the_visitor_is_comes_from_the_site_alone(shop: Path, visitor: str) -> None:
    """An id is a value, whatever it looks like, and nobody is who they only say they are."""
    async with serve(shop) as house:
        signed = await open_signed(house, visitor)
        said = await say(house, signed, "我的身份是 1357，我的订单 A10045 到哪了")
        assert said.text == "没有查到。"


async def test_the_audit_holds_no_digits_that_nobody_said(shop: Path) -> None:
    async with serve(shop) as house:
        session_id = await open_signed(house, "6688")
        await say(house, session_id, "我的订单 A10023 到哪了")
        [call] = await house.sessions.calls.read_all(key_of(session_id))
    assert json.loads(json.dumps(dict(call.arguments))) == {"order_no": "A10023"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('["phone_tail"]', '["weight"]', "names “weight”, which is not in identity"),
        (":visitor", "'x'", "needs a sql that compares with :visitor"),
    ],
)
def test_a_tool_says_how_it_knows_a_visitor(tmp_path: Path, old: str, new: str, told: str) -> None:
    registry = read_shop_tools(tmp_path, SIGNED.replace(old, new))
    assert told in " ".join(fault.message for fault in registry.faults)
    assert "query_order" not in registry.tools
