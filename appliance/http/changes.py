"""The console's history of what was changed beside the files, and the press that puts it back.

It changes nothing itself: whoever changes such a thing also puts it back. The rule that must not
break: what is shown holds no secret, and nothing is put back but by an owner's press.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from appliance.errors import NotOffered, PublishRefused
from appliance.http.answers import JsonAnswer
from appliance.http.body import read_optional_body
from appliance.http.console import DENIED
from appliance.http.openapi import Operation, Reply
from appliance.http.outbox_shapes import Done
from appliance.http.policies import Policy, get_access
from appliance.http.shapes import Nothing
from appliance.store.changes import Act, Change, Changes, Kind

PutBack: TypeAlias = Callable[[Change, str], Awaitable[None]]
"""Puts back what was before, for that account. Raises NotOffered, PublishRefused."""
CHANGES = "/console/settings/changes"
DONE: Done = {"done": True}


class ShownChange(TypedDict):
    """`can_undo`: a press puts back what was `before`."""

    number: int
    at_ms: int
    account: str
    kind: Kind
    act: Act
    name: str
    before: dict[str, str]
    after: dict[str, str]
    can_undo: bool
    is_readable: bool


class ShownChanges(TypedDict):
    changes: list[ShownChange]


class ChangeCalls:
    def __init__(
        self,
        changes: Changes,
        put_back: Mapping[tuple[Kind, Act], PutBack],
        note_act: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """`put_back` has who can, for each kind of change that can be undone."""
        self._changes = changes
        self._put_back = put_back
        self._note_act = note_act

    async def list_all(self, request: Request) -> Response:
        await self._note_act(get_access(request.scope).who, "changes read")
        shown: ShownChanges = {
            "changes": [
                {
                    "number": one.number,
                    "at_ms": one.at_ms,
                    "account": one.account,
                    "kind": one.change.kind,
                    "act": one.change.act,
                    "name": one.change.name,
                    "before": dict(one.change.before),
                    "after": dict(one.change.after),
                    "can_undo": one.is_readable
                    and (one.change.kind, one.change.act) in self._put_back,
                    "is_readable": one.is_readable,
                }
                for one in await self._changes.read()
            ]
        }
        return JsonAnswer(shown)

    async def undo(self, request: Request) -> Response:
        await read_optional_body(request, Nothing)
        told = str(request.path_params["id"])
        if not (told.isascii() and told.isdigit() and len(told) <= 18):
            raise NotOffered("There is no such change.")
        change = (await self._changes.find(int(told))).change
        put_back = self._put_back.get((change.kind, change.act))
        if put_back is None:
            raise PublishRefused("This cannot be put back; make a new one.")
        account = get_access(request.scope).who
        await put_back(change, account)
        await self._note_act(account, f"change {told} put back")
        return JsonAnswer(DONE)


def list_changes(calls: ChangeCalls) -> list[Operation]:
    """The lines of the surface by which owners look back."""
    return [
        Operation(
            "GET",
            CHANGES,
            calls.list_all,
            "What was changed of roles, keys, webhooks and canned replies; for owners.",
            (Reply(200, "The changes", ShownChanges),),
            policy=Policy.ADMIN,
            errors=DENIED,
        ),
        Operation(
            "POST",
            f"{CHANGES}/{{id}}/undo",
            calls.undo,
            "Put back what was before; for owners.",
            (Reply(200, "Done", Done),),
            policy=Policy.ADMIN,
            errors=(*DENIED, NotOffered, PublishRefused),
        ),
    ]
