"""The process that listens: uvicorn around the house, with our own way of starting and ending.

It holds no rule of a conversation. `uvicorn.run` would end a SIGTERM with 143 and hide a taken
port in a log line; this ends 0 and says it in one sentence. The rule that must not break: after
a signal the process is gone within 5 seconds, and every running answer goes on at the next start.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Literal

import structlog
import uvicorn
from sse_starlette.sse import AppStatus

from appliance.app import House
from appliance.connections import build_protocol
from appliance.engine.engine import Engine
from appliance.errors import ModelUnavailable, StoreUnavailable
from appliance.greeting import find_addresses, greet, greet_owner, report_engine
from appliance.settings import Settings

EXIT_OK = 0
EXIT_CANNOT_START = 3
ENDS_IT = (signal.SIGINT, signal.SIGTERM)
# Sent by `appliance models retry`.
RETRIES_MODEL = signal.SIGUSR1
HEEDED = (*ENDS_IT, RETRIES_MODEL)
# Open connections get so long, then all that is to be ended got so long in sum.
GRACE_S = 2
PATIENCE_S = 4.5
STALLED_MS = 30_000
# For the last words: a log that nobody reads any more may take none.
LAST_WORDS_S = 0.3


class Server(uvicorn.Server):
    """Signals end it in order and are not raised again, so the exit code is our own."""

    def __init__(self, house: House) -> None:
        settings = house.admission.settings
        super().__init__(
            uvicorn.Config(
                house.application,
                http=build_protocol(settings),
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
                ssl_certfile=settings.tls_cert,
                ssl_keyfile=settings.tls_key,
            )
        )
        self._house = house
        self._closing = ""
        self._retries: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger(__name__)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not uvicorn's, which come after the greeting and end it with the signal's own code."""
        yield

    @contextmanager
    def heed_signals(self) -> Iterator[None]:
        event_loop = asyncio.get_running_loop()
        for number in ENDS_IT:
            event_loop.add_signal_handler(number, self.handle_exit, number, None)
        event_loop.add_signal_handler(RETRIES_MODEL, self._retry_model)
        try:
            yield
        finally:
            for number in HEEDED:
                event_loop.remove_signal_handler(number)
                # Else one that comes now would end it with another code than 0.
                signal.signal(number, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal: end in order. From now on a second one, or too long a wait, ends
        the process at once; both work without the event loop, which may be what hangs."""
        self.should_exit = True
        self._house.excuse_loading()
        for number in ENDS_IT:
            signal.signal(number, lambda *_: end_at_once())
        start_timer(PATIENCE_S, self._lose_patience)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """First the turns end, and with them their streams: no connection is left to cut."""
        self._closing = "the turns"
        await self._house.conversations.close()
        self._closing = "the open connections"
        await super().shutdown(sockets)
        self._closing = "the last threads"

    def _lose_patience(self) -> None:
        start_timer(LAST_WORDS_S, lambda: os._exit(EXIT_OK))
        self._log.error(
            "ended without waiting any longer", hung=self._house.closing or self._closing
        )
        end_at_once()

    def _retry_model(self) -> None:
        async def retry() -> None:
            await self._house.retry_model()
            report_engine(self._house.engine.status, sys.stdout)

        task = asyncio.create_task(retry())
        self._retries.add(task)
        task.add_done_callback(self._retries.discard)


def start_timer(wait_s: float, then: Callable[[], None]) -> None:
    """On a thread that keeps no process alive."""
    timer = threading.Timer(wait_s, then)
    timer.daemon = True
    timer.start()


def end_at_once() -> None:
    """Nothing is lost: what was acknowledged is on disk, and the next start goes on from there."""
    try:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(EXIT_OK)


def serve(settings: Settings, engine: Engine) -> int:
    """Listen until a signal comes; the exit code: 0 in order, 3 when it cannot start."""
    configure_logging(settings.log_format)
    # It may be sent as soon as the lock names this process, and would end it before it listens.
    signal.signal(RETRIES_MODEL, signal.SIG_IGN)
    # Our answers end by themselves when the turns are closed; no watcher thread is needed.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]
    return asyncio.run(_serve(settings, engine))


async def _serve(settings: Settings, engine: Engine) -> int:
    house = House(settings, engine)
    try:
        house.take_folder()
        listener = _listen(settings.host, settings.port)
    except StoreUnavailable as error:
        print(error, file=sys.stderr)
        return EXIT_CANNOT_START
    except (OSError, UnicodeError) as error:
        print(_explain_no_listener(settings, error), file=sys.stderr)
        return EXIT_CANNOT_START
    server = Server(house)
    with listener, server.heed_signals():
        scheme = "https" if settings.tls_cert else "http"
        greet(find_addresses(settings.host, listener.getsockname()[1], scheme), sys.stdout)
        reporters = [
            asyncio.create_task(_report_when_settled(engine)),
            asyncio.create_task(_show_setup_code(house)),
        ]
        await server.serve(sockets=[listener])
        for reporter in reporters:
            reporter.cancel()
    return EXIT_OK if server.started else EXIT_CANNOT_START


async def _show_setup_code(house: House) -> None:
    """Nothing where nobody needs one, or where the file of accounts cannot be used."""
    with suppress(StoreUnavailable):
        greet_owner(await house.admission.logins.issue_code(), sys.stdout)


async def _report_when_settled(engine: Engine) -> None:
    with suppress(ModelUnavailable):
        await engine.wait_ready()
    report_engine(engine.status, sys.stdout)


def _listen(host: str, port: int) -> socket.socket:
    listener = _open_listener(host, port)
    # Its connections inherit it: one whose peer is gone, or takes nothing any more, is given up.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
    return listener


def _open_listener(host: str, port: int) -> socket.socket:
    if ":" not in host:
        return socket.create_server((host, port), backlog=512)
    # "::" takes IPv4 too: the greeting shows the address of that kind.
    is_dual = host == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (host, port), family=socket.AF_INET6, backlog=512, dualstack_ipv6=is_dual
    )


def _explain_no_listener(settings: Settings, error: OSError | UnicodeError) -> str:
    place = f"Cannot listen on {settings.host}:{settings.port}:"
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            remedy = "stop what uses it, or set APPLIANCE_PORT to another port."
            return f"{place} the port is taken; {remedy}"
        case errno.EACCES:
            return f"{place} not permitted; set APPLIANCE_PORT to 1024 or above."
        case _:
            return f"{place} no address of this machine; set APPLIANCE_HOST to one, or to 0.0.0.0."


def configure_logging(log_format: Literal["auto", "text", "json"]) -> None:
    """Lines to stderr. Tracebacks come without local variables: those hold customers' words."""
    is_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_text
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    stamps: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not is_text:
        stamps.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*stamps, renderer],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=stamps, processor=renderer)
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
