"""The operators' calls: the list, a conversation, and all that is done in it.

It keeps nothing and decides nothing; `dialogue/desk.py` does. The rule that must not break: who
acts is the account that was let in, and never a name that a body tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import get_args

from starlette.requests import Request

from appliance.dialogue.board import ShownRow
from appliance.dialogue.desk import Desk, OpenedConversation
from appliance.dialogue.language import language_of
from appliance.errors import InvalidField, SessionNotFound, UnknownOperator
from appliance.events import HandoffState, Source
from appliance.http.answers import JsonAnswer
from appliance.http.body import clean_text, read_body, read_optional_body
from appliance.http.desk_shapes import (
    AssignWish,
    Changed,
    Conversation,
    Conversations,
    DeskMessage,
    Noted,
    NoteWish,
    OperatorSays,
    ReleaseWish,
    Said,
    ShownCall,
    ShownJudgement,
    TakeWish,
)
from appliance.http.desk_shapes import ShownRow as RowShape
from appliance.http.leaving import wait_unless_gone
from appliance.http.policies import get_access
from appliance.http.shapes import Nothing
from appliance.store.accounts import Accounts, Role
from appliance.store.desk_rows import Judgement
from appliance.store.messages import StoredMessage

KEY = re.compile(r"[0-9a-f]{64}")
# So much of the last words stands in the list.
TEASER_CHARS = 160
PAGE, MOST_ROWS = 50, 500
MAX_NOTE_CHARS = 2000


class DeskCalls:
    def __init__(self, desk: Desk, accounts: Accounts, max_message_chars: int) -> None:
        self._desk = desk
        self._accounts = accounts
        self._max_message_chars = max_message_chars

    async def list_page(self, request: Request) -> JsonAnswer:
        wanted = read_filters(request.query_params)
        before = read_number(request.query_params, "before")
        limit = min(read_number(request.query_params, "limit") or PAGE, MOST_ROWS)
        # Before it is read, so that what is answered is not older than it has to be.
        await self._desk.note_view(get_account(request), "list")
        # Rung and language are known once a row is read.
        listed, rows = await self._desk.list_page(before, MOST_ROWS if wanted else limit)
        shown = [show_row(row) for row in rows]
        page: Conversations = {
            "conversations": [row for row in shown if wanted.items() <= row.items()],
            "counts": dict.fromkeys(get_args(HandoffState), 0) | dict(listed.counts),
            "next": listed.next,
        }
        return JsonAnswer(page)

    async def open(self, request: Request) -> JsonAnswer:
        key = get_key(request)
        found = await self._desk.open(key, get_account(request))
        return JsonAnswer(show_conversation(found, self._max_message_chars))

    async def take(self, request: Request) -> JsonAnswer:
        wish = await read_optional_body(request, TakeWish)
        # An answer may queue and speak for minutes: who has hung up meanwhile takes nothing.
        taking = self._desk.take(get_key(request), get_account(request), wish.running)
        return answer_row(await wait_unless_gone(request, taking))

    async def say(self, request: Request) -> JsonAnswer:
        wish = await read_body(request, OperatorSays)
        text = clean_text("text", wish.text, self._max_message_chars)
        number = await self._desk.say(get_key(request), get_account(request), text, wish.client_id)
        said: Said = {"event_id": number}
        return JsonAnswer(said, 202)

    async def release(self, request: Request) -> JsonAnswer:
        wish = await read_optional_body(request, ReleaseWish)
        is_owner = get_access(request.scope).role == Role.OWNER
        key, account = get_key(request), get_account(request)
        return answer_row(await self._desk.release(key, account, wish.to, is_owner=is_owner))

    async def type(self, request: Request) -> JsonAnswer:
        await read_optional_body(request, Nothing)
        self._desk.type(get_key(request), get_account(request))
        noted: Noted = {"noted": True}
        return JsonAnswer(noted)

    async def note(self, request: Request) -> JsonAnswer:
        wish = await read_body(request, NoteWish)
        text = clean_text("text", wish.text, MAX_NOTE_CHARS)
        await self._desk.note(get_key(request), get_account(request), text)
        noted: Noted = {"noted": True}
        return JsonAnswer(noted, 201)

    async def assign(self, request: Request) -> JsonAnswer:
        wish = await read_body(request, AssignWish)
        key, account = get_key(request), get_account(request)
        named = [one for one in await self._accounts.read_all() if one.name == wish.account]
        if not named or named[0].role == Role.VIEWER:
            raise UnknownOperator(wish.account)
        return answer_row(await self._desk.assign(key, account, wish.account))


def get_key(request: Request) -> str:
    """Raises SessionNotFound for what cannot be a key."""
    key: str = request.path_params["id"]
    if not KEY.fullmatch(key):
        raise SessionNotFound("There is no such conversation; it may have been deleted.")
    return key


def get_account(request: Request) -> str:
    return get_access(request.scope).account


def read_number(query: Mapping[str, str], name: str) -> int | None:
    """Raises InvalidField."""
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise InvalidField(name, f"{name} is a whole number.")
    return int(text)


def read_filters(query: Mapping[str, str]) -> dict[str, str]:
    """Raises InvalidField."""
    allowed = {
        "state": get_args(HandoffState),
        "rung": get_args(Source),
        "language": ("zh", "en"),
    }
    wanted = {name: query[name] for name in allowed if query.get(name)}
    for name, value in wanted.items():
        if value not in allowed[name]:
            raise InvalidField(name, f"{name} is one of {', '.join(allowed[name])}.")
    return wanted


def answer_row(shown: ShownRow) -> JsonAnswer:
    changed: Changed = {"conversation": show_row(shown)}
    return JsonAnswer(changed)


def show_row(shown: ShownRow) -> RowShape:
    row = shown.row
    return {
        "id": row.session_key,
        "state": row.state,
        "since_ms": row.since_ms,
        "last_text": row.last_text[:TEASER_CHARS],
        "last_role": row.last_role,
        "last_at_ms": row.last_at_ms,
        "rung": row.rung,
        "language": language_of(row.asked),
        "assigned_to": row.account,
        "is_held": shown.is_held,
        "is_running": shown.is_running,
        "place": shown.place,
        "contact": row.contact,
    }


def show_conversation(found: OpenedConversation, max_message_chars: int) -> Conversation:
    opened = found.opened
    rating = opened.rating
    return {
        "conversation": show_row(found.shown),
        "messages": [show_message(one, opened.judgements) for one in opened.messages],
        "last_number": opened.last_number,
        "notes": [
            {"text": note.text, "account": note.account, "at_ms": note.at_ms}
            for note in opened.notes
        ],
        "csat": {"stars": rating.stars, "comment": rating.comment, "at_ms": rating.at_ms}
        if rating
        else None,
        "events": [
            {"state": one.state, "reason": one.reason, "at_ms": one.at_ms, "operator": one.account}
            for one in found.changes
        ],
        "max_message_chars": max_message_chars,
    }


def show_message(message: StoredMessage, judgements: tuple[Judgement, ...]) -> DeskMessage:
    shown: DeskMessage = {
        "role": message.role,
        "text": message.text,
        "at_ms": message.created_ms,
        "run_id": message.run_id,
    }
    if message.account:
        shown["operator"] = message.account
    if message.source is not None:
        own = [one for one in judgements if one.run_id == message.run_id]
        verdicts: list[ShownJudgement] = [
            {"rule": one.rule, "action": one.action} for one in own if not one.is_tool
        ]
        tools: list[ShownCall] = [
            {"name": one.rule, "state": one.action} for one in own if one.is_tool
        ]
        shown |= {"source": message.source, "sources": list(message.sources)}
        shown |= {"score": message.score, "rule": message.rule}
        shown |= {"verdicts": verdicts, "tools": tools}
    if message.finish_reason is not None:
        shown["finish_reason"] = message.finish_reason
    if message.error_code is not None:
        shown["error"] = message.error_code
    if message.feedback is not None:
        shown["feedback"] = message.feedback.verdict
        shown["feedback_reason"] = message.feedback.reason
    return shown
