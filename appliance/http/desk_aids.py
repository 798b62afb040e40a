"""What helps operators: canned replies, suggestions, search, answers held back, who is there.

It keeps nothing and says nothing to a customer. The rule that must not break: a suggestion leaves
to the operator who asked and to nobody else, and what was searched for stands in no log.
"""

from __future__ import annotations

from starlette.requests import Request

from appliance.dialogue.desk import Desk
from appliance.dialogue.drafts import Decision
from appliance.dialogue.suggesting import Suggesting
from appliance.errors import HandoffRefused, InvalidField
from appliance.http.answers import JsonAnswer
from appliance.http.body import clean_text, read_body
from appliance.http.console import DENIED
from appliance.http.desk import answer_row, get_account, get_key, read_number
from appliance.http.desk_routes import GONE, ONE
from appliance.http.desk_shapes import (
    AllHeld,
    Changed,
    DraftWish,
    FoundTexts,
    HoldWish,
    Noted,
    Operators,
    Replies,
    RepliesWish,
    Suggestions,
)
from appliance.http.openapi import Operation, Parameter, Reply
from appliance.http.policies import Policy
from appliance.store.accounts import Accounts, Role
from appliance.store.desk import Reply as CannedReply
from appliance.store.desk_rows import HIGHEST

MAX_WORDS_CHARS = 200
MAX_REPLY_CHARS = 2000


class DeskAids:
    def __init__(
        self, desk: Desk, suggesting: Suggesting, accounts: Accounts, max_message_chars: int
    ) -> None:
        self._desk = desk
        self._suggesting = suggesting
        self._accounts = accounts
        self._max_message_chars = max_message_chars

    async def read_replies(self, request: Request) -> JsonAnswer:
        return _show_replies(await self._desk.read_replies(get_account(request)))

    async def keep_replies(self, request: Request) -> JsonAnswer:
        wish = await read_body(request, RepliesWish)
        replies = tuple(
            CannedReply(
                clean_text("shortcut", one.shortcut, MAX_REPLY_CHARS),
                clean_text("text", one.text, MAX_REPLY_CHARS),
            )
            for one in wish.replies
        )
        if len({one.shortcut for one in replies}) < len(replies):
            raise InvalidField("replies", "Each shortcut stands for one text.")
        await self._desk.keep_replies(get_account(request), replies)
        return _show_replies(replies)

    async def suggest(self, request: Request) -> JsonAnswer:
        key = get_key(request)
        found = await self._suggesting.suggest(key)
        await self._desk.note_view(get_account(request), "suggestions", key)
        shown: Suggestions = {
            "suggestions": [
                {
                    "kind": one.kind,
                    "id": one.id,
                    "title": one.title,
                    "text": one.text,
                    "score": round(one.score, 3),
                }
                for one in found
            ]
        }
        return JsonAnswer(shown)

    async def search(self, request: Request) -> JsonAnswer:
        query = request.query_params
        words = clean_text("q", query.get("q", ""), MAX_WORDS_CHARS)
        last_ms = read_number(query, "to_ms")
        span_ms = (read_number(query, "from_ms") or 0, HIGHEST if last_ms is None else last_ms)
        await self._desk.note_view(get_account(request), "search")
        found, is_cut = await self._suggesting.search(words, span_ms)
        shown: FoundTexts = {
            "found": [
                {"id": one.session_key, "at_ms": one.at_ms, "role": one.role, "text": one.text}
                for one in found
            ],
            "is_cut": is_cut,
        }
        return JsonAnswer(shown)

    async def hold(self, request: Request) -> JsonAnswer:
        wish = await read_body(request, HoldWish)
        key, account = get_key(request), get_account(request)
        return answer_row(await self._desk.hold(key, account, is_on=wish.on))

    async def hold_all(self, request: Request) -> JsonAnswer:
        wish = await read_body(request, HoldWish)
        await self._desk.hold_all(get_account(request), is_on=wish.on)
        held: AllHeld = {"is_held": wish.on}
        return JsonAnswer(held)

    async def decide(self, request: Request) -> JsonAnswer:
        wish = await read_body(request, DraftWish)
        if (wish.action == "edit") != (wish.text is not None):
            raise InvalidField("text", 'A text goes with the action "edit", and with no other.')
        text = clean_text("text", wish.text, self._max_message_chars) if wish.text else ""
        decision = Decision(wish.action, text)
        key, account = get_key(request), get_account(request)
        await self._desk.decide(key, account, request.path_params["run_id"], decision)
        noted: Noted = {"noted": True}
        return JsonAnswer(noted)

    async def list_operators(self, request: Request) -> JsonAnswer:
        await self._desk.note_view(get_account(request), "operators")
        here = self._desk.presence.names
        operators: Operators = {
            "operators": [
                {"name": one.name, "role": one.role, "is_here": one.name in here}
                for one in await self._accounts.read_all()
                if one.role != Role.VIEWER
            ],
            "is_held": self._desk.is_all_held,
        }
        return JsonAnswer(operators)


