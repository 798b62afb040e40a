"""Errors as the clients of other interfaces read them: OpenAI's object, Ollama's one sentence.

It makes no error: whatever was refused, by a handler or by the shield before it, is written once in
the house's own shape and written over here. The rule that must not break: below `/v1` and `/api`
no error leaves in any other shape than the one its clients parse.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.errors import ApplianceError
from appliance.http.answers import dump

OPENAI, OLLAMA = "/v1", "/api"
# What OpenAI calls them; all else of a client's faults is an invalid request.
TYPES: Mapping[int, str] = MappingProxyType(
    {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
)
SERVER_ERROR, INVALID = "server_error", "invalid_request_error"


def show_openai(
    status: int, code: str, message: str, param: str | None = None
) -> dict[str, dict[str, str | None]]:
    kind = SERVER_ERROR if status >= 500 else TYPES.get(status, INVALID)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def show_openai_error(error: ApplianceError) -> dict[str, dict[str, str | None]]:
    field = (error.detail or {}).get("field")
    return show_openai(error.status, error.code, str(error), str(field) if field else None)


class ApiErrors:
    """Pure ASGI, around all that may refuse."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = find_kind(scope)
        if kind:
            await self._app(scope, receive, Rewriter(kind, send).send)
        else:
            await self._app(scope, receive, send)


class Rewriter:
    """Holds an error's head until its body is whole; all else passes."""

    def __init__(self, kind: str, send: Send) -> None:
        self._kind = kind
        self._send = send
        self._head: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._head = message
            return
        if self._head is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if message.get("more_body", False):
            return
        status, body = _rewrite(self._kind, self._head["status"], self._body)
        self._head["status"] = status
        headers = MutableHeaders(scope=self._head)
        headers["Content-Length"] = str(len(body))
        headers["Content-Type"] = "application/json"
        await self._send(self._head)
        await self._send({"type": "http.response.body", "body": body})


def find_kind(scope: Scope) -> str:
    """Whose shape the errors of this address have; empty for the house's own."""
    path: str = scope["path"] if scope["type"] == "http" else ""
    return next((kind for kind in (OPENAI, OLLAMA) if path.startswith(f"{kind}/")), "")


def _rewrite(kind: str, status: int, body: bytes) -> tuple[int, bytes]:
    told = _read(body)
    message = str(told.get("message", "The request was refused."))
    # Their clients know a wrong field by this status.
    status = 400 if status == 422 else status
    if kind == OLLAMA:
        return status, dump({"error": message}).encode()
    detail = told.get("detail")
    param = detail.get("field") if isinstance(detail, dict) else None
    return status, dump(
        show_openai(status, str(told.get("code", "refused")), message, param)
    ).encode()


def _read(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return told if isinstance(told, dict) else {}
