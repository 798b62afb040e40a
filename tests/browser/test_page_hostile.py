"""What is hostile stays text, wherever it comes from: people, files, tools, models, the server.

Each page here also fails on a breach of its policy and on any request that leaves the appliance.
The rule that must not break: 0 scripts run, 0 foreign elements, 0 links but to the web, to mail
and to telephones.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from appliance.engine.scripted import Line, ScriptedEngine
from tests.browser.customer import NEEDS_CHROMIUM, open_page, send, wait_for_answer
from tests.browser.payloads import AWAY, PAYLOADS
from tests.scripted_house import HouseServer, answer, choose_settings, serving

pytestmark = NEEDS_CHROMIUM

MAX_CHARS = 1900
# What the page brings along stands in its head and at its end, where no message ever stands.
OURS = (
    "svg[aria-hidden=true]:not([onload]), svg[aria-hidden=true] *, "
    "head > style, head > script, body > script"
)
FOREIGN = f"""() => [...document.querySelectorAll(
  "img, script:not([src^='/web/']), iframe, object, embed, base, style, " +
  "form:not(.composer):not(.past-acts):not(.contact-form), " +
  "video, audio, marquee, math, svg, svg *, [onload], [onerror], [onclick], [onfocus], " +
  "[ontoggle], [style*='url'], meta[http-equiv], link:not([href^='/web/'])")]
  .filter((part) => !part.matches("{OURS}"))
  .map((part) => part.outerHTML)"""
HREFS = """() => [...document.querySelectorAll("main a, dialog a")]
  .map((link) => link.getAttribute("href")).filter((href) => href !== null)"""


WRITE_MARKUP = """() => {
  try {
    document.createElement("p").insertAdjacentHTML("beforeend", "<b>x</b>");
  } catch (error) {
    return error.name;
  }
}"""


def check(page: Page, text: str = "") -> None:
    assert page.evaluate("window.xss") is None
    assert page.evaluate(FOREIGN) == []
    for href in page.evaluate(HREFS):
        assert href.startswith(("https:", "http:", "mailto:", "tel:")), href
    assert page.evaluate("location.pathname + location.search + location.hash") == "/"
    if text:
        expect(page.locator("body")).to_contain_text(text)


def gather() -> Iterator[str]:
    """All payloads, in as few messages as they fit into."""
    batch = ""
    for payload in PAYLOADS:
        if len(batch) + len(payload) > MAX_CHARS:
            yield batch
            batch = ""
        batch += payload + "\n\n"
    yield batch


def fulfil_history(page: Page, messages: list[dict[str, object]]) -> None:
    history = {"messages": messages, "running": None, "handoff": "bot", "event_id": 0}

    def tell(route: Route) -> None:
        route.fulfill(json=history) if route.request.method == "GET" else route.continue_()

    page.route("**/sessions/*/messages", tell)
    page.evaluate("localStorage.setItem('appliance.session', 'known')")


def say(role: str, text: str, **fields: object) -> dict[str, object]:
    return {"role": role, "text": text, "run_id": "r", "created_ms": 1, **fields}


def frame(number: int, name: str, /, **fields: object) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps({'run_id': 'r', **fields})}\n\n"


def test_there_are_enough_of_them() -> None:
    assert len(set(PAYLOADS)) >= 60


def test_what_a_customer_types_and_an_honest_model_repeats(page: Page) -> None:
    for number, batch in enumerate(gather(), start=1):
        send(page, batch)
        wait_for_answer(page, number)
        check(page)
    page.reload()
    expect(page.locator(".bubble").first).to_contain_text("<script>xss=1</script>")
    check(page)


def test_what_a_hostile_model_says(browser: Browser, tmp_path: Path) -> None:
    batches = list(gather())

    def speak(question: str) -> list[Line]:
        return list(batches[int(question.removeprefix("说第"))])

    settings = choose_settings(tmp_path).model_copy(update={"max_new_tokens": 4096})
    with (
        serving(settings, ScriptedEngine(speak)) as server,
        open_page(browser, server.url) as page,
    ):
        for number in range(len(batches)):
            send(page, f"说第{number}")
            wait_for_answer(page, number + 1)
            check(page)


def test_what_the_owner_s_files_hold(browser: Browser, tmp_path: Path) -> None:
    settings = choose_settings(tmp_path)
    batches = list(gather())
    with (settings.knowledge / "faq.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("question", "answer", "links"))
        for number, batch in enumerate(batches):
            rows.writerow((f"第{number}条规定", batch, "javascript:xss=1"))
        rows.writerow(("<img src=x onerror=xss=1>怎么洗", "用水洗。", f"{AWAY}/wash"))
    (settings.knowledge / "<img src=x onerror=xss=1>.md").write_text(
        "# <svg onload=xss=1>\n\n雨伞保修三年，从买的那天算起 <script>xss=1</script>。\n", "utf-8"
    )
    with (
        serving(settings, ScriptedEngine(answer)) as server,
        open_page(browser, server.url) as page,
    ):
        questions = [f"第{number}条规定" for number in range(len(batches))]
        for number, question in enumerate([*questions, "怎么洗", "雨伞保修多久"], start=1):
            send(page, question)
            wait_for_answer(page, number)
            page.locator(".label").last.click()
            check(page)


@pytest.mark.parametrize("place", ["text", "source", "origin", "error"])
def test_what_the_history_holds(page: Page, place: str) -> None:
    """Past every guard of the server, as if its database had been written by somebody else."""
    messages: list[dict[str, object]] = []
    for number, payload in enumerate(PAYLOADS):
        run = {"run_id": f"r{number}"}
        fields: dict[str, object] = {"source": "tool", "label": payload, **run}
        if place == "source":
            cited = {"kind": payload, "title": payload, "quote": payload, "href": payload}
            fields |= {"sources": [cited, cited | {"quote": ""}]}
        elif place == "origin":
            fields |= {"source": payload, "rule": payload, "suggestions": [payload, payload]}
            fields |= {"finish_reason": payload}
        elif place == "error":
            fields |= {"error": {"code": payload, "message": payload}}
        text = payload if place == "text" else "x"
        messages += [say("customer", payload, **run), say("assistant", text, **fields)]
    fulfil_history(page, messages)
    page.reload()
    expect(page.locator(".message")).to_have_count(2 * len(PAYLOADS))
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    check(page)
    page.click("#open-past")
    page.fill("#past-query", "<script>")
    expect(page.locator("mark")).to_contain_text("<script>")
    check(page)


def test_what_a_stream_of_events_holds(page: Page) -> None:
    """Tools, notices, tokens and roles of tomorrow, with every payload in every field."""
    frames, number = [], 0
    for payload in PAYLOADS:
        named = {"name": payload, "title": payload, "state": payload}
        for name, fields in (
            ("message", {"role": "customer", "text": payload}),
            ("tool", named),
            ("tool", named | {"state": "confirm"}),
            ("notice", {"code": payload, "text": payload}),
            ("handoff", {"state": payload}),
            ("token", {"text": payload}),
            ("error", {"code": payload, "message": payload}),
            ("message", {"role": payload, "text": payload}),
        ):
            number += 1
            frames.append(frame(number, name, **fields))
    body = "".join(frames)
    fulfil_history(page, [])
    page.route(
        "**/events*",
        lambda route: route.fulfill(body=body, headers={"Content-Type": "text/event-stream"}),
    )
    page.reload()
    expect(page.locator(".bubble")).to_have_count(len(PAYLOADS))
    check(page)


def test_what_the_appliance_says_of_itself(page: Page) -> None:
    nasty = "\n".join(PAYLOADS)
    readiness = page.evaluate("async () => (await fetch('/readyz')).json()")
    told = readiness | {
        "ready": False,
        "version": nasty,
        "notes": list(PAYLOADS),
        "model": {"name": nasty, "phase": "unavailable", "reason": nasty, "remedy": nasty},
        "store": {"state": "unavailable", "reason": nasty},
    }
    page.route("**/readyz", lambda route: route.fulfill(json=told))
    contact = {"handoff": "waiting", "message": nasty}
    page.route("**/handoff", lambda route: route.fulfill(json=contact))
    page.click("#open-about")
    expect(page.locator("#about-notes li")).to_have_count(len(PAYLOADS))
    check(page)
    page.keyboard.press("Escape")
    page.click("#call-person")
    expect(page.locator("#handoff")).to_contain_text("<script>")
    check(page)


def test_what_stands_in_the_browser_s_storage(page: Page) -> None:
    entries = [{"id": payload, "name": payload} for payload in PAYLOADS]
    page.evaluate("text => localStorage.setItem('appliance.past', text)", json.dumps(entries))
    for key in ("theme", "language", "session"):
        page.evaluate("key => localStorage.setItem(`appliance.${key}`, '<img src=x>')", key)
    page.route(
        "**/sessions/*/messages",
        lambda route: route.fulfill(json={"messages": [say("customer", "x")]}),
    )
    page.reload()
    page.click("#open-past")
    expect(page.locator(".past-item").nth(len(PAYLOADS) - 1)).to_be_visible()
    check(page)


def test_the_policy_of_the_page_allows_no_script_and_no_markup_of_others(
    browser: Browser, scripted_server: HouseServer[ScriptedEngine]
) -> None:
    page = browser.new_page()
    answer = page.goto(scripted_server.url)
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    for part in ("default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"):
        assert part in policy
    assert "unsafe" not in policy
    assert page.evaluate(WRITE_MARKUP) == "TypeError"
    page.close()
