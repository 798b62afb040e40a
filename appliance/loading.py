"""The last rung: the model, loaded behind a mark that counts the deaths of loading.

It loads nothing itself and opens no file; the engine and the counter are handed in. The rule
that must not break: a model that killed the process twice in a row is not loaded a third time
unless somebody asks for it, and everything else of the house works meanwhile.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import structlog

from appliance.engine import model_updates, models
from appliance.engine.engine import Engine
from appliance.errors import ModelUnavailable
from appliance.settings import Settings
from appliance.store.boot import CrashCounter, Loading, Model

RETRY = "appliance models retry"


class ModelRung:
    def __init__(self, engine: Engine, counter: CrashCounter, settings: Settings) -> None:
        self._engine = engine
        self._counter = counter
        self._settings = settings
        self._is_loading = False
        self._log = structlog.get_logger(__name__)

    async def load(self) -> None:
        """Returns when the model is ready, refused, withheld or no longer wanted."""
        await self._load()
        folder, phase = self._settings.models, self._engine.status.phase
        # A model that the settings name was chosen by no update.
        if self._settings.model:
            return
        if phase == "ready":
            await asyncio.to_thread(model_updates.confirm, folder)
        elif phase == "unavailable" and model_updates.is_unproved(folder):
            await self._go_back()

    async def _go_back(self) -> None:
        """An update whose model cannot be loaded is taken back, once."""
        reason = self._engine.status.reason
        previous = await asyncio.to_thread(model_updates.roll_back, self._settings.models)
        self._log.error("update of the model taken back", reason=reason, previous=previous)
        if previous:
            await self._load()

    async def _load(self) -> None:
        if withheld := await self._begin():
            self._engine.withhold(explain_withheld(withheld), RETRY)
            self._log.error("model withheld", reason=explain_withheld(withheld), remedy=RETRY)
            return
        self._is_loading = True
        try:
            await self._engine.start()
        finally:
            await self._clear()

    async def retry(self) -> None:
        """Load a model that was withheld or could not be had; nothing where one is there."""
        if self._engine.status.phase == "unavailable":
            self._log.info("model tried again on command")
            await self.load()

    def excuse(self) -> None:
        """An end that was asked for is no death, however it goes on. Called by a signal."""
        if self._is_loading:
            self._is_loading = False
            with suppress(OSError):
                self._counter.clear()

    async def stop(self) -> None:
        """The mark goes first: however the end goes, this load did not kill the process."""
        if self._is_loading:
            await self._clear()
        await self._engine.stop()

    async def _begin(self) -> Loading | None:
        def begin() -> Loading | None:
            return self._counter.begin(identify_model(self._settings), datetime.now(UTC))

        try:
            return await asyncio.to_thread(begin)
        except OSError as error:
            # Better a load that nobody counts than no model on a disk that takes no mark.
            self._log.warning("load of the model is not counted", error=str(error))
            return None

    async def _clear(self) -> None:
        self._is_loading = False
        with suppress(OSError):
            await asyncio.to_thread(self._counter.clear)


def identify_model(settings: Settings) -> Model:
    """Which model is about to be loaded; where there is none, what was asked for."""
    try:
        choice = models.resolve(settings)
        file = choice.path.stat()
    except (ModelUnavailable, OSError):
        return Model(name=settings.model)
    return Model(name=choice.name, mark=f"{choice.path} {file.st_size} {file.st_mtime_ns}")


def explain_withheld(loading: Loading) -> str:
    return (
        f"The appliance died {loading.deaths} times in a row while it loaded "
        f"{loading.model.name or 'the model'}, the last time soon after "
        f"{loading.began:%Y-%m-%d %H:%M} UTC; it goes on without it."
    )
