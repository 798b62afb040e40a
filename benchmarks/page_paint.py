"""When the first words of a page stand on the screen of a slowed Chromium.

    .venv/bin/python -m benchmarks.page_paint    serves a page of two words beside the house's

What is measured is the page: its bytes over the line, its parsing, its styles, its scripts, its
layout and its painting, as the page's own clock counts them from the press of the link. What is not
in it, because it is the browser's or the harness': no driver stands in the page (no script before
its own, no second world, nothing evaluated before the paint), the server is a process of its own,
and the tab stands on another page of the same box, for to start a process for a new site is what a
browser has done before a customer presses. Nothing of the page is kept from before. That start is
in the row of a tab that was empty, and what Chromium needs for two Chinese words in the other.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from uvicorn import Config, Server
from websockets.sync.client import ClientConnection, connect

from appliance.engine.scripted import ScriptedEngine
from appliance.http.pages import Pages
from appliance.http.shield import SecurityHeaders
from tests.browser.conftest import FLAGS
from tests.browser.customer import CHROMIUM
from tests.scripted_house import answer, choose_settings, serving

# A page that is there, is ours, and has nothing of the chat page's.
STANDING = "/web/widget_refused.html"
FLOOR = '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>x</title><p>您好</p></html>'
PHONE = {"width": 390, "height": 780, "deviceScaleFactor": 1, "mobile": True}
# Asked once the paint is done; its entry may come a moment after it.
READ_PAINT = """new Promise((resolve) => new PerformanceObserver((list) => {
  const paint = list.getEntriesByName("first-contentful-paint")[0];
  if (paint) resolve(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""
IS_USABLE = """new Promise((resolve) => {
  const look = () => document.querySelector("#welcome:not([hidden])") && resolve();
  const all = { subtree: true, childList: true, attributes: true };
  new MutationObserver(look).observe(document, all);
  look();
}).then(() => performance.now())"""
WAIT_S = 30.0


class Inside:
    """A line to the browser's inside, with nobody else on it."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._number = 0
        self._news: list[dict[str, Any]] = []

    def call(self, method: str, tab: str = "", **params: object) -> dict[str, Any]:
        self._number += 1
        call = {"id": self._number, "method": method, "params": params}
        self._line.send(json.dumps(call | ({"sessionId": tab} if tab else {})))
        while (message := self._take()).get("id") != self._number:
            self._news.append(message)
        result: dict[str, Any] = message["result"]
        return result

    def wait_lifecycle(self, tab: str, name: str, loader: str) -> None:
        while not any(
            news.get("sessionId") == tab
            and news["params"].get("name") == name
            and news["params"].get("loaderId") == loader
            for news in self._news
        ):
            self._news.append(self._take())

    def evaluate(self, tab: str, expression: str) -> float:
        said = self.call(
            "Runtime.evaluate", tab, expression=expression, awaitPromise=True, returnByValue=True
        )
        return float(said["result"]["value"])

    def forget(self) -> None:
        self._news.clear()

    def _take(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._line.recv(WAIT_S))
        return message


@contextmanager
def open_inside() -> Iterator[Inside]:
    """A Chromium of its own."""
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}")
        command = [str(CHROMIUM), *FLAGS, *flags, "about:blank"]
        chromium = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert chromium.stderr is not None
            found = (re.search(r"listening on (ws://\S+)", line) for line in chromium.stderr)
            address = next(it[1] for it in found if it)
            with connect(address, max_size=None) as line:
                inside = Inside(line)
                yield inside
                inside.call("Browser.close")
            chromium.wait(WAIT_S)
        finally:
            chromium.terminate()


@contextmanager
def serve_apart() -> Iterator[tuple[str, str]]:
    """The addresses of a house and of a page of two words, served by a process of its own."""
    command = [sys.executable, "-m", "benchmarks.page_paint"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as served:
        assert served.stdin is not None
        assert served.stdout is not None
        try:
            said = (line.split() for line in served.stdout)
            house, floor = next(words[1:] for words in said if words[:1] == ["serving"])
            yield house, floor
        finally:
            served.stdin.close()


def paint(inside: Inside, stand: str, address: str, slower: int) -> tuple[float, float]:
    """Milliseconds to the first paint, and, of the chat page, until it takes a question; else 0."""
    context = inside.call("Target.createBrowserContext")["browserContextId"]
    target = inside.call("Target.createTarget", url="about:blank", browserContextId=context)
    tab = inside.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)[
        "sessionId"
    ]
    inside.call("Page.enable", tab)
    inside.call("Page.setLifecycleEventsEnabled", tab, enabled=True)
    inside.call("Emulation.setDeviceMetricsOverride", tab, **PHONE)
    inside.call("Emulation.setLocaleOverride", tab, locale="zh-CN")
    if stand:
        loader = inside.call("Page.navigate", tab, url=stand)["loaderId"]
        inside.wait_lifecycle(tab, "networkIdle", loader)
    inside.call("Emulation.setCPUThrottlingRate", tab, rate=slower)
    inside.forget()
    loader = inside.call("Page.navigate", tab, url=address)["loaderId"]
    inside.wait_lifecycle(tab, "firstContentfulPaint", loader)
    is_chat = not address.endswith("/floor")
    usable = inside.evaluate(tab, IS_USABLE) if is_chat else 0.0
    painted = inside.evaluate(tab, READ_PAINT)
    inside.call("Target.disposeBrowserContext", browserContextId=context)
    return painted, usable


@contextmanager
def serve_floor(folder: Path) -> Iterator[str]:
    """By the same parts of the appliance that send its pages."""
    (folder / "index.html").write_text(FLOOR, "utf-8")
    show = Pages(folder).show_index
    routes = [Route("/stand", show), Route("/floor", show)]
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)])
    server = Server(Config(app, log_level="error"))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def main() -> None:
    """Until the one who started it lets go of its standard input."""
    quiet = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(wrapper_class=quiet)
    with tempfile.TemporaryDirectory() as folder:
        settings = choose_settings(Path(folder))
        with (
            serving(settings, ScriptedEngine(answer)) as house,
            tempfile.TemporaryDirectory() as floor_folder,
            serve_floor(Path(floor_folder)) as floor,
        ):
            print("serving", house.url, floor, flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
