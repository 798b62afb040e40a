"""Who may hold a connection and for how long a request may take to arrive: below the application.

It reads no header; what arrives whole is checked by `http/shield.py`. The rule that must not
break: a connection that sends no whole request is closed at its deadline, however it trickles,
and an open stream that has its request is never touched.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import Counter
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from appliance.http.addresses import group_address
from appliance.http.forwarded import Proxies
from appliance.http.shield import SECURITY_HEADERS

if TYPE_CHECKING:
    from appliance.settings import Settings

# For the database, the model, the log and what else the process opens.
OWN_FILES = 64
RECEIVED = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR, h11.SWITCHED_PROTOCOL)
BEFORE_THE_ANSWER = (h11.IDLE, h11.SEND_RESPONSE)
REFUSALS = {
    400: ("invalid_request", "This is no HTTP request."),
    408: ("too_slow", "The request did not arrive in time."),
    429: ("too_many_requests", "Your address holds too many connections; close some of them."),
    431: ("headers_too_large", "The headers are too long."),
    503: ("busy", "The appliance holds as many connections as it can; come back in a while."),
}
RETRY_AFTER_S = 5


class Census:
    """How many connections each address holds; 0 for no limit of one address."""

    def __init__(self, most_of_one: int) -> None:
        self._held: Counter[str] = Counter()
        self._most_of_one = most_of_one
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_FILES

    def refuse(self, address: str, *, is_proxy: bool = False) -> int:
        """The status that says why there is no room for one more; 0 where there is. A trusted
        proxy's connections are those of many."""
        if not is_proxy and self._most_of_one and self._held[address] >= self._most_of_one:
            return 429
        return 503 if self._held.total() >= self._most > 0 else 0

    def enter(self, address: str) -> None:
        self._held[address] += 1

    def leave(self, address: str) -> None:
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]


class DeadlineH11(H11Protocol):
    """uvicorn's h11 with a deadline for what arrives, and answers of our own shape."""

    census: Census
    proxies: Proxies
    deadline_s: float

    _address = ""
    _is_counted = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        host = self.client[0] if self.client else ""
        self._address = group_address(host)
        if status := self.census.refuse(self._address, is_proxy=self.proxies.trust(host)):
            transport.write(build_refusal(status))
            transport.close()
            return
        self.census.enter(self._address)
        self._is_counted = True
        self._arm()

    def data_received(self, data: bytes) -> None:
        if not self._is_counted or self.transport.is_closing():
            return
        self._arm()
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._arm()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The other protocol takes the connection, which is counted until it is lost."""
        self._disarm()
        super().handle_websocket_upgrade(event)
        successor = self.transport.get_protocol()
        lose = successor.connection_lost

        def lose_and_leave(error: Exception | None) -> None:
            lose(error)
            self._leave()

        vars(successor)["connection_lost"] = lose_and_leave

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._leave()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Called where h11 found a fault, which knows the status that fits."""
        self._refuse(getattr(sys.exception(), "error_status_hint", 400))

    def _refuse(self, status: int) -> None:
        self._disarm()
        if self.conn.our_state in BEFORE_THE_ANSWER:
            self.transport.write(build_refusal(status))
            self.transport.close()
        else:
            self.transport.abort()

    def _arm(self) -> None:
        """Once for each request: what trickles in later does not move the deadline."""
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.deadline_s, self._end_wait)

    def _end_wait(self) -> None:
        """A browser that opened a connection ahead and did not need it is told nothing."""
        if self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
            self._disarm()
            self.transport.close()
        else:
            self._refuse(408)

    def _look(self) -> None:
        """A request that has arrived may take all the time for its answer."""
        if self.conn.their_state in RECEIVED:
            self._disarm()

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _leave(self) -> None:
        if self._is_counted:
            self._is_counted = False
            self.census.leave(self._address)


def build_protocol(settings: Settings) -> type[DeadlineH11]:
    """uvicorn makes one of it for each connection."""

    class Protocol(DeadlineH11):
        census = Census(settings.address_connections)
        proxies = Proxies(settings.trusted_proxies)
        deadline_s = settings.receive_deadline_s

    return Protocol


def build_refusal(status: int) -> bytes:
    """A whole answer in bytes, in the shape of all errors."""
    status = status if status in REFUSALS else 400
    code, sentence = REFUSALS[status]
    body = json.dumps({"error": {"code": code, "message": sentence}}).encode()
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    if status in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    lines = [f"HTTP/1.1 {status} ", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
