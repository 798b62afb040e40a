"""Other systems are told what happens: each delivery is tried until it is taken or given up.

It decides nothing of a conversation and is on nobody's way. What is due stands on disk; a restart
goes on with it. The rules that must not break: a delivery that no receiver confirmed is tried
again under the same id, and one receiver that hangs keeps none of the others waiting.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from appliance.errors import StoreUnavailable
from appliance.patience import wait_at_most
from appliance.store.outbox import TEST, TICKET, Delivery, Outbox, Outcome, Receiver
from appliance.tools.failures import ToolFailed
from appliance.tools.hooks import send_hook, sign_hook
from appliance.tools.mail import MailServer, Security, send_mail

LOOK_PAUSE_S = 2.0
SECOND_MS = 1000
# Between the tries; after the last one it is given up.
PAUSES_S = (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
LONGEST_PAUSE_MS = PAUSES_S[-1] * SECOND_MS
TAKEN = range(200, 300)
REDIRECTS = range(300, 400)
SENTENCES: Mapping[str, str] = {
    "conversation.started": "有顾客开始对话。A customer began a conversation.",
    "conversation.waiting": "有顾客在等人工客服。A customer waits for a person.",
    "conversation.handed_over": "有客服接待了一位顾客。A person took a conversation.",
    "conversation.closed": "一段对话结束了。A conversation was closed.",
    "feedback": "有顾客评价了一条回答。A customer judged an answer.",
    TICKET: "有顾客留下了联系方式。A customer left word how to be reached.",
    TEST: "这是一条测试消息。This is a test.",
}
Send = Callable[[str, bytes, Mapping[str, str]], Awaitable[int]]
SendMail = Callable[[MailServer, str, str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ways:
    """How a receiver is reached; a test hands in others."""

    hook: Send = field(default=send_hook)
    mail: SendMail = field(default=send_mail)


class Telling:
    def __init__(
        self,
        outbox: Outbox,
        clock: Callable[[], int],
        house_clock: Callable[[], int],
        ways: Ways | None = None,
    ) -> None:
        """`clock` gives milliseconds since 1970, to show; `house_clock` those to count pauses by,
        which a wrong clock does not move."""
        self._outbox = outbox
        self._clock = clock
        self._house_clock = house_clock
        self._ways = ways or Ways()
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._log = structlog.get_logger(__name__)

    async def run_forever(self) -> None:
        """Once the store is open, until `stop`."""
        try:
            while not self._stopping.is_set():
                self._changed.clear()
                has_receivers = True
                # The store has said why; what is due stays due.
                with suppress(StoreUnavailable):
                    has_receivers = await self._begin_all()
                if not self._stopping.is_set():
                    await self._wait(LOOK_PAUSE_S if has_receivers else None)
        finally:
            await self._end_all()

    def stop(self) -> None:
        self._stopping.set()
        self._changed.set()

    def look(self) -> None:
        """Something changed that it should not wait to see."""
        self._changed.set()

    async def run_once(self) -> None:
        """All that is due is tried once."""
        await self._begin_all()
        await asyncio.gather(*self._running.values())

    async def _wait(self, seconds: float | None) -> None:
        if seconds is None:
            await self._changed.wait()
        else:
            await wait_at_most(self._changed, seconds)

    async def _begin_all(self) -> bool:
        """A task for each receiver that has none; whether there is any receiver."""
        receivers = await self._outbox.list_receivers()
        for key in [key for key, task in self._running.items() if task.done()]:
            self._note_end(self._running.pop(key), key)
        for receiver in receivers:
            if receiver.id not in self._running:
                self._running[receiver.id] = asyncio.create_task(self._serve(receiver))
        return bool(receivers)

    def _note_end(self, task: asyncio.Task[None], receiver_id: int) -> None:
        """By its kind alone: what it says may hold a password."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("receiver not served", receiver=receiver_id, kind=type(error).__name__)

    async def _end_all(self) -> None:
        """What is under way is tried again by the next process."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _serve(self, receiver: Receiver) -> None:
        with suppress(StoreUnavailable):
            now_ms = self._house_clock()
            due = await self._outbox.list_due(receiver.id, now_ms, LONGEST_PAUSE_MS, 1)
            while due:
                outcome = await self._try(receiver, due[0])
                await self._outbox.mark(due[0].id, outcome)
                if not outcome.is_delivered:
                    # The others would only wait for the same; their turn comes.
                    break
                # One at a time: of a receiver that was removed meanwhile there is no other.
                due = await self._outbox.list_due(receiver.id, now_ms, LONGEST_PAUSE_MS, 1)

    async def _try(self, receiver: Receiver, delivery: Delivery) -> Outcome:
        status, fault = None, ""
        try:
            status = await self._send(receiver, delivery)
        except TimeoutError:
            fault = "No answer came in time."
        except ToolFailed as error:
            fault = str(error)
        if status in REDIRECTS:
            fault = "The answer leads elsewhere; redirects are not followed."
        elif status is not None and status not in TAKEN:
            fault = f"The receiver answered {status}."
        if not fault:
            return Outcome(True, status, "", None)
        told = {"receiver": receiver.id, "of": delivery.event, "attempt": delivery.attempts + 1}
        self._log.warning("not delivered", fault=fault, **told)
        return Outcome(False, status, fault, self._find_next_ms(delivery))

    def _find_next_ms(self, delivery: Delivery) -> int | None:
        if delivery.attempts >= len(PAUSES_S):
            return None
        return self._house_clock() + PAUSES_S[delivery.attempts] * SECOND_MS

    async def _send(self, receiver: Receiver, delivery: Delivery) -> int | None:
        """Raises ToolFailed, TimeoutError."""
        target = receiver.target
        if not target:
            raise ToolFailed("Its address cannot be read any more; add the receiver anew.")
        sentence = SENTENCES.get(delivery.event, delivery.event)
        # Words are opened here and stand in no row that waits.
        if delivery.event == TICKET and delivery.session_key and receiver.kind != "chat":
            left = await self._outbox.read_ticket(delivery.session_key)
            delivery = replace(delivery, detail={**delivery.detail, **left})
        if receiver.kind == "mail":
            told = "".join(f"{name}: {value}\n" for name, value in delivery.detail.items())
            text = f"{sentence}\n\n{delivery.event}\n{delivery.session_key or ''}\n{told}"
            await self._ways.mail(read_mail_server(target), sentence, text, delivery.event_id)
            return None
        if receiver.kind == "chat":
            return await self._ways.hook(target["url"], write_chat(target, sentence), {})
        body = write_event(delivery)
        timestamp_s = self._clock() // SECOND_MS
        headers = {
            "X-Appliance-Event": delivery.event,
            "X-Appliance-Delivery": delivery.event_id,
            "X-Appliance-Timestamp": str(timestamp_s),
            "X-Appliance-Signature": sign_hook(target["secret"], timestamp_s, body),
        }
        return await self._ways.hook(target["url"], body, headers)


def write_event(delivery: Delivery) -> bytes:
    """A receiver knows it by its id: a ticket's words are read anew at each try, and may have
    gone meanwhile."""
    told = {
        "id": delivery.event_id,
        "event": delivery.event,
        "at_ms": delivery.at_ms,
        "conversation": delivery.session_key,
        "detail": delivery.detail,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def write_chat(target: Mapping[str, str], sentence: str) -> bytes:
    """As Slack, Mattermost and Rocket.Chat read it, or as WeCom and DingTalk do."""
    if target.get("style") == "msgtype":
        return json.dumps({"msgtype": "text", "text": {"content": sentence}}).encode()
    return json.dumps({"text": sentence}).encode()


def read_mail_server(target: Mapping[str, str]) -> MailServer:
    """Raises ToolFailed."""
    securities: Mapping[str, Security] = {"tls": "tls", "starttls": "starttls", "none": "none"}
    try:
        return MailServer(
            target["host"],
            int(target["port"]),
            securities[target["security"]],
            target.get("user", ""),
            target.get("password", ""),
            target["sender"],
            target["recipient"],
        )
    except (KeyError, ValueError):
        raise ToolFailed("The mail server is not wholly described.") from None
