"""The table of contents: every room is built here and handed what it needs.

Nothing is decided here but who gets what, and in which order the rungs come up: the page, the
store, the model. The rule that must not break: no rung waits for a later one, and none that
fails takes an earlier one along.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware

from appliance import __version__
from appliance.admission import Admission
from appliance.background import watch
from appliance.dialogue.conversations import Conversations
from appliance.dialogue.identity import Identities
from appliance.engine.engine import Engine
from appliance.errors import StoreUnavailable
from appliance.http.access_log import watch_requests
from appliance.http.metrics import Figures
from appliance.http.ops import Readiness, RungState, StoreReadiness, describe_model
from appliance.http.process import find_start_s
from appliance.http.request_log import RequestLog
from appliance.http.routes import build_http
from appliance.interface import Interface
from appliance.knowing import KnowledgeRung
from appliance.loading import ModelRung
from appliance.measuring import Meters
from appliance.overseeing import Adjusting, Overseeing, Seeing
from appliance.patience import wait_at_most
from appliance.reloading import Reloading
from appliance.settings import Settings
from appliance.settings_file import SettingsFile
from appliance.staff import Staff
from appliance.store.boot import CrashCounter
from appliance.store.connections import DISK_IS_FULL
from appliance.store.database import Store, StoreState
from appliance.store.events import EventLog
from appliance.store.handoffs import Owners
from appliance.store.identities import IdentityRows
from appliance.store.live import LiveLog
from appliance.store.recovery import Unfinished
from appliance.store.sessions import Sessions
from appliance.teaching import Teaching
from appliance.vault import Vault, list_jobs, read_clock_ms

if TYPE_CHECKING:
    from appliance.dialogue.answering import Answering
    from appliance.dialogue.ladder import Ladder
    from appliance.knowledge.library import Library

PACKAGE = Path(__file__).parent
# An installed wheel carries the page inside the package, a checkout beside it.
WEB_FOLDERS = (PACKAGE / "_web", PACKAGE.parent / "web")
# The store has the disk to itself so long; a large one is then checked beside the loading model.
HEAD_START_S = 2.0
LOG_PAUSE_S = 5.0
# A full store can be read, but nothing that is said can be kept, so nothing is answered.
STORE_RUNGS: Mapping[StoreState, RungState] = {
    "opening": "loading",
    "ready": "ready",
    "full": "unavailable",
    "unavailable": "unavailable",
}


class House:
    """All rooms, their opening and their closing."""

    def __init__(
        self,
        settings: Settings,
        engine: Engine,
        vault: Vault | None = None,
        read_seconds: Callable[[], float] = time.monotonic,
        settings_file: SettingsFile | None = None,
    ) -> None:
        """Without a `settings_file` nothing of it is read again or changed."""
        self.engine = engine
        self.settings_file = settings_file
        self._settings = settings
        self.store = Store(settings.data)
        self.vault = vault = vault or Vault(settings)
        self.store.on_open.append(lambda _: vault.unlock())
        engine.seal_with(vault.seal_state, vault.open_state)
        seals, clock = vault.keyring.seals, vault.clock
        self._events = EventLog(self.store, LiveLog(settings.data, seals), seals)
        self.sessions = Sessions(
            self.store, self._events, seals, read_clock_ms, clock.read_house_ms, vault.accounts
        )
        owners = Owners(self.store, self._events, read_clock_ms)
        self.knowledge = KnowledgeRung(settings, engine, may_work=self._is_idle)
        self.conversations = Conversations(engine, self.sessions, owners, self._events, settings)
        self._answering: Answering | None = None
        self.closing, self._is_closing = "", False
        self._life: asyncio.Task[None] | None = None
        self._model = ModelRung(engine, CrashCounter(settings.data), settings)
        self._started_at_s = find_start_s()
        self._ready_ms: dict[str, int] = {}
        jobs = list_jobs(settings, self.store, vault, self.conversations.drop)
        self.reloading = Reloading(settings, jobs)
        self._running_jobs: list[asyncio.Task[None]] = []
        self._identities = Identities(
            IdentityRows(self.store, seals), settings.widget_secret.get_secret_value()
        )
        self.admission = Admission(settings, read_clock_ms)
        self.interface = Interface(
            engine, self.conversations, settings, self.knowledge, self.admission.rates
        )
        self.staff = self._employ(owners, read_seconds)
        self.teaching = Teaching(settings, self.store, vault, self.knowledge)
        self.overseeing = self._oversee()
        self._jobs = (*jobs, self.staff, self.overseeing.telling)
        self.application = self._build_application()
        requests = watch_requests(self.application)
        self._meters = Meters(
            engine, self.conversations, self.sessions, self._events, self.store, requests
        )
        self._log = structlog.get_logger(__name__)

    def _build_application(self) -> Starlette:
        rooms = (self.admission, self.interface, self.staff, self.teaching, self.overseeing)
        return build_http(
            self.conversations,
            self._identities,
            self.report,
            self.measure,
            next(folder for folder in WEB_FOLDERS if folder.is_dir()),
            self._settings,
            self._live,
            [operation for room in rooms for operation in room.operations],
            self.admission.check,
            self.admission.rates,
            [Middleware(RequestLog, note=self.vault.network_log.note)],
        )

    def _employ(self, owners: Owners, read_seconds: Callable[[], float]) -> Staff:
        settings, find, talks = self._settings, self.knowledge.find_library, self.conversations
        rooms = (self.store, self._events, owners, self.sessions)
        return Staff(settings, rooms, self.vault, talks, self.admission, find, read_seconds)

    def _oversee(self) -> Overseeing:
        beside = (self.store, self.vault, self.admission, self.knowledge)
        desk, file = self.staff.desk, self.settings_file
        late = self.teaching.read_wordings
        adjusting = Adjusting(self.engine, self.reloading, file, desk, late)
        return Overseeing(self._settings, *beside, adjusting, Seeing(self.measure, self.report))

    def take_folder(self) -> None:
        """Keep every other appliance off the data folder, before anything is served.

        Raises StoreUnavailable where one is there, and for a wrong master key. A folder that
        cannot be used at all is no reason to end: the store says so when it opens."""
        try:
            self.store.lock()
            self.vault.unlock()
        except StoreUnavailable as error:
            if not isinstance(error.__cause__, OSError):
                raise

    @property
    def library(self) -> Library:
        """For whoever measures what it finds."""
        return self.knowledge.library

    def report(self) -> Readiness:
        """Which rungs can answer now, and why the others cannot."""
        status = self.engine.status
        rungs = self._list_rungs()
        reason = DISK_IS_FULL if self.store.state == "full" else self.store.refusal
        return Readiness(
            ready=rungs["model"] == "ready",
            rungs=rungs,
            store=StoreReadiness(self.store.state, reason),
            model=describe_model(status),
            notes=(
                *self.vault.notes,
                *self.store.notes,
                *self.knowledge.notes,
                *status.notes,
            ),
            version=__version__,
            ready_ms=self._note_ready(),
            questions=self.knowledge.questions,
            chat_access=self._settings.chat_access,
            max_message_chars=self._settings.max_message_chars,
        )

    def measure(self) -> Figures:
        """Every number of the appliance at this moment."""
        rungs, vectors = self._list_rungs(), self.knowledge.vectors
        return self._meters.measure(rungs, vectors, self._measure_age_s())

    def excuse_loading(self) -> None:
        """The process is asked to end while the model may still load."""
        self._model.excuse()

    async def retry_model(self) -> None:
        """Try again a model that was withheld or refused; returns when that is settled."""
        await self._model.retry()
        self._note_ready()
        await self._prepare_recent()

    def _list_rungs(self) -> dict[str, RungState]:
        """In the order in which they come up."""
        phase = self.engine.status.phase
        store = STORE_RUNGS[self.store.state]
        if store == "ready" and not self._events.is_open:
            store = "loading"
        model: RungState = "loading"
        if phase == "ready" and store == "ready":
            model = "ready"
        elif phase in ("unavailable", "stopped") or store == "unavailable":
            model = "unavailable"
        # Without a store nothing that is answered could be kept.
        knowledge = self.knowledge.state if store == "ready" else store
        return {"page": "ready", "store": store, "knowledge": knowledge, "model": model}

    def _is_idle(self) -> bool:
        return not self.conversations.measure().running

    def _measure_age_s(self) -> float:
        return time.monotonic() - self._started_at_s

    def _note_ready(self) -> dict[str, int]:
        """When each rung came up that ever did; called when one may have."""
        for name, state in self._list_rungs().items():
            if state == "ready":
                self._ready_ms.setdefault(name, round(self._measure_age_s() * 1000))
        return dict(self._ready_ms)

    @asynccontextmanager
    async def _live(self, _: Starlette) -> AsyncIterator[None]:
        self._note_ready()
        # uvicorn keeps no hold of the task that this is: while it waits, it could be collected.
        self._life = asyncio.current_task()
        boot = watch(self._boot())
        try:
            yield
        finally:
            await self._close(boot)

    async def _boot(self) -> None:
        store = asyncio.create_task(self._open_store())
        knowledge = asyncio.create_task(self._open_knowledge())
        await asyncio.wait((store, knowledge), timeout=HEAD_START_S)
        await self._model.load()
        self._note_ready()
        await store
        await knowledge
        await self._prepare_recent()

    async def _prepare_recent(self) -> None:
        """Once all rungs are settled; whoever goes on then finds the history read."""
        if self._answering is not None:
            await self._answering.prepare_recent()

    async def _open_knowledge(self) -> None:
        ladder = await self.knowledge.build(self.conversations.handoffs, self.sessions.facts)
        self._answering = await asyncio.to_thread(self._build_answering, ladder)
        self.reloading.join(self._answering)
        self.conversations.give(self._answering)
        await self.knowledge.open()
        self._note_ready()

    def _build_answering(self, ladder: Ladder) -> Answering:
        from appliance.dialogue.answering import Answering

        find_visitor = self._identities.find_visitor
        self.knowledge.equip(ladder, self.sessions.calls, find_visitor)
        return Answering(
            self.engine,
            self.sessions,
            self._events,
            ladder,
            self.conversations.handoffs,
            self._settings,
            self.interface.briefs,
            self.staff.drafts,
        )

    async def _open_store(self) -> None:
        try:
            await self.store.open()
            unfinished = await self._open_log()
            self._note_ready()
            self._running_jobs = [watch(job.run_forever()) for job in self._jobs]
            waited_for = await self.interface.forget_guests(self.sessions, unfinished)
            await self.conversations.resume(waited_for)
        except StoreUnavailable as error:
            self._log.error("store not opened", reason=str(error))
        finally:
            # Whatever failed: behind a shut door every call would wait for ever.
            self.conversations.open_door()

    async def _open_log(self) -> tuple[Unfinished, ...]:
        """Tried until it succeeds: the disk may be full or fail for a while."""
        unfinished: tuple[Unfinished, ...] | None = None
        while True:
            try:
                if unfinished is None:
                    await self.vault.begin(self.store)
                    unfinished = await self._events.open()
                # Before anything is said it is known who owns which conversation.
                await self.conversations.handoffs.load()
                await self.staff.desk.load()
                return unfinished
            except StoreUnavailable as error:
                self._log.error("event log not opened", reason=str(error))
                self.conversations.open_door()
                if self._is_closing:
                    raise
            await wait_at_most(self._events.is_wanted, LOG_PAUSE_S)

    async def _close(self, boot: asyncio.Task[None]) -> None:
        """`closing` names what is being ended, for whoever loses patience."""
        self._is_closing = True
        self._events.is_wanted.set()
        self.knowledge.stop()
        self.closing = "the turns"
        await self.interface.end_talk()
        self.closing = "the engine"
        await self._model.stop()
        self.closing = "the start, which was still under way"
        await asyncio.wait((boot,))
        self.closing = "the knowledge"
        await self.teaching.close()
        await self.knowledge.close()
        self.closing = "the work in the background"
        await self.overseeing.drafting.close()
        for job in self._jobs:
            job.stop()
        await asyncio.gather(*self._running_jobs, return_exceptions=True)
        self.closing = "the event log"
        with suppress(StoreUnavailable):
            await self._events.close()
        self.closing = "the store"
        await self.store.close()
        self.closing = ""
