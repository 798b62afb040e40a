"""The widget and the kiosk where it is hard: slow lines, large type, narrow screens, the back
button, two of them at once, and no motion. The page's own such tests are beside these.

The rule that must not break: whatever the line and the screen, an answer is there once and whole,
and nothing has to be scrolled sideways to be read or pressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from appliance.engine.scripted import Line, ScriptedEngine, Wait
from tests.browser.customer import ANSWER_MS, NEEDS_CHROMIUM, send
from tests.browser.site import (
    DESKTOP,
    PHONE,
    Site,
    browsing,
    open_panel,
    open_site,
    read_answer,
    say,
    serving_site,
)
from tests.browser.test_page_lines import SLOW_3G
from tests.scripted_house import HouseServer, answer, choose_settings, pace, serving

pytestmark = NEEDS_CHROMIUM

FAQ = """\
question,answer,links
怎么退货,七天之内带小票到店里就能退。,https://shop.example/returns
"""
RETURN, RETURNED = "怎么退货", "七天之内带小票到店里就能退。"
LONG, HALTED = "讲一个大象去月球的长故事", "先讲半个大象去月球的故事"
FIRST_HALF, SECOND_HALF = "先说前面的一半，不多", "不少，再说后面的一半。"
NARROW = {"width": 320, "height": 568}
# 200 % zoom of a small notebook's screen is half as many pixels, and everything twice as large.
ZOOMED = {"width": 640, "height": 400}
GROW = "document.documentElement.style.fontSize = '200%'"
FIND_WIDE = """() => [document.documentElement, document.body, ...document.querySelectorAll(
    "main, .attract, .kiosk-top, .widget-top, .bottom, dialog[open]")]
  .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.id || one.className || one.tagName)"""
FIND_MOTION = "document.getAnimations().map((it) => it.animationName ?? String(it))"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as site:
        yield site


@pytest.fixture
def gate() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def shop(tmp_path: Path, site: Site, gate: asyncio.Event) -> Iterator[HouseServer[ScriptedEngine]]:
    def speak(question: str) -> list[Line]:
        if question == HALTED:
            return [*pace(FIRST_HALF, 1), Wait(gate), *pace(SECOND_HALF, 1)]
        return answer(question)

    wishes = {"widget_origins": f"{site.url} {site.near}"}
    settings = choose_settings(tmp_path).model_copy(update=wishes)
    (settings.knowledge / "faq.csv").write_text(FAQ, "utf-8")
    with serving(settings, ScriptedEngine(speak)) as server:
        site.write("<h1>店</h1>" + "<p>商品</p>" * 40, server.url, "data-session=resume")
        yield server


def slow_down(page: Page) -> None:
    line = page.context.new_cdp_session(page)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SLOW_3G)


@contextmanager
def visiting(
    browser: Browser,
    site: Site,
    shop: HouseServer[ScriptedEngine],
    size: Mapping[str, int] = DESKTOP,
) -> Iterator[tuple[BrowserContext, Page]]:
    """The site where its frames may keep something: from the appliance's own address."""
    with (
        browsing(browser, size) as context,
        open_site(context, site, shop.url, url=site.near) as page,
    ):
        yield context, page


@contextmanager
def standing(
    browser: Browser, shop: HouseServer[ScriptedEngine], size: Mapping[str, int] = DESKTOP
) -> Iterator[Page]:
    with browsing(browser, size) as context:
        page = context.new_page()
        page.goto(f"{shop.url}/kiosk")
        expect(page.locator("#begin")).to_be_visible()
        yield page


def begin(page: Page) -> None:
    page.click("#begin")
    expect(page.locator("#welcome")).to_be_visible()


def read_at_the_counter(page: Page, number: int = 1) -> str:
    answered = page.locator(".answer").nth(number - 1)
    expect(answered.locator(".label")).to_be_enabled(timeout=ANSWER_MS)
    return answered.locator(".prose").inner_text()


def expect_first_half(frame: FrameLocator) -> None:
    expect(frame.locator(".prose")).to_contain_text("先说前面的")


def test_the_widget_opens_and_answers_on_a_slow_telephone_line(
    browser: Browser, site: Site, shop: HouseServer[ScriptedEngine]
) -> None:
    with visiting(browser, site, shop, PHONE) as (_, page):
        slow_down(page)
        page.reload()
        page.locator("appliance-widget .bubble").click(timeout=ANSWER_MS)
        frame = page.frame_locator("appliance-widget iframe")
        expect(frame.locator("#question")).to_be_visible(timeout=ANSWER_MS)
        assert say(frame, RETURN) == RETURNED
        assert len(say(frame, LONG, 2)) > 200


