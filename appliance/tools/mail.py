"""One plain e-mail by the owner's own mail server, by SMTP.

It keeps no connection and no copy. The rules that must not break: no text becomes a header or a
recipient, a password is sent over TLS alone, and a certificate that does not hold ends the try.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from typing import Literal, TypeAlias

from appliance.tools.failures import ToolFailed
from appliance.tools.trust import read_trust

Security: TypeAlias = Literal["tls", "starttls", "none"]

SMTP_TIMEOUT_S = 10.0
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}", re.ASCII)
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
MAX_SUBJECT_CHARS = 120


@dataclass(frozen=True, slots=True)
class MailServer:
    """`user` is empty where the server asks for none."""

    host: str
    port: int
    security: Security
    user: str
    password: str
    sender: str
    recipient: str


async def send_mail(server: MailServer, subject: str, text: str, message_id: str) -> None:
    """Raises ToolFailed. One that is cancelled goes on in its thread until its time is over."""
    # Imported here: where nobody is told anything, no start waits for it.
    import smtplib
    import ssl

    check_mail_server(server)
    message = write_mail(server, subject, text, message_id)
    try:
        await asyncio.to_thread(_send, server, message)
    except ssl.SSLCertVerificationError as error:
        # Of what is wrong with it OpenSSL's own words, which name no secret.
        why = error.verify_message
        raise ToolFailed(f"The mail server's certificate does not hold: {why}.") from None
    except ssl.SSLError as error:
        raise ToolFailed(f"No TLS with the mail server: {type(error).__name__}.") from None
    except smtplib.SMTPNotSupportedError:
        raise ToolFailed("The mail server does not offer what is asked of it.") from None
    except (smtplib.SMTPException, OSError, ValueError) as error:
        # A name or password that is no ASCII is a ValueError, and would be told with it.
        raise ToolFailed(f"The mail was not taken: {type(error).__name__}.") from None


def write_mail(server: MailServer, subject: str, text: str, message_id: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())[:MAX_SUBJECT_CHARS]
    message["From"], message["To"] = server.sender, server.recipient
    message["Date"] = format_datetime(localtime())
    message["Message-ID"] = f"<{message_id}@appliance>"
    message.set_content(text)
    return message


def check_mail_server(server: MailServer) -> None:
    """Raises ToolFailed."""
    if not (ADDRESS.fullmatch(server.sender) and ADDRESS.fullmatch(server.recipient)):
        raise ToolFailed("Sender and recipient are addresses such as shop@example.com.")
    if not HOST.fullmatch(server.host) or not 1 <= server.port <= 65535:
        raise ToolFailed("The mail server is a host's name and a port from 1 to 65535.")
    if server.user and server.security == "none":
        raise ToolFailed("A password is sent over TLS alone: choose tls or starttls.")


def _send(server: MailServer, message: EmailMessage) -> None:
    import smtplib

    trusted = read_trust()
    place = (server.host, server.port)
    with (
        smtplib.SMTP_SSL(*place, timeout=SMTP_TIMEOUT_S, context=trusted)
        if server.security == "tls"
        else smtplib.SMTP(*place, timeout=SMTP_TIMEOUT_S)
    ) as smtp:
        if server.security == "starttls":
            smtp.starttls(context=trusted)
        if server.user:
            smtp.login(server.user, server.password)
        smtp.send_message(message)
