"""A customer's calls beside talking: he writes just now, leaves word how to be reached, rates.

It keeps nothing itself. The rule that must not break: the id stands in the path and nowhere else,
and what is left is bounded and clean as any message.
"""

from __future__ import annotations

from starlette.requests import Request

from appliance.dialogue.visiting import Visiting
from appliance.errors import InvalidField, SessionNotFound, StoreUnavailable
from appliance.http.answers import JsonAnswer
from appliance.http.body import clean_text, get_session_id, read_body, read_optional_body
from appliance.http.openapi import Operation, Reply
from appliance.http.policies import Policy
from appliance.http.shapes import Nothing
from appliance.http.visit_shapes import (
    ContactLeft,
    ContactWish,
    Rated,
    RatingWish,
    TypingSeen,
)

MAX_CONTACT_CHARS, MAX_COMMENT_CHARS = 200, 1000


class Visits:
    def __init__(self, visiting: Visiting) -> None:
        self._visiting = visiting

    async def type(self, request: Request) -> JsonAnswer:
        await read_optional_body(request, Nothing)
        await self._visiting.type(get_session_id(request))
        seen: TypingSeen = {"noted": True}
        return JsonAnswer(seen)

    async def leave_contact(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        wish = await read_body(request, ContactWish)
        text = clean_text("text", wish.text, MAX_CONTACT_CHARS)
        await self._visiting.leave_contact(session_id, text)
        left: ContactLeft = {"contact": text}
        return JsonAnswer(left)

    async def rate(self, request: Request) -> JsonAnswer:
        session_id = get_session_id(request)
        wish = await read_body(request, RatingWish)
        comment = wish.comment.strip() if wish.comment else wish.comment
        if comment:
            comment = clean_text("comment", comment, MAX_COMMENT_CHARS)
        await self._visiting.rate(session_id, wish.stars, comment)
        rated: Rated = {"stars": wish.stars}
        return JsonAnswer(rated)


def list_visits(visits: Visits) -> list[Operation]:
    gone = (SessionNotFound, StoreUnavailable)
    return [
        Operation(
            "POST",
            "/sessions/{session_id}/typing",
            visits.type,
            "Let the operators see that the customer writes.",
            (Reply(200, "Noted", TypingSeen),),
            body=Nothing,
            is_body_required=False,
            errors=gone,
            policy=Policy.CHAT,
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/contact",
            visits.leave_contact,
            "Leave word how one can be reached.",
            (Reply(200, "It is kept", ContactLeft),),
            body=ContactWish,
            errors=(*gone, InvalidField),
            policy=Policy.CHAT,
        ),
        Operation(
            "POST",
            "/sessions/{session_id}/rating",
            visits.rate,
            "Say how the conversation was.",
            (Reply(200, "It is kept", Rated),),
            body=RatingWish,
            errors=(*gone, InvalidField),
            policy=Policy.CHAT,
        ),
    ]
