"""One request to any of the servers, with the moment at which each frame of the answer came.

It knows no server's fields and judges nothing. The rule that must not break: a moment is taken
when the bytes are there, before anything is decoded.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.client import read_chunks, read_head

HANG_S = 300.0
DATA = b"data:"


@dataclass(slots=True)
class Heard:
    """`frames` are the JSON of the `data:` lines with their moments; `body` what was no stream."""

    asked_s: float
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    frames: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    body: bytes = b""


def ignore(_at_s: float, _frame: dict[str, Any]) -> None:
    pass


async def post(
    port: int,
    path: str,
    body: object,
    hear: Callable[[float, dict[str, Any]], None] = ignore,
) -> Heard:
    """Raises OSError, EOFError or TimeoutError where no whole answer comes."""
    heard = Heard(time.monotonic())
    async with asyncio.timeout(HANG_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(encode_request(port, path, body))
            await writer.drain()
            head = await read_head(reader)
            heard.status, heard.headers = head.status, head.headers
            length = head.headers.get("content-length")
            if length is not None:
                heard.body = await reader.readexactly(int(length))
            else:
                await read_frames(reader, heard, hear)
        finally:
            writer.close()
    return heard


async def read_frames(
    reader: asyncio.StreamReader, heard: Heard, hear: Callable[[float, dict[str, Any]], None]
) -> None:
    rest = b""
    async for chunk in read_chunks(reader):
        at_s = time.monotonic()
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(DATA) and b"[DONE]" not in line:
                frame = json.loads(line[len(DATA) :])
                heard.frames.append((at_s, frame))
                hear(at_s, frame)


def encode_request(port: int, path: str, body: object) -> bytes:
    content = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content
