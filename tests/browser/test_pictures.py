"""Pictures of the page, the widget and the kiosk, for eyes: light and dark, phone and desktop.

They go to the folder that SCREENSHOTS names, else to build/screenshots, and what is shown in the
README is taken from there. The rule that must not break: each is of the example shop as it is
served, and what stands in it was said by a rung that needs no model, or is marked as the model's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import Line, ScriptedEngine
from tests.browser.customer import ANSWER_MS, NEEDS_CHROMIUM, send, wait_for_answer
from tests.browser.site import (
    PHONE,
    Site,
    browsing,
    open_panel,
    open_site,
    read_answer,
    say,
    serving_site,
)
from tests.scripted_house import HouseServer, choose_settings, pace, serving

pytestmark = NEEDS_CHROMIUM

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("SCREENSHOTS") or ROOT / "build" / "screenshots")
EXAMPLE = ROOT / "examples" / "shop"
DESKTOP = {"width": 1280, "height": 800}
COUNTERS = {"phone": {"width": 480, "height": 800}, "desktop": {"width": 1280, "height": 800}}
SIZES = {"phone": PHONE, "desktop": DESKTOP}
# A phone has several dots for a pixel; a frame of another site is drawn with one here, and blurred.
SCALES = {"phone": 2, "desktop": 1}
SHIPPING, RETURN = "运费怎么算？", "怎么申请退货？"
# Far from every question of the shop, by words and by meaning.
STORY = "讲一个大象去月球的故事"
WRITTEN = """\
## 大象去月球

从前有一头**小象**，每天晚上都看着月亮，想知道上面有没有草。它这样准备：

1. 向蚂蚁借了一把最长的梯子；
2. 向风借了一阵最大的风；
3. 把耳朵张得像两片帆。

> “月亮上没有草，”它回来说，“可是从那里看，我们的草原真绿。”
"""
SITE = """<style>body { margin: 0; font: 16px/1.6 sans-serif; color: #333; background: #fff }
  header { padding: 20px; background: #f2e6d8 } main { padding: 20px; max-width: 40rem }</style>
  <header><b>小满家居</b></header><main><h1>春天的餐桌</h1>
  <p>粗陶碗、亚麻桌布、一束洋甘菊。这个周末，门店有插花体验。</p></main>"""


def speak(_question: str) -> list[Line]:
    return pace(WRITTEN, 8)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving_site() as site:
        yield site


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, site: Site
) -> Iterator[HouseServer[ScriptedEngine]]:
    wishes = {"knowledge": EXAMPLE, "widget_origins": site.url}
    settings = choose_settings(tmp_path_factory.mktemp("pictures")).model_copy(update=wishes)
    with serving(settings, ScriptedEngine(speak)) as server:
        yield server


def keep(page: Page, *name: str) -> None:
    """Without a caret that blinks, and when all that moves to an end has come to it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.mouse.move(0, 0)
    page.screenshot(path=FOLDER / f"{'-'.join(name)}.png", animations="disabled")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page(
    browser: Browser, shop: HouseServer[ScriptedEngine], size: str, scheme: str
) -> None:
    with browsing(browser, SIZES[size], scheme, SCALES[size]) as context:
        page = context.new_page()
        page.goto(shop.url)
        expect(page.locator(".starter").first).to_have_text(SHIPPING)
        keep(page, "page", "welcome", size, scheme)
        page.locator(".starter").first.click()
        assert "99" in wait_for_answer(page)
        send(page, RETURN)
        wait_for_answer(page, 2)
        page.locator(".answer").last.locator(".label").click()
        keep(page, "page", "official", size, scheme)
        send(page, STORY)
        wait_for_answer(page, 3)
        page.locator("[data-verdict=down]").last.click()
        keep(page, "page", "written", size, scheme)
        page.click("#call-person")
        expect(page.locator("#handoff")).to_be_visible()
        page.click("#open-past")
        expect(page.locator(".past-item").first).to_contain_text(SHIPPING)
        keep(page, "page", "past", size, scheme)
        page.keyboard.press("Escape")
        page.click("#open-about")
        expect(page.locator("#about-notes")).to_be_attached()
        keep(page, "page", "about", size, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_the_widget(
    browser: Browser, site: Site, shop: HouseServer[ScriptedEngine], size: str, scheme: str
) -> None:
    site.write(SITE, shop.url, 'data-title="问店员" data-color="#b3261e"')
    with (
        browsing(browser, SIZES[size], scheme) as context,
        open_site(context, site, shop.url) as page,
    ):
        expect(page.locator("appliance-widget .bubble")).to_be_visible()
        keep(page, "widget", "closed", size, scheme)
        frame = open_panel(page)
        expect(frame.locator(".starter").first).to_have_text(SHIPPING)
        keep(page, "widget", "welcome", size, scheme)
        say(frame, RETURN)
        keep(page, "widget", "official", size, scheme)
        frame.locator("#question").fill(STORY)
        frame.locator("#question").press("Enter")
        assert "小象" in read_answer(frame, 2)
        keep(page, "widget", "written", size, scheme)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", COUNTERS)
def test_the_kiosk(
    browser: Browser, shop: HouseServer[ScriptedEngine], size: str, scheme: str
) -> None:
    with browsing(browser, COUNTERS[size], scheme) as context:
        page = context.new_page()
        page.clock.install()
        page.goto(f"{shop.url}/kiosk")
        expect(page.locator("#begin")).to_be_visible()
        keep(page, "kiosk", "attract", size, scheme)
        page.click("#begin")
        expect(page.locator(".starter").first).to_have_text(SHIPPING)
        keep(page, "kiosk", "welcome", size, scheme)
        page.locator(".starter").nth(1).click()
        expect(page.locator(".answer .label")).to_be_enabled(timeout=ANSWER_MS)
        keep(page, "kiosk", "official", size, scheme)
        page.clock.fast_forward(61_000)
        expect(page.locator("#still")).to_be_visible()
        keep(page, "kiosk", "still", size, scheme)
