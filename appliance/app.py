"""The table of contents: every room is built here and handed what it needs.

Nothing is decided here but who gets what. The rule that must not break: the page is served
before the store is open and before the model is loaded; both come up behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from starlette.applications import Starlette

from appliance import __version__
from appliance.config import Settings
from appliance.dialogue.conversations import Conversations
from appliance.engine.engine import Engine
from appliance.errors import StoreUnavailable
from appliance.http.ops import (
    ModelReadiness,
    Readiness,
    RungState,
    StoreReadiness,
    StoreState,
)
from appliance.http.routes import build_http
from appliance.store.database import Store
from appliance.store.sealing import PLAIN
from appliance.store.sessions import Sessions

PACKAGE = Path(__file__).parent
# An installed wheel carries the page inside the package, a checkout beside it.
WEB_FOLDERS = (PACKAGE / "_web", PACKAGE.parent / "web")


class House:
    """All rooms, their opening and their closing."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.engine = engine
        self.store = Store(settings.data)
        self.sessions = Sessions(self.store, PLAIN, read_clock_ms)
        self.conversations = Conversations(engine, self.sessions, settings)
        web_folder = next(folder for folder in WEB_FOLDERS if folder.is_dir())
        self.application: Starlette = build_http(
            self.conversations, self.report, web_folder, settings, self._live
        )
        self._log = structlog.get_logger(__name__)

    def report(self) -> Readiness:
        """Which rungs can answer now, and why the others cannot."""
        status = self.engine.status
        rung: RungState = "loading"
        if status.phase == "ready" and self.store.is_open:
            rung = "ready"
        elif status.phase in ("unavailable", "stopped") or self.store.refusal:
            rung = "unavailable"
        model = ModelReadiness(
            phase=status.phase,
            id=status.model_id,
            name=status.model_name,
            reason=status.reason,
            remedy=status.remedy,
            progress=round(status.progress, 2),
            threads=status.threads,
            context_tokens=status.context_tokens,
        )
        return Readiness(
            ready=rung == "ready",
            rungs={"model": rung},
            store=StoreReadiness(self._get_store_state(), self.store.refusal),
            model=model,
            notes=(*self.store.notes, *status.notes),
            version=__version__,
        )

    def _get_store_state(self) -> StoreState:
        if self.store.refusal:
            return "unavailable"
        return "ready" if self.store.is_open else "opening"

    @asynccontextmanager
    async def _live(self, _: Starlette) -> AsyncIterator[None]:
        boot = asyncio.create_task(self._boot())
        try:
            yield
        finally:
            await self.conversations.close()
            await self.engine.stop()
            await asyncio.wait((boot,))
            await self.store.close()

    async def _boot(self) -> None:
        await asyncio.gather(self._open_store(), self.engine.start())

    async def _open_store(self) -> None:
        try:
            with suppress(StoreUnavailable):
                await self.store.open()
            interrupted = await self.conversations.recover()
        except StoreUnavailable as error:
            self._log.error("store not opened", reason=str(error))
            return
        if interrupted:
            self._log.warning("answers were interrupted by the last stop", turns=interrupted)


def read_clock_ms() -> int:
    return time.time_ns() // 1_000_000
