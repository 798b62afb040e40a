"""The console's calls on receivers and deliveries: who is told what, and what came of it.

It sends nothing. The rule that must not break: only owners say who is told, for a receiver learns
of every conversation.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import InvalidField, NotOffered
from appliance.http.answers import JsonAnswer
from appliance.http.body import clean_text, read_body, read_optional_body
from appliance.http.console import DENIED
from appliance.http.openapi import Operation, Parameter, Reply
from appliance.http.outbox_shapes import (
    AddedReceiver,
    Deliveries,
    Done,
    NewReceiver,
    Receivers,
    ShownDelivery,
    ShownReceiver,
)
from appliance.http.policies import Policy, get_access
from appliance.http.shapes import Nothing
from appliance.store.outbox import (
    LAST_ID,
    MOST_RECEIVERS,
    Logged,
    Outbox,
    Receiver,
    describe_receiver,
)
from appliance.tools.failures import ToolFailed
from appliance.tools.hooks import check_hook_address
from appliance.tools.mail import MailServer, check_mail_server

SECRET_BYTES = 32
PAGE = 100
MAX_NAME_CHARS = 80
MAIL_FIELDS = ("host", "security", "user", "password", "sender", "recipient")
DONE: Done = {"done": True}


class OutboxCalls:
    def __init__(self, outbox: Outbox, look: Callable[[], None]) -> None:
        """`look` is called once there is something new to send."""
        self._outbox = outbox
        self._look = look

    async def list_receivers(self, _request: Request) -> Response:
        found = await self._outbox.list_receivers()
        receivers: Receivers = {"webhooks": [_show_receiver(one) for one in found]}
        return JsonAnswer(receivers)

    async def add(self, request: Request) -> Response:
        wanted = await read_body(request, NewReceiver)
        name = clean_text("name", wanted.name, MAX_NAME_CHARS)
        target = make_target(wanted)
        if len(await self._outbox.list_receivers()) >= MOST_RECEIVERS:
            raise InvalidField("name", f"There are {MOST_RECEIVERS} receivers; remove one first.")
        secret = secrets.token_urlsafe(SECRET_BYTES) if wanted.kind == "events" else ""
        target |= {"secret": secret} if secret else {}
        events = sorted(set(wanted.events))
        account = get_access(request.scope).who
        added = await self._outbox.add(name, wanted.kind, events, target, account)
        self._look()
        answer: AddedReceiver = {"id": added, "secret": secret}
        return JsonAnswer(answer, 201)

    async def remove(self, request: Request) -> Response:
        await self._outbox.remove(_read_id(request), get_access(request.scope).who)
        return JsonAnswer(DONE)

    async def test(self, request: Request) -> Response:
        await read_optional_body(request, Nothing)
        await self._outbox.add_test(_read_id(request))
        self._look()
        return JsonAnswer(DONE)

    async def list_deliveries(self, request: Request) -> Response:
        told = request.query_params.get("before", "")
        if told and not (told.isascii() and told.isdigit() and len(told) <= 18):
            raise InvalidField("before", "before is the id of a delivery.")
        found = await self._outbox.read_log(int(told or LAST_ID), PAGE)
        deliveries: Deliveries = {
            "deliveries": [_show_delivery(one) for one in found],
            "next": found[-1].id if len(found) == PAGE else None,
        }
        return JsonAnswer(deliveries)

    async def retry(self, request: Request) -> Response:
        await read_optional_body(request, Nothing)
        await self._outbox.retry(_read_id(request))
        self._look()
        return JsonAnswer(DONE)


def make_target(wanted: NewReceiver) -> dict[str, str]:
    """Raises InvalidField."""
    if wanted.kind != "mail":
        try:
            check_hook_address(wanted.url)
        except ToolFailed as error:
            raise InvalidField("url", f"url is wrong. {error}") from None
        return {"url": wanted.url, "style": wanted.style}
    target = {name: str(getattr(wanted, name)) for name in MAIL_FIELDS}
    try:
        check_mail_server(MailServer(port=wanted.port, **target))  # type: ignore[arg-type]
    except ToolFailed as error:
        raise InvalidField("host", f"The mail server is wrong. {error}") from None
    return {**target, "port": str(wanted.port)}


def _read_id(request: Request) -> int:
    """Raises NotOffered."""
    told = str(request.path_params["id"])
    if not (told.isascii() and told.isdigit() and len(told) <= 18):
        raise NotOffered("There is no such receiver or delivery.")
    return int(told)


def _show_receiver(one: Receiver) -> ShownReceiver:
    host = describe_receiver(one.kind, one.events, one.target)["host"]
    return {
        "id": one.id,
        "name": one.name,
        "kind": one.kind,
        "events": list(one.events),
        "host": host,
        "account": one.account,
        "created_ms": one.created_ms,
    }


def _show_delivery(one: Logged) -> ShownDelivery:
    return {
        "id": one.id,
        "webhook": one.receiver,
        "event": one.event,
        "event_id": one.event_id,
        "conversation": one.session_key,
        "at_ms": one.at_ms,
        "state": one.state,
        "attempts": one.attempts,
        "status": one.status,
        "fault": one.fault,
        "ended_ms": one.ended_ms,
    }


def list_outbox(calls: OutboxCalls) -> list[Operation]:
    """The lines of the surface by which other systems are told."""
    done = (Reply(200, "Done", Done),)
    before = Parameter("before", "query", "Only those with a smaller id.")
    return [
        Operation(
            "GET",
            "/console/webhooks",
            calls.list_receivers,
            "Who is told what.",
            (Reply(200, "The receivers", Receivers),),
            policy=Policy.CONSOLE,
            note="webhooks looked at",
            errors=DENIED,
        ),
        Operation(
            "POST",
            "/console/webhooks",
            calls.add,
            "Have another system, a chat or a mailbox told; for owners.",
            (Reply(201, "Added; the secret is shown once", AddedReceiver),),
            policy=Policy.ADMIN,
            body=NewReceiver,
            errors=DENIED,
        ),
        Operation(
            "DELETE",
            "/console/webhooks/{id}",
            calls.remove,
            "Tell it no more, and drop its deliveries; for owners.",
            done,
            policy=Policy.ADMIN,
            errors=(*DENIED, NotOffered),
        ),
        Operation(
            "POST",
            "/console/webhooks/{id}/test",
            calls.test,
            "Send it a test; for owners.",
            done,
            policy=Policy.ADMIN,
            note="webhook tried",
            body=Nothing,
            is_body_required=False,
            errors=(*DENIED, NotOffered),
        ),
        *_list_deliveries(calls, before),
    ]


def _list_deliveries(calls: OutboxCalls, before: Parameter) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/console/deliveries",
            calls.list_deliveries,
            "What was told to whom, and what came of it, the latest first.",
            (Reply(200, "The log", Deliveries),),
            policy=Policy.CONSOLE,
            note="deliveries looked at",
            errors=(*DENIED, InvalidField),
            parameters=(before,),
        ),
        Operation(
            "POST",
            "/console/deliveries/{id}/retry",
            calls.retry,
            "Try again one that was given up.",
            (Reply(200, "It is tried", Done),),
            policy=Policy.CONSOLE,
            note="delivery tried again",
            body=Nothing,
            is_body_required=False,
            errors=(*DENIED, NotOffered),
        ),
    ]
