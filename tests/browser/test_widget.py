"""The widget on a page of another site, in a headless Chromium against the real server.

The logic that needs no browser is tested in tests/web/widget.test.mjs. The rule that must not
break: the page around it never shows an error of ours, and nothing it says becomes more than text.
"""

from __future__ import annotations

import html
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from appliance.engine.scripted import ScriptedEngine
from appliance.store.access_file import AccessFile
from appliance.store.keys import Keys
from appliance.vault import read_clock_ms
from tests.browser.access import find_faults
from tests.browser.customer import NEEDS_CHROMIUM
from tests.browser.payloads import PAYLOADS
from tests.browser.relay import relaying
from tests.browser.site import (
    DESKTOP,
    PHONE,
    SECRET,
    Site,
    browsing,
    open_panel,
    open_site,
    read_answer,
    say,
    serving_box,
    serving_site,
    wait_for_panel,
)
from tests.scripted_house import HouseServer
from tests.test_identity import sign

pytestmark = NEEDS_CHROMIUM

SHOTS = os.environ.get("SCREENSHOTS")
BUBBLE = "appliance-widget .bubble"
PANEL = "appliance-widget .panel"
HEAR = """
window.heard = [];
for (const name of ["ready", "open", "close", "asked", "answered", "failed", "handoff", "refused"])
  addEventListener("appliance:" + name, ({ detail }) => heard.push([name, detail]));
"""
# What a careless page does to every element it can reach.
CARELESS = """<style>
  * { all: unset !important; display: inline !important; position: static !important;
      font-size: 61px !important; transform: rotate(7deg) !important; visibility: hidden !important;
      pointer-events: none !important; opacity: 0.1 !important; width: 9px !important }
  iframe, button, div { display: none !important }
  html { font-size: 40px; line-height: 3; letter-spacing: 9px; text-transform: uppercase }
</style>"""
STRICT = (
    "default-src 'none'; img-src data:; script-src {box}; frame-src {box}; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SHOP = (
    "<h1>我们的店</h1><p>欢迎光临。</p><input id='search' aria-label='search'>" + "<p>商品</p>" * 60
)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving_site() as site:
        yield site


@pytest.fixture
def box(tmp_path: Path, site: Site) -> Iterator[HouseServer[ScriptedEngine]]:
    with serving_box(tmp_path, f"{site.url} {site.near}") as box:
        yield box


@pytest.fixture
def page(browser: Browser, site: Site, box: HouseServer[ScriptedEngine]) -> Iterator[Page]:
    """A desk, and the plainest page there is."""
    site.write(SHOP, box.url)
    with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
        yield page


def keep_shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"widget_{name}.png")


def test_a_question_is_answered_on_a_page_of_another_site(page: Page) -> None:
    page.evaluate(HEAR)
    keep_shot(page, "closed")
    frame = open_panel(page)
    expect(frame.locator("#question")).to_be_focused()
    keep_shot(page, "open")
    assert say(frame, "有没有雨伞") == "你说：有没有雨伞"
    keep_shot(page, "answer")
    heard = page.evaluate("heard")
    assert [name for name, _ in heard] == ["open", "ready", "asked", "answered"]
    assert heard[-1][1] == {"source": "model", "isOfficial": False, "finishReason": "stop"}
    assert "雨伞" not in str(heard)


def test_escape_closes_it_and_the_focus_goes_back(page: Page) -> None:
    frame = open_panel(page)
    frame.locator("#question").press("Escape")
    expect(page.locator(PANEL)).to_be_hidden()
    expect(page.locator(BUBBLE)).to_be_focused()
    expect(page.locator(BUBBLE)).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("Enter")
    expect(frame.locator("#question")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(PANEL)).to_be_hidden()


def test_escape_that_drops_a_word_of_an_input_method_leaves_it_open(page: Page) -> None:
    frame = open_panel(page)
    question = frame.locator("#question")
    for how in ({"isComposing": True}, {"keyCode": 229}):
        event = {"key": "Escape", "bubbles": True, "cancelable": True, **how}
        question.dispatch_event("keydown", event)
    # A wish to close it would be heard before the answer.
    question.fill("在吗")
    question.press("Enter")
    read_answer(frame)
    expect(page.locator(PANEL)).to_be_visible()


