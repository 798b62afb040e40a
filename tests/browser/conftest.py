"""The browser of these tests, and the page that a new customer opens with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from appliance.engine.scripted import ScriptedEngine
from tests.browser.customer import CHROMIUM, open_page
from tests.scripted_house import HouseServer

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

# A machine that has other things to do may take long to paint.
PATIENCE_MS = 15_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the whole session: its event loop would stand in the way of every async test."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, scripted_server: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    with open_page(browser, scripted_server.url) as page:
        yield page
