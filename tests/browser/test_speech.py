"""Reading aloud and dictation on the page and at the counter, by stand-ins for the browser's own.

What counts as the device's own is tested in tests/web/speech.test.mjs. The rule that must not
break: a button stands only where its function is, and nothing that was heard is sent by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import ScriptedEngine
from tests.browser.access import find_faults
from tests.browser.customer import (
    ANSWER_MS,
    NEEDS_CHROMIUM,
    WATCH_POLICY,
    send,
    wait_for_answer,
)
from tests.scripted_house import HouseServer, answer, choose_settings, serving

pytestmark = NEEDS_CHROMIUM

FAQ = "question,answer\n怎么退货,七天之内带小票到店里就能退。\n"
VOICE = """
window.spoken = [];
class Synthesis extends EventTarget {
  getVoices() { return [{ lang: "zh-CN", localService: LOCAL, name: "x" }]; }
  speak(utterance) { spoken.push(utterance); }
  cancel() { spoken.push(null); }
}
window.SpeechSynthesisUtterance = class extends EventTarget {
  constructor(text) { super(); this.text = text; }
};
Object.defineProperty(window, "speechSynthesis", { value: new Synthesis() });
"""
EAR = """
window.SpeechRecognition = class extends EventTarget {
  static async available({ langs, processLocally }) {
    return processLocally && langs[0] === "zh-CN" ? "available" : "unavailable";
  }
  constructor() { super(); window.ear = this; }
  start() {}
  abort() { this.isAborted = true; }
};
"""
HEAR = """(text) => ear.dispatchEvent(Object.assign(new Event("result"),
  { results: [[{ transcript: text }]] }))"""
OWN_VOICE = VOICE.replace("LOCAL", "true")
FAR_VOICE = VOICE.replace("LOCAL", "false")
NOTHING = """
Object.defineProperty(window, "speechSynthesis", { value: undefined });
window.SpeechRecognition = undefined;
"""
READ, DICTATE = ".read", ".dictate"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    settings = choose_settings(tmp_path)
    (settings.knowledge / "faq.csv").write_text(FAQ, "utf-8")
    with serving(settings, ScriptedEngine(answer)) as server:
        yield server


@contextmanager
def open_with(browser: Browser, address: str, *scripts: str) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 700})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "policy" in line.text else None)
    for script in (WATCH_POLICY, *scripts):
        page.add_init_script(script)
    page.goto(address)
    try:
        yield page
        assert faults == []
    finally:
        context.close()


def ask_at_the_counter(page: Page) -> None:
    page.click("#begin")
    send(page, "怎么退货")
    expect(page.locator(".answer .label")).to_be_enabled(timeout=ANSWER_MS)


def test_an_answer_is_read_aloud_until_it_is_pressed_again(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with open_with(browser, shop.url, OWN_VOICE) as page:
        send(page, "怎么退货")
        wait_for_answer(page)
        read = page.locator(READ)
        expect(read).to_have_attribute("aria-label", "朗读")
        expect(read).to_have_attribute("aria-pressed", "false")
        read.click()
        expect(read).to_have_attribute("aria-pressed", "true")
        assert page.evaluate("spoken.map((it) => it.text)") == ["七天之内带小票到店里就能退。"]
        assert find_faults(page) == []
        read.click()
        expect(read).to_have_attribute("aria-pressed", "false")
        assert page.evaluate("spoken.at(-1)") is None


def test_the_end_of_the_text_and_a_new_question_end_the_reading(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with open_with(browser, shop.url, OWN_VOICE) as page:
        send(page, "怎么退货")
        wait_for_answer(page)
        page.click(READ)
        page.evaluate("spoken[0].dispatchEvent(new Event('end'))")
        expect(page.locator(READ)).to_have_attribute("aria-pressed", "false")
        page.click(READ)
        send(page, "再问一句")
        wait_for_answer(page, 2)
        expect(page.locator(READ)).to_have_count(2)
        assert page.evaluate("spoken.at(-1)") is None
        page.click("#language")
        expect(page.locator(READ).first).to_have_attribute("aria-label", "Read aloud")


@pytest.mark.parametrize("script", [FAR_VOICE, NOTHING], ids=["far", "nothing"])
def test_without_a_voice_of_the_device_there_is_no_button(
    browser: Browser, shop: HouseServer[ScriptedEngine], script: str
) -> None:
    with open_with(browser, shop.url, script) as page:
        with page.expect_response("**/speech_words.js"):
            send(page, "怎么退货")
            wait_for_answer(page)
        send(page, "再问一句")
        wait_for_answer(page, 2)
        expect(page.locator(READ)).to_have_count(0)
        expect(page.locator(DICTATE)).to_be_hidden()


def test_what_is_heard_stands_in_the_field_and_is_sent_by_the_customer_alone(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with open_with(browser, shop.url, EAR) as page:
        dictate = page.locator(DICTATE)
        expect(dictate).to_be_visible()
        page.fill("#question", "请问")
        dictate.click()
        expect(dictate).to_have_attribute("aria-pressed", "true")
        assert page.evaluate("[ear.lang, ear.processLocally]") == ["zh-CN", True]
        page.evaluate(HEAR, "怎么")
        page.evaluate(HEAR, "怎么退货")
        expect(page.locator("#question")).to_have_value("请问怎么退货")
        assert find_faults(page) == []
        page.evaluate("ear.dispatchEvent(new Event('end'))")
        expect(dictate).to_have_attribute("aria-pressed", "false")
        expect(page.locator(".message")).to_have_count(0)
        page.click("#send")
        expect(page.locator(".bubble")).to_have_text(["请问怎么退货"])
        wait_for_answer(page)
        page.click("#language")
        expect(dictate).to_be_hidden()


def test_an_ear_that_fails_is_told_and_typing_goes_on(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with open_with(browser, shop.url, EAR) as page:
        page.click(DICTATE)
        page.evaluate(
            "ear.dispatchEvent(Object.assign(new Event('error'), { error: 'not-allowed' }))"
        )
        expect(page.locator("#count")).to_contain_text("没有听到")
        page.evaluate("ear.dispatchEvent(new Event('end'))")
        page.fill("#question", "怎么退货")
        expect(page.locator("#count")).to_be_empty()


def test_at_the_counter_there_is_neither_unless_its_address_says_so(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with open_with(browser, f"{shop.url}/kiosk", OWN_VOICE, EAR) as page:
        ask_at_the_counter(page)
        expect(page.locator(f"{READ}, {DICTATE}")).to_have_count(0)
    wish = f"{shop.url}/kiosk?speech=aloud|dictation"
    with open_with(browser, wish, OWN_VOICE, EAR) as page:
        ask_at_the_counter(page)
        for control in (READ, DICTATE):
            box = page.locator(control).bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 60
        assert find_faults(page) == []


def test_the_end_of_a_visit_silences_the_kiosk(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with open_with(browser, f"{shop.url}/kiosk?speech=aloud", OWN_VOICE) as page:
        ask_at_the_counter(page)
        page.click(READ)
        page.click("#end")
        expect(page.locator("#begin")).to_be_visible()
        assert page.evaluate("spoken.at(-1)") is None
        ask_at_the_counter(page)
        page.click(READ)
        expect(page.locator(READ)).to_have_attribute("aria-pressed", "true")


def test_who_is_read_to_is_not_asked_whether_they_are_there(
    browser: Browser, shop: HouseServer[ScriptedEngine]
) -> None:
    with open_with(browser, "about:blank", OWN_VOICE) as page:
        page.clock.install()
        page.goto(f"{shop.url}/kiosk?speech=aloud")
        ask_at_the_counter(page)
        page.click(READ)
        page.clock.fast_forward(90_000)
        expect(page.locator("#still")).to_be_hidden()
        page.evaluate("spoken[0].dispatchEvent(new Event('end'))")
        page.clock.fast_forward(90_000)
        expect(page.locator("#still")).to_be_visible()
