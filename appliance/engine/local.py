"""The engine in this process: an asyncio face over the one thread that owns llama.cpp.

It loads, warms and explains itself; the computing is `loop.py`'s. A model that cannot be had
never raises out of `start`: the house goes on without it, `status` says why, and `start` may be
called again. The rule that must not break: nothing here waits for the engine's thread on the
event loop.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from appliance.engine.engine import EngineStatus, Generation
from appliance.engine.figures import EngineFigures
from appliance.engine.prompt import Prompt, Template, TokenIds
from appliance.errors import ApplianceError, ModelFileError, ModelUnavailable
from appliance.settings import Settings

if TYPE_CHECKING:
    from appliance.engine.disk_parking import DiskParking
    from appliance.engine.llama import LlamaBackend
    from appliance.engine.local_run import LocalRun
    from appliance.engine.loop import EngineLoop
    from appliance.engine.parked_files import Transform

# sysexits.h's EX_SOFTWARE: whoever supervises the process starts it again.
EXIT_STUCK = 70


def leave(value: bytes, _: str) -> bytes:
    return value


def end_process() -> None:
    """At once, and without what an orderly stop does: its thread would wait for the engine's."""
    os._exit(EXIT_STUCK)


class LocalEngine:
    """One GGUF on this machine's processor."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seal: Transform = leave
        self._open: Transform = leave
        self._status = EngineStatus("starting")
        # Settled: ready, or it will not come by itself. Ended: no engine thread lives.
        self._settled = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._is_stopping = False
        self._tokenizer = ThreadPoolExecutor(1, thread_name_prefix="tokenizer")
        self._backend: LlamaBackend | None = None
        self._engine_loop: EngineLoop | None = None
        self._disk: DiskParking | None = None
        self._log = structlog.get_logger(__name__)

    @property
    def status(self) -> EngineStatus:
        return self._status

    @property
    def template(self) -> Template:
        return self._require_ready()[0].template

    @property
    def max_prompt_tokens(self) -> int:
        return self._require_ready()[1].longest_tokens - self._settings.max_new_tokens

    async def start(self) -> None:
        if self._status.phase == "unavailable":
            # The thread that could not load it may still be on its way out.
            await self._ended.wait()
        if self._ended.is_set() and not self._is_stopping:
            self._begin()
        await self._settled.wait()

    def seal_with(self, seal: Transform, open: Transform) -> None:
        self._seal, self._open = seal, open

    def withhold(self, reason: str, remedy: str = "") -> None:
        assert self._ended.is_set(), "only while nothing is loaded or loading"
        self._refuse(reason, remedy)
        self._settled.set()

    async def stop(self) -> None:
        self._is_stopping = True
        engine_loop, backend = self._engine_loop, self._backend
        if engine_loop is not None:
            engine_loop.stop()
        elif backend is not None:
            backend.interrupt()
        await self._ended.wait()
        self._set(phase="stopped", reason="", remedy="")
        self._settled.set()

    async def wait_ready(self) -> None:
        # In a loop: who wakes up after the next try began waits for that one.
        while not self._settled.is_set():
            await self._settled.wait()
        self._require_ready()

    async def encode(self, texts: Sequence[str]) -> list[TokenIds]:
        backend, _ = self._require_ready()
        event_loop = asyncio.get_running_loop()
        return await event_loop.run_in_executor(
            self._tokenizer, lambda: [backend.encode(text) for text in texts]
        )

    def generate(self, generation: Generation) -> LocalRun:
        _, engine_loop = self._require_ready()
        # What was said before is part of what may be said.
        needed = len(generation.prompt.ids) + generation.max_new_tokens
        if needed > engine_loop.longest_tokens:
            raise ValueError(f"{needed} tokens; allowed: {engine_loop.longest_tokens}")
        from appliance.engine.local_run import LocalRun

        return LocalRun(engine_loop, generation, self._disk)

    def prepare(self, conversation: str, prompt: Prompt) -> None:
        engine_loop, disk = self._engine_loop, self._disk
        if self._status.phase != "ready" or engine_loop is None:
            return
        submit = partial(engine_loop.prepare, conversation, prompt.ids)
        if disk is not None and disk.has(conversation):
            disk.bring_back(conversation, engine_loop.adopt, submit)
        else:
            submit()

    def measure(self) -> EngineFigures:
        engine_loop, disk = self._engine_loop, self._disk
        if engine_loop is None:
            return EngineFigures.empty()
        on_disk = (disk.size_bytes, disk.count) if disk is not None else (0, 0)
        return replace(
            engine_loop.measure(),
            parked_disk_bytes=on_disk[0],
            parked_disk_conversations=on_disk[1],
        )

    def estimate_wait_s(self) -> int:
        engine_loop = self._engine_loop
        return max(1, math.ceil(engine_loop.wait_ms / 1000)) if engine_loop else 1

    async def forget(self, conversation: str) -> None:
        engine_loop, disk = self._engine_loop, self._disk
        if disk is None:
            # Nothing is loaded, but what an earlier process parked is there all the same.
            await asyncio.shield(asyncio.to_thread(self._remove_parked, conversation))
            return

        def forget(then: Callable[[], None] = lambda: None) -> None:
            if engine_loop is not None:
                engine_loop.forget(conversation, then)
            else:
                then()

        forget()
        # Shielded: a request that is cut off must not take the removal along.
        await asyncio.shield(asyncio.wrap_future(disk.forget(conversation, forget)))

    def _remove_parked(self, conversation: str) -> None:
        from appliance.engine import assembly, parked_files

        parked_files.remove(self._settings.data / assembly.PARKED_FOLDER, conversation)

    def _require_ready(self) -> tuple[LlamaBackend, EngineLoop]:
        if self._is_stopping:
            raise ModelUnavailable("The engine is stopping.")
        status, backend, engine_loop = self._status, self._backend, self._engine_loop
        if status.phase != "ready" or backend is None or engine_loop is None:
            raise ModelUnavailable(status.reason or f"The model is {status.phase}.")
        return backend, engine_loop

    def _begin(self) -> None:
        """One try, on a thread of its own that ends with the model it loaded."""
        self._settled.clear()
        self._ended.clear()
        self._status = EngineStatus("starting")
        self._tokenizer = ThreadPoolExecutor(1, thread_name_prefix="tokenizer")
        event_loop = asyncio.get_running_loop()
        threading.Thread(target=self._live, args=(event_loop,), name="engine", daemon=True).start()

    def _live(self, event_loop: asyncio.AbstractEventLoop) -> None:
        """The engine thread, from the first byte of the model to the last."""
        try:
            engine_loop = self._load()
            event_loop.call_soon_threadsafe(self._settled.set)
            self._run(engine_loop)
            self._set(phase="stopped")
        except ApplianceError as error:
            self._refuse(str(error), error.remedy if isinstance(error, ModelFileError) else "")
        except Exception:
            self._log.exception("engine did not start")
            self._refuse("The model could not be started; the log has the particulars.", "")
        finally:
            # Its thread may still read the vocabulary, which goes with the model.
            self._tokenizer.shutdown()
            disk, self._disk = self._disk, None
            if disk is not None:
                disk.close()
            if self._engine_loop is not None:
                # Who was still looked for on disk when the loop ended.
                self._engine_loop.end_late()
            backend, self._backend, self._engine_loop = self._backend, None, None
            if backend is not None:
                backend.close()
            event_loop.call_soon_threadsafe(self._end)

    def _run(self, engine_loop: EngineLoop) -> None:
        """Until the stop; then what was computed is kept for the next start."""
        from appliance.engine.watchdog import Watchdog

        watchdog = Watchdog(lambda: engine_loop.step_under_way, end_process)
        watchdog.start()
        try:
            engine_loop.run()
        finally:
            watchdog.stop()
        if self._disk is not None:
            kept = self._disk.keep(engine_loop.copy_all())
            self._log.info("conversations parked on disk", count=kept)

    def _end(self) -> None:
        """Both at once: a try that begins now hears nothing more of this one."""
        self._ended.set()
        self._settled.set()

    def _load(self) -> EngineLoop:
        # Imported here, on the engine's thread: the page need not wait for what computes.
        from appliance.engine import assembly, hardware, models

        self._set(phase="loading")
        choice = models.resolve(self._settings)
        self._set(model_id=choice.id, model_name=choice.name, notes=choice.notes)
        header = models.verify(choice, lambda: not self._is_stopping)
        threads = hardware.choose_threads(self._settings.threads)
        context = hardware.choose_context(self._settings.context_tokens, header.context_length)
        model_bytes = sum(part.stat().st_size for part in models.list_parts(choice.path, ""))
        load_mode = assembly.choose_load_mode(self._settings, model_bytes)
        notes = (*choice.notes, *assembly.explain_choices(threads, context, load_mode))
        self._set(threads=threads.value, context_tokens=context.value, notes=notes)
        backend = self._backend = assembly.open_backend(
            self._settings,
            choice,
            (threads.value, context.value, load_mode),
            self._take_progress,
        )
        self._set(phase="warming", context_tokens=backend.cells)
        prefix = assembly.make_prefix(backend, self._settings)
        disk = self._disk = assembly.open_disk(
            self._settings, backend.state_key, prefix, self._seal, self._open
        )
        if self._is_stopping:
            backend.interrupt()
        engine_loop = assembly.make_loop(self._settings, backend, prefix, disk)
        self._engine_loop = engine_loop
        if self._is_stopping:
            engine_loop.stop()
        disk.sweep()
        self._set(phase="ready", progress=1.0)
        return engine_loop

    def _take_progress(self, fraction: float) -> bool:
        self._set(progress=fraction)
        return not self._is_stopping

    def _refuse(self, reason: str, remedy: str) -> None:
        if self._is_stopping:
            self._set(phase="stopped")
        else:
            self._set(phase="unavailable", reason=reason, remedy=remedy)

    def _set(self, **changes: object) -> None:
        self._status = replace(self._status, **changes)  # type: ignore[arg-type]
