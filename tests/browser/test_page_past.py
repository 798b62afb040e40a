"""The conversations that a browser had: found again, named, kept as files, deleted.

The server is the real one with scripted answers. The rule that must not break: the browser keeps
no word of what was said, and what is deleted is deleted at the server.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.access import find_faults
from tests.browser.customer import NEEDS_CHROMIUM, send, wait_for_answer

pytestmark = NEEDS_CHROMIUM

FIRST, SECOND = "红色的鞋子还有没有", "包装纸能不能回收"
COUNT_MESSAGES = """async (id) => {
  const answer = await fetch(`/sessions/${id}/messages`);
  return answer.ok ? (await answer.json()).messages.length : answer.status;
}"""


@pytest.fixture
def two(page: Page) -> Page:
    """A customer who had two conversations; the second one is open."""
    send(page, FIRST)
    wait_for_answer(page)
    page.click("#new")
    send(page, SECOND)
    wait_for_answer(page)
    return page


def open_list(page: Page) -> None:
    page.click("#open-past")
    expect(page.locator("#past")).to_be_visible()
    expect(page.locator(".past-title").first).not_to_have_text("…")


def open_acts(page: Page, title: str) -> None:
    page.locator(".past-item", has_text=title).locator(".past-more").click()


def read_ids(page: Page) -> list[str]:
    kept = page.evaluate("localStorage.getItem('appliance.past')")
    return [entry["id"] for entry in json.loads(kept)]


def test_a_conversation_is_found_again_by_what_was_said_and_opened(two: Page) -> None:
    open_list(two)
    expect(two.locator(".past-title")).to_have_text([SECOND, FIRST])
    two.fill("#past-query", "鞋子还")
    expect(two.locator(".past-title")).to_have_text([FIRST])
    expect(two.locator("mark")).to_have_text("鞋子还")
    two.fill("#past-query", "没有人说过")
    expect(two.locator("#past-said")).to_have_text("没有找到。")
    two.fill("#past-query", "")
    two.locator(".past-open", has_text=FIRST).click()
    expect(two.locator("#past")).to_be_hidden()
    expect(two.locator(".bubble")).to_have_text([FIRST])
    send(two, "接着问")
    assert wait_for_answer(two, 2) == "你说：接着问"
    expect(two.locator(".bubble")).to_have_text([FIRST, "接着问"])


def test_a_conversation_left_in_mid_answer_is_whole_when_it_is_opened_again(two: Page) -> None:
    send(two, "请说一个长的回答")
    expect(two.locator(".prose").last).not_to_be_empty()
    open_list(two)
    two.locator(".past-open", has_text=FIRST).click()
    expect(two.locator(".bubble")).to_have_text([FIRST])
    open_list(two)
    two.locator(".past-open", has_text=SECOND).click()
    assert len(wait_for_answer(two, 2)) > 200


def test_a_name_is_kept_and_found(two: Page) -> None:
    open_list(two)
    open_acts(two, FIRST)
    two.locator("[data-act=rename]").click()
    expect(two.locator(".past-name")).to_be_focused()
    two.fill(".past-name", "买鞋")
    two.keyboard.press("Enter")
    expect(two.locator(".past-title")).to_have_text([SECOND, "买鞋"])
    two.reload()
    open_list(two)
    two.fill("#past-query", "买鞋")
    expect(two.locator(".past-title")).to_have_text(["买鞋"])


def test_a_name_that_is_typed_stays_while_the_list_is_read(two: Page) -> None:
    """Also a word that an input method is still composing."""
    held: list[Route] = []
    two.route("**/sessions/*/messages", lambda route: held.append(route))
    two.click("#open-past")
    expect(two.locator(".past-title")).to_have_text(["…", "…"])
    two.locator(".past-more").last.click()
    two.locator("[data-act=rename]").click()
    field = two.locator(".past-name")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    keyboard = two.context.new_cdp_session(two)
    composed = {"text": "mai", "selectionStart": 3, "selectionEnd": 3}
    keyboard.send("Input.imeSetComposition", composed)
    for route in held:
        route.continue_()
    expect(two.locator(".past-title").first).to_have_text(SECOND)
    expect(field).to_have_value("mai")
    keyboard.send("Input.insertText", {"text": "买鞋"})
    expect(field).to_have_value("买鞋")
    two.keyboard.press("Enter")
    expect(two.locator(".past-title")).to_have_text([SECOND, "买鞋"])


def test_what_is_deleted_is_gone_at_the_server_and_asks_first(two: Page) -> None:
    second, first = read_ids(two)
    open_list(two)
    open_acts(two, FIRST)
    two.locator("[data-act=delete]").click()
    expect(two.locator("[data-act=keep]")).to_be_focused()
    two.locator("[data-act=keep]").click()
    assert two.evaluate(COUNT_MESSAGES, first) == 2
    for title, count in ((FIRST, 1), (SECOND, 0)):
        open_acts(two, title)
        two.locator("[data-act=delete]").click()
        two.locator("[data-act=sure]").click()
        expect(two.locator(".past-item")).to_have_count(count)
    assert [two.evaluate(COUNT_MESSAGES, one) for one in (first, second)] == [404, 404]
    two.keyboard.press("Escape")
    expect(two.locator("#welcome")).to_be_visible()
    expect(two.locator("#back")).to_be_hidden()


def test_what_could_not_be_deleted_stays_in_the_list(two: Page) -> None:
    open_list(two)
    two.route("**/sessions/*", lambda route: route.abort())
    open_acts(two, FIRST)
    two.locator("[data-act=delete]").click()
    two.locator("[data-act=sure]").click()
    expect(two.locator("#past-said")).to_have_text("没能删掉，请再试一次。")
    expect(two.locator(".past-item")).to_have_count(2)


def test_the_files_have_every_word_with_its_label_and_no_key(two: Page) -> None:
    ids = read_ids(two)
    open_list(two)
    open_acts(two, SECOND)
    texts = []
    for act in ("text", "json"):
        with two.expect_download() as saved:
            two.locator(f"[data-act={act}]").click()
        texts.append(Path(saved.value.path()).read_text("utf-8"))
    assert SECOND in texts[0]
    assert "AI 生成" in texts[0]
    said = json.loads(texts[1])["messages"]
    assert [message["text"] for message in said] == [SECOND, f"你说：{SECOND}"]
    assert not [one for one in ids for text in texts if one in text]


def test_the_browser_keeps_no_word_of_what_was_said(two: Page) -> None:
    open_list(two)
    kept = two.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "鞋子" not in kept
    assert "包装" not in kept
    assert "鞋子" not in two.url


def test_while_the_appliance_is_away_the_list_says_so_and_loses_nothing(two: Page) -> None:
    two.route("**/messages", lambda route: route.abort())
    two.click("#open-past")
    expect(two.locator("#past-said")).to_contain_text("现在读不到")
    two.keyboard.press("Escape")
    two.unroute("**/messages")
    open_list(two)
    expect(two.locator(".past-title")).to_have_text([SECOND, FIRST])


def test_a_conversation_that_the_appliance_forgot_leaves_the_list(two: Page) -> None:
    first = read_ids(two)[1]
    two.evaluate("id => fetch(`/sessions/${id}`, { method: 'DELETE' })", first)
    open_list(two)
    expect(two.locator(".past-title")).to_have_text([SECOND])


def test_the_list_can_be_used_by_everybody_in_every_state(two: Page) -> None:
    open_list(two)
    assert find_faults(two) == []
    two.fill("#past-query", "鞋子")
    open_acts(two, FIRST)
    assert find_faults(two) == []
    two.locator("[data-act=rename]").click()
    assert find_faults(two) == []
    two.fill("#past-query", "没有人说过")
    assert find_faults(two) == []
    two.fill("#past-query", "")
    two.locator("[data-act=delete]").or_(two.locator(".past-more")).first.click()
    assert find_faults(two) == []


def test_the_list_is_reached_and_left_by_keyboard_alone(two: Page) -> None:
    two.focus("#open-past")
    two.keyboard.press("Enter")
    expect(two.locator("#past")).to_be_visible()
    expect(two.locator(".past-title")).to_have_count(2)
    two.locator(".past-more").last.focus()
    two.keyboard.press("Enter")
    two.keyboard.press("Tab")
    expect(two.locator("[data-act=rename]")).to_be_focused()
    two.keyboard.press("Escape")
    expect(two.locator("#open-past")).to_be_focused()
