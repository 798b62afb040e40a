"""Looks and acts of the console that leave their row of the audit log here, and not by themselves.

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
LOOKS = {
    "/console/box": "box looked at",
    "/console/webhooks": "webhooks looked at",
    "/console/deliveries": "deliveries looked at",
    "/console/settings/accounts": "accounts looked at",
    "/console/settings/keys": "keys looked at",
    "/console/settings/tools": "tools looked at",
    "/console/settings/files": "files looked at",
    "/console/settings/files/{name:path}": "file looked at",
}
ACTS = {
    "/console/webhooks/{id}/test": "webhook tried",
    "/console/deliveries/{id}/retry": "delivery tried again",
}


class Noted:
    def __init__(self, note_act: NoteAct, read_now_s: Callable[[], float]) -> None:
        """`read_now_s` never goes back."""
        self._note_act = note_act
        self._read_now_s = read_now_s
        # By account and look: no more of them than accounts times looks.
        self._looked_s: dict[tuple[str, str], float] = {}

    def wrap(self, operations: Iterable[Operation]) -> tuple[Operation, ...]:
        """The same calls; those that are named above leave a row first."""
        return tuple(self._wrap_one(operation) for operation in operations)

    def _wrap_one(self, operation: Operation) -> Operation:
        named = LOOKS if operation.method == "GET" else ACTS
        told = named.get(operation.path)
        if told is None:
            return operation

        async def note_and_answer(request: Request) -> Response:
            access = get_access(request.scope)
            account = access.account or access.key_id
            if operation.method != "GET" or self._is_new(account, told):
                await self._note_act(account, told)
            return await operation.handler(request)

        return replace(operation, handler=note_and_answer)

    def _is_new(self, account: str, told: str) -> bool:
        now_s = self._read_now_s()
        last_s = self._looked_s.get((account, told))
        if last_s is not None and now_s - last_s < ONE_LOOK_S:
            return False
        self._looked_s[account, told] = now_s
        return True
