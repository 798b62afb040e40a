"""A tool of kind "http": one request to an address that the shop declared.

It follows no redirect and heeds no proxy of the environment. The rules that must not break: a
value of a customer's is one encoded part of path, query or body and never chooses the host, and a
secret is read from the environment when it is sent and stands in no file, log or answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from appliance.tools.declared import Request, Row, Value
from appliance.tools.entries import read_rows
from appliance.tools.failures import ToolFailed, ToolUnsure
from appliance.tools.secrets import read_secret
from appliance.tools.templates import PLACEHOLDER

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER_BYTES = 262_144


async def send_request(
    request: Request,
    values: Mapping[str, Value],
    transport: httpx2.AsyncBaseTransport | None = None,
) -> tuple[Row, ...]:
    """The objects of the answer; none where it is 404. Raises ToolFailed, TimeoutError."""
    # Here: a start without it is sooner there.
    import httpx2

    url = build_address(request, values)
    body = {name: _fill(text, values) for name, text in request.body.items()}
    async with (
        asyncio.timeout(request.timeout_s),
        httpx2.AsyncClient(
            timeout=request.timeout_s,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        ) as client,
    ):
        try:
            answer = await _read_answer(client, request, url, body)
        except (
            httpx2.ConnectError,
            httpx2.ConnectTimeout,
            httpx2.PoolTimeout,
            httpx2.InvalidURL,
        ) as error:
            raise ToolFailed(f"The request failed: {type(error).__name__}.") from None
        except httpx2.TimeoutException:
            raise TimeoutError from None
        except httpx2.HTTPError as error:
            raise ToolUnsure(f"The request failed: {type(error).__name__}.") from None
    return find_rows(answer, request)


def build_address(request: Request, values: Mapping[str, Value]) -> str:
    """Raises ToolFailed where the host would not be the declared one."""
    url = PLACEHOLDER.sub(lambda found: quote(str(values[found[1]]), safe=""), request.url)
    if urlsplit(url).hostname not in request.hosts or "/../" in f"{urlsplit(url).path}/":
        raise ToolFailed("The address is not the declared one.")
    return url


async def _read_answer(
    client: httpx2.AsyncClient, request: Request, url: str, body: Mapping[str, str]
) -> object:
    headers = {header: read_secret(variable) for header, variable in request.secrets.items()}
    content = json.dumps(body, ensure_ascii=False).encode() if body else None
    if content is not None:
        headers["Content-Type"] = "application/json"
    async with client.stream(request.method, url, content=content, headers=headers) as answer:
        if answer.status_code == 404:
            return None
        if answer.status_code not in (200, 201):
            is_refused = 300 <= answer.status_code < 500
            failure = ToolFailed if is_refused else ToolUnsure
            raise failure(f"The service answered {answer.status_code}.")
        read = bytearray()
        async for chunk in answer.aiter_bytes():
            read += chunk
            if len(read) > MAX_ANSWER_BYTES:
                raise ToolUnsure("The answer is too long.")
    try:
        return json.loads(bytes(read))
    except (ValueError, RecursionError):
        raise ToolUnsure("The answer is no JSON.") from None


def find_rows(answer: object, request: Request) -> tuple[Row, ...]:
    for name in request.rows:
        answer = answer.get(name) if isinstance(answer, dict) else None
    return read_rows(answer)


def _fill(text: str, values: Mapping[str, Value]) -> str:
    return PLACEHOLDER.sub(lambda found: str(values[found[1]]), text)
