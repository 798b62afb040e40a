"""The page in a headless Chromium against the real server with the scripted engine.

It tests what a customer sees and does; the logic without a page has its tests in tests/web.
The rule that must not break: every test also fails on a script error, a breach of the content
security policy, or a request that leaves the appliance.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import ScriptedEngine
from benchmarks.page import measure_weight
from tests.browser.customer import ANSWER_MS, NEEDS_CHROMIUM, open_page, send, wait_for_answer
from tests.scripted_house import (
    NO_MODEL,
    HouseServer,
    LoadingEngine,
    answer,
    choose_settings,
    serving,
)

HOSTILE = (
    "<img src=x onerror=xss=1>",
    "<script>xss=1</script>",
    "[a](javascript:xss=1)",
    "![a](http://evil.example/x.png)",
    "<svg onload=xss=1>",
    "<iframe srcdoc='<p>'>",
    "[b](data:text/html,1)",
)

# The model's words come by the clause.
LONG_QUESTION = "今天有什么好吃的，做起来要快，吃起来要香，最好家里的人都喜欢，请您推荐给我"
LINKS = "请看[这个链接](javascript:alert(1))和[我们的网页](https://shop.example/help)。"

pytestmark = NEEDS_CHROMIUM


def test_a_question_is_streamed_and_its_answer_labelled(page: Page) -> None:
    send(page, LONG_QUESTION)
    prose = page.locator(".answer .prose")
    expect(prose).to_contain_text("你说")
    assert "推荐给我" not in prose.inner_text()
    assert wait_for_answer(page) == f"你说：{LONG_QUESTION}"
    expect(page.locator(".badge")).to_have_text("AI 生成")
    expect(page.locator(".rung")).to_have_text(re.compile(r"^小助现写 · \d+(\.\d)? (毫秒|秒)$"))
    expect(page.locator("#question")).to_have_value("")


def test_the_page_with_all_it_loads_is_light(
    browser: Browser, scripted_server: HouseServer[ScriptedEngine]
) -> None:
    for row in measure_weight(browser, scripted_server.url):
        assert row.is_met, row


SHARES = """async () => {
  const [linked, server, elements] = await Promise.all(
    ["chat.linked", "server", "elements"].map((name) => import(`/web/${name}.js`)));
  return linked === server && linked === elements && typeof elements.build === "function";
}"""


def test_what_is_loaded_later_gets_the_modules_that_run(page: Page) -> None:
    assert page.evaluate(SHARES)
    with page.expect_response("**/web/about.js"):
        page.click("#open-about")
    expect(page.locator("dialog")).to_be_visible()
    asked = page.evaluate("performance.getEntriesByType('resource').map((it) => it.name)")
    assert not [name for name in asked if name.endswith(("/elements.js", "/server.js"))]


def test_markdown_becomes_elements(page: Page) -> None:
    send(page, "请说一个长的回答")
    wait_for_answer(page)
    for tag in ("h3, h4, h5, h6", "li", "pre code", "strong"):
        assert page.locator(f".prose :is({tag})").count() > 0, tag


def test_a_javascript_link_of_the_owner_s_own_leads_nowhere(
    browser: Browser, tmp_path: Path
) -> None:
    """The model's links are stopped on the way; what the owner wrote comes to the letter."""
    settings = choose_settings(tmp_path)
    faq = f"question,answer\n哪里有说明,{LINKS}\n"
    (settings.knowledge / "faq.csv").write_text(faq, "utf-8")
    with (
        serving(settings, ScriptedEngine(answer)) as server,
        open_page(browser, server.url) as page,
    ):
        send(page, "哪里有说明")
        wait_for_answer(page)
        check_links(page)


def check_links(page: Page) -> None:
    read_links = "links => links.map(link => link.getAttribute('href'))"
    addresses = page.locator(".prose a").evaluate_all(read_links)
    assert "https://shop.example/help" in addresses
    assert all(address is None or address.startswith("http") for address in addresses)


def test_stop_ends_the_answer_and_keeps_what_was_said(page: Page) -> None:
    send(page, "请说一个长的回答")
    expect(page.locator(".prose")).not_to_be_empty()
    page.click("#stop")
    said = wait_for_answer(page)
    expect(page.locator(".ending")).to_have_text("已停止")
    assert 0 < len(said) < 200
    send(page, "还在吗")
    assert wait_for_answer(page, 2) == "你说：还在吗"


