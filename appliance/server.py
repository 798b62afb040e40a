"""The process that listens: uvicorn around the house, with our own way of starting and ending.

It holds no rule of a conversation. `uvicorn.run` would end a SIGTERM with 143 and hide a taken
port in a log line; this ends 0 and says it in one sentence. The rule that must not break: after
a signal every running answer is kept as far as it was said before the process ends.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

import structlog
import uvicorn
from sse_starlette.sse import AppStatus

from appliance.app import House
from appliance.config import Settings
from appliance.engine.engine import Engine
from appliance.errors import ModelUnavailable
from appliance.greeting import find_addresses, greet, report_engine

EXIT_OK = 0
EXIT_CANNOT_START = 3
GRACE_S = 4


class Server(uvicorn.Server):
    """Signals end it in order and are not raised again, so the exit code is our own."""

    def __init__(self, house: House) -> None:
        super().__init__(
            uvicorn.Config(
                house.application,
                http="h11",
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._house = house

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        event_loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            event_loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                event_loop.remove_signal_handler(number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """First the answers end, and with them their streams: no connection is left to cut."""
        await self._house.conversations.close()
        await super().shutdown(sockets)


def serve(settings: Settings, engine: Engine) -> int:
    """Listen until a signal comes; the exit code: 0 in order, 3 when it cannot start."""
    configure_logging(settings.log_format)
    # Our answers end by themselves when the turns are closed; no watcher thread is needed.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]
    try:
        listener = _listen(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        print(_explain_no_listener(settings, error), file=sys.stderr)
        return EXIT_CANNOT_START
    with listener:
        return asyncio.run(_serve(settings, engine, listener))


async def _serve(settings: Settings, engine: Engine, listener: socket.socket) -> int:
    server = Server(House(settings, engine))
    addresses = find_addresses(settings.host, listener.getsockname()[1])
    greet(addresses, sys.stdout)
    reporter = asyncio.create_task(_report_when_settled(engine))
    await server.serve(sockets=[listener])
    reporter.cancel()
    return EXIT_OK if server.started else EXIT_CANNOT_START


async def _report_when_settled(engine: Engine) -> None:
    with suppress(ModelUnavailable):
        await engine.wait_ready()
    report_engine(engine.status, sys.stdout)


def _listen(host: str, port: int) -> socket.socket:
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
