"""What operators learn from: the misses, and the entries they try, publish and take back.

It decides nothing: `dialogue/learning.py` does, which comes up with the knowledge. The rules that
must not break: who may not change the knowledge changes nothing here, and every look at customers'
words and every change is an audit row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import (
    AccessDenied,
    ForeignOrigin,
    InsecureConnection,
    InvalidField,
    NotAuthenticated,
    PublishRefused,
    Restarting,
    StoreUnavailable,
)
from appliance.http.answers import JsonAnswer
from appliance.http.body import clean_text, read_body
from appliance.http.learning_shapes import (
    MAX_CHARS,
    ShownMisses,
    ShownPreview,
    ShownPublications,
    ShownPublished,
    ShownTrial,
    ShownUndone,
    Undo,
    WishedEntry,
)
from appliance.http.openapi import Operation, Parameter, Reply
from appliance.http.policies import Policy, get_access

if TYPE_CHECKING:
    from appliance.dialogue.learning import Learning
    from appliance.knowledge.published import Draft

Note: TypeAlias = Callable[[str, str], Awaitable[None]]
"""Keeps an audit row: the account, and what it did."""
FindLearning: TypeAlias = "Callable[[], Learning | None]"

DENIED = (NotAuthenticated, AccessDenied, ForeignOrigin, InsecureConnection, StoreUnavailable)
REFUSED = (*DENIED, PublishRefused, Restarting)
MOST_DAYS = 30


class LearningDesk:
    def __init__(self, find: FindLearning, note: Note) -> None:
        """`find` gives None until the knowledge is there."""
        self._find = find
        self._note = note

    async def list_misses(self, request: Request) -> Response:
        from appliance.dialogue.missed import list_missed
        from appliance.http.learning_views import show_missed

        days = _read_days(request)
        learning = self._get()
        await self._note(get_access(request.scope).account, "misses read")
        return JsonAnswer(show_missed(await list_missed(learning, days)))

    async def preview(self, request: Request) -> Response:
        from appliance.http.learning_views import show_preview

        account = _get_editor(request)
        draft = _read_draft(await read_body(request, WishedEntry))
        learning = self._get()
        await self._note(account, "entry tried")
        return JsonAnswer(show_preview(await learning.preview(draft)))

    async def show_trial(self, request: Request) -> Response:
        """What was tried last; its words only once it has ended."""
        from appliance.http.learning_views import show_trial

        account = get_access(request.scope).account
        tried = self._get().tried
        if tried is None:
            raise PublishRefused("Nothing was tried yet.")
        if not tried.sweep.is_running:
            await self._note(account, "trial read")
        return JsonAnswer(show_trial(tried))

    async def publish(self, request: Request) -> Response:
        from appliance.http.learning_views import show_published

        account = _get_editor(request)
        draft = _read_draft(await read_body(request, WishedEntry))
        done = await self._get().publish(draft, account)
        await self._note(account, f"entry {done.number} published")
        return JsonAnswer(show_published(done), 201)

    async def undo(self, request: Request) -> Response:
        account = _get_editor(request)
        number = (await read_body(request, Undo)).number
        await self._get().undo(number, account)
        await self._note(account, f"entry {number} undone")
        undone: ShownUndone = {"number": number, "is_undone": True}
        return JsonAnswer(undone)

    async def list_entries(self, request: Request) -> Response:
        from appliance.http.learning_views import show_standing

        learning = self._get()
        await self._note(get_access(request.scope).account, "entries read")
        standing = await learning.list_standing()
        return JsonAnswer(show_standing(standing, learning.library.state.version))

    def _get(self) -> Learning:
        learning = self._find()
        if learning is None:
            raise Restarting("The knowledge is being opened; try again in a moment.")
        return learning


def _get_editor(request: Request) -> str:
    """The account. Raises AccessDenied where its role may not change the knowledge."""
    access = get_access(request.scope)
    if Policy.KNOWLEDGE not in access.scopes:
        raise AccessDenied(f"The role {access.role} may not change the knowledge.")
    return access.account


def _read_days(request: Request) -> int:
    given = request.query_params.get("days", str(MOST_DAYS))
    is_short = given.isascii() and given.isdecimal() and len(given) <= len(str(MOST_DAYS))
    if not is_short or not 1 <= int(given) <= MOST_DAYS:
        raise InvalidField("days", f"days is a whole number from 1 to {MOST_DAYS}.")
    return int(given)


def _read_draft(wish: WishedEntry) -> Draft:
    from appliance.knowledge.published import Draft

    phrasings = [
        clean_text(f"phrasings.{place}", text, MAX_CHARS)
        for place, text in enumerate(wish.phrasings)
        if text.strip()
    ]
    question = clean_text("question", wish.question, MAX_CHARS)
    return Draft(question, clean_text("answer", wish.answer, MAX_CHARS), tuple(phrasings))


def list_learning(desk: LearningDesk) -> list[Operation]:
    return [*_list_looking(desk), *_list_changing(desk)]


def _list_looking(desk: LearningDesk) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/console/misses",
            desk.list_misses,
            "What was missed of late, in groups of alike questions.",
            (Reply(200, "The groups", ShownMisses),),
            policy=Policy.CONSOLE,
            errors=(*DENIED, InvalidField, Restarting),
            parameters=(Parameter("days", "query", "How many days back, 30 at most."),),
        ),
        Operation(
            "GET",
            "/console/entries",
            desk.list_entries,
            "What was published here, as it stands in the folder now.",
            (Reply(200, "The entries", ShownPublications),),
            policy=Policy.CONSOLE,
            errors=REFUSED,
        ),
    ]


def _list_changing(desk: LearningDesk) -> list[Operation]:
    return [
        Operation(
            "POST",
            "/console/entries/preview",
            desk.preview,
            "Try an entry against the questions of the last 30 days; nothing is changed.",
            (Reply(200, "What would change", ShownPreview),),
            policy=Policy.CONSOLE,
            body=WishedEntry,
            errors=REFUSED,
        ),
        Operation(
            "GET",
            "/console/entries/preview",
            desk.show_trial,
            "How far the trial is, and what it found.",
            (Reply(200, "The trial", ShownTrial),),
            policy=Policy.CONSOLE,
            errors=REFUSED,
        ),
        Operation(
            "POST",
            "/console/entries/publish",
            desk.publish,
            "Publish an entry into the shop's knowledge.",
            (Reply(201, "It stands there", ShownPublished),),
            policy=Policy.CONSOLE,
            body=WishedEntry,
            errors=REFUSED,
        ),
        Operation(
            "POST",
            "/console/entries/undo",
            desk.undo,
            "Take a published entry back: the folder is as it was.",
            (Reply(200, "It is gone", ShownUndone),),
            policy=Policy.CONSOLE,
            body=Undo,
            errors=REFUSED,
        ),
    ]
