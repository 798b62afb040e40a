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
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Literal

import structlog
import uvicorn
from sse_starlette.sse import AppStatus

from appliance.app import House
from appliance.connections import build_protocol
from appliance.engine.engine import Engine
from appliance.errors import ModelUnavailable, PassphraseWanted, SettingsError, StoreUnavailable
from appliance.greeting import describe_engine, find_addresses, greet, greet_owner, report_engine
from appliance.http.socket import MAX_FRAME_BYTES
from appliance.lean_start import end_lean
from appliance.notify import Supervisor
from appliance.reloading import Reloaded, write_outcome
from appliance.settings import Settings
from appliance.settings_file import SettingsFile
from appliance.supervise import WANTS_PASSPHRASE, read_passphrase
from appliance.vault import Vault

EXIT_OK = 0
EXIT_CANNOT_START = 3
ENDS_IT = (signal.SIGINT, signal.SIGTERM)
# Sent by `appliance models retry`.
RETRIES_MODEL = signal.SIGUSR1
# Sent by `appliance reload`.
RELOADS = signal.SIGUSR2
# It means that a terminal is gone, and where there never was one: read the settings again.
HANGS_UP = signal.SIGHUP
HEEDED = (*ENDS_IT, RETRIES_MODEL, RELOADS)
# Open connections get so long, then all that is to be ended got so long in sum.
GRACE_S = 2
PATIENCE_S = 4.5
STALLED_MS = 30_000
# For the last words: a log that nobody reads any more may take none.
LAST_WORDS_S = 0.3