def test_a_reload_finds_the_conversation_and_the_address_holds_no_id(page: Page) -> None:
    send(page, "带雨伞吗")
    wait_for_answer(page)
    page.reload()
    expect(page.locator(".bubble")).to_have_text("带雨伞吗")
    assert wait_for_answer(page) == "你说：带雨伞吗"
    assert re.search(r"[?#]|sessions", page.url) is None


def test_a_reload_in_mid_answer_follows_it_to_its_end(page: Page) -> None:
    send(page, "请说一个长的回答")
    expect(page.locator(".prose")).not_to_be_empty()
    page.reload()
    expect(page.locator(".wait-words")).to_have_text("正在回答…")
    assert len(wait_for_answer(page)) > 200
    expect(page.locator(".message")).to_have_count(2)


def test_a_kept_session_that_is_gone_starts_anew(page: Page) -> None:
    page.evaluate("localStorage.setItem('appliance.session', 'gone')")
    page.reload()
    expect(page.locator("#welcome")).to_be_visible()
    send(page, "随便说说")
    assert wait_for_answer(page) == "你说：随便说说"


def test_enter_that_ends_an_input_methods_word_never_sends(page: Page) -> None:
    page.fill("#question", "ni hao")
    for how in ({"isComposing": True}, {"keyCode": 229}):
        event = {"key": "Enter", "bubbles": True, "cancelable": True, **how}
        page.dispatch_event("#question", "keydown", event)
    expect(page.locator(".message")).to_have_count(0)
    expect(page.locator("#question")).to_have_value("ni hao")


def test_a_word_composed_by_an_input_method_is_sent_by_the_next_enter(page: Page) -> None:
    keyboard = page.context.new_cdp_session(page)
    page.focus("#question")
    composed = {"text": "ni", "selectionStart": 2, "selectionEnd": 2}
    keyboard.send("Input.imeSetComposition", composed)
    enter = {"type": "rawKeyDown", "key": "Enter", "windowsVirtualKeyCode": 229}
    keyboard.send("Input.dispatchKeyEvent", enter)
    expect(page.locator(".message")).to_have_count(0)
    keyboard.send("Input.insertText", {"text": "你"})
    page.keyboard.press("Enter")
    assert wait_for_answer(page) == "你说：你"


def test_shift_and_enter_make_a_new_line(page: Page) -> None:
    page.fill("#question", "一")
    page.press("#question", "Shift+Enter")
    page.type("#question", "二")
    expect(page.locator("#question")).to_have_value("一\n二")


def test_nothing_scrolls_sideways_on_the_narrowest_screen(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 568})
    send(page, "请说一个长的回答")
    wait_for_answer(page)
    send(page, "W" * 120)
    wait_for_answer(page, 2)
    page.click("#open-about")
    for part in ("html", "main", "#about"):
        is_wide = "part => part.scrollWidth > part.clientWidth"
        assert not page.locator(part).evaluate(is_wide), part


def test_hostile_text_stays_text(page: Page) -> None:
    send(page, "\n\n".join(HOSTILE))
    wait_for_answer(page)
    expect(page.locator(".bubble")).to_contain_text("<img src=x onerror=xss=1>")
    assert page.locator(".message :is(img, script, iframe, svg[onload])").count() == 0
    assert page.locator(".message a[href]").count() == 0
    assert page.evaluate("window.xss") is None


def test_names_and_products_keep_their_signs(page: Page) -> None:
    send(page, "order_id 和 2*3*4 还有 **重** `a_b`")
    assert wait_for_answer(page) == "你说：order_id 和 2*3*4 还有 重 a_b"


def test_an_answer_that_breaks_can_be_asked_again(page: Page) -> None:
    send(page, "说到这里就坏了")
    trouble = page.locator(".answer .trouble")
    expect(trouble).to_contain_text("没有说完", timeout=ANSWER_MS)
    trouble.get_by_role("button", name="再试一次").click()
    expect(trouble).to_be_hidden()
    expect(trouble).to_be_visible(timeout=ANSWER_MS)
    expect(page.locator(".bubble")).to_have_text(["说到这里就坏了"])


def test_a_lost_connection_heals_and_the_question_is_answered(page: Page) -> None:
    page.context.set_offline(True)
    send(page, "请应一声")
    expect(page.locator("#banner")).to_contain_text("正在重新连接")
    expect(page.locator(".bubble")).to_have_text("请应一声")
    page.context.set_offline(False)
    assert wait_for_answer(page) == "你说：请应一声"
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator(".bubble")).to_have_count(1)


