"""The whole appliance for tests, without a model: a script, engines, a server in a thread.

It is not a test. The server is a real uvicorn on a free port of 127.0.0.1 and ends in order. The
rule that must not break: it never waits for a time-out, neither at its start nor at its end.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeVar

from appliance.app import House
from appliance.engine.engine import Engine
from appliance.engine.scripted import Fail, Line, Script, ScriptedEngine, Wait
from appliance.evaluation import wait_indexed
from appliance.server import Server
from appliance.settings import Settings
from appliance.settings_file import SettingsFile
from appliance.store.access_file import AccessFile
from appliance.store.keys import Keys
from appliance.vault import read_clock_ms
from tests.limits import WITHOUT_LIMITS

PACE_S = 0.02
PIECE_CHARS = 4
NO_MODEL = "The model Scripted is not in models yet."

STEPS = "".join(
    f"- **第{number}步**：请先看一看包装，再数一数里面的东西，有缺的就告诉我们，不要着急。\n"
    for number in "一二三四五"
)
LONG_ANSWER = f"""\
# 退货说明

您好，下面是退货的办法，请一步一步来做，每一步都不难，做完以后我们会很快把钱退给您。

{STEPS}
写订单的时候可以照着这个样子写，写在纸上或者写在这里都可以：

```python
order = {{"number": 1234, "reason": "尺寸不合适"}}
print(order)
```

如果还有不清楚的地方，随时都可以问我，我会一直在这里；要找人工客服，请在我们开门的时候说一声。
"""

AnyEngine = TypeVar("AnyEngine", bound=Engine)


def answer(question: str) -> list[Line]:
    """A "坏" breaks in mid-sentence, a "长" is long and Markdown, all else is said back."""
    if "坏" in question:
        return [*pace("第一句说完了。这句话只说到一", 1), Fail()]
    if "长" in question:
        return pace(LONG_ANSWER, PIECE_CHARS)
    return pace(f"你说：{question}", 1)


def pace(text: str, chars: int) -> list[Line]:
    """`text` in pieces of `chars` characters, at the pace of a small computer."""
    lines: list[Line] = []
    for start in range(0, len(text), chars):
        lines += [Wait(seconds=PACE_S), text[start : start + chars]]
    return lines


def choose_settings(folder: Path) -> Settings:
    """For a house in `folder` whose long answer is not cut: here a token is a character. The shop
    has written nothing, so what no rule answers is the model's."""
    knowledge = folder / "knowledge"
    knowledge.mkdir(exist_ok=True)
    settings = Settings(data=folder / "data", knowledge=knowledge, max_new_tokens=512)
    return settings.model_copy(update=WITHOUT_LIMITS)


def heed_signals() -> None:
    """In a child before its program begins. Whoever runs the tests in the background of a shell
    ignores these signals, and a child would inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class LoadingEngine(ScriptedEngine):
    """It loads until the test sets `loaded`, or until it is stopped."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.loaded = asyncio.Event()

    async def start(self) -> None:
        await self.loaded.wait()
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        self.loaded.set()


class HouseServer(Server, Generic[AnyEngine]):
    """A house that listens, on an event loop in a thread of its own."""

    def __init__(
        self, settings: Settings, engine: AnyEngine, file: SettingsFile | None = None
    ) -> None:
        self.house = House(settings, engine, settings_file=file)
        super().__init__(self.house)
        self.engine = engine
        self._data = settings.data
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.event_loop = asyncio.new_event_loop()
        self.is_settled = threading.Event()

    def call(self, action: Callable[[], object]) -> None:
        """Let `action` happen in the server's thread."""
        self.event_loop.call_soon_threadsafe(action)

    @cached_property
    def key(self) -> str:
        """One that opens the interface for programs."""
        keys = Keys(AccessFile(self._data), read_clock_ms)
        return keys.create("tests", ("v1",))

    def wait_ready(self, timeout_s: float) -> None:
        """Raises ModelUnavailable when the model will not come."""
        ready = asyncio.run_coroutine_threadsafe(self.engine.wait_ready(), self.event_loop)
        ready.result(timeout_s)

    def wait_indexed(self, timeout_s: float = 60.0) -> None:
        """Until the vectors are there: by words alone, a tiny shop offers its entries for almost
        anything."""
        indexed = asyncio.run_coroutine_threadsafe(wait_indexed(self.house), self.event_loop)
        indexed.result(timeout_s)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of them: only the main thread can."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_settled.set()

    def live(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self.event_loop) as runner:
                runner.run(self.serve(sockets=[self.listener]))
        finally:
            self.is_settled.set()


@contextmanager
def serving(
    settings: Settings, engine: AnyEngine, file: SettingsFile | None = None
) -> Iterator[HouseServer[AnyEngine]]:
    server = HouseServer(settings, engine, file)
    thread = threading.Thread(target=server.live, name="house")
    thread.start()
    try:
        server.is_settled.wait()
        assert server.started, "the house did not open"
        if settings.knowledge.is_dir() and any(settings.knowledge.iterdir()):
            server.wait_indexed()
        yield server
    finally:
        server.should_exit = True
        thread.join()
