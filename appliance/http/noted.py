"""Calls of the console whose row of the audit log is kept here, as their `note` says.

It answers nothing itself. A page that renews itself is one look, so the same look of the same
account leaves one row in ten minutes; an act leaves one each time. The rule that must not break: a
row stands before anything is shown or done, and holds no value of the request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from appliance.http.openapi import Operation
from appliance.http.policies import get_access

NoteAct = Callable[[str, str], Awaitable[None]]
ONE_LOOK_S = 600.0


class Noted:
    def __init__(self, note_act: NoteAct, read_now_s: Callable[[], float]) -> None:
        """`read_now_s` never goes back."""
        self._note_act = note_act
        self._read_now_s = read_now_s
        # By account and look: no more of them than accounts times looks.
        self._looked_s: dict[tuple[str, str], float] = {}

    def wrap(self, operations: Iterable[Operation]) -> tuple[Operation, ...]:
        """The same calls; those with a `note` leave it first."""
        return tuple(self._wrap_one(one) if one.note else one for one in operations)

    def _wrap_one(self, operation: Operation) -> Operation:
        async def note_and_answer(request: Request) -> Response:
            account = get_access(request.scope).who
            if operation.method != "GET" or self._is_new(account, operation.note):
                await self._note_act(account, operation.note)
            return await operation.handler(request)

        return replace(operation, handler=note_and_answer)

    def _is_new(self, account: str, told: str) -> bool:
        now_s = self._read_now_s()
        last_s = self._looked_s.get((account, told))
        if last_s is not None and now_s - last_s < ONE_LOOK_S:
            return False
        self._looked_s[account, told] = now_s
        return True
