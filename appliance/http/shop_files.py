"""The console's calls on the shop's own files and named settings: open, check a draft, publish.

It reads and writes no file itself. The rule that must not break: who may not change the knowledge
changes no file, and what is published is told with who did it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import AccessDenied, ApplianceError, InvalidField, NotOffered, PublishRefused
from appliance.http.answers import JsonAnswer
from appliance.http.body import read_body, read_open_body
from appliance.http.console import DENIED
from appliance.http.learning_shapes import ShownChange
from appliance.http.openapi import Operation, Parameter, Reply
from appliance.http.policies import Policy, get_access
from appliance.http.settings_shapes import (
    ChangedAnswer,
    DraftText,
    Files,
    OpenedFile,
    Published,
    PublishWish,
    RollbackWish,
    ShownCheck,
    ShownLoss,
    ShownReplay,
    ShownSetting,
)
from appliance.settings import Settings
from appliance.store.versions import Version
from appliance.tools.registry import TOOLS_FILE

MOST_CHANGES = 60


class Editor(Protocol):
    """What `appliance/drafting.py` is."""

    @property
    def check(self) -> Any: ...
    @property
    def is_example(self) -> bool: ...
    def list_files(self) -> Awaitable[Sequence[Any]]: ...
    def read(self, name: str) -> Awaitable[Any]: ...
    def list_versions(self, name: str) -> Awaitable[tuple[Version, ...]]: ...
    def read_version(self, name: str, number: int) -> Awaitable[str | None]: ...
    def hash(self, text: str) -> str: ...
    def describe(self, name: str) -> Awaitable[Any]: ...
    def begin_check(self, name: str, text: str, base: str) -> Awaitable[Any]: ...
    def begin_back(self, name: str, number: int) -> Awaitable[Any]: ...
    def publish(
        self, name: str, text_hash: str, account: str, *, is_accepted: bool
    ) -> Awaitable[Any]: ...


class ShopFiles:
    def __init__(self, editor: Editor, note_act: Callable[[str, str], Awaitable[None]]) -> None:
        self._editor = editor
        self._note_act = note_act

    async def list_all(self, _request: Request) -> Response:
        found = await self._editor.list_files()
        files: Files = {
            "files": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "bytes": one.size_bytes,
                    "is_there": one.is_there,
                }
                for one in found
            ],
            "is_example": self._editor.is_example,
        }
        return JsonAnswer(files)

    async def open(self, request: Request) -> Response:
        """With `number`, that version's text in the place of what stands there."""
        draft = await self._editor.read(request.path_params["name"])
        versions = await self._editor.list_versions(draft.name)
        text = draft.text
        if number := _read_number(request):
            kept = await self._editor.read_version(draft.name, number)
            if kept is None:
                raise NotOffered("There is no such version any more.")
            text = kept
        opened: OpenedFile = {
            "name": draft.name,
            "kind": draft.kind,
            "text": text,
            "base": self._editor.hash(draft.text),
            "versions": [
                {"number": one.number, "account": one.account, "note": one.note, "at_ms": one.at_ms}
                for one in versions
            ],
            "setting": await self._describe(draft.name),
        }
        return JsonAnswer(opened)

    async def begin_check(self, request: Request) -> Response:
        wanted = await read_open_body(request, DraftText)
        _check_owner(request, wanted.name)
        text = wanted.text.replace("\r\n", "\n")
        return JsonAnswer(
            show_check(await self._editor.begin_check(wanted.name, text, wanted.base))
        )

    async def show_check(self, request: Request) -> Response:
        shown = show_check(self._editor.check)
        if shown["replay"]["changes"]:
            # What customers asked stands in it.
            await self._note_act(get_access(request.scope).who, "check read")
        return JsonAnswer(shown)

    async def publish(self, request: Request) -> Response:
        wish = await read_body(request, PublishWish)
        _check_owner(request, wish.name)
        account = get_access(request.scope).who
        done = await self._editor.publish(wish.name, wish.hash, account, is_accepted=wish.accept)
        published: Published = {"number": done.number, "needs_restart": done.needs_restart}
        return JsonAnswer(published)

    async def begin_back(self, request: Request) -> Response:
        wish = await read_body(request, RollbackWish)
        _check_owner(request, wish.name)
        return JsonAnswer(show_check(await self._editor.begin_back(wish.name, wish.number)))

    async def _describe(self, name: str) -> ShownSetting | None:
        told = await self._editor.describe(name)
        if told is None:
            return None
        return {
            "allowed": told.allowed,
            "fixed_by": told.fixed_by,
            "is_live": told.is_live,
            "is_taken": told.is_taken,
        }


