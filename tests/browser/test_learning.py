"""The console's tab for misses in a browser: from a group to an entry and back, and who may not.

The server is the real one with a shop of three questions. The rules that must not break: nothing is
published that was not tried as it stands, and a customer's words are text, whatever they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import ScriptedEngine
from appliance.knowledge.published import FILE
from tests.browser.access import find_faults
from tests.browser.customer import NEEDS_CHROMIUM
from tests.browser.operator import working
from tests.desk_house import employ
from tests.knowledge_files import write_faq
from tests.scripted_house import HouseServer, answer, choose_settings, serving

pytestmark = NEEDS_CHROMIUM

PARKING = ("停车场收费吗", "门口停车怎么收费", "停车费多少钱")
HOSTILE = "<img src=x onerror=alert(1)> ${7*7}"
ASKED_SO = "<b>有没有雨伞</b>"
ANSWER = "停车前两小时免费，之后每小时 5 元。"
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "has_touch": True,
    "is_mobile": True,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    write_faq(
        tmp_path / "knowledge",
        "你们几点开门？,营业时间,我们每天 9:00 到 21:00 营业。",
        "怎么退货？,我要退货,七天内凭小票退货。",
        "支持哪些付款方式？,可以刷卡吗,支持微信和银行卡。",
    )
    settings = choose_settings(tmp_path).model_copy(update={"scope": "shop"})
    with serving(settings, ScriptedEngine(answer)) as server:
        employ(settings.data)
        ask_all(server, (*PARKING, ASKED_SO))
        yield server


def ask_all(server: HouseServer[ScriptedEngine], questions: Sequence[str]) -> None:
    with httpx2.Client(base_url=server.url, headers={"Accept": "application/json"}) as client:
        for question in questions:
            assert client.post("/chat", json={"message": question}).status_code == 200


def open_tab(page: Page) -> None:
    page.locator(".tabs a[href='#learning']").click()
    expect(page.locator(".learn-group").first).to_be_visible()


def choose_group(page: Page, words: str) -> None:
    page.locator(".learn-group", has_text=words).click()
    expect(page.locator("#learn-question")).not_to_have_value("")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_a_group_becomes_an_entry_that_is_tried_published_and_undone(
    browser: Browser, server: HouseServer[ScriptedEngine], tmp_path: Path
) -> None:
    path = tmp_path / "knowledge" / FILE
    with working(browser, server.url) as page:
        open_tab(page)
        choose_group(page, "停车")
        publish = page.get_by_role("button", name="发布", exact=True)
        expect(publish).to_be_disabled()
        page.fill("#learn-answer", ANSWER)
        press(page, "试一试")
        expect(page.locator(".learn-effect")).to_contain_text("（+3）")
        expect(publish).to_be_enabled()
        page.fill("#learn-more", "在哪停车，我电话13912345678")
        expect(publish).to_be_disabled()
        press(page, "试一试")
        expect(page.locator(".learn-effect")).to_be_visible()
        publish.click()
        expect(page.locator(".learn-status")).to_contain_text("已发布")
        expect(page.locator(".learn-published")).to_contain_text(ANSWER)
        expect(page.locator(".learn-group", has_text="停车")).to_have_count(0)
        text = path.read_text("utf-8")
        assert "13912345678" not in text and "在哪停车" in text
        page.get_by_role("button", name="撤回").click()
        assert path.exists()
        page.get_by_role("button", name="确定撤回").click()
        expect(page.locator(".learn-status")).to_contain_text("已撤回")
        expect(page.locator(".learn-group", has_text="停车")).to_be_visible()
        assert not path.exists()


def test_the_tab_has_no_fault_for_axe_and_fits_a_phone(
    browser: Browser, server: HouseServer[ScriptedEngine]
) -> None:
    with working(browser, server.url, **PHONE) as page:
        open_tab(page)
        choose_group(page, "停车")
        page.fill("#learn-answer", ANSWER)
        press(page, "试一试")
        expect(page.locator(".learn-effect")).to_be_visible()
        assert find_faults(page) == []
        wide = "document.documentElement.scrollWidth > innerWidth"
        assert not page.evaluate(wide)


def test_customers_words_are_text_in_every_place_of_the_tab(
    browser: Browser, server: HouseServer[ScriptedEngine]
) -> None:
    with working(browser, server.url) as page:
        open_tab(page)
        choose_group(page, "<b>有没有雨伞</b>")
        page.fill("#learn-answer", HOSTILE)
        press(page, "试一试")
        expect(page.locator(".learn-effect")).to_be_visible()
        page.get_by_role("button", name="发布", exact=True).click()
        expect(page.locator(".learn-published")).to_contain_text("onerror")
        assert page.locator(".learn img").count() == 0


def test_a_viewer_sees_the_groups_and_can_press_nothing(
    browser: Browser, server: HouseServer[ScriptedEngine]
) -> None:
    with working(browser, server.url, "gast") as page:
        open_tab(page)
        choose_group(page, "停车")
        expect(page.get_by_role("button", name="试一试")).to_be_disabled()
        expect(page.locator(".learn-draft")).to_contain_text("只能查看")


def test_the_whole_way_goes_by_keyboard_in_english(
    browser: Browser, server: HouseServer[ScriptedEngine], tmp_path: Path
) -> None:
    with working(browser, server.url, locale="en-GB") as page:
        page.locator(".tabs a[href='#learning']").press("Enter")
        page.locator(".learn-group", has_text="停车").press("Enter")
        expect(page.locator("#learn-question")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("Two hours are free.")
        page.get_by_role("button", name="Try it").press("Enter")
        expect(page.locator(".learn-effect")).to_be_visible()
        page.get_by_role("button", name="Publish", exact=True).press("Enter")
        expect(page.locator(".learn-status")).to_contain_text("Published")
        page.get_by_role("button", name="Undo").press("Enter")
        expect(page.get_by_role("button", name="Really take it out")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator(".learn-status")).to_contain_text("taken out")
    assert not (tmp_path / "knowledge" / FILE).exists()
