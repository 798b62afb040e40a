"""Every error as an answer: one JSON shape, the right status, nothing of the inside shown.

    ApplianceError    its own code, status, sentence and Retry-After
    HTTPException     what routing refuses: 404, 405 with Allow
    anything else     500 with an opaque id; the log line has the same id and no customer's word

The last one is a boundary around the whole application and not a Starlette handler, because
Starlette raises the error again after answering, and the server would log it with its message.
The rule that must not break: no exception of a request passes on to the server, and of an
unexpected one the client sees an id and nothing else.
"""

from __future__ import annotations

import secrets
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from sse_starlette.sse import SendTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from appliance.errors import ApplianceError
from appliance.http.answers import JsonAnswer
from appliance.http.shapes import ErrorBody, ErrorText

RETRY_AFTER_S = 30
LOGGED_FRAMES = 4


def answer_error(
    status: int,
    code: str,
    sentence: str,
    *,
    detail: dict[str, object] | None = None,
    retry_after_s: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonAnswer:
    """The one shape. Every 503 says when to come back."""
    body: ErrorBody = {"error": {"code": code, "message": sentence}}
    if detail:
        body["error"]["detail"] = detail
    sent_headers = dict(headers or {})
    if status == 503 or retry_after_s is not None:
        sent_headers["Retry-After"] = str(retry_after_s or RETRY_AFTER_S)
    return JsonAnswer(body, status, sent_headers)


def answer_appliance_error(error: ApplianceError) -> JsonAnswer:
    return answer_error(
        error.status,
        error.code,
        str(error),
        detail=error.detail,
        retry_after_s=error.retry_after_s,
        headers={"WWW-Authenticate": "Bearer"} if error.status == 401 else None,
    )


def report_unexpected(error: BaseException) -> ErrorText:
    """Log one line and return what the client may know: an id that is found in that line.

    The exception's own message may quote a customer, so only its kind and place are logged.
    """
    error_id = secrets.token_hex(6)
    places = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)[-LOGGED_FRAMES:]
    ]
    structlog.get_logger("appliance.http").error(
        "unexpected_error", error_id=error_id, kind=type(error).__name__, places=places
    )
    sentence = f"Something went wrong inside the appliance; its log has it as {error_id}."
    return {"code": "internal", "message": sentence}


def build_exception_handlers() -> dict[Any, ExceptionHandler]:
    return {ApplianceError: _on_appliance_error, HTTPException: _on_http_error}


async def _on_appliance_error(_request: Request, error: Exception) -> JsonAnswer:
    assert isinstance(error, ApplianceError)
    return answer_appliance_error(error)


async def _on_http_error(_request: Request, error: Exception) -> JsonAnswer:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        sentence = "Nothing is at this address; GET /openapi.json lists what there is."
        return answer_error(404, "not_found", sentence)
    if error.status_code == 405:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        sentence = f"This address does not take that method; it takes {allowed}."
        return answer_error(405, "method_not_allowed", sentence, headers={"Allow": allowed})
    return answer_error(error.status_code, "http_error", error.detail, headers=error.headers)


class ErrorBoundary:
    """Pure ASGI: no exception of a request passes it. Once an answer has begun it is cut."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except (ClientDisconnect, SendTimeoutError):
            return  # nobody is left to answer
        except Exception as error:
            text = report_unexpected(error)
            if not has_begun:
                await answer_error(500, text["code"], text["message"])(scope, receive, send)
