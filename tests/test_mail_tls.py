"""Mail over TLS from the first byte and by STARTTLS, and a certificate that does not hold: nothing
is sent then, and the log of deliveries says why."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.certificates import Files, make_certificate
from appliance.store.outbox import Logged
from appliance.tools import hooks, mail, trust
from appliance.tools.mail import Security
from appliance.tools.trust import find_trust
from tests.test_outbox import desk, receiving


class SecureMailbox(socketserver.StreamRequestHandler):
    """A mail server of a few words that asks for a password, which it takes over TLS alone."""

    server: MailServerThread

    def setup(self) -> None:
        self._is_secure = False
        super().setup()
        if self.server.is_implicit:
            self._secure()

    def handle(self) -> None:
        self._say("220 here")
        while line := self.rfile.readline():
            verb = line.split()[0].upper()
            if verb == b"EHLO":
                offers = "AUTH PLAIN" if self._is_secure else "STARTTLS"
                self._say(f"250-here\r\n250 {offers}")
            elif verb == b"STARTTLS":
                self._say("220 go on")
                self._secure()
            elif verb == b"DATA":
                self._say("354 go on")
                while self.rfile.readline() != b".\r\n":
                    continue
                self.server.taken.append(self._is_secure)
                self._say("250 taken")
            elif verb == b"QUIT":
                return self._say("221 bye")
            else:
                self._say("235 come in" if verb == b"AUTH" else "250 fine")

    def finish(self) -> None:
        self.wfile.close()
        self.rfile.close()
        self.connection.close()

    def _secure(self) -> None:
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self._is_secure = True

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


class MailServerThread(socketserver.ThreadingTCPServer):
    """`taken` says of each mail whether it came over TLS."""

    daemon_threads = True

    def __init__(self, files: Files, *, is_implicit: bool) -> None:
        super().__init__(("127.0.0.1", 0), SecureMailbox)
        self.is_implicit = is_implicit
        self.taken: list[bool] = []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(files.certificate, files.key)

    def handle_error(self, *_: object) -> None:
        """A client that does not trust it leaves."""


@contextmanager
def mailbox(files: Files, security: Security) -> Iterator[MailServerThread]:
    with MailServerThread(files, is_implicit=security == "tls") as server:
        thread = threading.Thread(target=server.serve_forever, name="mailbox")
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


async def tell(folder: Path, server: MailServerThread, security: Security) -> list[Logged]:
    """One event is told by mail; the log of deliveries."""
    target = {
        "host": "127.0.0.1",
        "port": str(server.server_address[1]),
        "security": security,
        "user": "chef",
        "password": "geheim",
        "sender": "box@shop.test",
        "recipient": "chef@shop.test",
    }
    async with desk(folder) as at:
        await at.outbox.add("Mail", "mail", ("conversation.waiting",), target, "chef")
        await at.converse()
        await at.telling.run_once()
        return await at.log()


def trust_only(monkeypatch: pytest.MonkeyPatch, authority: Path) -> None:
    trusted = ssl.create_default_context(cafile=authority)
    monkeypatch.setattr(mail, "read_trust", lambda: trusted)


SECURITIES: tuple[Security, ...] = ("tls", "starttls")


@pytest.mark.parametrize("security", SECURITIES)
async def test_a_mail_goes_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: Security
) -> None:
    files = make_certificate(tmp_path / "ca", ["127.0.0.1"])
    trust_only(monkeypatch, files.authority)
    with mailbox(files, security) as server:
        (told,) = await tell(tmp_path / "data", server, security)
    assert (told.state, told.fault) == ("delivered", "")
    assert server.taken == [True]


@pytest.mark.parametrize("security", SECURITIES)
@pytest.mark.parametrize(
    ("name", "is_known", "fault"),
    [("127.0.0.1", False, "unable to get local issuer"), ("mail.test", True, "mismatch")],
)
async def test_a_certificate_that_does_not_hold_ends_the_try_before_a_password_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    security: Security,
    name: str,
    is_known: bool,
    fault: str,
) -> None:
    files = make_certificate(tmp_path / "ca", [name])
    other = make_certificate(tmp_path / "other", ["127.0.0.1"])
    trust_only(monkeypatch, files.authority if is_known else other.authority)
    with mailbox(files, security) as server:
        (told,) = await tell(tmp_path / "data", server, security)
    assert told.state == "pending" and server.taken == []
    assert told.fault.startswith("The mail server's certificate does not hold: ")
    assert fault in told.fault and "geheim" not in told.fault


async def test_a_server_that_speaks_no_tls_is_told_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_certificate(tmp_path / "ca", ["127.0.0.1"])
    trust_only(monkeypatch, files.authority)
    with mailbox(files, "starttls") as server:
        (told,) = await tell(tmp_path / "data", server, "tls")
    assert told.fault == "No TLS with the mail server: SSLError." and server.taken == []


async def test_whom_to_trust_is_read_once_and_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def build(**_: Any) -> ssl.SSLContext:
        read.append(threading.current_thread().name)
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    trust.read_trust.cache_clear()
    monkeypatch.setattr("httpx2.create_ssl_context", build)
    try:
        assert await find_trust() is await find_trust()
        with receiving() as taken:
            assert await hooks.send_hook(taken.url, b"{}", {}) == 200
    finally:
        trust.read_trust.cache_clear()
    assert len(read) == 1 and read[0] != threading.main_thread().name
