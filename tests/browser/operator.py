"""What an operator does with the console's page, in a headless Chromium, beside a customer's.

No test stands here. The rule that must not break: a page that showed a script error, a breach of
the content security policy, or a request that left the appliance fails its test at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.customer import WATCH_POLICY, is_fault
from tests.desk_house import PASSWORD

DESKTOP = {"width": 1280, "height": 800}


@contextmanager
def at_console(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """The console's page before anybody has signed in."""
    context = browser.new_context(**({"locale": "zh-CN", "viewport": DESKTOP} | options))
    page = context.new_page()
    faults: list[str] = []
    page.add_init_script(WATCH_POLICY)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if is_fault(line.text) else None)
    page.on(
        "request",
        lambda sent: None if sent.url.startswith((url, "data:")) else faults.append(sent.url),
    )
    page.goto(f"{url}/console")
    try:
        yield page
    finally:
        context.close()
    assert faults == []


@contextmanager
def working(browser: Browser, url: str, name: str = "wang", **options: Any) -> Iterator[Page]:
    """An operator who has signed in."""
    with at_console(browser, url, **options) as page:
        sign_in(page, name)
        yield page


def sign_in(page: Page, name: str) -> None:
    page.fill("#account-name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    expect(page.locator(".tabs")).to_be_visible()


def answer_as_operator(page: Page, text: str) -> None:
    page.fill("#answer", text)
    page.press("#answer", "Enter")
    expect(page.locator("#answer")).to_have_value("")
