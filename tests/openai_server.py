"""A server that speaks OpenAI's chat completions from a script, on a real socket, for tests.

It is not a test and computes nothing: what it streams, where it falls silent and how it dies is
written by the test. The rule that must not break: it sends what the script says and nothing else,
and ends with the test, whoever still hangs on to it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Die:
    """The connection is cut in mid-answer."""


@dataclass(frozen=True)
class HangUp:
    """The connection is cut without a byte of an answer."""


@dataclass(frozen=True)
class Leave:
    """The answer's body ends in order, but the answer has no declared end."""


@dataclass(frozen=True)
class Answer:
    """Another answer than a stream."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


# A text is a piece of the answer, an event is waited for, bytes are sent as they are.
Act: TypeAlias = str | bytes | asyncio.Event | Die | HangUp | Leave | Answer
Play: TypeAlias = Callable[[dict[str, Any]], Sequence[Act]]
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 12},
}


def write_event(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def write_piece(text: str, reason: str | None = None) -> bytes:
    delta = {"content": text} if text else {}
    return write_event({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})


END = write_piece("", "stop") + write_event({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n"


class OpenAIServer:
    """`requests` are the bodies that came, `left` is set when a client leaves in mid-answer."""

    def __init__(self, play: Play, *, model: str = "tiny", owner: str = "llamacpp") -> None:
        self._play = play
        self.model = model
        self.owner = owner
        self.health = 200
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections = 0
        self.asked = asyncio.Event()
        self.left = asyncio.Event()
        self.port = 0
        self._listener: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> OpenAIServer:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Once more on the same port after `close`."""
        self._listener = await asyncio.start_server(self._take, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await self._listener.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._answer(reader, writer):
                    pass
        finally:
            self._talks.discard(talk)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection lives on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = head[0].split()[1]
        if path == "/v1/models":
            listed = {"data": [{"id": self.model, "owned_by": self.owner}]}
            _send(writer, Answer(200, {}, json.dumps(listed).encode()))
        elif path == "/health":
            _send(writer, Answer(self.health))
        else:
            assert path == "/v1/chat/completions"
            self.headers.append(headers)
            self.requests.append(json.loads(body))
            self.asked.set()
            return await self._stream(self._play(self.requests[-1]), reader, writer)
        return True

    async def _stream(
        self, acts: Sequence[Act], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if acts and isinstance(acts[0], Answer):
            _send(writer, acts[0])
            return True
        if acts and isinstance(acts[0], HangUp):
            return False
        kind = b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(b"HTTP/1.1 200 OK\r\n" + kind)
        for act in acts:
            match act:
                case str():
                    _chunk(writer, write_piece(act))
                case bytes():
                    _chunk(writer, act)
                case asyncio.Event():
                    if not await self._wait(act, reader):
                        return False
                case Die():
                    await writer.drain()
                    return False
                case Leave():
                    _chunk(writer, b"")
                    return True
            await writer.drain()
        _chunk(writer, END)
        _chunk(writer, b"")
        return True

    async def _wait(self, event: asyncio.Event, reader: asyncio.StreamReader) -> bool:
        """Whether the client is still there when the event is set."""
        going = asyncio.ensure_future(reader.read(1))
        waiting = asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((going, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            has_left = not going.cancel()
            # Else the next one to read would find it still there.
            await asyncio.gather(going, return_exceptions=True)
        if has_left:
            self.left.set()
        return not has_left


def _send(writer: asyncio.StreamWriter, answer: Answer) -> None:
    lines = [f"HTTP/1.1 {answer.status} -", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
