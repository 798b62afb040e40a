"""The page for everybody: every state of it through axe-core, the keyboard, large type, thumbs.

The server is the real one with scripted answers. The rule that must not break: 0 findings in
every state, in both themes, on a phone and on a wide screen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect

from appliance.engine.scripted import Line, ScriptedEngine, Wait
from tests.browser.access import find_faults
from tests.browser.customer import (
    ANSWER_MS,
    NEEDS_CHROMIUM,
    open_page,
    send,
    wait_for_answer,
)
from tests.scripted_house import HouseServer, LoadingEngine, answer, choose_settings, pace, serving

pytestmark = NEEDS_CHROMIUM

FAQ = """\
question,phrasings,answer,links
怎么退货,想退货怎么办|买错了能退吗,七天之内带小票到店里就能退。,https://shop.example/returns
"""
# Far from every entry, by words and by meaning; to others the entry may be offered.
SLOW = "讲一个大象去月球的长故事"
BROKEN = "讲一个大象去月球的坏故事"
WIDE: ViewportSize = {"width": 1280, "height": 800}
TABLE = "| 尺码 | 价钱 |\n|---|---|\n| 大 | 贵 |\n\n1. 一\n2. 二\n\n> 引\n\n```\nx = 1\n```\n"
RIGHT_TO_LEFT = "مرحبا، كيف حالك؟"
STYLE_OF_SPEECH = """element => {
  const { direction, unicodeBidi } = getComputedStyle(element);
  return [direction, unicodeBidi];
}"""


def speak(question: str) -> list[Line]:
    if question == SLOW:
        return [*pace("先说一句，", 1), Wait(asyncio.Event())]
    if question == "表":
        return pace(TABLE, 4)
    return answer(question)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    settings = choose_settings(tmp_path)
    (settings.knowledge / "faq.csv").write_text(FAQ, "utf-8")
    with serving(settings, ScriptedEngine(speak)) as server:
        yield server


@pytest.fixture
def page(browser: Browser, server: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    with open_page(browser, server.url) as page:
        yield page


def change_history(page: Page, **fields: object) -> None:
    """From here on the last message of the history has these fields too."""

    def add(route: Route) -> None:
        if route.request.method != "GET":
            return route.continue_()
        told = route.fetch().json()
        if told["messages"]:
            told["messages"][-1] |= fields
        return route.fulfill(json=told)

    page.route("**/messages", add)


def test_the_welcome_and_the_about_box(page: Page) -> None:
    assert find_faults(page) == []
    page.set_viewport_size(WIDE)
    assert find_faults(page) == []
    page.click("#open-about")
    expect(page.locator("#about-facts")).to_contain_text("可以回答")
    assert find_faults(page) == []


def test_an_answer_with_everything_below_it(page: Page) -> None:
    send(page, "怎么退货")
    wait_for_answer(page)
    page.locator(".label").click()
    page.locator("summary").or_(page.locator(".source-link")).first.focus()
    page.locator("[data-verdict=down]").click()
    expect(page.locator(".reasons")).to_be_visible()
    assert find_faults(page) == []
    page.set_viewport_size(WIDE)
    assert find_faults(page) == []


def test_an_answer_of_tables_lists_and_code(page: Page) -> None:
    send(page, "表")
    wait_for_answer(page)
    expect(page.locator("pre code")).to_be_visible()
    assert find_faults(page) == []


def test_an_answer_that_grows_and_one_that_was_stopped(page: Page) -> None:
    send(page, SLOW)
    expect(page.locator(".wait-words")).to_have_text("正在回答…")
    assert find_faults(page) == []
    page.click("#stop")
    expect(page.locator(".ending")).to_have_text("已停止")
    assert find_faults(page) == []


def test_an_answer_that_broke_and_words_too_many(page: Page) -> None:
    send(page, BROKEN)
    expect(page.locator(".answer .trouble")).to_be_visible(timeout=ANSWER_MS)
    page.fill("#question", "好" * 2003)
    assert find_faults(page) == []


def test_questions_to_choose_from_and_a_yes_that_is_asked_for(page: Page) -> None:
    send(page, "随便")
    wait_for_answer(page)
    change_history(page, suggestions=["怎么退货", "几点开门"], rule="confirm", source="tool")
    page.reload()
    expect(page.locator(".confirm")).to_be_visible()
    assert find_faults(page) == []
    page.unroute("**/messages")
    page.get_by_role("button", name="确认").click()
    expect(page.locator(".bubble")).to_have_text(["随便", "确认"])
    wait_for_answer(page, 2)
    expect(page.locator(".confirm:visible")).to_have_count(0)


def test_a_person_was_asked_for_and_the_line_is_lost(page: Page) -> None:
    page.click("#call-person")
    expect(page.locator("#handoff")).to_be_visible()
    assert find_faults(page) == []
    page.context.set_offline(True)
    send(page, "还在吗")
    expect(page.locator("#banner")).to_contain_text("正在重新连接")
    assert find_faults(page) == []
    page.context.set_offline(False)
    wait_for_answer(page)


def test_a_question_that_waits_for_the_model(
    browser: Browser, loading_server: HouseServer[LoadingEngine]
) -> None:
    with open_page(browser, loading_server.url) as page:
        send(page, "随便说说")
        expect(page.locator(".wait-words")).to_have_text("模型还在准备，好了就回答您")
        expect(page.locator(".dots")).to_be_hidden()
        assert find_faults(page) == []


def test_a_fault_is_found_where_there_is_one(page: Page) -> None:
    page.evaluate("document.querySelector('#send').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('#send').removeAttribute('title')")
    assert any("button-name" in fault for fault in find_faults(page))


def test_a_thumb_and_its_reason_are_kept_and_can_be_taken_back(page: Page) -> None:
    send(page, "怎么退货")
    wait_for_answer(page)
    up, down = page.locator("[data-verdict=up]"), page.locator("[data-verdict=down]")
    down.click()
    page.locator("[data-reason=off_topic]").click()
    expect(page.locator(".thanks")).to_have_text("谢谢，已经记下了。")
    page.reload()
    wait_for_answer(page)
    expect(down).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-reason=off_topic]")).to_have_attribute("aria-pressed", "true")
    up.click()
    expect(page.locator(".reasons")).to_be_hidden()
    up.click()
    expect(up).to_have_attribute("aria-pressed", "false")
    page.reload()
    wait_for_answer(page)
    expect(up).to_have_attribute("aria-pressed", "false")


KEEP_WHAT_IS_SAID = """() => {
  const status = document.querySelector("#status");
  const keep = () => (document.documentElement.dataset.said += status.textContent);
  const all = { childList: true, characterData: true, subtree: true };
  new MutationObserver(keep).observe(status, all);
}"""


def test_a_thumb_that_does_not_get_through_does_not_stay_pressed(page: Page) -> None:
    send(page, "怎么退货")
    wait_for_answer(page)
    page.route("**/feedback", lambda route: route.abort())
    # The connection that is found again is told right behind it.
    page.evaluate(KEEP_WHAT_IS_SAID)
    page.locator("[data-verdict=up]").click()
    expect(page.locator("html")).to_have_attribute(
        "data-said", re.compile("没能记下，请再试一次。")
    )
    expect(page.locator("[data-verdict=up]")).to_have_attribute("aria-pressed", "false")


def test_at_twice_the_size_everything_is_there_and_nothing_scrolls_sideways(page: Page) -> None:
    """200 % zoom of a small notebook's screen is half as many pixels."""
    page.set_viewport_size({"width": 640, "height": 400})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    send(page, "怎么退货")
    wait_for_answer(page)
    page.locator("[data-verdict=down]").click()
    # They are taller than what is left of the screen: the first is shown, the last can be reached.
    expect(page.locator(".reason-choice").first).to_be_in_viewport()
    page.locator("[data-reason=other]").scroll_into_view_if_needed()
    expect(page.locator("[data-reason=other]")).to_be_in_viewport()
    page.locator("[data-reason=wrong]").click()
    page.locator("#question").scroll_into_view_if_needed()
    for part in ("html", "main"):
        is_wide = "part => part.scrollWidth > part.clientWidth"
        assert not page.locator(part).evaluate(is_wide), part
    page.fill("#question", "看得见吗")
    expect(page.locator("#send")).to_be_in_viewport()
    for box in ("#open-past", "#open-about"):
        expect(page.locator(box)).to_be_in_viewport()


