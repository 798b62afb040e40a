"""The shapes of what the console adds and sees of receivers and deliveries.

They hold no behaviour. The rule that must not break: a secret comes in, or goes out once when it is
made, and of an address only the host is ever shown.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

EventName = Literal[
    "conversation.started",
    "conversation.waiting",
    "conversation.handed_over",
    "conversation.closed",
    "feedback",
    "ticket",
]


class NewReceiver(BaseModel):
    """Who shall be told what. `events` and `chat` need `url`, `mail` needs the server's fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: str = Field(min_length=1, max_length=80, description="As the console shows it.")
    kind: Literal["events", "chat", "mail"] = Field(
        description="Signed events, a sentence for a chat, or an e-mail."
    )
    events: list[EventName] = Field(min_length=1, max_length=20, description="What is told.")
    url: str = Field("", max_length=1000, description="Where events and sentences go.")
    style: Literal["text", "msgtype"] = Field(
        "text", description="How the chat reads it: Slack and Mattermost, or WeCom and DingTalk."
    )
    host: str = Field("", max_length=253, description="Of the mail server.")
    port: int = Field(465, ge=1, le=65535, description="Of the mail server.")
    security: Literal["tls", "starttls", "none"] = Field("tls", description="Of the mail server.")
    user: str = Field("", max_length=200, description="Of the mail server; empty logs in nobody.")
    password: str = Field("", max_length=200, description="Of that user.")
    sender: str = Field("", max_length=320, description="Address of the sender.")
    recipient: str = Field("", max_length=320, description="Address of the recipient.")


class ShownReceiver(TypedDict):
    id: int
    name: str
    kind: str
    events: list[str]
    host: str
    account: str
    created_ms: int


class Receivers(TypedDict):
    webhooks: list[ShownReceiver]


class AddedReceiver(TypedDict):
    """`secret` signs the events of this receiver; it is shown here and never again."""

    id: int
    secret: str


class Done(TypedDict):
    done: Literal[True]


class ShownDelivery(TypedDict):
    """`conversation` is null for a test; `status` where an answer came."""

    id: int
    webhook: str
    event: str
    event_id: str
    conversation: str | None
    at_ms: int
    state: str
    attempts: int
    status: int | None
    fault: str
    ended_ms: int | None


class Deliveries(TypedDict):
    """The latest first; `next` is `before` of the next page, null at the end."""

    deliveries: list[ShownDelivery]
    next: int | None