@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_the_focus_stays_in_the_panel_while_it_is_open(page: Page, key: str) -> None:
    open_panel(page)
    for _ in range(12):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.localName") == "appliance-widget"
    page.keyboard.press("Escape")
    page.locator("#search").focus()
    expect(page.locator("#search")).to_be_focused()


@pytest.mark.parametrize("size", [PHONE, {"width": 700, "height": 320}])
def test_on_a_small_screen_it_takes_all_of_it_and_closes_by_its_own_button(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine], size: dict[str, int]
) -> None:
    site.write(SHOP, box.url)
    with browsing(browser, size) as context, open_site(context, site, box.url) as page:
        keep_shot(page, f"closed_{size['width']}")
        frame = open_panel(page)
        whole = {"x": 0, "y": 0, **size}
        assert page.locator("appliance-widget iframe").bounding_box() == whole
        expect(page.locator(BUBBLE)).to_be_hidden()
        keep_shot(page, f"open_{size['width']}")
        frame.locator("#close").click()
        expect(page.locator(PANEL)).to_be_hidden()
        expect(page.locator(BUBBLE)).to_be_focused()


def test_the_page_opens_asks_resets_and_closes_it(page: Page) -> None:
    page.evaluate("appliance.ask('怎么退货')")
    frame = wait_for_panel(page)
    assert read_answer(frame) == "你说：怎么退货"
    with page.expect_response("**/revoke") as revoked:
        page.evaluate("appliance.reset()")
    assert revoked.value.status == 200
    expect(frame.locator("#welcome")).to_be_visible()
    expect(frame.locator("#back")).to_be_hidden()
    page.evaluate("appliance.close()")
    expect(page.locator(PANEL)).to_be_hidden()
    page.evaluate("appliance.open()")
    expect(page.locator(PANEL)).to_be_visible()


