"""The page on bad lines and on the way back to it: slow telephones, the browser's own back button.

Cuts and restarts have their tests in test_stream. The rule that must not break: whatever the line
and wherever the reader comes from, every answer is there once and whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import Line, ScriptedEngine, Wait
from tests.browser.customer import ANSWER_MS, NEEDS_CHROMIUM, open_page, send, wait_for_answer
from tests.scripted_house import HouseServer, answer, choose_settings, pace, serving

pytestmark = NEEDS_CHROMIUM

LONG = "请说一个长的回答"
HALTED = "先说一半"
FIRST_HALF, SECOND_HALF = "先说前面的一半，不多", "不少，再说后面的一半。"
SLOW_3G = {
    "offline": False,
    "latency": 400,
    "downloadThroughput": 50_000,
    "uploadThroughput": 50_000,
}


class Halting:
    """A house that stops in mid-answer until it is told to go on."""

    def __init__(self, server: HouseServer[ScriptedEngine], gate: asyncio.Event) -> None:
        self.url = server.url
        self._server, self._gate = server, gate

    def go_on(self) -> None:
        self._server.call(self._gate.set)


@pytest.fixture
def halting(tmp_path: Path) -> Iterator[Halting]:
    gate = asyncio.Event()

    def halt(question: str) -> list[Line]:
        if question == HALTED:
            return [*pace(FIRST_HALF, 1), Wait(gate), *pace(SECOND_HALF, 1)]
        return answer(question)

    with serving(choose_settings(tmp_path), ScriptedEngine(halt)) as server:
        yield Halting(server, gate)


def test_on_a_slow_telephone_line_the_page_opens_asks_and_is_answered(
    browser: Browser, scripted_server: HouseServer[ScriptedEngine]
) -> None:
    with open_page(browser, scripted_server.url) as page:
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        line.send("Network.emulateNetworkConditions", SLOW_3G)
        page.reload()
        expect(page.locator("#welcome")).to_be_visible(timeout=ANSWER_MS)
        send(page, LONG)
        expect(page.locator(".bubble")).to_have_text([LONG])
        said = wait_for_answer(page)
        page.reload()
        assert wait_for_answer(page) == said
        assert len(said) > 200


def test_who_goes_away_in_mid_answer_and_comes_back_finds_it_whole(
    browser: Browser, halting: Halting
) -> None:
    with open_page(browser, halting.url) as page:
        send(page, HALTED)
        expect(page.locator(".prose")).to_contain_text("先说前面的")
        page.goto(f"{halting.url}/healthz")
        halting.go_on()
        page.go_back()
        assert wait_for_answer(page) == FIRST_HALF + SECOND_HALF
        expect(page.locator(".message")).to_have_count(2)
        page.go_forward()
        page.go_back()
        send(page, "还在吗")
        assert wait_for_answer(page, 2) == "你说：还在吗"


def test_the_back_button_leads_out_and_not_through_conversations(page: Page) -> None:
    before = page.evaluate("history.length")
    for number, question in enumerate(("一", "二")):
        send(page, question)
        wait_for_answer(page)
        page.click("#new")
        assert page.evaluate("history.length") == before, number


def test_a_page_that_the_browser_kept_in_its_memory_goes_on(
    browser: Browser, halting: Halting
) -> None:
    """As after a step back where the browser froze the page: its line is dead without a word."""
    with open_page(browser, halting.url) as page:
        send(page, HALTED)
        expect(page.locator(".prose")).to_contain_text("先说前面的")
        page.context.set_offline(True)
        halting.go_on()
        page.context.set_offline(False)
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        assert wait_for_answer(page) == FIRST_HALF + SECOND_HALF
