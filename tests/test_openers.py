"""The questions that the pages offer: the shop's list, else the first of its FAQ, as they stand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import httpx2

from appliance.dialogue.openers import list_openers
from appliance.dialogue.shop import read_shop
from appliance.engine.scripted import ScriptedEngine
from appliance.knowledge.entries import Entry, Origin
from tests.scripted_house import answer, choose_settings, serving

TODAY = date(2026, 11, 21)


def ask(question: str, language: str = "", last_day: date | None = None) -> Entry:
    return Entry("a", question, "答", Origin("faq.csv"), language=language, valid_to=last_day)


FAQ = (
    ask("双十一有活动吗？", last_day=date(2026, 11, 11)),
    ask("怎么退货？"),
    ask("How much is shipping?"),
    ask("怎么退货？", "zh-CN"),
    ask("WiFi 密码？", "中文"),
    ask("三？"),
    ask("四？"),
    ask("五？"),
)


def test_without_a_list_of_the_shop_the_first_of_the_faq_that_answer_today_are_offered() -> None:
    openers = list_openers(read_shop(), FAQ, TODAY)
    assert openers == {
        "zh": ("怎么退货？", "WiFi 密码？", "三？", "四？"),
        "en": ("How much is shipping?",),
    }


def test_what_the_shop_names_stands_alone_in_its_language(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('[questions]\nzh = [" 几点关门？ ", "有停车位吗？"]\n', "utf-8")
    shop = read_shop(file)
    assert shop.faults == ()
    assert list_openers(shop, FAQ, TODAY) == {
        "zh": ("几点关门？", "有停车位吗？"),
        "en": ("How much is shipping?",),
    }


def test_a_shop_that_wrote_nothing_offers_nothing() -> None:
    assert list_openers(read_shop(), (), TODAY) == {"zh": (), "en": ()}


def test_readyz_tells_them_and_each_is_answered_by_the_shop(tmp_path: Path) -> None:
    settings = choose_settings(tmp_path)
    (settings.knowledge / "faq.csv").write_text(
        "question,answer\n怎么退货？,七天之内。\nDo you ship abroad?,Not at present.\n", "utf-8"
    )
    with serving(settings, ScriptedEngine(answer)) as server:
        server.wait_ready(10)
        wish = {"Accept": "application/json"}
        first = {"message": "怎么退货？"}
        # An answer comes once the knowledge is there.
        told = httpx2.post(f"{server.url}/chat", json=first, headers=wish).json()
        questions = httpx2.get(f"{server.url}/readyz").json()["questions"]
        assert told["source"] == "faq"
        assert questions == {"zh": ["怎么退货？"], "en": ["Do you ship abroad?"]}