def test_who_wants_no_motion_gets_none(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    send(page, SLOW)
    expect(page.locator(".dots").first).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0


def test_words_from_right_to_left_stay_in_their_own_place(page: Page) -> None:
    send(page, RIGHT_TO_LEFT)
    wait_for_answer(page)
    assert page.locator(".bubble").evaluate(STYLE_OF_SPEECH) == ["rtl", "isolate"]
    style = page.locator(".prose").evaluate(STYLE_OF_SPEECH)
    assert style[1] == "isolate"


def test_no_token_is_read_out_by_itself(page: Page) -> None:
    """No live region holds the growing answer."""
    send(page, SLOW)
    expect(page.locator(".prose")).to_contain_text("先说一句")
    live = page.locator("[aria-live], [role=status], [role=alert], [role=log]")
    assert (
        page.locator(".transcript").evaluate("it => it.closest('[aria-live], [role=log]')") is None
    )
    assert "先说" not in " ".join(live.all_inner_texts())


def test_a_whole_visit_by_keyboard_alone(page: Page) -> None:
    keyboard = page.keyboard
    page.focus("#question")
    keyboard.type("怎么退货")
    keyboard.press("Enter")
    wait_for_answer(page)
    visited = []
    for _ in range(12):
        keyboard.press("Shift+Tab")
        visited.append(
            page.evaluate("document.activeElement.className || document.activeElement.id")
        )
    assert [name for name in visited if name.startswith(("thumb", "copy", "label"))] == [
        "thumb",
        "thumb",
        "copy",
        "label official",
    ]
    page.focus("[data-verdict=down]")
    keyboard.press("Space")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(page.locator("[data-reason=wrong]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-reason=wrong]")).to_be_focused()


def test_what_is_in_another_language_is_marked_as_such(page: Page) -> None:
    button = page.locator("#language")
    expect(button).to_have_attribute("lang", "en")
    send(page, "just say it back")
    wait_for_answer(page)
    expect(page.locator(".bubble")).to_have_attribute("lang", "en")
    expect(page.locator(".prose")).to_have_attribute("lang", "zh")
    button.click()
    expect(button).to_have_attribute("lang", "zh-CN")
    expect(page.locator(".prose")).to_have_attribute("lang", "zh")


def test_a_button_that_vanishes_leaves_the_focus_where_the_customer_goes_on(page: Page) -> None:
    question = page.locator("#question")
    send(page, BROKEN)
    page.locator(".retry").last.press("Enter", timeout=ANSWER_MS)
    expect(question).to_be_focused()
    expect(page.locator(".retry").last).to_be_visible(timeout=ANSWER_MS)
    page.click("#new")
    expect(page.locator("#back")).to_be_visible()
    page.locator("#back").press("Enter")
    expect(question).to_be_focused()
    expect(page.locator("#back")).to_be_hidden()


def test_the_press_that_jumps_to_the_end_leaves_the_focus_in_the_field(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 420})
    send(page, "请说一个长的回答")
    main = page.locator("main").element_handle()
    page.wait_for_function("main => main.scrollTop > 100", arg=main)
    page.evaluate("main => main.scrollTop = 0", main)
    # A key is pressed at once, also on what nobody sees yet.
    expect(page.locator("#latest")).to_be_visible()
    page.locator("#latest").press("Enter")
    expect(page.locator("#latest")).to_be_hidden()
    expect(page.locator("#question")).to_be_focused()