def test_a_question_asked_while_the_model_loads_waits_and_is_answered(
    browser: Browser, loading_server: HouseServer[LoadingEngine]
) -> None:
    with open_page(browser, loading_server.url) as page:
        expect(page.locator("#banner")).to_contain_text("现在就可以提问")
        send(page, "随便说说")
        expect(page.locator(".wait-words")).to_have_text("模型还在准备，好了就回答您")
        loading_server.call(loading_server.engine.loaded.set)
        assert wait_for_answer(page) == "你说：随便说说"
        expect(page.locator("#banner")).to_be_hidden()


def test_without_a_model_other_words_are_said_and_the_about_box_has_the_reason(
    browser: Browser, modelless_server: HouseServer[ScriptedEngine]
) -> None:
    with open_page(browser, modelless_server.url) as page:
        send(page, "随便说说")
        assert "智能助手正在休息" in wait_for_answer(page)
        expect(page.locator(".badge")).to_have_text("官方答案")
        page.click("#open-about")
        expect(page.locator("#about-facts")).to_contain_text(NO_MODEL)


def test_unsent_words_survive_a_reload(page: Page) -> None:
    page.fill("#question", "还没写完")
    page.reload()
    expect(page.locator("#question")).to_have_value("还没写完")


def test_a_message_too_long_is_not_sent_and_not_cut(page: Page) -> None:
    page.fill("#question", "好" * 2003)
    page.press("#question", "Enter")
    expect(page.locator("#count")).to_have_text("超出 3 字，请缩短后再发送")
    expect(page.locator("#send")).to_be_disabled()
    assert len(page.input_value("#question")) == 2003


def test_the_language_is_switched_and_kept(page: Page) -> None:
    page.click("#language")
    expect(page.locator("#welcome h2")).to_have_text("Hello. What can I do for you?")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    send(page, "just say it back")
    wait_for_answer(page)
    expect(page.locator(".badge")).to_contain_text("AI-generated")


def test_the_theme_is_chosen_and_kept(page: Page) -> None:
    page.click("#open-about")
    page.get_by_label("深色").check()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colour == "rgb(23, 20, 17)"


def test_everything_is_reached_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type("随便说说")
    page.keyboard.press("Enter")
    wait_for_answer(page)
    page.keyboard.press("Shift+Tab")
    expect(page.locator(".thumb").last).to_be_focused()
    page.focus("#open-about")
    page.keyboard.press("Enter")
    expect(page.locator("#about")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#open-about")).to_be_focused()


def test_a_screen_reader_hears_that_it_begins_and_then_the_answer_once(page: Page) -> None:
    page.evaluate(
        """() => {
          const status = document.getElementById("status");
          window.heard = [];
          new MutationObserver(() => window.heard.push(status.textContent))
            .observe(status, { childList: true });
        }"""
    )
    send(page, "请您念给我听")
    wait_for_answer(page)
    expect(page.locator("#status")).to_have_text("回答：你说：请您念给我听")
    assert page.evaluate("window.heard") == ["正在回答", "回答：你说：请您念给我听"]


def test_a_new_conversation_is_empty_and_the_old_one_a_press_away(page: Page) -> None:
    send(page, "第一次")
    wait_for_answer(page)
    page.click("#new")
    expect(page.locator("#welcome")).to_be_visible()
    page.click("#back")
    expect(page.locator(".bubble")).to_have_text("第一次")


def test_a_reader_who_looks_back_is_left_in_peace(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 420})
    send(page, "请说一个长的回答")
    is_long = "main => main.scrollTop > 100"
    main = page.locator("main").element_handle()
    page.wait_for_function(is_long, arg=main)
    page.evaluate("main => main.scrollTop = 0", main)
    expect(page.locator("#latest")).to_be_visible()
    page.click("#stop")
    wait_for_answer(page)
    assert page.evaluate("main => main.scrollTop", main) == 0
    page.click("#latest")
    expect(page.locator("#latest")).to_be_hidden()


def test_every_button_has_a_name_and_room_for_a_finger(page: Page) -> None:
    send(page, "随便说说")
    wait_for_answer(page)
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box and box["width"] >= 44 and box["height"] >= 44, button
        assert button.evaluate("it => it.ariaLabel || it.innerText.trim()"), button


def test_the_about_box_names_the_model_and_the_version(page: Page) -> None:
    page.click("#open-about")
    facts = page.locator("#about-facts")
    for name in ("模型", "现在的情况", "版本"):
        expect(facts).to_contain_text(name)
    expect(facts).to_contain_text("可以回答")
