"""The keys of a server of the Model Context Protocol, and of a tool that is one of its tools.

It starts and reaches nothing. The rules that must not break: command, scheme and host are fixed
text, a command is named by its whole path, and the host stands in the server's own list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance.tools.declared import Server, ServerCall
from appliance.tools.request_table import (
    VARIABLE,
    check_address,
    read_secrets,
    read_texts,
    read_timeout_s,
)
from appliance.tools.tables import Refused, Table
from appliance.tools.templates import PLACEHOLDER, list_placeholders

# A process has to start first.
TIMEOUT_MS = 10_000


def read_server(name: str, table: Table, folder: Path) -> Server:
    """Raises Refused."""
    command = table.take_texts("command", ())
    url = table.take_text("url", "")
    hosts = table.take_texts("hosts", ())
    environment = table.take_texts("environment", ())
    secrets = read_secrets(table)
    if bool(command) == bool(url):
        raise Refused(table.name("command"), "or url: write one of the two")
    if url:
        check_address(table, url, hosts)
        if PLACEHOLDER.search(url):
            raise Refused(table.name("url"), "is fixed text; give values as arguments of the tool")
    elif not Path(command[0]).is_absolute():
        raise Refused(
            table.name("command"), f"= “{command[0]}” must be a whole path, as /usr/bin/…"
        )
    if wrong := next((one for one in environment if not VARIABLE.fullmatch(one)), ""):
        raise Refused(table.name("environment"), f"has “{wrong}”, which is no name in capitals")
    if (url and environment) or (command and secrets):
        key = "environment" if url else "secrets"
        raise Refused(table.name(key), "is for a command alone" if url else "is for a url alone")
    return Server(name, command, url, folder, environment, secrets)


def read_server_call(
    table: Table, parameters: Sequence[str], servers: Mapping[str, Server], *, is_writing: bool
) -> ServerCall:
    """Without `arguments` each parameter goes by its own name. Raises Refused."""
    server = table.take_text("server")
    if server not in servers:
        known = ", ".join(servers) or "none"
        raise Refused(table.name("server"), f"= “{server}” is no server; known are {known}")
    names = (*parameters, "key") if is_writing else tuple(parameters)
    arguments = read_texts(table.take_optional_table("arguments"))
    used = [name for text in arguments.values() for name in list_placeholders(text)]
    if unknown := next((name for name in used if name not in names), ""):
        raise Refused(
            table.name("arguments"), f"has {{{unknown}}}, which is no parameter of the tool"
        )
    if is_writing and arguments and "key" not in used:
        raise Refused(table.name("arguments"), "lacks {key}, by which a write is done once")
    rows = table.take_text("rows", "")
    return ServerCall(
        server,
        table.take_text("tool"),
        arguments or {name: f"{{{name}}}" for name in names},
        read_timeout_s(table, TIMEOUT_MS),
        tuple(rows.split(".")) if rows else (),
    )
