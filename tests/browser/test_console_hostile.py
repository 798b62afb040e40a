"""The console against hostile texts, small screens and axe-core, with every state that it has.

The page, its files and its policy are the appliance's own; what it is told is scripted, so that
every field carries every payload. The rule that must not break: whatever a customer, a model or a
colleague wrote is text on an operator's page, and nothing of it is fetched or followed.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import ScriptedEngine
from tests.browser.access import find_faults
from tests.browser.console_script import (
    NAMES,
    ConsoleScript,
    build_message,
    build_row,
    open_first,
    opening_console,
)
from tests.browser.customer import NEEDS_CHROMIUM
from tests.browser.payloads import PAYLOADS
from tests.scripted_house import HouseServer

pytestmark = NEEDS_CHROMIUM

AT_ONCE = 10
SMALL = {"width": 320, "height": 568}
SOURCES = [
    {"kind": "faq", "id": "e", "title": "标题", "quote": "引文", "href": "https://shop.example/"}
]
FOREIGN = """() => [...document.querySelectorAll(
  "#console :is(script, iframe, object, embed, base, meta, form[action], svg image, video, audio)"
)].map(({ outerHTML }) => outerHTML)"""
BAD_LINKS = """() => [...document.querySelectorAll("#console a[href]")]
  .map((link) => link.getAttribute("href"))
  .filter((href) => !/^(#|https?:|mailto:|tel:)/i.test(href))"""


def poison(texts: tuple[str, ...]) -> ConsoleScript:
    """Every field that holds somebody's words holds one of `texts`, in every place all of them."""
    rows: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    for number, text in enumerate(texts):
        fields = {
            "last_text": text,
            "last_role": text,
            "rung": text,
            "language": text,
            "assigned_to": text,
            "contact": text,
            "place": 1,
        }
        state = ("waiting", "human", "bot", "closed", text)[number % 5]
        rows.append(build_row(0, id=f"{number:03}{NAMES[0]}", state=state, **fields))
        source = {"kind": text, "id": text, "title": text, "quote": text, "href": text}
        about = {
            "source": "faq",
            "sources": [source],
            "rule": text,
            "verdicts": [{"rule": text, "action": text}],
            "tools": [{"name": text, "state": text}],
            "feedback": "down",
            "feedback_reason": text,
        }
        messages += [
            build_message("customer", text, f"c{number}"),
            build_message("assistant", text, f"c{number}", **about),
            build_message("operator", text, f"o{number}", operator=text),
            build_message("system", text, f"s{number}"),
        ]
    first = texts[0]
    event = ("message", {"run_id": "r", "role": "customer", "text": first, "name": first})
    return ConsoleScript(
        rows=rows,
        messages=messages,
        notes=[{"text": text, "account": text, "at_ms": 1} for text in texts],
        csat={"stars": 3, "comment": first},
        replies=[{"shortcut": text, "text": text} for text in texts],
        suggestions=[
            {"kind": text, "id": text, "title": text, "text": text, "score": 0.5} for text in texts
        ],
        found=[{"id": rows[0]["id"], "at_ms": 1, "role": "customer", "text": it} for it in texts],
        events=[("operators", {"names": list(texts), "is_held": False})],
        thread_events=[
            event,
            ("handoff", {"run_id": "", "state": first, "name": first}),
            ("draft", {"run_id": "d", "text": first, "is_whole": True, "source": "model"}),
        ],
    )


def check_clean(page: Page) -> None:
    assert page.evaluate("window.xss") is None
    assert page.evaluate(FOREIGN) == []
    assert page.evaluate(BAD_LINKS) == []


@pytest.mark.parametrize("start", range(0, len(PAYLOADS), AT_ONCE))
def test_no_text_becomes_more_than_text_on_an_operators_page(
    browser: Browser, lasting_server: HouseServer[ScriptedEngine], start: int
) -> None:
    texts = PAYLOADS[start : start + AT_ONCE]
    script = poison(texts)
    script.rows[0] |= {"state": "human", "assigned_to": "wang"}
    with opening_console(browser, lasting_server.url, script) as page:
        expect(page.locator(".row")).to_have_count(len(texts))
        check_clean(page)
        page.locator(".row", has_text=nameless(script.rows[0]["id"])).first.click()
        expect(page.locator(".said-customer .prose").nth(len(texts) - 1)).to_have_text(texts[-1])
        for box in page.locator("details:not([open]) > summary").all():
            if box.is_visible():
                box.click()
        page.get_by_role("button", name="参考回答").click()
        expect(page.locator(".offer")).to_have_count(len(texts))
        page.fill("#answer", "/")
        page.get_by_role("button", name="常用语").click()
        expect(page.locator(".reply-row")).to_have_count(len(texts))
        check_clean(page)
        page.keyboard.press("Escape")
        page.fill("#search", "x")
        page.press("#search", "Enter")
        expect(page.locator(".found .row")).to_have_count(len(texts))
        check_clean(page)


def nameless(session_key: str) -> str:
    return f"#{session_key[:6]}"


def fill_desk() -> ConsoleScript:
    """One conversation of this operator with everything in it, and one that waits."""
    about: dict[str, Any] = {"source": "faq", "score": 0.9, "sources": SOURCES}
    about |= {"feedback": "down"}
    return ConsoleScript(
        rows=[
            build_row(0, state="human", assigned_to="wang", contact="138", is_held=True),
            build_row(1, state="waiting", place=1, is_running=True, language="en"),
            build_row(2, state="closed"),
        ],
        messages=[
            build_message("customer", "几点开门？"),
            build_message("assistant", "**九点**。", **about, tools=[{"name": "t", "state": "x"}]),
            build_message("operator", "您好。", "r2", operator="wang"),
        ],
        notes=[{"text": "记一下", "account": "li", "at_ms": 1}],
        csat={"stars": 4, "comment": "好"},
        replies=[{"shortcut": "hello", "text": "您好，请问有什么可以帮您？"}],
        suggestions=[{"kind": "faq", "id": "e", "title": "题", "text": "答", "score": 0.5}],
        found=[{"id": NAMES[0], "at_ms": 1, "role": "customer", "text": "几点开门？"}],
        events=[("operators", {"names": ["wang", "li"], "is_held": False})],
        thread_events=[
            ("draft", {"run_id": "d", "text": "候", "is_whole": True, "source": "model"})
        ],
    )


@pytest.mark.parametrize("language", ["zh-CN", "en-GB"])
@pytest.mark.parametrize("size", [SMALL, {"width": 1280, "height": 800}])
def test_every_state_of_the_console_is_for_everybody_and_fits(
    browser: Browser,
    lasting_server: HouseServer[ScriptedEngine],
    size: dict[str, int],
    language: str,
) -> None:
    script = fill_desk()
    options = {"viewport": size, "locale": language}
    with opening_console(browser, lasting_server.url, script, **options) as page:
        expect(page.locator(".row")).to_have_count(3)
        page.locator(".more-filters summary").click()
        check_state(page)
        open_first(page)
        expect(page.locator(".row[aria-current]")).to_have_count(1)
        page.locator(".thread-back").click() if size is SMALL else None
        page.locator(".row[data-state=human]").click()
        expect(page.locator("#draft-text")).to_be_visible()
        page.locator(".answering-acts .act").nth(2).click()
        expect(page.locator(".offer")).to_be_visible()
        page.fill("#answer", "/h")
        expect(page.locator(".reply-list")).to_be_visible()
        check_state(page)
        page.press("#answer", "Escape")
        page.locator(".answering .answering-acts .act").nth(1).click()
        expect(page.locator("dialog")).to_be_visible()
        check_state(page)


def check_state(page: Page) -> None:
    assert find_faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, textarea, summary")]
          .filter((it) => it.checkVisibility() && it.getBoundingClientRect().height < 44)
          .map((it) => it.outerHTML.slice(0, 120))"""
    )
    assert small == []


def test_signing_in_says_what_went_wrong_and_the_first_owner_is_made_by_the_code(
    browser: Browser, lasting_server: HouseServer[ScriptedEngine]
) -> None:
    script = ConsoleScript(me=None, refusals={"/login": (401, "login_refused", "No.")})
    with opening_console(browser, lasting_server.url, script) as page:
        assert find_faults(page) == []
        page.fill("#account-name", "wang")
        page.fill("#password", "wrong and long")
        page.press("#password", "Enter")
        expect(page.locator(".said")).to_have_text("名字或密码不对。")
        expect(page.locator("#password")).to_have_value("")
        page.get_by_role("button", name="第一次使用").click()
        assert find_faults(page) == []
        page.fill("#code", "ABCD-EFGH-JKLM")
        page.fill("#account-name", "chef")
        page.fill("#password", "a long password")
        page.press("#password", "Enter")
        expect(page.locator(".tabs")).to_be_visible()
    calls = [(path, body.get("code")) for _, path, body in script.said]
    assert calls == [("/console/login", None), ("/console/setup", "ABCD-EFGH-JKLM")]


def test_a_session_that_has_ended_leads_back_to_signing_in(
    browser: Browser, lasting_server: HouseServer[ScriptedEngine]
) -> None:
    script = fill_desk()
    with opening_console(browser, lasting_server.url, script) as page:
        expect(page.locator(".row")).to_have_count(3)
        script.refusals["/conversations"] = (401, "not_authenticated", "Log in.")
        expect(page.locator(".said", has_text="请重新登录")).to_be_visible()
        expect(page.locator(".row")).to_have_count(0)


def test_who_could_not_be_signed_out_is_told_so(
    browser: Browser, lasting_server: HouseServer[ScriptedEngine]
) -> None:
    script = fill_desk()
    script.refusals["/logout"] = (503, "store_unavailable", "Full.")
    with opening_console(browser, lasting_server.url, script) as page:
        expect(page.locator(".row")).to_have_count(3)
        page.get_by_role("button", name="退出").click()
        expect(page.locator(".lost")).to_contain_text("还没有退出。")
        expect(page.locator(".row")).to_have_count(3)
        assert find_faults(page) == []
        script.refusals.clear()
        page.get_by_role("button", name="退出").click()
        expect(page.locator("#password")).to_be_visible()


def test_what_an_operator_typed_outlives_the_tab_the_language_and_the_session(
    browser: Browser, lasting_server: HouseServer[ScriptedEngine]
) -> None:
    script = fill_desk()
    typed = {"#answer": "马上为您", "#draft-text": "改过的稿", "#note": "老顾客"}
    with opening_console(browser, lasting_server.url, script) as page:
        page.locator(".row[data-state=human]").click()
        expect(page.locator("#draft-text")).to_have_value("候")
        for field, text in typed.items():
            page.fill(field, text)
        for leave in (change_tab, change_language, sign_out_and_in):
            leave(page)
            expect(page.locator(".thread")).to_have_count(0)
            page.locator(".row[data-state=human]").click()
            for field, text in typed.items():
                expect(page.locator(field)).to_have_value(text)


def change_tab(page: Page) -> None:
    page.get_by_role("link", name="设置").click()
    expect(page.locator(".desk")).to_have_count(0)
    page.get_by_role("link", name="对话").click()


def change_language(page: Page) -> None:
    page.get_by_role("button", name="EN: switch to English").click()


def sign_out_and_in(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.fill("#account-name", "wang")
    page.fill("#password", "a long password")
    page.press("#password", "Enter")


def test_words_of_both_languages_and_all_themes_are_a_press_away(
    browser: Browser, lasting_server: HouseServer[ScriptedEngine]
) -> None:
    with opening_console(browser, lasting_server.url, fill_desk()) as page:
        page.get_by_role("button", name="EN: switch to English").click()
        expect(page.get_by_role("link", name="Conversations")).to_be_visible()
        for theme in ("light", "dark", "auto"):
            page.get_by_role("button", name=re.compile("^(Auto|Light|Dark)$")).click()
            assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert json.loads(page.evaluate("JSON.stringify({...localStorage})")) == {
            "appliance.language": "en",
            "appliance.theme": "auto",
        }