def test_the_kiosk_opens_and_answers_on_a_slow_line(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with standing(browser, shop) as page:
        slow_down(page)
        page.reload()
        expect(page.locator("#begin")).not_to_be_empty(timeout=ANSWER_MS)
        begin(page)
        send(page, LONG)
        assert "一直在这里" in read_at_the_counter(page)


@pytest.mark.parametrize("size", [NARROW, ZOOMED], ids=["narrow", "zoomed"])
def test_in_the_widget_nothing_scrolls_sideways(
    browser: Browser, site: Site, shop: HouseServer[ScriptedEngine], size: dict[str, int]
) -> None:
    with visiting(browser, site, shop, size) as (_, page):
        frame = open_panel(page)
        inside = next(one for one in page.frames if one.url.startswith(shop.url))
        if size == ZOOMED:
            inside.evaluate(GROW)
        assert inside.evaluate(FIND_WIDE) == []
        say(frame, RETURN)
        frame.locator(".label").click()
        assert inside.evaluate(FIND_WIDE) == []
        say(frame, LONG, 2)
        frame.locator("[data-verdict=down]").last.click()
        assert inside.evaluate(FIND_WIDE) == []
        frame.locator("#question").fill("看得见吗")
        for control in ("#send", "#close", "#new"):
            expect(frame.locator(control)).to_be_in_viewport()


@pytest.mark.parametrize("size", [NARROW, ZOOMED], ids=["narrow", "zoomed"])
def test_in_the_kiosk_nothing_scrolls_sideways(
    browser: Browser, shop: HouseServer[ScriptedEngine], size: dict[str, int]
) -> None:
    with standing(browser, shop, size) as page:
        if size == ZOOMED:
            page.evaluate(GROW)
        assert page.evaluate(FIND_WIDE) == []
        expect(page.locator("#begin")).to_be_in_viewport()
        begin(page)
        assert page.evaluate(FIND_WIDE) == []
        send(page, RETURN)
        assert read_at_the_counter(page) == RETURNED
        page.locator(".label").click()
        assert page.evaluate(FIND_WIDE) == []
        page.fill("#question", "看得见吗")
        for control in ("#send", "#end", "#language"):
            expect(page.locator(control)).to_be_in_viewport()


def test_who_leaves_the_site_in_mid_answer_and_comes_back_finds_it_whole_in_the_widget(
    browser: Browser, site: Site, shop: HouseServer[ScriptedEngine], gate: asyncio.Event
) -> None:
    site.files["/other"] = "<!doctype html><title>x</title><p>x</p>"
    with visiting(browser, site, shop) as (_, page):
        frame = open_panel(page)
        frame.locator("#question").fill(HALTED)
        frame.locator("#question").press("Enter")
        expect_first_half(frame)
        page.goto(f"{site.near}/other")
        shop.call(gate.set)
        page.go_back()
        if page.locator("appliance-widget .panel").is_hidden():
            frame = open_panel(page)
        assert read_answer(frame) == FIRST_HALF + SECOND_HALF
        expect(frame.locator(".message")).to_have_count(2)
        assert say(frame, "唱一首大象的歌", 2) == "你说：唱一首大象的歌"


def test_the_widget_adds_nothing_to_the_way_back_of_its_site(
    browser: Browser, site: Site, shop: HouseServer[ScriptedEngine]
) -> None:
    with visiting(browser, site, shop) as (_, page):
        before = page.evaluate("history.length")
        frame = open_panel(page)
        say(frame, RETURN)
        frame.locator("#new").click()
        say(frame, RETURN)
        frame.locator("#question").press("Escape")
        assert page.evaluate("history.length") == before


def test_two_tabs_of_a_site_show_one_conversation(
    browser: Browser, site: Site, shop: HouseServer[ScriptedEngine], gate: asyncio.Event
) -> None:
    with visiting(browser, site, shop) as (context, one):
        frame = open_panel(one)
        say(frame, "第一问")
        with open_site(context, site, shop.url, url=site.near) as two:
            beside = open_panel(two)
            assert read_answer(beside) == "你说：第一问"
            beside.locator("#question").fill(HALTED)
            beside.locator("#question").press("Enter")
            expect(frame.locator(".bubble")).to_have_text(["第一问", HALTED])
            expect(frame.locator("#stop")).to_be_visible()
            shop.call(gate.set)
            for each in (frame, beside):
                assert read_answer(each, 2) == FIRST_HALF + SECOND_HALF


def test_two_kiosks_of_one_browser_know_nothing_of_each_other(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with standing(browser, shop) as one:
        begin(one)
        send(one, RETURN)
        assert read_at_the_counter(one) == RETURNED
        two = one.context.new_page()
        two.goto(f"{shop.url}/kiosk")
        begin(two)
        expect(two.locator(".message")).to_have_count(0)
        two.click("#end")
        expect(two.locator("#begin")).to_be_visible()
        send(one, "唱一首大象的歌")
        assert read_at_the_counter(one, 2) == "你说：唱一首大象的歌"


def test_a_kiosk_that_is_left_and_come_back_to_shows_nobody_s_conversation(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with standing(browser, shop) as page:
        begin(page)
        send(page, RETURN)
        assert read_at_the_counter(page) == RETURNED
        page.goto(f"{shop.url}/healthz")
        page.go_back()
        expect(page.locator("#begin")).to_be_visible()
        expect(page.locator(".message")).to_have_count(0)


def test_who_wants_no_motion_gets_none_in_the_widget(
    browser: Browser, site: Site, shop: HouseServer[ScriptedEngine]
) -> None:
    with visiting(browser, site, shop) as (_, page):
        page.emulate_media(reduced_motion="reduce")
        frame = open_panel(page)
        frame.locator("#question").fill(HALTED)
        frame.locator("#question").press("Enter")
        expect_first_half(frame)
        expect(frame.locator(".dots").first).to_be_visible()
        for each in page.frames:
            assert each.evaluate(FIND_MOTION) == []


def test_who_wants_no_motion_gets_none_at_the_counter(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with standing(browser, shop) as page:
        assert page.evaluate(FIND_MOTION) == ["nod"]
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate(FIND_MOTION) == []
        begin(page)
        send(page, HALTED)
        expect(page.locator(".dots").first).to_be_visible()
        assert page.evaluate(FIND_MOTION) == []
