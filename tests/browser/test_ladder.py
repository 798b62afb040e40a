"""Where answers come from and the way to a person, as a customer sees them in a headless Chromium.

The server is the real one with a shop of two questions and scripted answers. The rule that must
not break: no answer stands without its label, and a wish for a person is seen until it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from appliance.engine.scripted import ScriptedEngine
from tests.browser.customer import NEEDS_CHROMIUM, open_page, send, wait_for_answer
from tests.scripted_house import HouseServer, answer, choose_settings, serving

FAQ = """\
question,phrasings,answer,links
怎么退货,想退货怎么办|买错了能退吗,七天之内带小票到店里就能退。,https://shop.example/returns
店里几点开门,几点营业|什么时候开门,每天九点开门，晚上九点关门。,
"""
ANSWER = "七天之内带小票到店里就能退。"
HEAR = """() => {
  window.heard = [];
  const status = document.getElementById("status");
  new MutationObserver(() => window.heard.push(status.textContent))
    .observe(status, { childList: true });
}"""
SUGGESTIONS = ["怎么退货", "店里几点开门"]

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "faq.csv").write_text(FAQ, "utf-8")
    settings = choose_settings(tmp_path).model_copy(update={"knowledge": folder})
    with serving(settings, ScriptedEngine(answer)) as server:
        yield server


@pytest.fixture
def page(browser: Browser, shop: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    with open_page(browser, shop.url) as page:
        yield page


def suggest(page: Page) -> None:
    """The history of the conversation ends as one does where no answer was sure."""

    def add(route: Route) -> None:
        told = route.fetch().json()
        if told["messages"]:
            told["messages"][-1] |= {"suggestions": SUGGESTIONS}
        route.fulfill(json=told)

    page.route("**/messages", lambda route: add(route) if is_read(route) else route.continue_())


def is_read(route: Route) -> bool:
    return route.request.method == "GET"


def test_an_answer_of_the_shop_is_labelled_official_and_word_for_word(page: Page) -> None:
    send(page, "怎么退货")
    assert wait_for_answer(page) == ANSWER
    expect(page.locator(".badge")).to_have_text("官方答案")
    expect(page.locator(".rung")).to_contain_text("常见问题 · ")
    page.reload()
    assert wait_for_answer(page) == ANSWER
    expect(page.locator(".badge")).to_have_text("官方答案")
    expect(page.locator(".rung")).to_contain_text("秒")


def test_the_facts_of_an_answer_open_and_close_by_keyboard(page: Page) -> None:
    send(page, "怎么退货")
    wait_for_answer(page)
    line, facts = page.locator(".label"), page.locator(".facts")
    expect(facts).to_be_hidden()
    line.focus()
    page.keyboard.press("Enter")
    expect(facts).to_contain_text("匹配度")
    expect(line).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Space")
    expect(facts).to_be_hidden()


def test_the_source_of_an_answer_leads_to_its_page_in_a_new_tab(page: Page) -> None:
    send(page, "怎么退货")
    wait_for_answer(page)
    link = page.locator(".source a")
    expect(link).to_have_attribute("href", "https://shop.example/returns")
    expect(link).to_have_attribute("target", "_blank")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_a_suggestion_is_asked_by_a_press_and_vanishes(page: Page) -> None:
    send(page, "怎么退货")
    wait_for_answer(page)
    suggest(page)
    page.reload()
    offered = page.locator(".suggestion:visible")
    expect(offered).to_have_text(SUGGESTIONS)
    page.unroute("**/messages")
    page.locator(".thumb").last.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(offered.last).to_be_focused()
    page.keyboard.press("Enter")
    assert "九点" in wait_for_answer(page, 2)
    expect(page.locator(".bubble").last).to_have_text(SUGGESTIONS[1])
    expect(page.locator(".suggestion", has_text=SUGGESTIONS[0])).to_be_hidden()
    expect(page.locator("#question")).to_be_focused()


def test_a_person_is_asked_for_and_the_wish_taken_back(page: Page) -> None:
    page.evaluate(HEAR)
    page.get_by_role("button", name="转人工", exact=True).click()
    banner = page.locator("#handoff")
    expect(banner).to_contain_text("已经记下您想找店员")
    expect(page.locator("#call-person")).to_be_hidden()
    assert any("已经记下您想找店员" in said for said in page.evaluate("window.heard"))
    page.reload()
    expect(banner).to_contain_text("已经记下您想找店员")
    page.get_by_role("button", name="取消转人工").click()
    expect(page.locator("#call-person")).to_be_visible()
    expect(page.locator("#take-back")).to_be_hidden()


def test_a_wish_in_words_is_shown_as_one_pressed(page: Page) -> None:
    send(page, "转人工")
    wait_for_answer(page)
    expect(page.locator("#handoff")).to_contain_text("已经记下您想找店员")
    expect(page.locator(".badge").last).to_have_text("官方答案")


def test_a_wish_that_does_not_get_through_is_not_shown_as_heard(page: Page) -> None:
    page.route("**/handoff", lambda route: route.abort())
    page.click("#call-person")
    expect(page.locator("#handoff")).to_contain_text("没能转达")
    expect(page.locator("#call-person")).to_be_visible()
    page.unroute("**/handoff")
    page.click("#call-person")
    expect(page.locator("#handoff")).to_contain_text("已经记下您想找店员")


def test_nothing_scrolls_sideways_with_everything_open_on_the_narrowest_screen(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 568})
    page.click("#language")
    page.click("#call-person")
    expect(page.locator("#handoff")).to_be_visible()
    send(page, "怎么退货")
    expect(page.locator(".copy").last).to_be_visible()
    page.locator(".label").last.click()
    for part in ("html", "main"):
        is_wide = "part => part.scrollWidth > part.clientWidth"
        assert not page.locator(part).evaluate(is_wide), part
