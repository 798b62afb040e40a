"""One server elsewhere that speaks OpenAI's chat completions: is it up, and its streamed answers.

It chooses nothing and tries nothing twice. Only the declared address is asked: no redirect is
followed, no proxy of the environment heeded, no compressed answer taken. The rule that must not
break: an answer that has no declared end is a fault of the server, however its connection closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2

from appliance.engine.breaker import Attempt, Breaker
from appliance.engine.completions import Delta, Kind, NoCompletion, read_delta, read_models
from appliance.engine.event_reader import EventReader, EventTooLong

CONNECT_S = 2.0
PROBE_S = 5.0
MAX_LIST_BYTES = 1 << 20
STREAM = "text/event-stream"
# Below what servers do themselves, who close an idle connection after 5 s and more.
KEPT_S = 3.0
# What another server would answer in the same way: the request is at fault.
OWN_FAULTS = (400, 413, 422)


class ServerFailed(Exception):
    """The server could not answer; the sentence says why, without a full stop."""


class RequestRefused(ServerFailed):
    """The server will not have this request, and no other of its kind would."""


class Unheard(ServerFailed):
    """Its connection broke before it said anything: it may have been one that it had closed."""


def make_client(key: str, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    headers = {"Accept-Encoding": "identity", "User-Agent": "appliance"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    # How long an answer may be silent is for whoever reads it to say.
    timeout = httpx2.Timeout(CONNECT_S, read=None, pool=None)
    return httpx2.AsyncClient(
        headers=headers,
        timeout=timeout,
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=64, keepalive_expiry=KEPT_S
        ),
        follow_redirects=False,
        trust_env=False,
        transport=transport,
    )


def complete_url(url: str) -> str:
    """An address without a path stands for that of OpenAI's interface."""
    bare = url.rstrip("/")
    return bare if urlsplit(bare).path else f"{bare}/v1"


class RemoteServer:
    """`name` is for anybody's eyes; its address stands in the log alone."""

    def __init__(self, name: str, url: str, wanted: str, client: httpx2.AsyncClient) -> None:
        self.name = name
        self.url = complete_url(url)
        self.model = wanted
        self.kind: Kind = "other"
        self.is_up = False
        # Of the last failure; empty while it is up.
        self.reason = "it was not asked yet"
        self.running = 0
        self.breaker = Breaker()
        self._wanted = wanted
        self._client = client

    @property
    def can_continue(self) -> bool:
        """Whether it is known to go on behind the beginning of an answer."""
        return self.kind != "other"

    async def probe(self) -> None:
        """Ask whether it is there with the model. Raises nothing."""
        try:
            async with asyncio.timeout(PROBE_S):
                listed = read_models(await self._get(f"{self.url}/models"), self._wanted)
                if listed.kind != "other":
                    # Their lists are there while the model still loads, or after it died.
                    await self._get(f"{self.url.removesuffix('/v1')}/health")
        except (ServerFailed, NoCompletion) as error:
            self._go_down(str(error))
        except TimeoutError:
            # Who speaks may be too busy to be asked.
            if not self.running:
                self._go_down(f"it said nothing in {PROBE_S:g} s")
        else:
            self.model, self.kind = listed.model, listed.kind
            self.is_up, self.reason = True, ""

    @contextmanager
    def held(self) -> Iterator[Attempt]:
        """While an answer is under way there."""
        self.running += 1
        attempt = self.breaker.begin()
        try:
            yield attempt
        finally:
            self.running -= 1
            self.breaker.leave(attempt)

    async def stream(self, body: bytes) -> AsyncGenerator[Delta, None]:
        """Whatever the server tells, up to where it closes. Raises ServerFailed."""
        headers = {"Content-Type": "application/json", "Accept": STREAM}
        url = f"{self.url}/chat/completions"
        reader = EventReader()
        is_heard = is_ended = False
        try:
            async with self._client.stream("POST", url, content=body, headers=headers) as answer:
                is_heard = True
                self._check(answer)
                # Read to its very end: then the connection serves the next answer too.
                async for data in answer.aiter_raw():
                    for payload in [] if is_ended else reader.feed(data):
                        delta = read_delta(payload)
                        is_ended = is_ended or delta.is_end
                        yield delta
        except httpx2.ConnectError:
            self._go_down("it cannot be reached")
            raise ServerFailed(self.reason) from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            failure = ServerFailed if is_heard else Unheard
            raise failure(f"its connection broke ({type(error).__name__})") from None
        except NoCompletion as error:
            raise ServerFailed(str(error)) from None
        except EventTooLong:
            raise ServerFailed("it sent an event that has no end") from None

    def _check(self, answer: httpx2.Response) -> None:
        """What it says of its fault is not read: it may repeat a customer's words."""
        if answer.status_code in OWN_FAULTS:
            raise RequestRefused(f"it refused the request with {answer.status_code}")
        if answer.status_code != 200:
            raise ServerFailed(f"it answered {answer.status_code}")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        encoding = answer.headers.get("Content-Encoding", "identity")
        if kind != STREAM or encoding != "identity":
            raise ServerFailed("it answered with something else than a stream")

    async def _get(self, url: str) -> bytes:
        try:
            async with self._client.stream("GET", url) as answer:
                if answer.status_code != 200:
                    raise ServerFailed(f"it answered {answer.status_code}")
                read = bytearray()
                async for data in answer.aiter_raw():
                    read += data
                    if len(read) > MAX_LIST_BYTES:
                        raise ServerFailed("its list of models is too long")
        except httpx2.ConnectError:
            raise ServerFailed("it cannot be reached") from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise ServerFailed(f"it could not be asked ({type(error).__name__})") from None
        return bytes(read)

    def _go_down(self, reason: str) -> None:
        self.is_up, self.reason = False, reason
