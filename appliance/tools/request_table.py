"""The keys of a tool of kind "http": method, address, hosts, secrets, body.

It sends nothing. The rule that must not break: scheme and host of an address are fixed text, and
the host stands in the tool's own list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

from appliance.tools.declared import Request
from appliance.tools.tables import Refused, Table, take_choice
from appliance.tools.templates import list_placeholders

VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
TIMEOUT_MS, MOST_TIMEOUT_MS = 3000, 30_000
METHODS: tuple[Literal["GET", "POST"], ...] = ("GET", "POST")


def read_request(table: Table, parameters: Sequence[str]) -> Request:
    """Raises Refused."""
    url = table.take_text("url")
    hosts = table.take_texts("hosts", ())
    check_address(table, url, hosts)
    body = read_texts(table.take_optional_table("body"))
    used = [*list_placeholders(url), *(name for one in body.values() for name in _find(one))]
    if unknown := next((name for name in used if name not in (*parameters, "key")), ""):
        raise Refused(table.name("url"), f"has {{{unknown}}}, which is no parameter of the tool")
    timeout_s = read_timeout_s(table, TIMEOUT_MS)
    secrets = read_secrets(table)
    rows = table.take_text("rows", "")
    method = take_choice(table, "method", METHODS, "GET")
    way = tuple(rows.split(".")) if rows else ()
    return Request(method, url, hosts, timeout_s, secrets, body, way)


def read_timeout_s(table: Table, default_ms: int) -> float:
    """Raises Refused."""
    timeout_ms = table.take_number("timeout_ms", default_ms)
    if not 1 <= timeout_ms <= MOST_TIMEOUT_MS:
        raise Refused(table.name("timeout_ms"), f"must be from 1 to {MOST_TIMEOUT_MS}")
    return timeout_ms / 1000


def read_secrets(table: Table) -> dict[str, str]:
    """Header names and environment variables. Raises Refused."""
    secrets = read_texts(table.take_optional_table("secrets"))
    for header, variable in secrets.items():
        if not HEADER.fullmatch(header) or not VARIABLE.fullmatch(variable):
            raise Refused(
                table.name("secrets"), f"= {header} must name an environment variable in capitals"
            )
    return secrets


def check_address(table: Table, url: str, hosts: Sequence[str]) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Refused(table.name("url"), "is no address; write https://host/path") from None
    if parts.scheme not in ("http", "https") or not host or "{" in parts.netloc:
        raise Refused(table.name("url"), "must begin with a fixed https://host")
    if parts.username is not None or parts.password is not None:
        raise Refused(table.name("url"), "holds a password; name it under secrets instead")
    if host not in hosts:
        raise Refused(table.name("hosts"), f"must list “{host}”, the host of url")


def read_texts(table: Table) -> dict[str, str]:
    return {key: table.take_text(key) for key in tuple(table.left)}


def _find(text: str) -> tuple[str, ...]:
    return list_placeholders(text)
