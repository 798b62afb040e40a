"""A console's server that says what a test wants it to say, word for word, to the real page.

The page and its policy are the appliance's own; only the answers below `/console/` are scripted.
The rule that must not break: it has the shapes of the real routes, so what is shown here is what
an operator would be shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.customer import WATCH_POLICY, is_fault

ME = {"account": "wang", "role": "operator", "scopes": ["console"], "csrf": "c" * 64}
NAMES = ("3fa9c17be2", "b81d0c44a9", "0c52ee9f13", "77aa01d2c8", "e4b9f35610")


def build_row(number: int = 0, **changed: object) -> dict[str, Any]:
    now_ms = int(time.time() * 1000)
    return {
        "id": NAMES[number],
        "state": "bot",
        "since_ms": now_ms - 95_000,
        "last_text": "几点开门？",
        "last_role": "customer",
        "last_at_ms": now_ms - 61_000,
        "rung": "faq",
        "language": "zh",
        "assigned_to": "",
        "is_held": False,
        "is_running": False,
        "place": 0,
        "contact": "",
    } | changed


def build_message(role: str, text: str, run_id: str = "r1", **changed: object) -> dict[str, Any]:
    return {
        "role": role,
        "text": text,
        "at_ms": int(time.time() * 1000) - 60_000,
        "run_id": run_id,
        "source": None,
        "sources": [],
        "score": None,
        "rule": "",
        "verdicts": [],
        "tools": [],
        "feedback": None,
        "feedback_reason": "",
        "operator": None,
    } | changed


@dataclass
class ConsoleScript:
    """`said` are the calls that changed something, as [method, path, body]."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    csat: dict[str, Any] | None = None
    replies: list[dict[str, Any]] = field(default_factory=list)
    suggestions: list[dict[str, Any]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    thread_events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    me: dict[str, Any] | None = field(default_factory=lambda: dict(ME))
    refusals: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    said: list[tuple[str, str, Any]] = field(default_factory=list)

    def answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        method = route.request.method
        if method != "GET":
            self.said.append((method, path, json.loads(route.request.post_data or "{}")))
        for ending, (status, code, message) in self.refusals.items():
            if path.endswith(ending):
                error = {"error": {"code": code, "message": message}}
                return route.fulfill(status=status, json=error)
        if path.endswith("/me") and self.me is None:
            error = {"error": {"code": "not_authenticated", "message": "Log in."}}
            return route.fulfill(status=401, json=error)
        if path.endswith(("/login", "/setup")):
            self.me = dict(ME)
        if path.endswith("/events"):
            told = self.events if path == "/console/events" else self.thread_events
            return route.fulfill(content_type="text/event-stream", body=encode(told))
        return route.fulfill(json=self.read(path))

    def read(self, path: str) -> object:
        match path.split("/")[2:]:
            case ["me" | "login" | "setup"]:
                return self.me
            case ["conversations"]:
                counts = dict.fromkeys(("waiting", "human", "bot", "closed"), 0)
                for row in self.rows:
                    counts[row["state"]] = counts.get(row["state"], 0) + 1
                return {"conversations": self.rows, "counts": counts, "next": None}
            case ["conversations", _, "suggestions"]:
                return {"suggestions": self.suggestions}
            case ["conversations", session_key]:
                return {
                    "conversation": next(row for row in self.rows if row["id"] == session_key),
                    "messages": self.messages,
                    "last_number": 0,
                    "notes": self.notes,
                    "csat": self.csat,
                    "events": [],
                }
            case ["replies"]:
                return {"replies": self.replies}
            case ["operators"]:
                names = ("wang", "li")
                operators = [{"name": it, "role": "operator", "is_here": True} for it in names]
                return {"operators": operators, "is_held": False}
            case ["search"]:
                return {"found": self.found, "is_cut": False}
            case _:
                return {}


def encode(events: list[tuple[str, dict[str, Any]]]) -> str:
    frames = [f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events]
    return ": ping\n\n" + "".join(frames)


@contextmanager
def opening_console(
    browser: Browser, url: str, script: ConsoleScript, **options: Any
) -> Iterator[Page]:
    """The console's page of one operator; at its end nothing may have gone wrong."""
    chosen: dict[str, Any] = {"locale": "zh-CN", "viewport": {"width": 1280, "height": 800}}
    context: BrowserContext = browser.new_context(**(chosen | options))
    page = context.new_page()
    faults: list[str] = []
    page.add_init_script(WATCH_POLICY)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if is_fault(line.text) else None)
    page.on(
        "request",
        lambda sent: None if sent.url.startswith((url, "data:")) else faults.append(sent.url),
    )
    page.route(f"{url}/console/**", script.answer)
    page.goto(f"{url}/web/console/index.html")
    try:
        yield page
    finally:
        context.close()
    assert faults == []


def open_first(page: Page) -> None:
    page.locator(".rows .row").first.click()
    expect(page.locator(".thread-head h2")).to_be_visible()
