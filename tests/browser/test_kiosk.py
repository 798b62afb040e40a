"""The kiosk in a headless Chromium against the real server: a visit, its end, and no way out.

When somebody counts as gone is tested in tests/web/kiosk.test.mjs. The rule that must not break:
after a visit nothing of it is on the page, in the browser's storage or open at the appliance.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from appliance.engine.scripted import ScriptedEngine
from tests.browser.access import find_faults
from tests.browser.customer import (
    ANSWER_MS,
    NEEDS_CHROMIUM,
    WATCH_POLICY,
    is_fault,
    send,
)
from tests.browser.relay import relaying
from tests.scripted_house import HouseServer, answer, choose_settings, serving

pytestmark = NEEDS_CHROMIUM

SHOTS = os.environ.get("SCREENSHOTS")
SIZES = {
    "small": {"width": 480, "height": 320},
    "small_upright": {"width": 320, "height": 480},
    "seven_inch": {"width": 800, "height": 480},
    "upright": {"width": 1080, "height": 1920},
    "wide": {"width": 1920, "height": 1080},
}
TOUCH_PX = 60
FAQ = """\
question,phrasings,answer,links
怎么退货,想退货怎么办|买错了能退吗,七天之内带小票到店里就能退。,https://shop.example/returns
店里几点开门,几点营业|什么时候开门,每天九点开门，晚上九点关门。,
"""
QUESTIONS = quote("怎么退货|店里几点开门|有停车位吗")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    settings = choose_settings(tmp_path)
    (settings.knowledge / "faq.csv").write_text(FAQ, "utf-8")
    with serving(settings, ScriptedEngine(answer)) as server:
        yield server


@contextmanager
def standing(
    browser: Browser, url: str, size: Mapping[str, int] = SIZES["seven_inch"], query: str = ""
) -> Iterator[Page]:
    """A touch screen with the kiosk on it, whose clock the test may turn."""
    context: BrowserContext = browser.new_context(
        locale="zh-CN",
        viewport={"width": size["width"], "height": size["height"]},
        has_touch=True,
        color_scheme="dark" if "theme=dark" in query else "light",
    )
    page = context.new_page()
    faults: list[str] = []
    page.add_init_script(WATCH_POLICY)
    page.clock.install()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if is_trouble(line.text) else None)
    page.on(
        "request",
        lambda sent: None if sent.url.startswith((url, "data:")) else faults.append(sent.url),
    )
    page.goto(f"{url}/kiosk?questions={QUESTIONS}{query}")
    try:
        expect(page.locator("#begin")).to_be_visible()
        yield page
        assert faults == []
    finally:
        context.close()


def is_trouble(line: str) -> bool:
    """Chromium says of every page with such a sandbox what is only true of one in a frame, and
    tells when the sandbox has stopped something."""
    is_said_of_sandbox = "can escape its sandboxing" in line or "sandboxed frame" in line
    return is_fault(line) and not is_said_of_sandbox


@pytest.fixture
def page(browser: Browser, shop: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    with standing(browser, shop.url) as page:
        yield page


def begin(page: Page) -> None:
    page.locator("#begin").tap()
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#attract")).to_be_hidden()


def press_question(page: Page, text: str) -> None:
    page.locator(".starter", has_text=text).tap()


def read_rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{folder / 'data' / 'appliance.db'}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def keep_shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"kiosk_{name}.png")


def test_a_touch_begins_and_a_pressed_question_is_answered(page: Page) -> None:
    keep_shot(page, "attract")
    begin(page)
    keep_shot(page, "welcome")
    press_question(page, "怎么退货")
    assert wait_for_answer_here(page) == "七天之内带小票到店里就能退。"
    keep_shot(page, "answer")


def wait_for_answer_here(page: Page, number: int = 1) -> str:
    """There is nothing to copy at the counter, so the label tells that the answer is whole."""
    answered = page.locator(".answer").nth(number - 1)
    expect(answered.locator(".label")).to_be_enabled(timeout=ANSWER_MS)
    return answered.locator(".prose").inner_text()


def test_who_leaves_is_asked_for_and_then_nothing_is_left(
    page: Page, shop: HouseServer[ScriptedEngine], tmp_path: Path
) -> None:
    begin(page)
    press_question(page, "怎么退货")
    wait_for_answer_here(page)
    page.fill("#question", "我的电话是一三八")
    page.clock.fast_forward(61_000)
    expect(page.locator("#still")).to_be_visible()
    expect(page.locator("#still-more")).to_contain_text("秒后清空")
    keep_shot(page, "still")
    with page.expect_response("**/revoke") as revoked:
        page.clock.fast_forward(21_000)
    assert revoked.value.status == 200
    expect(page.locator("#begin")).to_be_visible()
    expect(page.locator("#still")).to_be_hidden()
    assert "退" not in page.locator(".transcript").inner_text()
    assert page.input_value("#question") == ""
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert page.evaluate("document.cookie") == ""
    assert read_rows(tmp_path, "SELECT is_revoked FROM sessions") == [(1,)]
    assert read_rows(tmp_path, "SELECT count(*) FROM messages") == [(2,)]
    assert len(shop.engine.forgotten) == 1
    begin(page)
    expect(page.locator(".message")).to_have_count(0)


def test_a_touch_during_the_countdown_keeps_the_visit(page: Page) -> None:
    begin(page)
    press_question(page, "怎么退货")
    wait_for_answer_here(page)
    page.clock.fast_forward(61_000)
    page.locator("#here").tap()
    expect(page.locator("#still")).to_be_hidden()
    page.clock.fast_forward(30_000)
    expect(page.locator(".prose")).to_contain_text("七天")
    page.clock.fast_forward(31_000)
    page.keyboard.press("Escape")
    expect(page.locator("#still")).to_be_hidden()
    expect(page.locator(".prose")).to_contain_text("七天")


def test_the_visitor_ends_the_visit_at_once(page: Page) -> None:
    begin(page)
    press_question(page, "怎么退货")
    wait_for_answer_here(page)
    with page.expect_response("**/revoke"):
        page.locator("#end").tap()
    expect(page.locator("#begin")).to_be_visible()
    expect(page.locator(".message")).to_have_count(0)


def test_it_is_not_wiped_in_the_middle_of_an_answer(page: Page) -> None:
    begin(page)
    send(page, "讲一个大象去月球的长故事")
    expect(page.locator(".answer .prose")).to_contain_text("退货说明")
    # At once and in one leap: on a slow machine the answer might end between several.
    page.clock.fast_forward(120_000)
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#still")).to_be_hidden()
    assert "一直在这里" in wait_for_answer_here(page)


def test_a_visitor_of_another_language_begins_in_it_and_leaves_it_to_nobody(page: Page) -> None:
    page.locator("#begin-other").tap()
    expect(page.locator("#end")).to_have_text("End")
    expect(page.locator("#question")).to_have_attribute("placeholder", "Type your question")
    keep_shot(page, "english")
    page.locator("#end").tap()
    expect(page.locator("#begin")).to_have_text("点一下屏幕，开始提问")
    expect(page.locator("#begin-other")).to_have_text("Touch here for English")


def test_nothing_leads_out(page: Page, shop: HouseServer[ScriptedEngine]) -> None:
    begin(page)
    press_question(page, "怎么退货")
    wait_for_answer_here(page)
    address = page.url
    link = page.locator(".source a")
    expect(link).to_have_attribute("href", "https://shop.example/returns")
    link.dispatch_event("click")
    link.focus()
    page.keyboard.press("Enter")
    link.dispatch_event("auxclick", {"button": 1})
    assert page.evaluate("window.open('https://shop.example/') === null")
    menu = "new MouseEvent('contextmenu', { bubbles: true, cancelable: true })"
    assert page.evaluate(f"!document.querySelector('.source a').dispatchEvent({menu})")
    for keys in ("F5", "Control+r", "Alt+ArrowLeft", "Control+p", "Control+u", "F11", "Control+t"):
        page.keyboard.press(keys)
    expect(page.locator(".prose")).to_contain_text("七天")
    assert page.url == address
    assert len(page.context.pages) == 1


def test_it_heals_when_the_appliance_restarts(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    port = shop.listener.getsockname()[1]
    with relaying(port) as relay, standing(browser, relay.url) as page:
        begin(page)
        press_question(page, "怎么退货")
        wait_for_answer_here(page)
        relay.die()
        expect(page.locator("#banner")).to_be_visible()
        page.locator("#end").tap()
        expect(page.locator("#begin")).to_be_visible()
        expect(page.locator(".message")).to_have_count(0)
        page.clock.fast_forward(25_000)
        expect(page.locator("#off")).to_have_text("正在连接，请稍等……")
        keep_shot(page, "off")
        with page.expect_response("**/revoke") as revoked:
            relay.revive()
            page.clock.fast_forward(15_000)
        assert revoked.value.status == 200
        expect(page.locator("#off")).to_be_empty()
        begin(page)
        press_question(page, "店里几点开门")
        assert "九点" in wait_for_answer_here(page)


def test_a_newer_appliance_brings_its_newer_page(page: Page) -> None:
    told = page.evaluate("fetch('/readyz').then((reply) => reply.json())")
    page.evaluate("document.documentElement.classList.add('old')")
    # Not fetched by the route: the page may be gone before an answer is there.
    newer = {**told, "version": "99.0.0"}
    page.route("**/readyz", lambda route: route.fulfill(status=503, json=newer))
    page.evaluate("dispatchEvent(new Event('offline'))")
    page.route("**/healthz", lambda route: route.abort())
    page.clock.fast_forward(25_000)
    expect(page.locator("#off")).not_to_be_empty()
    page.unroute("**/healthz")
    page.clock.fast_forward(15_000)
    expect(page.locator("html.old")).to_have_count(0)
    expect(page.locator("#begin")).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")


MEASURE = """(leastPx) => [...document.querySelectorAll("button, a, summary, textarea, input")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest("[inert]"))
  .map((one) => [one.id || one.className || one.tagName, one.getBoundingClientRect()])
  .filter(([, { width, height }]) => Math.min(width, height) < leastPx - 0.5)
  .map(([name, { width, height }]) => `${name} ${width} x ${height}`)"""
OVERFLOW = """() => [document.documentElement, document.body, document.querySelector("#main"),
    document.querySelector("#attract"), document.querySelector(".kiosk-top")]
  .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.id || one.className || one.tagName)"""
OUTSIDE = """() => [...document.querySelectorAll(".kiosk-top button, #question, .send, .person")]
  .filter((one) => one.checkVisibility())
  .filter((one) => { const at = one.getBoundingClientRect();
    return at.top < 0 || at.left < 0 || at.right > innerWidth + 1 || at.bottom > innerHeight + 1; })
  .map((one) => one.id || one.className)"""


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_every_screen_with_targets_for_fingers(
    browser: Browser, shop: HouseServer[ScriptedEngine], name: str, theme: str
) -> None:
    with standing(browser, shop.url, SIZES[name], f"&theme={theme}") as page:

        def look(state: str) -> None:
            keep_shot(page, f"{name}_{theme}_{state}")
            assert page.evaluate(MEASURE, TOUCH_PX) == [], state
            assert page.evaluate(OVERFLOW) == [], state
            assert page.evaluate(OUTSIDE) == [], state

        look("attract")
        begin(page)
        look("welcome")
        press_question(page, "怎么退货")
        wait_for_answer_here(page)
        look("answer")
        page.locator(".label").tap()
        look("facts")
        page.clock.fast_forward(61_000)
        expect(page.locator("#still")).to_be_visible()
        look("still")


def test_nobody_is_kept_out_of_it(page: Page) -> None:
    assert find_faults(page) == []
    begin(page)
    assert find_faults(page) == []
    press_question(page, "怎么退货")
    wait_for_answer_here(page)
    assert find_faults(page) == []
    page.clock.fast_forward(61_000)
    expect(page.locator("#still")).to_be_visible()
    assert find_faults(page) == []


def test_by_keyboard_a_visit_is_begun_asked_in_and_ended(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator("#begin")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#end")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".starter").first).to_be_focused()
    page.keyboard.press("Enter")
    assert wait_for_answer_here(page)
    page.locator("#end").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#begin")).to_be_visible()
