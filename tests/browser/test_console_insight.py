"""The insight tab as an operator sees it: charts and their tables, small screens, hostile words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.engine.scripted import ScriptedEngine
from appliance.store.accounts import Role
from tests.browser.access import find_faults
from tests.browser.customer import NEEDS_CHROMIUM
from tests.browser.payloads import PAYLOADS
from tests.operators import PASSWORD, add_account
from tests.scripted_house import HouseServer, answer, choose_settings, serving

pytestmark = NEEDS_CHROMIUM

READY_S = 60.0
# As the console's frame opens a tab; `server` is its way to ask.
OPEN = """async ({ language, tab }) => {
  document.body.replaceChildren();
  document.documentElement.lang = language;
  const main = document.createElement("main");
  document.body.append(main);
  const title = document.createElement("h1");
  title.textContent = "Console";
  const root = document.createElement("div");
  main.append(title, root);
  const { Words } = await import("/web/words.js");
  const { open } = await import(`/web/console/${tab}.js`);
  const call = async (method, path, body) => {
    const headers = { "X-CSRF-Token": window.csrf };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw told.error;
    return told;
  };
  const server = {
    get: (path) => call("GET", path),
    post: (path, body = {}) => call("POST", path, body),
    put: (path, body) => call("PUT", path, body),
    delete: (path) => call("DELETE", path),
  };
  window.tab = open(root, server, new Words(language));
}"""
LOG_IN = """async (password) => {
  const answer = await fetch("/console/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: "chef", password }),
  });
  window.csrf = (await answer.json()).csrf;
}"""
ASK = """async (message) => {
  const answer = await fetch("/chat", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ message }),
  });
  return answer.json();
}"""
PAINTED = """() => [...document.querySelectorAll(".plot canvas")].filter((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value) => value !== 0);
}).length"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseServer[ScriptedEngine]]:
    folder: Path = tmp_path_factory.mktemp("house")
    with serving(choose_settings(folder), ScriptedEngine(answer)) as server:
        server.wait_ready(READY_S)
        add_account(folder / "data", "chef", Role.OWNER)
        yield server


@pytest.fixture
def desk(browser: Browser, server: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(server.url)
    # Its own script is done before its place is taken.
    expect(page.locator("#welcome")).to_be_visible()
    page.evaluate(LOG_IN, PASSWORD)
    yield page
    context.close()
    assert faults == []


def open_tab(page: Page, tab: str = "insight", language: str = "en") -> None:
    page.evaluate(OPEN, {"tab": tab, "language": language})


def ask(page: Page, message: str) -> Any:
    return page.evaluate(ASK, message)


def test_every_chart_is_painted_and_tells_the_same_as_a_table(desk: Page) -> None:
    ask(desk, "你们卖什么？")
    open_tab(desk)
    expect(desk.locator(".chart")).to_have_count(4)
    desk.wait_for_function(f"({PAINTED})() === 4")
    desk.locator(".chart summary").first.click()
    expect(desk.locator(".chart table").first.locator("thead th").first).to_have_text("Time")
    expect(desk.locator(".chart table").first.locator("tbody tr")).to_have_count(8)
    expect(desk.get_by_role("row", name="你们卖什么？")).to_be_visible()
    href = desk.get_by_role("link", name="CSV").get_attribute("href")
    assert href is not None and href.startswith("/console/figures.csv?from_ms=")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_in_either_language(desk: Page, language: str) -> None:
    ask(desk, "几点开门？")
    open_tab(desk, language=language)
    expect(desk.locator(".chart")).to_have_count(4)
    for summary in desk.locator(".chart summary").all():
        summary.click()
    assert find_faults(desk) == []


def test_a_telephone_scrolls_nothing_sideways(desk: Page) -> None:
    desk.set_viewport_size({"width": 320, "height": 640})
    ask(desk, "长" * 200)
    open_tab(desk, language="zh")
    expect(desk.locator(".chart")).to_have_count(4)
    assert desk.evaluate("document.documentElement.scrollWidth") <= 320


def test_another_period_is_chosen_by_keyboard(desk: Page) -> None:
    open_tab(desk)
    expect(desk.locator(".insight-status")).to_contain_text("up to date")
    desk.get_by_role("radio", name="7 days").focus()
    desk.keyboard.press("ArrowLeft")
    expect(desk.get_by_role("radio", name="Today")).to_be_checked()
    expect(desk.get_by_role("radio", name="Today")).to_be_focused()


def test_what_customers_ask_is_shown_as_text(desk: Page) -> None:
    for payload in PAYLOADS:
        ask(desk, payload[:1000])
    open_tab(desk)
    expect(desk.locator(".chart")).to_have_count(4)
    assert desk.locator("th.said img, th.said script, th.said a, th.said svg").count() == 0
    assert desk.evaluate("window.xss ?? null") is None


def test_a_closed_tab_asks_nothing_more(desk: Page) -> None:
    open_tab(desk)
    expect(desk.locator(".insight-status")).to_contain_text("up to date")
    desk.evaluate("window.tab.close()")
    asked: list[str] = []
    desk.on("request", lambda request: asked.append(request.url))
    desk.emulate_media(color_scheme="dark")
    desk.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert desk.locator(".plot canvas").count() == 0
    assert asked == []
