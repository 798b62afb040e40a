"""The page on the event stream, in a headless Chromium: cuts, restarts, several tabs, stop.

The server is the real one with scripted answers; the reducer's own tests are in tests/web. The
rule that must not break: whatever is cut, the page ends with the very text the appliance stored.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from appliance.engine.scripted import Line, ScriptedEngine, Wait
from tests.browser.customer import (
    NEEDS_CHROMIUM,
    open_context,
    open_page,
    open_tab,
    send,
    wait_for_answer,
)
from tests.browser.relay import Relay, relaying
from tests.scripted_house import HouseServer, answer, choose_settings, pace, serving

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
LONG = "请说一个长的回答"
FIRST_HALF, SECOND_HALF = "先说前面的一半，不多", "不少，再说后面的一半。"
QUESTION = "说说退货的事"
GOES_ON = "连接断了，连上后会自己接着说"

READ_STORED = """async () => {
  const id = localStorage.getItem("appliance.session");
  const answer = await fetch(`/sessions/${id}/messages`);
  return (await answer.json()).messages.map((message) => message.text);
}"""
HIDE = """(state) => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
COUNT_STREAMS = """async (count) =>
  (await (await fetch("/metrics")).text()).includes(`event_streams_open ${count}`)"""

pytestmark = NEEDS_CHROMIUM


@dataclass
class HaltingHouse:
    """It stops in the middle of the long answer until it is told to go on."""

    server: HouseServer[ScriptedEngine]
    gate: asyncio.Event

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def port(self) -> int:
        return int(self.server.listener.getsockname()[1])

    def go_on(self) -> None:
        self.server.call(self.gate.set)


@pytest.fixture
def halting(tmp_path: Path) -> Iterator[HaltingHouse]:
    gate = asyncio.Event()

    def halt(question: str) -> list[Line]:
        if question != LONG:
            return answer(question)
        return [*pace(FIRST_HALF, 1), Wait(gate), *pace(SECOND_HALF, 1)]

    with serving(choose_settings(tmp_path), ScriptedEngine(halt)) as server:
        yield HaltingHouse(server, gate)


