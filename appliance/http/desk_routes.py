"""What an operator can do, as lines of the surface: the list, a conversation, his acts in it.

It answers nothing itself. The rule that must not break: every line here is for operators alone, and
what changes something is for those whose role may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import (
    AlreadyTaken,
    ApplianceError,
    HandoffRefused,
    InvalidField,
    SessionNotFound,
    TurnRunning,
    UnknownOperator,
)
from appliance.http.console import DENIED
from appliance.http.desk import DeskCalls
from appliance.http.desk_shapes import (
    AssignWish,
    Changed,
    Conversation,
    Conversations,
    DeskEvent,
    Noted,
    NoteWish,
    OperatorSays,
    ReleaseWish,
    Said,
    TakeWish,
)
from appliance.http.desk_streams import DeskStreams
from appliance.http.event_shapes import EventData
from appliance.http.openapi import EVENT_STREAM, Operation, Parameter, Reply
from appliance.http.policies import Policy
from appliance.http.shapes import Nothing

ONE = "/console/conversations/{id}"
GONE = (*DENIED, SessionNotFound)
TAKEN = (*GONE, AlreadyTaken, HandoffRefused, TurnRunning)
AFTER = (
    Parameter("after", "query", "Number of the last event that was seen."),
    Parameter("Last-Event-ID", "header", "The same; goes before it."),
)


def list_views(calls: DeskCalls, streams: DeskStreams) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/console/conversations",
            calls.list_page,
            "The conversations, those that wait first.",
            (Reply(200, "A page of them", Conversations),),
            policy=Policy.CONSOLE,
            errors=(*DENIED, InvalidField),
            parameters=(
                Parameter("state", "query", "Only bot, waiting, human or closed.", "string"),
                Parameter("rung", "query", "Only those last answered by it.", "string"),
                Parameter("language", "query", "Only zh or en.", "string"),
                Parameter("before", "query", "`next` of the page before."),
                Parameter("limit", "query", "Rows beside those that wait; 50."),
            ),
        ),
        Operation(
            "GET",
            "/console/events",
            streams.stream_list,
            "The list as it changes; being on it is being at the desk.",
            (Reply(200, "Rows that changed", DeskEvent, EVENT_STREAM),),
            policy=Policy.CONSOLE,
            errors=DENIED,
        ),
        Operation(
            "GET",
            ONE,
            calls.open,
            "A conversation as operators see it.",
            (Reply(200, "All of it", Conversation),),
            policy=Policy.CONSOLE,
            errors=GONE,
        ),
        Operation(
            "GET",
            f"{ONE}/events",
            streams.stream_conversation,
            "Its events as they happen, and answers that are held back.",
            (Reply(200, "Events for as long as the client stays", EventData, EVENT_STREAM),),
            policy=Policy.CONSOLE,
            errors=(*GONE, InvalidField),
            parameters=AFTER,
        ),
    ]


def list_desk_acts(calls: DeskCalls) -> list[Operation]:
    changed, noted = Reply(200, "As it is then", Changed), Reply(200, "Done", Noted)
    return [
        _act("take", calls.take, "Take it over; the bot is silent.", changed, TakeWish, TAKEN),
        _act(
            "messages",
            calls.say,
            "Say something to the customer.",
            Reply(202, "It is kept and shown", Said),
            OperatorSays,
            TAKEN,
            is_body_required=True,
        ),
        _act("release", calls.release, "Give it back, or end it.", changed, ReleaseWish, TAKEN),
        _act("typing", calls.type, "Let the customer see that you write.", noted, Nothing, GONE),
        _act(
            "notes",
            calls.note,
            "Write down something for operators alone.",
            Reply(201, "It is kept", Noted),
            NoteWish,
            GONE,
            is_body_required=True,
        ),
        _act(
            "assign",
            calls.assign,
            "Make it another operator's.",
            changed,
            AssignWish,
            (*TAKEN, UnknownOperator),
            is_body_required=True,
        ),
    ]


def _act(
    name: str,
    handler: Callable[[Request], Awaitable[Response]],
    summary: str,
    reply: Reply,
    body: type[BaseModel],
    errors: tuple[type[ApplianceError], ...],
    *,
    is_body_required: bool = False,
) -> Operation:
    return Operation(
        "POST",
        f"{ONE}/{name}",
        handler,
        summary,
        (reply,),
        policy=Policy.CONSOLE,
        body=body,
        is_body_required=is_body_required,
        errors=errors,
    )
