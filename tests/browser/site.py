"""Somebody else's web site, with the widget on its pages, for tests.

It is served from `localhost`, the appliance from `127.0.0.1`: another site to the browser, not only
another port. The rule that must not break: a page of it fails its test on a script error, a breach
of a content security policy, or a request to anybody but the site and the appliance.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    FrameLocator,
    Page,
    expect,
)

from appliance.engine.scripted import ScriptedEngine
from tests.browser.customer import WATCH_POLICY, is_fault
from tests.scripted_house import HouseServer, answer, choose_settings, serving

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
PHONE = {"width": 390, "height": 700}
DESKTOP = {"width": 1280, "height": 800}
SECRET = "a secret of the shop's site and of nobody else"


@dataclass
class Site:
    """`files` by their address, `headers` for each of them. `near` is the same from the address
    of the appliance, on another port: another origin to the browser, and not another site."""

    url: str
    near: str
    files: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def write(self, body: str, box: str, attributes: str = "", head: str = "") -> None:
        """The page at `/`, in Chinese, with the loader at its end."""
        script = f'<script src="{box}/widget.js" {attributes}></script>'
        self.files["/"] = (
            '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width"><title>店</title>'
            f'<link rel="icon" href="data:,">{head}</head><body>{body}{script}</body></html>'
        )


@contextmanager
def serving_site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = site.files.get(self.path.partition("?")[0])
            content = (text or "").encode()
            suffix = Path(self.path).suffix or ".html"
            self.send_response(404 if text is None else 200)
            self.send_header("Content-Type", TYPES.get(suffix, "text/plain"))
            self.send_header("Content-Length", str(len(content)))
            for name, value in site.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_address[1]
    site = Site(f"http://localhost:{port}", f"http://127.0.0.1:{port}")
    thread = threading.Thread(target=server.serve_forever, name="site")
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_box(
    folder: Path, origins: str, **changes: object
) -> Iterator[HouseServer[ScriptedEngine]]:
    wishes = {"widget_origins": origins, "widget_secret": SECRET, **changes}
    settings = type(choose_settings(folder)).model_validate(
        choose_settings(folder).model_dump() | wishes
    )
    with serving(settings, ScriptedEngine(answer)) as server:
        yield server


@contextmanager
def open_site(
    context: BrowserContext,
    site: Site,
    *boxes: str,
    url: str | None = None,
    may_fail: bool = False,
) -> Iterator[Page]:
    page = context.new_page()
    faults: list[str] = []
    known = (site.url, site.near, *boxes, "data:")
    page.add_init_script(WATCH_POLICY)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if is_fault(line.text) else None)
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(known) else faults.append(sent.url),
    )
    page.goto(url or site.url)
    yield page
    page.close()
    assert may_fail or faults == []


@contextmanager
def browsing(
    browser: Browser, size: Mapping[str, int] = PHONE, scheme: str = "light", scale: int = 1
) -> Iterator[BrowserContext]:
    """One visitor, as in a private window: a frame of another site may store nothing there."""
    context = browser.new_context(
        locale="zh-CN",
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=scale,
    )
    # Open roots: a test has to look in where a page must not.
    context.add_init_script(
        "const attach = Element.prototype.attachShadow;"
        "Element.prototype.attachShadow = function (how) {"
        " return attach.call(this, { ...how, mode: 'open' }); };"
    )
    try:
        yield context
    finally:
        context.close()


def open_panel(page: Page) -> FrameLocator:
    page.locator("appliance-widget .bubble").click()
    return wait_for_panel(page)


def wait_for_panel(page: Page) -> FrameLocator:
    frame = page.frame_locator("appliance-widget iframe")
    expect(frame.locator("#question")).to_be_visible()
    return frame


def say(frame: FrameLocator, text: str, number: int = 1) -> str:
    """Ask in the panel; the answer, the `number`th of it."""
    frame.locator("#question").fill(text)
    frame.locator("#question").press("Enter")
    return read_answer(frame, number)


def read_answer(frame: FrameLocator, number: int = 1) -> str:
    answered = frame.locator(".answer").nth(number - 1)
    expect(answered.locator(".copy")).to_be_visible(timeout=30_000)
    return answered.locator(".prose").inner_text()
