"""The chat page in a headless Chromium at a quarter of this machine's speed: weight, paint, jank.

    .venv/bin/python -m benchmarks.page            prints the table

The server is the real one with scripted answers and runs on the same machine, so the figures are
what a slow telephone would see of a box that has other things to do. `page_paint.py` tells what is
counted of a paint. Run it while the machine does nothing else.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from appliance.engine.scripted import Line, ScriptedEngine, Wait
from benchmarks.page_paint import STANDING, open_inside, paint, serve_apart
from tests.browser.conftest import FLAGS
from tests.browser.customer import CHROMIUM
from tests.scripted_house import choose_settings, serving

SLOWER = 4
PAINT_ROUNDS = 9
TOKENS = 2000
TOKEN_S = 0.015
TOKEN_CHARS = 2
LENGTHS = ("max_new_tokens", "max_new_tokens_cap")
MAX_BYTES = 60_000
MAX_PAINT_MS = 300
MAX_TASK_MS = 50

PARAGRAPH = """\
## 怎样挑选一双合适的鞋

先量一量脚的长和宽，**下午量更准**，因为脚会胀。然后看看平时走什么路，再定底子的软硬。

- 走平地：底子软一点，穿着不累，一天走下来脚也不酸。
- 走山路：底子硬一点，纹路深一点，下雨也不容易滑倒。

| 脚长 | 尺码 |
|---|---|
| 短一些 | 小码 |
| 长一些 | 大码 |

```python
def choose(length):
    return "big" if length > "long" else "small"
```

最后穿上走几步，前面要有一个手指的空，后跟不能掉，两只脚都要试过才算数。

"""
LAST = ("readyz", "web/icon.svg", "web/speech.js", "web/speech_words.js")
QUESTION = "请写一篇长文章"

# A task ends long after its entry is told, so the observer stands before the page's own scripts.
WATCH_TASKS = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) {
    window.longTasks.push([startTime, duration]);
  }
}).observe({ type: "longtask", buffered: true });
"""
# One wait that polls nothing: looking into a slowed page is itself a long task.
WAIT_FOR_ANSWER = """() => new Promise((resolve) => {
  const look = () => document.querySelector(".acts:not([hidden])") && resolve();
  new MutationObserver(look).observe(document.querySelector("#transcript"), {
    subtree: true, attributeFilter: ["hidden"],
  });
})"""
READ_TASKS = """() => {
  const [from, to] = ["asked", "answered"]
    .map((name) => performance.getEntriesByName(name)[0].startTime);
  return longTasks.filter(([at, duration]) => at > from && at + duration < to);
}"""


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    value: str
    bar: str
    is_met: bool


def speak(question: str) -> list[Line]:
    text = (PARAGRAPH * (TOKENS * TOKEN_CHARS // len(PARAGRAPH) + 1))[: TOKENS * TOKEN_CHARS]
    pieces = [text[start : start + TOKEN_CHARS] for start in range(0, len(text), TOKEN_CHARS)]
    return [line for piece in pieces for line in (Wait(seconds=TOKEN_S), piece)]


@contextmanager
def open_slow_page(browser: Browser) -> Iterator[tuple[Page, Any]]:
    """A new customer's, with nothing kept from before; and its line to the browser's inside."""
    context = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 780})
    page = context.new_page()
    page.add_init_script(WATCH_TASKS)
    inside = context.new_cdp_session(page)
    inside.send("Network.enable")
    inside.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    try:
        yield page, inside
    finally:
        context.close()


