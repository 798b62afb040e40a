"""The page and the kiosk where chatting needs a key: without one, with one, and once it is revoked.

The rule that must not break: the key is in no request's address, and whoever has none is told what
to do in the page's own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from appliance.engine.scripted import ScriptedEngine
from appliance.store.access_file import AccessFile
from appliance.store.keys import Keys
from tests.browser.access import find_faults
from tests.browser.customer import ANSWER_MS, NEEDS_CHROMIUM, send, wait_for_answer
from tests.scripted_house import HouseServer, answer, choose_settings, serving

pytestmark = NEEDS_CHROMIUM

NEEDED = "密钥"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    settings = choose_settings(tmp_path).model_copy(update={"chat_access": "key"})
    with serving(settings, ScriptedEngine(answer)) as server:
        yield server


@pytest.fixture
def keys(tmp_path: Path, shop: HouseServer[ScriptedEngine]) -> Keys:
    return Keys(AccessFile(tmp_path / "data"), lambda: 0)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 700})
    yield context
    context.close()


def test_a_page_without_a_key_says_what_is_needed_and_with_one_it_answers(
    context: BrowserContext, shop: HouseServer[ScriptedEngine], keys: Keys
) -> None:
    page, asked = watch(context)
    page.goto(shop.url)
    expect(page.locator("#banner-text")).to_contain_text(NEEDED, timeout=ANSWER_MS)
    assert find_faults(page) == []
    send(page, "你好")
    expect(page.locator("#transcript")).to_contain_text(NEEDED)

    key = keys.create("counter", ("chat",))
    # Into the open page, as staff would paste it.
    page.goto(f"{shop.url}/#key={key}")
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator("#welcome")).to_be_visible()
    assert page.url == f"{shop.url}/"
    send(page, "你好")
    assert wait_for_answer(page)

    again, _ = watch(context)
    again.goto(shop.url)
    expect(again.locator(".answer")).to_have_count(1)
    (known,) = keys.list_all()
    keys.revoke(known.id)
    again.reload()
    expect(again.locator("#banner-text")).to_contain_text(NEEDED, timeout=ANSWER_MS)
    assert not [address for address in asked if key in address]


def test_the_kiosk_takes_its_key_from_the_address_it_is_started_with(
    context: BrowserContext, shop: HouseServer[ScriptedEngine], keys: Keys
) -> None:
    page, asked = watch(context)
    key = keys.create("counter", ("chat",))
    page.goto(f"{shop.url}/kiosk?idle=90#key={key}")
    page.locator("#begin").click()
    send(page, "你好")
    expect(page.locator(".answer .prose")).to_contain_text("您好", timeout=ANSWER_MS)
    page.locator("#end").click()
    expect(page.locator("#attract")).to_be_visible()
    page.locator("#begin").click()
    send(page, "你好")
    expect(page.locator(".answer .prose")).to_contain_text("您好", timeout=ANSWER_MS)
    assert page.url == f"{shop.url}/kiosk?idle=90"
    assert not [address for address in asked if key in address]


def watch(context: BrowserContext) -> tuple[Page, list[str]]:
    """A page, and the addresses of all that it asks for, as they went over the wire."""
    page, asked = context.new_page(), list[str]()
    # What Chromium tells of a request may have the fragment, which is never sent.
    page.on("request", lambda sent: asked.append(sent.url.partition("#")[0]))
    return page, asked