class Server(uvicorn.Server):
    """Signals end it in order and are not raised again, so the exit code is our own."""

    def __init__(
        self,
        house: House,
        supervisor: Supervisor | None = None,
    ) -> None:
        settings = house.admission.settings
        super().__init__(
            uvicorn.Config(
                house.application,
                http=build_protocol(settings),
                ws=make_socket_protocol,  # type: ignore[arg-type]
                ws_max_size=MAX_FRAME_BYTES,
                ws_per_message_deflate=False,
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
        self._supervisor = supervisor or Supervisor()
        self._settings_file = house.settings_file
        self._commands: set[asyncio.Task[None]] = set()
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
        event_loop.add_signal_handler(RETRIES_MODEL, self._begin, self._retry_model)
        event_loop.add_signal_handler(RELOADS, self._begin, self._reload)
        heeded: tuple[signal.Signals, ...] = HEEDED
        # Who was started by `nohup` is to outlive the terminal.
        if signal.getsignal(HANGS_UP) is not signal.SIG_IGN:
            heeded = (*HEEDED, HANGS_UP)
            if has_terminal():
                event_loop.add_signal_handler(HANGS_UP, self.handle_exit, HANGS_UP, None)
            else:
                event_loop.add_signal_handler(HANGS_UP, self._begin, self._reload)
        try:
            yield
        finally:
            for number in heeded:
                event_loop.remove_signal_handler(number)
                # Else one that comes now would end it with another code than 0.
                signal.signal(number, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal: end in order. From now on a second one, or too long a wait, ends
        the process at once; both work without the event loop, which may be what hangs."""
        self.should_exit = True
        self._supervisor.tell_stopping()
        self._house.excuse_loading()
        for number in ENDS_IT:
            signal.signal(number, lambda *_: end_at_once())
        start_timer(PATIENCE_S, self._lose_patience)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._supervisor.tell_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """First the turns end, and with them their streams: no connection is left to cut."""
        self._closing = "the turns"
        self._house.staff.stop()
        self._house.knowledge.stop()
        await self._house.interface.end_talk()
        self._closing = "the open connections"
        await self._house.application.state.sockets.wait_closed(GRACE_S)
        await super().shutdown(sockets)
        self._closing = "the last threads"

    def _lose_patience(self) -> None:
        start_timer(LAST_WORDS_S, lambda: os._exit(EXIT_OK))
        self._log.error(
            "ended without waiting any longer", hung=self._house.closing or self._closing
        )
        end_at_once()

    def _begin(self, command: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(command())
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _retry_model(self) -> None:
        await self._house.retry_model()
        report_engine(self._house.engine.status, sys.stdout)

    async def _reload(self) -> None:
        """Open streams go on: nothing that they stand on is replaced."""
        if self._settings_file is None:
            return
        self._supervisor.tell_reloading()
        try:
            wanted = await asyncio.to_thread(self._settings_file.read)
            reloaded = self._house.reloading.take(wanted)
        except SettingsError as error:
            reloaded = Reloaded(error=str(error))
        self._supervisor.tell_ready()
        self._log.info(
            "settings read again",
            taken=reloaded.taken,
            need_restart=reloaded.need_restart,
            error=reloaded.error,
        )
        with suppress(OSError):
            await asyncio.to_thread(write_outcome, self._house.store.path.parent, reloaded)


def make_socket_protocol(**options: Any) -> asyncio.Protocol:
    """What uvicorn would import at its start, imported when the first WebSocket is opened."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(**options)


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


def serve(settings: Settings, engine: Engine, file: SettingsFile | None = None) -> int:
    """Listen until a signal comes; the exit code: 0 in order, 3 when it cannot start."""
    configure_logging(settings.log_format)
    forbid_core_dumps()
    # It may be sent as soon as the lock names this process, and would end it before it listens.
    signal.signal(RETRIES_MODEL, signal.SIG_IGN)
    signal.signal(RELOADS, signal.SIG_IGN)
    # Our answers end by themselves when the turns are closed; no watcher thread is needed.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]
    return asyncio.run(_serve(settings, engine, file))


async def _serve(settings: Settings, engine: Engine, file: SettingsFile | None) -> int:
    supervisor = Supervisor.take(os.environ)
    house = House(settings, engine, Vault(settings, ask_passphrase), settings_file=file)
    try:
        house.take_folder()
        listener = _listen(settings.host, settings.port)
    except PassphraseWanted:
        return WANTS_PASSPHRASE
    except StoreUnavailable as error:
        print(error, file=sys.stderr)
        return EXIT_CANNOT_START
    except (OSError, UnicodeError) as error:
        print(_explain_no_listener(settings, error), file=sys.stderr)
        return EXIT_CANNOT_START
    server = Server(house, supervisor)
    with listener, server.heed_signals():
        scheme = "https" if settings.tls_cert else "http"
        addresses = find_addresses(settings.host, listener.getsockname()[1], scheme)
        greet(addresses, sys.stdout, house.vault.notes)
        beside = (
            asyncio.create_task(_report_when_settled(engine, supervisor)),
            asyncio.create_task(supervisor.show_life()),
            asyncio.create_task(_show_setup_code(house)),
        )
        end_lean()
        await server.serve(sockets=[listener])
        for task in beside:
            task.cancel()
    return EXIT_OK if server.started else EXIT_CANNOT_START


def ask_passphrase() -> str:
    passphrase = read_passphrase()
    if passphrase is None:
        raise PassphraseWanted("The passphrase of the master key is asked for by the supervisor.")
    return passphrase


def forbid_core_dumps() -> None:
    """A picture of the memory on disk would hold customers' words and every key."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def has_terminal() -> bool:
    """Whether a terminal could hang up on this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


async def _show_setup_code(house: House) -> None:
    """Nothing where nobody needs one, or where the file of accounts cannot be used."""
    with suppress(StoreUnavailable):
        greet_owner(await house.admission.logins.issue_code(), sys.stdout)


async def _report_when_settled(engine: Engine, supervisor: Supervisor) -> None:
    supervisor.tell_status(describe_engine(engine.status))
    with suppress(ModelUnavailable):
        await engine.wait_ready()
    supervisor.tell_status(describe_engine(engine.status))
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
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    stamps.append(leave_out_requests if is_text else structlog.processors.format_exc_info)
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


def leave_out_requests(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A terminal shows what went wrong; each click of each customer is for the files."""
    if line.get("event") in ("request", "turn ended") and line.get("level") == "info":
        raise structlog.DropEvent
    return line
