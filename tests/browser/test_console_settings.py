"""The settings tab in a browser: a file changed and taken back, who is told, who may come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from appliance.drafting import Drafting
from appliance.engine.scripted import ScriptedEngine
from appliance.settings_file import SettingsFile
from appliance.store.accounts import Role
from tests.browser.access import find_faults
from tests.browser.customer import NEEDS_CHROMIUM
from tests.operators import PASSWORD, add_account
from tests.scripted_house import HouseServer, answer, choose_settings, serving
from tests.shop_tools import make_shop

pytestmark = NEEDS_CHROMIUM

READY_S = 60.0
FAQ = "question,answer\n怎么退货？,七天内可以退货。\n"
BROKEN = {"question": "怎么退货？", "kind": "paraphrase", "before": "right entry", "after": "other"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HouseServer[ScriptedEngine]]:
    folder: Path = tmp_path_factory.mktemp("house")
    settings = choose_settings(folder)
    file = SettingsFile({"data": str(settings.data)}, path=folder / "appliance.toml")
    with serving(settings, ScriptedEngine(answer), file) as server:
        server.wait_ready(READY_S)
        make_shop(settings.knowledge)
        (settings.knowledge / "faq.csv").write_text(FAQ, "utf-8")
        for role in Role:
            add_account(folder / "data", str(role), role)
        yield server


@pytest.fixture
def outcome(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    told: dict[str, Any] = {"cases": 2, "right_before": 2, "right_after": 1, "broken": [BROKEN]}

    async def run(_self: Drafting, _folder: Path, _asked: object) -> dict[str, Any]:
        return told

    monkeypatch.setattr(Drafting, "_run", run)
    return told


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    context.close()
    assert faults == []


def open_settings(page: Page, server: HouseServer[ScriptedEngine], role: Role = Role.OWNER) -> None:
    page.goto(f"{server.url}/console")
    page.evaluate(
        """async ([name, password]) => fetch("/console/login", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ name, password }),
        })""",
        [str(role), PASSWORD],
    )
    page.goto(f"{server.url}/console#settings")
    page.reload()
    expect(page.locator(".settings")).to_be_visible()


def test_a_file_is_changed_seen_to_be_worse_published_and_taken_back(
    page: Page, server: HouseServer[ScriptedEngine], outcome: dict[str, Any]
) -> None:
    assert outcome
    open_settings(page, server)
    page.get_by_role("button", name="faq.csv").click()
    text = page.get_by_label("Text")
    expect(text).to_have_value(FAQ)
    text.fill("question,answer\n")
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".told.bad")).to_contain_text("怎么退货？")
    assert find_faults(page) == []
    page.get_by_role("button", name="publish all the same").click()
    expect(page.locator(".settings-said")).to_contain_text("version 2")
    back = page.get_by_role("button", name="Go back to it: 1")
    back.click()
    worse = page.get_by_role("button", name="publish all the same")
    expect(worse).to_be_visible()
    expect(page.get_by_label("Text")).not_to_have_value(FAQ)
    outcome["broken"] = []
    back.click()
    expect(page.locator(".settings-said")).to_contain_text("version 3")
    expect(page.get_by_label("Text")).to_have_value(FAQ)


def test_an_owner_cuts_the_days_of_keeping_short_by_a_press_of_its_own(
    page: Page, server: HouseServer[ScriptedEngine]
) -> None:
    open_settings(page, server)
    page.get_by_role("button", name="Appliance").click()
    page.get_by_role("button", name="Days that conversations").press("Enter")
    expect(page.get_by_role("heading", name="Days that conversations")).to_be_focused()
    page.get_by_label("Text").fill("7")
    page.get_by_role("button", name="Check").press("Enter")
    expect(page.locator(".told.bad")).to_contain_text("older than 7 days")
    assert find_faults(page) == []
    page.get_by_role("button", name="Make them unreadable").press("Enter")
    expect(page.locator(".settings-said")).to_contain_text("version 2")
    assert server.house.reloading.settings.retention_days == 7


def test_a_receiver_is_added_and_its_secret_is_shown_once(
    page: Page, server: HouseServer[ScriptedEngine]
) -> None:
    open_settings(page, server)
    page.get_by_role("button", name="Other systems").click()
    page.get_by_text("Add one").click()
    page.get_by_label("Name").fill("<img src=x onerror=xss=1>")
    page.get_by_label("Address").fill("http://127.0.0.1:9/hook")
    page.get_by_role("button", name="Add", exact=True).click()
    secret = page.locator(".secret code").inner_text()
    assert len(secret) > 40
    expect(page.locator(".receiver strong")).to_have_text("<img src=x onerror=xss=1>")
    assert find_faults(page) == []
    page.get_by_role("button", name="Test").click()
    expect(page.locator(".scroll tbody tr")).to_have_count(1)
    page.reload()
    page.get_by_role("button", name="Other systems").click()
    expect(page.locator(".receiver")).to_have_count(1)
    assert secret not in page.content()
    page.get_by_role("button", name="Remove").click()
    expect(page.locator(".receiver")).to_have_count(0)


def test_accounts_and_keys_are_owners_affair(
    page: Page, server: HouseServer[ScriptedEngine]
) -> None:
    open_settings(page, server)
    page.get_by_role("button", name="Accounts").click()
    expect(page.locator(".receiver")).to_have_count(3)
    page.get_by_label("Name").fill("王")
    page.get_by_label("Password").fill("a long password")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".receiver")).to_have_count(4)
    assert page.get_by_label("Password").input_value() == ""
    assert find_faults(page) == []
    page.get_by_role("button", name="API keys").click()
    page.get_by_label("What for").fill("网站")
    page.get_by_label("chat").check()
    page.get_by_role("button", name="Make").click()
    expect(page.locator(".secret code")).to_contain_text("ak_")
    assert find_faults(page) == []


def test_a_tool_is_tried_rehearsed_and_switched_off(
    page: Page, server: HouseServer[ScriptedEngine], outcome: dict[str, Any]
) -> None:
    open_settings(page, server)
    page.get_by_role("button", name="Tools", exact=True).click()
    page.get_by_role("button", name="Try: query_order").press("Enter")
    expect(page.get_by_role("heading", name="Try: query_order")).to_be_focused()
    page.get_by_label("order number").fill("A10023")
    page.get_by_label("last four digits").fill("6688")
    page.get_by_label("last four digits").press("Enter")
    expect(page.locator(".tool-result")).to_contain_text("Order A10023: 运输中")
    expect(page.locator(".tool-result pre")).to_contain_text("SELECT order_no, state, note")
    assert find_faults(page) == []
    page.get_by_role("button", name="Try: request_return").click()
    page.get_by_label("order number").fill("A10023")
    page.get_by_label("last four digits").fill("6688")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".tool-result")).to_contain_text("nothing was written")
    outcome["broken"] = []
    page.get_by_role("button", name="Switch off: query_order").press("Enter")
    expect(page.locator(".settings-said")).to_contain_text("query_order off")
    expect(page.get_by_role("button", name="Switch on: query_order")).to_be_visible()
    assert find_faults(page) == []


def test_the_history_puts_canned_replies_back(
    page: Page, server: HouseServer[ScriptedEngine]
) -> None:
    open_settings(page, server)
    page.evaluate(
        """async () => {
          const { csrf } = await (await fetch("/console/me")).json();
          const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
          for (const text of ["<b>hello</b>", "other"]) {
            const body = JSON.stringify({ replies: [{ shortcut: "hi", text }] });
            await fetch("/console/replies", { method: "PUT", headers, body });
          }
        }"""
    )
    page.get_by_role("button", name="History").click()
    expect(page.locator("tbody tr").first).to_contain_text("hi: <b>hello</b>hi: other")
    assert find_faults(page) == []
    page.get_by_role("button", name="Put back: canned replies").first.press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("hi: otherhi: <b>hello</b>")


def test_a_viewer_looks_and_is_offered_no_change(
    page: Page, server: HouseServer[ScriptedEngine]
) -> None:
    open_settings(page, server, Role.VIEWER)
    expect(page.get_by_role("button", name="Accounts")).to_have_count(0)
    page.get_by_role("button", name="faq.csv").click()
    expect(page.get_by_label("Text")).to_have_attribute("readonly", "")
    expect(page.get_by_role("button", name="Check")).to_have_count(0)


def test_a_telephone_scrolls_nothing_sideways(
    page: Page, server: HouseServer[ScriptedEngine]
) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    open_settings(page, server)
    page.get_by_role("button", name="faq.csv").click()
    expect(page.get_by_label("Text")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
