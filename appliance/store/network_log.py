"""The log of requests: when, which route, how it ended, how many bytes, from which pseudonym.

One file a day below `network/`, of JSON lines; it holds no path, no address, no id and no word.
Lines are gathered in memory and written a second later by a thread that may wait for the disk.
The rule that must not break: whoever reads it learns of a client only that it was the same one
that day.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog

from appliance.patience import wait_at_most
from appliance.settings import Settings
from appliance.store.day_keys import FIRST_DAY

FOLDER = "network"
SUFFIX = ".jsonl"
WRITE_PAUSE_S = 1.0
MOST_WAITING = 20_000
PSEUDONYM_BYTES = 6


@dataclass(frozen=True, slots=True)
class Request:
    """`route` is the pattern that was met, never the path; `access` what it was let in as."""

    at_ms: int
    client: str
    method: str
    route: str
    status: int
    sent_bytes: int
    took_ms: float
    access: str


class NetworkLog:
    def __init__(
        self, data: Path, read_day: Callable[[], int], read_key: Callable[[], bytes], *, is_on: bool
    ) -> None:
        """`read_key` gives what pseudonyms are made with, on the writing thread."""
        self._folder = data / FOLDER
        self._read_day = read_day
        self._read_key = read_key
        self._is_on = is_on
        self._waiting: deque[Request] = deque(maxlen=MOST_WAITING)
        self._stopping = asyncio.Event()
        self._is_failing = False
        self._log = structlog.get_logger(__name__)

    def note(self, request: Request) -> None:
        """Cheap; where the disk is too slow the oldest lines give way."""
        if self._is_on:
            self._waiting.append(request)

    async def run_forever(self) -> None:
        is_over = not self._is_on
        while not is_over:
            is_over = await wait_at_most(self._stopping, WRITE_PAUSE_S)
            await asyncio.to_thread(self.write)

    def adopt(self, settings: Settings) -> None:
        """How long it stays is asked at the next start."""

    def stop(self) -> None:
        self._stopping.set()

    def write(self) -> None:
        """Write what is waiting."""
        requests = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not requests:
            return
        day, key = self._read_day(), self._read_key()
        lines = [self._show(request, day, key) for request in requests]
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY
            with os.fdopen(os.open(self._locate(day), flags, 0o600), "ab") as file:
                file.writelines(lines)
            self._is_failing = False
        except OSError as error:
            if not self._is_failing:
                self._log.error("requests not logged", reason=error.strerror)
            self._is_failing = True

    def drop(self, upto: int) -> int:
        """Delete the files of the days up to `upto`; how many."""
        dropped = 0
        for path in self._folder.glob(f"*{SUFFIX}"):
            with suppress(ValueError, OSError):
                if (date.fromisoformat(path.stem) - FIRST_DAY).days <= upto:
                    path.unlink()
                    dropped += 1
        return dropped

    def _locate(self, day: int) -> Path:
        return self._folder / f"{FIRST_DAY + timedelta(day)}{SUFFIX}"

    def _show(self, request: Request, day: int, key: bytes) -> bytes:
        named = hmac.digest(key, f"{day}/{request.client}".encode(), "sha256")
        shown = asdict(request) | {"client": named[:PSEUDONYM_BYTES].hex()}
        at = datetime.fromtimestamp(shown.pop("at_ms") / 1000, UTC)
        line = {"at": at.isoformat(timespec="milliseconds"), **shown}
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"