def measure_weight(browser: Browser, url: str) -> list[Row]:
    """What came over the line until the page was still: the files of `LAST` come last."""
    with open_slow_page(browser) as (page, inside):
        bodies: dict[str, int] = {}
        arrived: dict[str, int] = {}
        inside.on(
            "Network.responseReceived",
            lambda event: bodies.update({event["requestId"]: read_length(event["response"])}),
        )
        inside.on(
            "Network.loadingFinished",
            lambda event: arrived.update({event["requestId"]: int(event["encodedDataLength"])}),
        )
        with ExitStack() as waits:
            last = [waits.enter_context(page.expect_response(f"**/{name}")) for name in LAST]
            page.goto(url)
        for answer in last:
            answer.value.finished()
        expect(page.locator("#welcome")).to_be_visible()
    bar = f"≤ {MAX_BYTES / 1000:.0f} kB"
    return [
        Row(
            f"page with all it loads, {len(arrived)} answers, {what}",
            f"{total / 1000:.1f} kB",
            bar,
            total <= MAX_BYTES,
        )
        for what, total in (
            ("bodies", sum(bodies.values())),
            ("headers included", sum(arrived.values())),
        )
    ]


def read_length(response: dict[str, Any]) -> int:
    headers = {name.lower(): value for name, value in response["headers"].items()}
    return int(headers["content-length"])


def measure_paint() -> list[Row]:
    """In turns, so that a machine that is slow for a while is slow for all."""
    with serve_apart() as (house, floor), open_inside() as inside:
        tabs = {
            "floor": (f"{floor}/stand", f"{floor}/floor"),
            "page": (house + STANDING, f"{house}/"),
            "empty": ("", f"{house}/"),
        }
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in tabs}
        for _ in range(PAINT_ROUNDS):
            for name, (stand, address) in tabs.items():
                found[name].append(paint(inside, stand, address, SLOWER))
    paints = {name: [painted for painted, _ in pairs] for name, pairs in found.items()}
    first = statistics.median(paints["page"])
    usable = statistics.median(usable for _, usable in found["page"])
    bar = f"≤ {MAX_PAINT_MS} ms"
    return [
        Row("first paint of two words without a style", tell_paints(paints["floor"]), "-", True),
        Row(
            f"first paint at {SLOWER}× throttling",
            tell_paints(paints["page"]),
            bar,
            first <= MAX_PAINT_MS,
        ),
        Row("the same in a tab that was empty", tell_paints(paints["empty"]), "-", True),
        Row("a question can be typed", f"{usable:.0f} ms", "-", True),
    ]


def tell_paints(paints: list[float]) -> str:
    return f"{statistics.median(paints):.0f} ms ({min(paints):.0f} to {max(paints):.0f})"


def measure_stream(browser: Browser, url: str) -> list[Row]:
    with open_slow_page(browser) as (page, _inside):
        page.goto(url)
        expect(page.locator("#welcome")).to_be_visible()
        page.fill("#question", QUESTION)
        page.press("#question", "Enter")
        page.evaluate("performance.mark('asked')")
        page.evaluate(WAIT_FOR_ANSWER)
        page.evaluate("performance.mark('answered')")
        # `innerText` leaves out what is out of sight.
        chars = len(page.locator(".prose").text_content() or "")
        tasks = page.evaluate(READ_TASKS)
    longest = max((duration for _, duration in tasks), default=0.0)
    value = f"{longest:.0f} ms, {len(tasks)} above {MAX_TASK_MS} ms ({chars:,} characters shown)"
    name = f"longest task while {TOKENS:,} tokens stream at {SLOWER}× throttling"
    return [Row(name, value, f"≤ {MAX_TASK_MS} ms", longest <= MAX_TASK_MS)]


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        sync_playwright() as driver,
    ):
        settings = choose_settings(Path(folder)).model_copy(update=dict.fromkeys(LENGTHS, 8192))
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with serving(settings, ScriptedEngine(speak)) as server:
            rows = [*measure_weight(browser, server.url), *measure_stream(browser, server.url)]
        browser.close()
    rows += measure_paint()
    for row in rows:
        verdict = "ok" if row.is_met else "MISSED"
        sys.stdout.write(f"| {row.name} | {row.value} | {row.bar} | {verdict} |\n")
    return 0 if all(row.is_met for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
