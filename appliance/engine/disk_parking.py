"""The thread that reads and writes the files of parked conversations, for the engine's.

It holds no state of its own and chooses nobody: what the memory's budget pushes out comes in, and
whoever is asked again goes back. The rule that must not break: a conversation's question waits for
its cells on disk to be looked for, and is computed whatever is found there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeAlias

import structlog

from appliance.engine.parked_files import ParkedFiles
from appliance.engine.parking import Parked, ParkedPrefix
from appliance.engine.prompt import TokenIds
from appliance.engine.step_table import StepTimes

Adopt: TypeAlias = Callable[[str, Parked], None]
# An orderly stop must be over in 5 s; this part of it may take so long and write so much.
STOP_S = 3.0
STOP_BYTES = 64 << 20
# A disk that is slower than conversations are pushed out would fill the memory with them.
MOST_WAITING = 8


class DiskParking:
    """`close` waits for what is being written."""

    def __init__(self, files: ParkedFiles) -> None:
        self._files = files
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="parking")
        self._room = threading.Semaphore(MOST_WAITING)
        # What is pushed out or kept behind a forgetting is not written. Each is an object of its
        # own: a key may come back, and be forgotten again before the first was over.
        self._forgotten: dict[str, object] = {}
        self._forgetting = threading.Lock()
        self._is_ending = threading.Event()
        self._log = structlog.get_logger(__name__)

    @property
    def size_bytes(self) -> int:
        return self._files.size_bytes

    @property
    def count(self) -> int:
        return self._files.count

    def has(self, conversation: str) -> bool:
        """Cheap; any thread may ask."""
        return self._files.has(conversation)

    def read_prefix(self) -> ParkedPrefix | None:
        return self._executor.submit(self._files.read_prefix).result()

    def write_prefix(self, ids: TokenIds, data: bytes, times: StepTimes) -> None:
        self._submit(self._files.write_prefix, ids, data, times)

    def sweep(self) -> None:
        self._submit(self._sweep)

    def bring_back(self, conversation: str, adopt: Adopt, then: Callable[[], None]) -> None:
        """`adopt` what is on disk, if it is sound, and call `then` in any case."""
        try:
            self._submit(self._bring_back, conversation, adopt, then)
        except RuntimeError:
            # Closed meanwhile: the engine stops, and says so to whoever asks.
            then()

    def give_away(self, conversation: str, parked: Parked) -> None:
        if self._room.acquire(blocking=False):
            self._submit(self._write, conversation, parked)

    def forget(self, conversation: str, then: Callable[[Callable[[], None]], None]) -> Future[bool]:
        """Whether nothing is left of it. `then` is called behind what was being brought back, with
        what it is to call once nothing of before is given away any more."""
        forgetting = object()
        with self._forgetting:
            self._forgotten[conversation] = forgetting

        def remove() -> bool:
            try:
                return self._files.forget(conversation)
            finally:
                then(partial(self._end_forgetting, conversation, forgetting))

        try:
            return self._executor.submit(remove)
        except RuntimeError:
            # Closed meanwhile: nobody else touches the files any more.
            done: Future[bool] = Future()
            done.set_result(remove())
            return done

    def keep(self, states: Iterable[tuple[str, Parked]]) -> int:
        """Write as many as the time and the room of a stop allow; how many."""
        self._is_ending.set()
        until_s, kept, kept_bytes = time.monotonic() + STOP_S, 0, 0
        for conversation, parked in states:
            kept_bytes += parked.size_bytes
            if time.monotonic() > until_s or kept_bytes > STOP_BYTES:
                break
            # The first is the one used last, and must stay it: further apart than a write takes.
            idle_s = kept * STOP_S
            kept += self._executor.submit(self._write_known, conversation, parked, idle_s).result()
        return kept

    def close(self) -> None:
        self._executor.shutdown()

    def _end_forgetting(self, conversation: str, forgetting: object) -> None:
        def end() -> None:
            with self._forgetting:
                if self._forgotten.get(conversation) is forgetting:
                    del self._forgotten[conversation]

        # Behind what was given away before. Once it is closed nothing is written.
        with suppress(RuntimeError):
            self._submit(end)

    def _submit(self, work: Callable[..., object], *arguments: object) -> None:
        """Nobody asks for the result, so a fault is told here or never."""
        self._executor.submit(work, *arguments).add_done_callback(self._tell_fault)

    def _tell_fault(self, done: Future[object]) -> None:
        error = done.exception()
        if error is not None:
            self._log.error("parking failed", exc_info=error)

    def _bring_back(self, conversation: str, adopt: Adopt, then: Callable[[], None]) -> None:
        try:
            parked = self._files.read(conversation)
            if parked is not None:
                adopt(conversation, parked)
                # In memory from here on; a file that nobody reads again would only grow old.
                self._files.forget(conversation)
        finally:
            then()

    def _write(self, conversation: str, parked: Parked) -> None:
        try:
            # What waits at a stop was used longer ago than all that `keep` writes.
            if not self._is_ending.is_set():
                self._write_known(conversation, parked, 0.0)
        finally:
            self._room.release()

    def _write_known(self, conversation: str, parked: Parked, idle_s: float) -> bool:
        if conversation in self._forgotten:
            return False
        return self._files.write(conversation, parked, idle_s=idle_s)

    def _sweep(self) -> None:
        if not self._is_ending.is_set():
            self._files.sweep()
