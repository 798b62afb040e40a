"""The operators' streams: the list as it changes, and one conversation as it goes on.

They keep nothing. The rules that must not break: a stream ends soon after the operator's session
does, and being on the list's stream is what counts as being there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import TypeVar

from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request

from appliance.dialogue.board import AtDesk, Closing, News, Removed, ShownRow, Writing
from appliance.dialogue.desk import Desk
from appliance.errors import StoreUnavailable
from appliance.http.answers import dump
from appliance.http.checkpoint import COOKIE
from appliance.http.desk import get_account, get_key, show_row
from appliance.http.events import find_start, tail
from appliance.http.frames import stream
from appliance.http.policies import get_access
from appliance.store.accounts import Accounts, Role

CHECK_S = 15.0
RETRY_MS = 2000
T = TypeVar("T")


class DeskStreams:
    def __init__(self, desk: Desk, accounts: Accounts, check_s: float = CHECK_S) -> None:
        self._desk = desk
        self._accounts = accounts
        self._check_s = check_s

    async def stream_list(self, request: Request) -> EventSourceResponse:
        access = get_access(request.scope)
        await self._desk.note_view(access.account, "watch list")
        can_answer = access.role != Role.VIEWER
        return stream(self._follow_list(request, access.account if can_answer else ""))

    async def stream_conversation(self, request: Request) -> EventSourceResponse:
        after = find_start(request)
        events = await self._desk.watch(get_key(request), after, get_account(request))
        return stream(tail(self._while_logged_in(request, events)))

    async def _follow_list(
        self, request: Request, account: str
    ) -> AsyncIterator[dict[str, str | int]]:
        """Whoever only looks on is not at the desk."""
        news = self._while_logged_in(request, self._desk.board.watch())
        with self._desk.presence.attend(account) if account else nullcontext():
            yield encode(self._desk.at_desk)
            async for one in news:
                yield encode(one)

    async def _while_logged_in(
        self, request: Request, events: AsyncGenerator[T]
    ) -> AsyncIterator[T]:
        """`events` until the operator's session has ended; it is asked every few seconds."""
        token = request.cookies.get(COOKIE, "")
        async for one in interrupt(events, lambda: self._is_open(token), self._check_s):
            yield one

    async def _is_open(self, token: str) -> bool:
        try:
            return await self._accounts.find_session(token) is not None
        except StoreUnavailable:
            return False


async def interrupt(
    events: AsyncGenerator[T], is_open: Callable[[], Awaitable[bool]], pause_s: float
) -> AsyncIterator[T]:
    """`events` for as long as `is_open`, which is awaited every `pause_s`, says so."""
    upcoming = aiter(events)
    asked_at = time.monotonic()
    task: asyncio.Task[T | None] | None = None
    try:
        while True:
            task = task or asyncio.create_task(_take(upcoming))
            left_s = asked_at + pause_s - time.monotonic()
            if left_s <= 0:
                if not await is_open():
                    return
                asked_at = time.monotonic()
                continue
            await asyncio.wait((task,), timeout=left_s)
            if task.done():
                one, task = task.result(), None
                if one is None:
                    return
                yield one
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        # What it holds is let go of now and not when it is collected.
        await events.aclose()


async def _take(upcoming: AsyncIterator[T]) -> T | None:
    """None at the end."""
    return await anext(upcoming, None)


def encode(news: News) -> dict[str, str | int]:
    """The frame, as arguments of `ServerSentEvent`."""
    match news:
        case ShownRow():
            return {"event": "conversation", "data": dump(show_row(news))}
        case Removed(session_key):
            return {"event": "removed", "data": dump({"id": session_key})}
        case Writing(session_key, who):
            return {"event": "typing", "data": dump({"id": session_key, "who": who})}
        case AtDesk(names, is_held):
            return {"event": "operators", "data": dump({"names": names, "is_held": is_held})}
        case Closing():
            return {"event": "bye", "data": dump({"retry_ms": RETRY_MS}), "retry": RETRY_MS}
