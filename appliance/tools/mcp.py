"""A tool of kind "mcp": one call of a tool at a server of the Model Context Protocol.

Each call has a connection, and where the server is a process, a process of its own, so a server
that died is a failure of one call. It follows the protocol by the official SDK, which is an extra
and imported when the first tool needs it. The rules that must not break: what is started or
reached stands in `tools.toml` to the letter, no shell reads it, a process sees no variable of the
environment that is not named, and what a server says is values for a template and nothing more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.tools.declared import Row, Server, ServerCall, Value
from appliance.tools.entries import read_rows
from appliance.tools.failures import ToolFailed, ToolUnsure
from appliance.tools.secrets import read_secret
from appliance.tools.templates import PLACEHOLDER

if TYPE_CHECKING:
    from mcp import Client

LIBRARY = "mcp"
MISSING = "The library of MCP is not installed; `pip install 'appliance[mcp]'` installs it."
# What every process gets: the SDK would pass on these of ours.
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/", "SHELL": "/bin/false", "TERM": "dumb"}
NAMELESS = {"USER": "", "LOGNAME": ""}
# The one column of an answer that is no JSON.
TEXT = "text"
MAX_ANSWER_CHARS = 262_144


def find_problem(server: Server) -> str:
    """Why the server cannot be called from here, without calling it; or nothing."""
    if find_spec(LIBRARY) is None:
        return MISSING.removesuffix(".")
    named = (*server.environment, *server.secrets.values())
    if unset := next((name for name in named if not os.environ.get(name)), ""):
        return f"{unset} is not in the environment"
    if server.command and not os.access(server.command[0], os.X_OK):
        return f"{server.command[0]} is not there or cannot be run"
    return ""


async def call_server(
    server: Server, call: ServerCall, values: Mapping[str, Value]
) -> tuple[Row, ...]:
    """The objects of the answer. Raises ToolFailed, TimeoutError."""
    # Here: a start without it is sooner there.
    import httpx2

    arguments = {name: _fill(text, values) for name, text in call.arguments.items()}
    limit, failure = asyncio.timeout(call.timeout_s), ToolFailed
    try:
        async with limit:
            await asyncio.to_thread(_load)
            async with _connected(server, call.timeout_s) as client:
                failure = ToolUnsure
                answer = await client.call_tool(call.tool, arguments)
    except ImportError:
        raise ToolFailed(MISSING) from None
    except (OSError, ValueError, RuntimeError, httpx2.HTTPError, ExceptionGroup) as error:
        if limit.expired() or isinstance(error, TimeoutError):
            raise TimeoutError from None
        raise failure(f"The server {server.name} failed: {type(error).__name__}.") from None
    if answer.is_error:
        raise ToolFailed(f"The server {server.name} answered with an error.")
    texts = [text for part in answer.content if (text := getattr(part, "text", None))]
    return find_rows(answer.structured_content, "\n".join(texts), call)


def find_rows(structured: object, text: str, call: ServerCall) -> tuple[Row, ...]:
    """What the server says as data, else its text: as JSON where it is some, else as one value."""
    if len(text) > MAX_ANSWER_CHARS:
        raise ToolUnsure("The answer is too long.")
    answer = structured if structured is not None else _read_text(text)
    # The SDK wraps what is no object.
    if isinstance(answer, dict) and set(answer) == {"result"}:
        answer = answer["result"]
    for name in call.rows:
        answer = answer.get(name) if isinstance(answer, dict) else None
    if isinstance(answer, str):
        return ({TEXT: answer},) if answer.strip() else ()
    return read_rows(answer)


def _read_text(text: str) -> object:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        answer: object = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return answer


@asynccontextmanager
async def _connected(server: Server, timeout_s: float) -> AsyncIterator[Client]:
    import httpx2
    from mcp import Client, MCPError, StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client

    try:
        if server.command:
            parameters = StdioServerParameters(
                command=server.command[0],
                args=list(server.command[1:]),
                env=_list_environment(server),
                cwd=server.folder,
            )
            # What a server complains of may hold a customer's words.
            with Path(os.devnull).open("w") as nowhere:
                async with Client(stdio_client(parameters, nowhere), cache=None) as client:
                    yield client
            return
        headers = {header: read_secret(name) for header, name in server.secrets.items()}
        async with (
            httpx2.AsyncClient(
                headers=headers, timeout=timeout_s, follow_redirects=False, trust_env=False
            ) as http,
            Client(streamable_http_client(server.url, http_client=http), cache=None) as client,
        ):
            yield client
    except MCPError as error:
        raise ToolFailed(f"The server {server.name} failed: code {error.code}.") from None


def _load() -> None:
    """Once, and off the event loop: it takes most of a second."""
    import_module(LIBRARY)
    import_module("mcp.client.streamable_http")
    # It would log what servers send.
    log = logging.getLogger(LIBRARY)
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def _list_environment(server: Server) -> dict[str, str]:
    return {**BARE, **NAMELESS, **{name: read_secret(name) for name in server.environment}}


def _fill(text: str, values: Mapping[str, Value]) -> Value:
    """A value alone stays what it is, a number for one."""
    if whole := PLACEHOLDER.fullmatch(text):
        return values[whole[1]]
    return PLACEHOLDER.sub(lambda found: str(values[found[1]]), text)