@pytest.fixture
def relay(scripted_server: HouseServer[ScriptedEngine]) -> Iterator[Relay]:
    with relaying(scripted_server.listener.getsockname()[1]) as relay:
        yield relay


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An appliance as a process of its own that speaks slowly, and its port."""
    command = (sys.executable, "-m", "tests.faults", "--data", str(folder))
    with (
        Path(f"{folder}.log").open("a") as log,
        subprocess.Popen(
            (*command, "--piece-s", "0.1"), cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            found = next(filter(None, map(ADDRESS.search, process.stdout)))
            yield process, int(found[1])
        finally:
            process.kill()


def wait_until_begun(page: Page, chars: int = 5) -> None:
    """Until a part of the last answer is there."""
    page.wait_for_function(
        """chars => [...document.querySelectorAll(".prose")].at(-1)?.innerText.length >= chars""",
        arg=chars,
    )


def read_again(page: Page) -> str:
    """The answer as a reload shows it, from the store alone."""
    page.reload()
    return wait_for_answer(page)


def test_a_line_cut_again_and_again_in_mid_answer_heals_without_loss(
    browser: Browser, relay: Relay
) -> None:
    with open_page(browser, relay.url) as page:
        send(page, LONG)
        for chars in (10, 60, 120):
            wait_until_begun(page, chars)
            relay.cut()
        said = wait_for_answer(page)
        expect(page.locator(".bubble")).to_have_count(1)
        assert said == read_again(page)


def test_while_the_line_is_dead_the_half_answer_stays_and_says_that_it_goes_on(
    browser: Browser, halting: HaltingHouse
) -> None:
    with relaying(halting.port) as relay, open_page(browser, relay.url) as page:
        send(page, LONG)
        wait_until_begun(page)
        relay.die()
        expect(page.locator(".wait-words")).to_have_text(GOES_ON)
        expect(page.locator("#banner")).to_contain_text("正在重新连接")
        expect(page.locator(".prose")).to_contain_text("先说前面的")
        halting.go_on()
        relay.revive()
        assert wait_for_answer(page) == FIRST_HALF + SECOND_HALF
        expect(page.locator("#banner")).to_be_hidden()


def test_a_phone_that_loses_its_network_in_mid_answer_heals(
    browser: Browser, halting: HaltingHouse
) -> None:
    with open_page(browser, halting.url) as page:
        send(page, LONG)
        wait_until_begun(page)
        page.context.set_offline(True)
        expect(page.locator("#banner")).to_contain_text("正在重新连接")
        expect(page.locator(".wait-words")).to_have_text(GOES_ON)
        halting.go_on()
        page.context.set_offline(False)
        assert wait_for_answer(page) == FIRST_HALF + SECOND_HALF


def test_an_appliance_killed_in_mid_answer_goes_on_with_it(
    browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    with (
        running(folder) as (process, port),
        relaying(port) as relay,
        open_page(browser, relay.url) as page,
    ):
        send(page, QUESTION)
        wait_until_begun(page)
        process.kill()
        expect(page.locator("#banner")).to_contain_text("正在重新连接")
        half = page.locator(".prose").inner_text()
        with running(folder) as (_, relay.port):
            said = wait_for_answer(page)
            assert len(said) > len(half)
            expect(page.locator(".bubble")).to_have_count(1)
            assert said == read_again(page)


def test_an_appliance_stopped_in_order_says_when_to_come_back_and_goes_on(
    browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    with (
        running(folder) as (process, port),
        relaying(port) as relay,
        open_page(browser, relay.url) as page,
    ):
        send(page, QUESTION)
        wait_until_begun(page)
        process.terminate()
        expect(page.locator(".wait-words")).to_have_text(GOES_ON)
        assert process.wait() == 0
        half = page.locator(".prose").inner_text()
        with running(folder) as (_, relay.port):
            said = wait_for_answer(page)
            assert len(said) > len(half)
            assert said == read_again(page)


def test_a_question_whose_call_is_cut_is_asked_once(browser: Browser, relay: Relay) -> None:
    with open_page(browser, relay.url) as page:
        send(page, "先开个头")
        wait_for_answer(page)
        calls: list[str | None] = []

        def lose_first_answer(route: Route) -> None:
            calls.append(route.request.post_data)
            if len(calls) > 1:
                return route.continue_()
            route.fetch()
            return route.abort()

        page.route("**/messages", lose_first_answer)
        send(page, "只问一次")
        assert wait_for_answer(page, 2) == "你说：只问一次"
        expect(page.locator("#stop")).to_be_hidden()
        page.unroute("**/messages")
        assert len(calls) == 2
        assert calls[0] == calls[1]
        expect(page.locator(".bubble")).to_have_text(["先开个头", "只问一次"])
        assert len(page.evaluate(READ_STORED)) == 4


def test_two_tabs_on_one_session_see_each_other(browser: Browser, halting: HaltingHouse) -> None:
    with open_context(browser) as context, open_tab(context, halting.url) as one:
        send(one, "第一问")
        wait_for_answer(one)
        with open_tab(context, halting.url) as two:
            assert wait_for_answer(two) == "你说：第一问"
            send(two, LONG)
            expect(one.locator(".bubble")).to_have_text(["第一问", LONG])
            expect(one.locator(".prose").last).to_contain_text("先说前面的")
            expect(one.locator("#stop")).to_be_visible()
            halting.go_on()
            for tab in (one, two):
                assert wait_for_answer(tab, 2) == FIRST_HALF + SECOND_HALF


def test_either_tab_can_stop_the_answer(browser: Browser, halting: HaltingHouse) -> None:
    with open_context(browser) as context, open_tab(context, halting.url) as one:
        send(one, LONG)
        wait_until_begun(one)
        with open_tab(context, halting.url) as two:
            wait_until_begun(two)
            two.click("#stop")
            for tab in (one, two):
                expect(tab.locator(".ending")).to_have_text("已停止")
                # The half clause behind it was not shown to anybody.
                assert wait_for_answer(tab) == FIRST_HALF[: FIRST_HALF.index("，") + 1]


def test_a_question_asked_while_another_tab_s_is_answered_waits_for_its_turn(
    browser: Browser, halting: HaltingHouse
) -> None:
    """The second tab is hidden, so it learns of the other's question only by its own."""
    with open_context(browser) as context, open_tab(context, halting.url) as one:
        send(one, "第一问")
        wait_for_answer(one)
        with open_tab(context, halting.url) as two:
            wait_for_answer(two)
            two.evaluate(HIDE, "hidden")
            two.wait_for_function(COUNT_STREAMS, arg=1)
            send(one, LONG)
            wait_until_begun(one)
            send(two, "第二问")
            expect(two.locator(".bubble")).to_have_text(["第一问", LONG, "第二问"])
            expect(two.locator(".wait-words").last).to_have_text("马上就到您")
            halting.go_on()
            assert wait_for_answer(two, 3) == "你说：第二问"
            expect(one.locator(".bubble")).to_have_text(["第一问", LONG, "第二问"])


def test_a_hidden_page_lets_its_connection_go_and_misses_nothing(
    browser: Browser, scripted_server: HouseServer[ScriptedEngine]
) -> None:
    url = scripted_server.url
    with open_context(browser) as context, open_tab(context, url) as one:
        send(one, LONG)
        wait_until_begun(one)
        one.evaluate(HIDE, "hidden")
        wait_for_answer(one)
        one.wait_for_function(COUNT_STREAMS, arg=0)
        with open_tab(context, url) as two:
            wait_for_answer(two)
            send(two, "隐藏时问的")
            wait_for_answer(two, 2)
        one.evaluate(HIDE, "visible")
        assert wait_for_answer(one, 2) == "你说：隐藏时问的"


def test_a_stop_by_keyboard_leaves_the_focus_in_the_message_field(
    browser: Browser, halting: HaltingHouse
) -> None:
    with open_page(browser, halting.url) as page:
        send(page, LONG)
        wait_until_begun(page)
        page.focus("#stop")
        page.keyboard.press("Enter")
        expect(page.locator(".ending")).to_have_text("已停止")
        expect(page.locator("#question")).to_be_focused()


def test_a_full_disk_is_told_in_the_about_box_and_not_to_customers(page: Page) -> None:
    note = "The database was damaged and set aside."
    store = {"state": "full", "reason": "The disk is full."}
    readiness = page.evaluate("async () => (await fetch('/readyz')).json()")
    told = readiness | {"ready": False, "store": store, "notes": [note]}
    page.route("**/readyz", lambda route: route.fulfill(status=503, json=told))
    page.click("#open-about")
    bad = page.locator("#about-facts .bad")
    expect(bad).to_contain_text("磁盘满了")
    expect(bad).to_contain_text("The disk is full.")
    expect(page.locator("#about-notes")).to_contain_text(note)
    expect(page.locator("#banner")).to_be_hidden()