def test_a_button_of_the_next_page_asks_first_of_all_in_the_conversation_of_before(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    site.write(SHOP, box.url)
    with (
        browsing(browser, DESKTOP) as context,
        open_site(context, site, box.url, url=site.near) as page,
    ):
        say(open_panel(page), "记得我吗")
        page.reload()
        page.evaluate(
            "for (const text of ['几点关门', '怎么退货', '怎么退货']) appliance.ask(text)"
        )
        frame = wait_for_panel(page)
        assert read_answer(frame, 3) == "你说：怎么退货"
        asked = [re.compile(text) for text in ("记得我吗", "几点关门", "怎么退货")]
        expect(frame.locator(".question")).to_have_text(asked)


WISHES = """data-title="问店员" data-color="#ffd400" data-position="left" data-language="en"
  data-greeting="欢迎！" data-suggestions="几点关门？|怎么退货？" data-theme="dark" """


def test_the_site_chooses_how_it_looks_and_what_it_offers(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    site.write(SHOP, box.url, WISHES)
    with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
        at = page.locator(BUBBLE).bounding_box()
        assert at is not None and at["x"] == 20
        style = "one => [getComputedStyle(one).backgroundColor, getComputedStyle(one).color]"
        assert page.locator(BUBBLE).evaluate(style) == ["rgb(255, 212, 0)", "rgb(0, 0, 0)"]
        assert page.locator(BUBBLE).get_attribute("aria-label") == "问店员"
        frame = open_panel(page)
        expect(frame.locator("#title")).to_have_text("问店员")
        expect(frame.locator("#greeting")).to_have_text("欢迎！")
        expect(frame.locator(".starter")).to_have_text(["几点关门？", "怎么退货？"])
        expect(frame.locator("#question")).to_have_attribute("placeholder", "Type your question")
        keep_shot(page, "chosen_dark")
        frame.locator(".starter").first.click()
        assert read_answer(frame) == "你说：几点关门？"


def test_the_line_on_the_page_wins_over_the_settings_of_its_scripts(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    site.files["/choose.js"] = (
        "window.applianceSettings = { title: 'A', greeting: 'B', suggestions: ['C', 'D|E'], "
        "hidden: true, session: 'new', odd: () => 1 };"
    )
    site.write(SHOP, box.url, "data-title='T'", head="<script src='/choose.js'></script>")
    with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
        expect(page.locator(BUBBLE)).to_be_hidden()
        page.evaluate("appliance.open()")
        frame = wait_for_panel(page)
        expect(frame.locator("#title")).to_have_text("T")
        expect(frame.locator("#greeting")).to_have_text("B")
        expect(frame.locator(".starter")).to_have_text(["C", "D", "E"])
        frame.locator("#close").click()
        expect(page.locator(BUBBLE)).to_be_hidden()


@pytest.mark.parametrize(
    ("session", "after_reload", "in_new_tab"),
    [("new", 0, 0), ("tab", 1, 0), ("resume", 1, 1)],
)
def test_a_conversation_lasts_as_long_as_the_site_wishes(
    browser: Browser,
    site: Site,
    box: HouseServer[ScriptedEngine],
    session: str,
    after_reload: int,
    in_new_tab: int,
) -> None:
    site.write(SHOP, box.url, f"data-session={session}")
    with browsing(browser, DESKTOP) as context:
        with open_site(context, site, box.url, url=site.near) as page:
            say(open_panel(page), "记得我吗")
            page.reload()
            expect(open_panel(page).locator(".question")).to_have_count(after_reload)
        with open_site(context, site, box.url, url=site.near) as page:
            expect(open_panel(page).locator(".question")).to_have_count(in_new_tab)


def test_no_style_of_the_page_reaches_it(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    site.write(SHOP, box.url, head=CARELESS)
    with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
        assert page.locator(BUBBLE).bounding_box() == {
            "x": 1200,
            "y": 720,
            "width": 60,
            "height": 60,
        }
        frame = open_panel(page)
        at = page.locator(PANEL).bounding_box()
        assert at == {"x": 860, "y": 20, "width": 400, "height": 684}
        assert say(frame, "雨伞在哪") == "你说：雨伞在哪"
        keep_shot(page, "careless")


def test_a_page_with_the_strictest_policy_needs_two_words_in_it(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    site.headers["Content-Security-Policy"] = STRICT.format(box=box.url)
    site.write(SHOP, box.url)
    with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
        assert say(open_panel(page), "雨伞在哪") == "你说：雨伞在哪"


def test_a_site_that_is_not_on_the_list_is_told_so_in_words(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    site.files["/try.js"] = HEAR
    with serving_box(tmp_path, "http://another.lan") as box:
        site.write(SHOP, box.url, head="<script src='/try.js'></script>")
        with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
            page.locator(BUBBLE).click()
            frame = page.frame_locator("appliance-widget iframe")
            expect(frame.locator("h1").first).to_have_text("客服没有在这个网站上开通")
            expect(frame.locator(".site").first).to_have_text(site.url)
            keep_shot(page, "refused")
            assert page.evaluate("heard.at(-1)") == ["refused", {"site": site.url}]
            frame.locator(".refused-close").first.click()
            expect(page.locator(PANEL)).to_be_hidden()


def test_a_site_that_gives_a_false_name_is_stopped_by_the_browser(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    named = "http://another.lan"
    with serving_box(tmp_path, named) as box:
        site.write(f"<iframe id='f' src='{box.url}/widget?origin={named}'></iframe>", box.url)
        with (
            browsing(browser, DESKTOP) as context,
            open_site(context, site, box.url, may_fail=True) as page,
        ):
            assert any(
                "frame-ancestors" in line or "refused" in line for line in read_console(page)
            )
            assert page.frame_locator("#f").locator("#question").count() == 0


def read_console(page: Page) -> list[str]:
    """What the console says when the page is loaded once more."""
    lines: list[str] = []
    page.on("console", lambda line: lines.append(line.text))
    page.reload()
    page.wait_for_load_state("networkidle")
    return lines


def test_without_the_appliance_the_page_is_as_if_there_were_no_widget(
    browser: Browser, site: Site
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        box = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    site.write(SHOP, box, "async")
    with browsing(browser, DESKTOP) as context, open_site(context, site, box) as page:
        page.wait_for_load_state("networkidle")
        assert page.locator("appliance-widget").count() == 0
        assert page.evaluate("window.appliance === undefined && document.readyState === 'complete'")
        keep_shot(page, "without")


def test_an_appliance_that_went_off_is_told_in_words_and_found_again(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    with relaying(box.listener.getsockname()[1]) as relay:
        site.write(SHOP, relay.url)
        with browsing(browser, DESKTOP) as context, open_site(context, site, relay.url) as page:
            page.evaluate(HEAR)
            relay.die()
            page.locator(BUBBLE).click()
            expect(page.locator(PANEL)).to_contain_text("现在连不上客服")
            expect(page.locator("appliance-widget .leave")).to_be_focused()
            keep_shot(page, "unreachable")
            assert page.evaluate("heard.at(-1)") == ["failed", {"code": "unreachable"}]
            page.keyboard.press("Escape")
            expect(page.locator(PANEL)).to_be_hidden()
            relay.revive()
            assert say(open_panel(page), "回来了吗") == "你说：回来了吗"


def test_a_closed_panel_asks_nothing_and_an_open_one_seldom_while_the_appliance_is_off(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    with relaying(box.listener.getsockname()[1]) as relay:
        site.write(SHOP, relay.url)
        with browsing(browser, DESKTOP) as context:
            context.clock.install()
            with open_site(context, site, relay.url) as page:
                tries: list[Request] = []
                frame = open_panel(page)
                say(frame, "雨伞在哪")
                frame.locator("#question").press("Escape")
                expect(page.locator(PANEL)).to_be_hidden()
                relay.die()
                # What was under way when the line broke may still be tried.
                page.clock.run_for(60_000)
                page.on("request", lambda sent: tries.append(sent))
                for _ in range(20):
                    page.clock.run_for(30_000)
                assert tries == []
                page.locator(BUBBLE).click()
                expect(frame.locator("#banner")).to_be_visible()
                for _ in range(20):
                    page.clock.run_for(30_000)
                assert 0 < len(tries) < 20
                relay.revive()
                frame.locator("#title").click()
                # The pause before the next try is over, however slowly this machine counts it.
                page.clock.run_for(30_000)
                expect(frame.locator("#banner")).to_be_hidden()
                assert say(frame, "回来了吗", 2) == "你说：回来了吗"


def identify(page: Page, name: str, user_id: str, secret: str = SECRET) -> None:
    token = sign({"id": user_id, "name": name, "expires": int(time.time()) + 300}, secret)
    page.evaluate("who => appliance.identify(who)", {"id": user_id, "name": name, "token": token})


def read_identity(page: Page, said: Request) -> object:
    """Of the conversation in which `said` was the call that asked."""
    return page.request.get(said.url).json()["identity"]


def test_a_signed_visitor_is_known_before_the_first_question_is_asked(page: Page) -> None:
    order: list[str] = []
    page.on("request", lambda sent: order.append(sent.url.rpartition("/")[2]))
    identify(page, "王女士", "u-17")
    frame = open_panel(page)
    expect(frame.locator("#greeting")).to_have_text(re.compile("^王女士，您好"))
    with page.expect_request("**/messages") as asked:
        say(frame, "我的订单")
    assert order.index("identity") < order.index("messages")
    assert read_identity(page, asked.value) == {"id": "u-17", "name": "王女士"}


def test_an_unsigned_or_badly_signed_name_is_shown_and_nothing_more(page: Page) -> None:
    page.evaluate(HEAR)
    page.evaluate("appliance.identify({ name: '王女士' })")
    frame = open_panel(page)
    with page.expect_request("**/messages") as asked:
        say(frame, "雨伞在哪")
    assert read_identity(page, asked.value) is None
    identify(page, "店主", "owner", "another secret that is long enough")
    page.wait_for_function("() => heard.some(([name]) => name === 'failed')")
    assert page.evaluate("heard.at(-1)") == ["failed", {"code": "identity_refused"}]
    assert read_identity(page, asked.value) is None
    assert say(frame, "还在吗", 2) == "你说：还在吗"


def test_where_a_frame_may_store_nothing_each_page_begins_anew(page: Page) -> None:
    """As in a private window."""
    say(open_panel(page), "记得我吗")
    page.reload()
    expect(open_panel(page).locator("#welcome")).to_be_visible()


def test_who_comes_after_another_visitor_sees_nothing_of_that_one(page: Page) -> None:
    identify(page, "王女士", "u-17")
    frame = open_panel(page)
    say(frame, "我的秘密")
    frame.locator("#question").fill("没说完的秘密")
    with page.expect_response("**/revoke"):
        identify(page, "李先生", "u-18")
    expect(frame.locator(".message")).to_have_count(0)
    expect(frame.locator("#question")).to_have_value("")
    expect(frame.locator("#back")).to_be_hidden()
    say(frame, "另一个秘密")
    with page.expect_response("**/revoke"):
        page.evaluate("appliance.identify(null)")
    expect(frame.locator(".message")).to_have_count(0)


def test_nobody_is_kept_out_of_the_panel_the_bubble_and_the_refusal(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    site.write(f"<main>{SHOP}</main>", box.url)
    with browsing(browser, PHONE) as context:
        with open_site(context, site, box.url) as page:
            assert find_faults(page) == []
        page = context.new_page()
        page.goto(f"{box.url}/widget")
        expect(page.locator("#welcome")).to_be_visible()
        assert find_faults(page) == []
        page.fill("#question", "请说一个长的回答")
        page.press("#question", "Enter")
        expect(page.locator(".copy")).to_be_visible(timeout=30_000)
        assert find_faults(page) == []
        page.goto(f"{box.url}/widget?origin=http://elsewhere.lan")
        assert find_faults(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_is_as_light_or_dark_as_the_visitor_likes(
    browser: Browser,
    site: Site,
    box: HouseServer[ScriptedEngine],
    size: dict[str, int],
    scheme: str,
) -> None:
    site.write(SHOP, box.url)
    with browsing(browser, size, scheme) as context, open_site(context, site, box.url) as page:
        frame = open_panel(page)
        paper = "getComputedStyle(document.body).backgroundColor"
        panel = next(one for one in page.frames if one.url.startswith(box.url))
        assert (
            panel.evaluate(paper)
            == {"light": "rgb(250, 247, 241)", "dark": "rgb(23, 20, 17)"}[scheme]
        )
        keep_shot(page, f"welcome_{size['width']}_{scheme}")
        say(frame, "请说一个长的回答")
        keep_shot(page, f"long_{size['width']}_{scheme}")


READ_TEXTS = """() => ["#title", "#greeting", ".starter"].flatMap((name) =>
  [...document.querySelectorAll(name)].map((one) => one.textContent))"""
COUNT_FOREIGN = """() => document.querySelectorAll(
  "img, iframe, object, embed, base, body style, form:not(.composer), video, audio, marquee, " +
  "math, script:not([src^='/web/'], head > [type=importmap]), [onload], [onerror], [onclick], " +
  "[onfocus], [ontoggle]").length"""


def test_what_a_site_writes_into_the_widget_is_text_and_nothing_more(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    with browsing(browser, DESKTOP) as context:
        site.write(SHOP, box.url)
        with open_site(context, site, box.url) as page:
            for start in range(0, len(PAYLOADS), 4):
                check_as_text(page, site, box.url, [*PAYLOADS[start:], *PAYLOADS[:3]][:4])


def check_as_text(page: Page, site: Site, box: str, payloads: list[str]) -> None:
    """The first is the title, the second the greeting, the third who the visitor is; the fourth
    stands wherever only a known word may; all are suggestions."""
    title, greeting, name, odd = payloads
    chosen = {"title": title, "greeting": greeting}
    chosen |= dict.fromkeys(("color", "position", "session", "theme", "hidden", "odd"), odd)
    attributes = " ".join(f'data-{key}="{html.escape(it)}"' for key, it in chosen.items())
    site.files["/choose.js"] = (
        f"window.applianceSettings = {{ suggestions: {json.dumps(payloads)} }}"
    )
    site.write(SHOP, box, attributes, head="<script src='/choose.js'></script>")
    page.goto(site.url)
    page.evaluate("who => appliance.identify(who)", {"id": odd, "name": name, "token": odd})
    page.evaluate("appliance.open()")
    frame = wait_for_panel(page)
    comma = "，" if frame.locator("html").get_attribute("lang") == "zh-CN" else ", "
    expect(frame.locator("#greeting")).to_contain_text(comma.strip())
    panel = next(one for one in page.frames if one.url.startswith(box))
    texts = panel.evaluate(READ_TEXTS)
    # In an attribute a line ends as the page's source does.
    title, greeting = (it.replace("\r\n", "\n").strip() for it in (title, greeting))
    assert texts[0] == title
    assert texts[1] == f"{name.strip()}{comma}{greeting}"
    assert (
        texts[2:] == [part.strip() for it in payloads for part in it.split("|") if part.strip()][:8]
    )
    assert panel.evaluate(COUNT_FOREIGN) == 0
    assert panel.evaluate("window.xss") is None
    assert page.evaluate("window.xss") is None
    assert page.locator("appliance-widget").count() == 1


def test_a_stranger_on_the_page_can_neither_speak_to_it_nor_for_it(page: Page) -> None:
    page.evaluate(HEAR)
    frame = open_panel(page)
    box = next(one.url for one in page.frames if "/widget" in one.url).partition("/widget")[0]
    page.evaluate("""() => {
      const stranger = document.createElement("iframe");
      stranger.srcdoc = `<script>
        parent.postMessage({ appliance: "close" }, "*");
        parent.postMessage({ appliance: "event", name: "answered" }, "*");
        for (let at = 0; at < parent.length; at += 1)
          parent[at].postMessage({ appliance: "ask", detail: "假" }, "*");
      </script>`;
      document.body.append(stranger);
      return new Promise((resolve) => { stranger.onload = () => setTimeout(resolve, 100); });
    }""")
    for odd in (None, 7, "text", {"appliance": "__proto__"}, {"appliance": "toString"}, {}):
        page.evaluate(
            "([odd, box]) => document.querySelector('appliance-widget').shadowRoot"
            ".querySelector('iframe').contentWindow.postMessage(odd, box)",
            [odd, box],
        )
    page.evaluate("appliance.ask({ toString: () => '真' })")
    assert read_answer(frame) == "你说：真"
    expect(frame.locator(".question")).to_have_count(1)
    names = [name for name, _ in page.evaluate("heard")]
    assert names == ["open", "ready", "asked", "answered"]


GUIDE = (Path(__file__).parents[2] / "docs" / "widget.md").read_text("utf-8")
VENDOR = Path(__file__).parents[1] / "vendor"
EXAMPLE_BOX = "http://192.168.1.10:8000"


def read_example(language: str, word: str) -> str:
    """The block of the guide in that language that has that word in it."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if word in block)


def test_the_page_to_copy_works_as_it_stands(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    copied = read_example("html", "<!doctype html>").replace(EXAMPLE_BOX, box.url)
    site.files["/"] = copied.replace("<title>", '<link rel="icon" href="data:,"><title>')
    with browsing(browser, PHONE) as context, open_site(context, site, box.url) as page:
        frame = open_panel(page)
        expect(frame.locator("#title")).to_have_text("问店员")
        frame.locator(".starter", has_text="怎么退货？").click()
        assert read_answer(frame) == "你说：怎么退货？"


REACT_PAGE = """
const { useEffect, useState, createElement } = React;
%s
function Shop() {
  const [user, change] = useState({ id: "u-1", name: "王女士" });
  const [isThere, show] = useState(true);
  return createElement("div", {}, createElement("h1", {}, "店"),
    isThere && createElement(Assistant, { user }),
    createElement("button", { id: "other", onClick: () => change({ id: "u-2", name: "李先生" }) }),
    createElement("button", { id: "toggle", onClick: () => show(!isThere) }));
}
ReactDOM.createRoot(document.getElementById("app")).render(
  createElement(React.StrictMode, {}, createElement(Shop)));
"""


def test_the_part_for_react_works_as_it_stands(
    browser: Browser, site: Site, box: HouseServer[ScriptedEngine]
) -> None:
    """Nothing translates its one line of markup here: it is written as the call it stands for."""
    part = read_example("jsx", "useEffect").replace(EXAMPLE_BOX, box.url)
    part = re.sub(r"^import .*$", "", part, flags=re.MULTILINE).replace("export ", "")
    part, count = re.subn(
        r"<button onClick=\{(.*)\}>(.*)</button>",
        r'createElement("button", { id: "ask", onClick: \1 }, "\2")',
        part,
    )
    assert count == 1
    for name in ("react", "react-dom"):
        source = VENDOR / name / f"{name}.production.min.js"
        site.files[f"/{name}.js"] = source.read_text("utf-8")
    site.files["/shop.js"] = REACT_PAGE % part
    site.files["/"] = (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>店</title>'
        '<link rel="icon" href="data:,"></head><body><div id="app"></div>'
        '<script src="/react.js"></script><script src="/react-dom.js"></script>'
        '<script src="/shop.js"></script></body></html>'
    )
    with browsing(browser, DESKTOP) as context, open_site(context, site, box.url) as page:
        expect(page.locator(BUBBLE)).to_be_visible()
        page.click("#ask")
        frame = wait_for_panel(page)
        expect(frame.locator("#greeting")).to_contain_text("王女士")
        say(frame, "我的秘密")
        page.click("#toggle")
        page.click("#toggle")
        expect(page.locator("appliance-widget")).to_have_count(1)
        expect(frame.locator(".question")).to_have_count(1)
        page.click("#other")
        expect(frame.locator(".question")).to_have_count(0)
        expect(frame.locator("#greeting")).to_contain_text("李先生")
        keep_shot(page, "react")


@pytest.mark.parametrize("scopes", [("chat",), ("chat", "v1")])
def test_where_chatting_needs_a_key_the_page_brings_one_that_can_only_chat(
    tmp_path: Path, browser: Browser, site: Site, scopes: tuple[str, ...]
) -> None:
    may_chat = scopes == ("chat",)
    with (
        serving_box(tmp_path, site.url, chat_access="key") as box,
        browsing(browser, DESKTOP) as context,
    ):
        key = Keys(AccessFile(tmp_path / "data"), read_clock_ms).create("website", scopes)
        site.write(SHOP, box.url, f'data-key="{key}"')
        with open_site(context, site, box.url, may_fail=not may_chat) as page:
            sent: list[Request] = []
            lines: list[str] = []
            page.on("request", lambda one: sent.append(one))
            page.on("console", lambda line: lines.append(line.text))
            page.evaluate(HEAR)
            frame = open_panel(page)
            if may_chat:
                assert say(frame, "有没有雨伞") == "你说：有没有雨伞"
            else:
                frame.locator("#question").fill("有没有雨伞")
                frame.locator("#question").press("Enter")
                page.wait_for_function("heard.some(([name]) => name === 'failed')")
                assert [line for line in lines if "may do more than chat" in line]
            shown = [one for one in sent if "authorization" in one.all_headers()]
            assert {one.all_headers()["authorization"] for one in shown} == {f"Widget {key}"}
            assert all(one.url.startswith(f"{box.url}/") and key not in one.url for one in sent)
            assert key not in "".join(lines)
