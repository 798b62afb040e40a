"""The widget on a page of another site, in a headless Chromium against the real server.

The logic that needs no browser is tested in tests/web/widget.test.mjs. The rule that must not
break: the page around it never shows an error of ours, and nothing it says becomes more than text.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import ScriptedEngine
from tests.browser.customer import NEEDS_CHROMIUM
from tests.browser.site import (
    DESKTOP,
    PHONE,
    Site,
    browsing,
    open_panel,
    open_site,
    read_answer,
    say,
    serving_box,
    serving_site,
    wait_for_panel,
)
from tests.scripted_house import HouseServer

pytestmark = NEEDS_CHROMIUM

SHOTS = os.environ.get("SCREENSHOTS")
BUBBLE = "appliance-widget .bubble"
PANEL = "appliance-widget .panel"
HEAR = """
window.heard = [];
for (const name of ["ready", "open", "close", "asked", "answered", "failed", "handoff", "refused"])
  addEventListener("appliance:" + name, ({ detail }) => heard.push([name, detail]));
"""
SHOP = (
    "<h1>我们的店</h1><p>欢迎光临。</p><input id='search' aria-label='search'>" + "<p>商品</p>" * 60
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as site:
        yield site


@pytest.fixture
def box(tmp_path: Path, site: Site) -> Iterator[HouseServer[ScriptedEngine]]:
    with serving_box(tmp_path, site.url) as box:
        yield box


@pytest.fixture
def page(browser: Browser, site: Site, box: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    """A desk, and the plainest page there is."""
    site.write(SHOP, box.url)
    with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
        yield page


def keep_shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


def test_a_question_is_answered_on_a_page_of_another_site(page: Page) -> None:
    page.evaluate(HEAR)
    frame = open_panel(page)
    expect(frame.locator("#question")).to_be_focused()
    assert say(frame, "有没有雨伞") == "你说：有没有雨伞"
    keep_shot(page, "try")
    names = [name for name, _ in page.evaluate("heard")]
    assert names == ["open", "ready", "asked", "answered"]


def test_escape_closes_it_and_the_focus_goes_back(page: Page) -> None:
    frame = open_panel(page)
    frame.locator("#question").press("Escape")
    expect(page.locator(PANEL)).to_be_hidden()
    expect(page.locator(BUBBLE)).to_be_focused()
    expect(page.locator(BUBBLE)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(frame.locator("#question")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(PANEL)).to_be_hidden()


def test_on_a_phone_it_takes_the_whole_screen_and_closes_by_its_own_button(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    site.write(SHOP, box.url)
    with browsing(browser, PHONE) as context, open_site(context, site, box.url) as page:
        frame = open_panel(page)
        assert page.locator("appliance-widget iframe").bounding_box() == {
            "x": 0,
            "y": 0,
            **PHONE,
        }
        keep_shot(page, "try_phone")
        frame.locator("#close").click()
        expect(page.locator(PANEL)).to_be_hidden()


def test_the_page_opens_asks_resets_and_closes_it(page: Page) -> None:
    page.evaluate("appliance.ask('怎么退货')")
    frame = wait_for_panel(page)
    assert read_answer(frame) == "你说：怎么退货"
    page.evaluate("appliance.reset()")
    expect(frame.locator("#welcome")).to_be_visible()
    expect(frame.locator("#back")).to_be_hidden()
    page.evaluate("appliance.close()")
    expect(page.locator(PANEL)).to_be_hidden()
    page.evaluate("appliance.open()")
    expect(page.locator(PANEL)).to_be_visible()
