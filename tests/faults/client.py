"""A client that sees every byte: HTTP/1.1 and server-sent events over bare asyncio streams.

One request, one connection; nothing is retried and nothing is hidden. The rule that must not
break: text is decoded strictly, so half a character is an error and never a question mark.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

HANG_S = 60.0
# What a connection may die of when the process at its other end does.
LOST = (OSError, EOFError)


class Refused(Exception):
    """A stream was answered with something else than 200."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Frame:
    """One server-sent event."""

    number: int | None
    event: str
    data: dict[str, Any]


class Client:
    """Raises one of `LOST` where the connection is not taken, or ends before the answer does."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def call(self, method: str, path: str, body: object = None) -> Reply:
        async with asyncio.timeout(HANG_S), self._request(method, path, body) as (reply, reader):
            length = reply.headers.get("content-length")
            if length is not None:
                content = await reader.readexactly(int(length))
            else:
                content = b"".join([chunk async for chunk in read_chunks(reader)])
            return Reply(reply.status, reply.headers, content)

    async def watch(self, session_id: str, after: int = 0) -> AsyncIterator[Frame]:
        """The session's frames behind `after`, for ever.

        Raises EOFError where they end, Refused where they do not begin.
        """
        path, headers = f"/sessions/{session_id}/events", {"Last-Event-ID": str(after)}
        async with self._request("GET", path, None, headers) as (reply, reader):
            if reply.status != 200:
                raise Refused(f"{path} answered {reply.status}: {await reader.read(2000)!r}")
            parser = FrameParser()
            async for chunk in read_chunks(reader):
                for frame in parser.feed(chunk):
                    yield frame
        raise EOFError("the stream ended")

    @asynccontextmanager
    async def _request(
        self, method: str, path: str, body: object, more: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[Reply, asyncio.StreamReader]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            content = b"" if body is None else json.dumps(body).encode()
            headers = {"Host": f"127.0.0.1:{self.port}", "Connection": "close", **(more or {})}
            if body is not None:
                headers["Content-Type"] = "application/json"
            if method != "GET":
                headers["Content-Length"] = str(len(content))
            lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode() + content)
            await writer.drain()
            yield await read_head(reader), reader
        finally:
            writer.close()


class FrameParser:
    """`feed` gives the frames that a chunk of bytes completes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
        frames = [parse_frame(block.decode("utf-8", "strict")) for block in blocks]
        return [frame for frame in frames if frame is not None]


def parse_frame(block: str) -> Frame | None:
    """None for a comment."""
    fields: dict[str, str] = {}
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        fields[name] = value.removeprefix(" ")
    if "data" not in fields:
        return None
    number = int(fields["id"]) if "id" in fields else None
    return Frame(number, fields.get("event", "message"), json.loads(fields["data"]))


async def read_head(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")
    pairs = [line.partition(":") for line in lines if line]
    return Reply(int(status.split()[1]), {k.lower(): v.strip() for k, _, v in pairs})


async def read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