def _show_replies(replies: tuple[CannedReply, ...]) -> JsonAnswer:
    shown: Replies = {"replies": [{"shortcut": one.shortcut, "text": one.text} for one in replies]}
    return JsonAnswer(shown)


def list_aids(aids: DeskAids) -> list[Operation]:
    replies = (Reply(200, "All of them", Replies),)
    return [
        Operation(
            "GET",
            "/console/replies",
            aids.read_replies,
            "The canned replies.",
            replies,
            policy=Policy.CONSOLE,
            errors=DENIED,
        ),
        Operation(
            "PUT",
            "/console/replies",
            aids.keep_replies,
            "Keep these canned replies instead of all others.",
            replies,
            policy=Policy.CONSOLE,
            body=RepliesWish,
            errors=(*DENIED, InvalidField),
        ),
        Operation(
            "GET",
            "/console/search",
            aids.search,
            "Messages that hold the words, the latest first.",
            (Reply(200, "What was found", FoundTexts),),
            policy=Policy.CONSOLE,
            errors=(*DENIED, InvalidField),
            parameters=(
                Parameter("q", "query", "The words.", "string"),
                Parameter("from_ms", "query", "Not before this time."),
                Parameter("to_ms", "query", "Not after this time."),
            ),
        ),
        Operation(
            "GET",
            "/console/operators",
            aids.list_operators,
            "Who can answer, and who is there.",
            (Reply(200, "The operators", Operators),),
            policy=Policy.CONSOLE,
            errors=DENIED,
        ),
        *_list_holding(aids),
    ]


def _list_holding(aids: DeskAids) -> list[Operation]:
    return [
        Operation(
            "GET",
            f"{ONE}/suggestions",
            aids.suggest,
            "What might be answered, from the FAQ and the documents.",
            (Reply(200, "Nobody has said any of it", Suggestions),),
            policy=Policy.CONSOLE,
            errors=GONE,
        ),
        Operation(
            "POST",
            "/console/hold",
            aids.hold_all,
            "Look at all answers before the customers do, or no longer.",
            (Reply(200, "As it is then", AllHeld),),
            policy=Policy.CONSOLE,
            body=HoldWish,
            errors=DENIED,
        ),
        Operation(
            "POST",
            f"{ONE}/hold",
            aids.hold,
            "Look at this conversation's answers before the customer does, or no longer.",
            (Reply(200, "As it is then", Changed),),
            policy=Policy.CONSOLE,
            body=HoldWish,
            errors=GONE,
        ),
        Operation(
            "POST",
            f"{ONE}/drafts/{{run_id}}",
            aids.decide,
            "Send an answer that is held back, change it, or drop it.",
            (Reply(200, "It is done", Noted),),
            policy=Policy.CONSOLE,
            body=DraftWish,
            errors=(*GONE, HandoffRefused, InvalidField),
        ),
    ]