def _check_owner(request: Request, name: str) -> None:
    """Tools name programs, databases and secrets of the machine; settings are the appliance's own.
    Raises AccessDenied."""
    is_owners = name == TOOLS_FILE or name in Settings.model_fields
    if is_owners and Policy.ADMIN not in get_access(request.scope).scopes:
        raise AccessDenied(f"Only an owner changes {name}.")


def _read_number(request: Request) -> int:
    """0 where none is asked for. Raises InvalidField."""
    told = request.query_params.get("number", "0")
    if not (told.isascii() and told.isdigit() and len(told) <= 9):
        raise InvalidField("number", "number is that of a version.")
    return int(told)


def show_check(check: Any) -> ShownCheck:
    outcome = check.outcome
    return {
        "state": check.state,
        "name": check.name,
        "hash": check.hash,
        "faults": list(check.faults),
        "warnings": [*check.warnings, *outcome.get("unread", ())],
        "added": list(check.added),
        "removed": list(check.removed),
        "cases": outcome.get("cases", 0),
        "right_before": outcome.get("right_before", 0),
        "right_after": outcome.get("right_after", 0),
        "broken": [_show_case(one) for one in outcome.get("broken", ())],
        "mended": [_show_case(one) for one in outcome.get("mended", ())],
        "replay": _show_replay(outcome),
        "note": check.note,
        "loss": _show_loss(check.loss),
    }


def _show_replay(outcome: Any) -> ShownReplay:
    wordings, changed = outcome.get("wordings", ()), outcome.get("changed", ())
    shown: list[ShownChange] = [
        {
            "text": wordings[one["place"]][0],
            "times": wordings[one["place"]][1],
            "before": one["before"],
            "after": one["after"],
            "gain": 0,
        }
        for one in changed[:MOST_CHANGES]
    ]
    return {
        "wordings": len(wordings),
        "replayed": outcome.get("replayed", 0),
        "changed": len(changed),
        "changes": shown,
    }


def _show_loss(loss: Any) -> ShownLoss | None:
    return {"days": loss.days, "conversations": loss.conversations} if loss is not None else None


def _show_case(one: Any) -> ChangedAnswer:
    return {
        "question": one["question"],
        "kind": one["kind"],
        "before": one["before"],
        "after": one["after"],
    }


def list_shop_routes(files: ShopFiles) -> list[Operation]:
    """The lines of the surface by which the shop's files are changed."""
    number = Parameter("number", "query", "Of a version, to see its text.")
    refusing = (*DENIED, NotOffered, PublishRefused)
    return [
        Operation(
            "GET",
            "/console/settings/files",
            files.list_all,
            "The shop's files that can be changed here.",
            (Reply(200, "The files", Files),),
            policy=Policy.CONSOLE,
            note="files looked at",
            errors=DENIED,
        ),
        Operation(
            "GET",
            "/console/settings/files/{name:path}",
            files.open,
            "One of them, with its versions.",
            (Reply(200, "The file", OpenedFile),),
            policy=Policy.CONSOLE,
            note="file looked at",
            errors=(*refusing, InvalidField),
            parameters=(number,),
        ),
        Operation(
            "GET",
            "/console/settings/check",
            files.show_check,
            "What came of the draft that was checked last.",
            (Reply(200, "The check", ShownCheck),),
            policy=Policy.CONSOLE,
            errors=DENIED,
        ),
        Operation(
            "POST",
            "/console/settings/check",
            files.begin_check,
            "Find what is wrong with a draft, and begin to compare its answers.",
            (Reply(200, "The check", ShownCheck),),
            policy=Policy.KNOWLEDGE,
            body=DraftText,
            errors=refusing,
        ),
        *_list_changes(files, refusing),
    ]


def _list_changes(files: ShopFiles, refusing: tuple[type[ApplianceError], ...]) -> list[Operation]:
    return [
        Operation(
            "POST",
            "/console/settings/publish",
            files.publish,
            "Publish the draft that was checked.",
            (Reply(200, "Published", Published),),
            policy=Policy.KNOWLEDGE,
            body=PublishWish,
            errors=refusing,
        ),
        Operation(
            "POST",
            "/console/settings/rollback",
            files.begin_back,
            "Begin to check an older version, to be published like a draft.",
            (Reply(200, "The check", ShownCheck),),
            policy=Policy.KNOWLEDGE,
            body=RollbackWish,
            errors=refusing,
        ),
    ]
