"""What a customer does with the page, in a headless Chromium.

No test stands here. The rule that must not break: a page that showed a script error, a breach of
the content security policy, or a request that left the appliance fails its test at the end.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

CHROMIUM = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium")
ANSWER_MS = 30_000

NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium found; set CHROMIUM_PATH to its path"),
]

WATCH_POLICY = """
addEventListener("securitypolicyviolation", (event) =>
  console.error("policy", event.violatedDirective, event.blockedURI));
"""


@contextmanager
def open_context(browser: Browser) -> Iterator[BrowserContext]:
    """The browser of one Chinese customer, on a phone."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 700})
    try:
        yield context
    finally:
        context.close()


@contextmanager
def open_tab(context: BrowserContext, url: str) -> Iterator[Page]:
    """The page in a tab of its own; at its end nothing may have gone wrong."""
    page = context.new_page()
    faults: list[str] = []
    page.add_init_script(WATCH_POLICY)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if is_fault(line.text) else None)
    page.on("request", lambda sent: faults.append(sent.url) if is_foreign(sent.url) else None)

    def is_foreign(address: str) -> bool:
        return not address.startswith((url, "data:"))

    page.goto(url)
    yield page
    page.close()
    assert faults == []


@contextmanager
def open_page(browser: Browser, url: str) -> Iterator[Page]:
    """The page as a new customer finds it."""
    with open_context(browser) as context, open_tab(context, url) as page:
        expect(page.locator("#welcome")).to_be_visible()
        yield page


def is_fault(line: str) -> bool:
    """Chromium reports a status of 4xx or 5xx, and a server that is gone, as such a line."""
    return not line.startswith("Failed to load resource")


def send(page: Page, text: str) -> None:
    """Once the page would take it: while a conversation is being opened Enter sends nothing."""
    page.fill("#question", text)
    expect(page.locator("#send")).to_be_enabled()
    page.press("#question", "Enter")


def wait_for_answer(page: Page, number: int = 1) -> str:
    """The text of the whole answer of that number, counted from one."""
    answer = page.locator(".answer").nth(number - 1)
    expect(answer.locator(".copy")).to_be_visible(timeout=ANSWER_MS)
    return answer.locator(".prose").inner_text()
