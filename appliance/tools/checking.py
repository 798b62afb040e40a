"""Every tool tried without a customer: its statements against the database, its replies against
what they give.

It sends no request and keeps nothing that it writes. The rule that must not break: a tool that is
found right here is not refused by its database for its text, nor shown with a value that is not
there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from appliance.tools.declared import (
    CONFIRM,
    DONE,
    ERROR,
    FOUND,
    NONE,
    ROW,
    SEVERAL,
    Fault,
    Registry,
    Tool,
    Value,
)
from appliance.tools.entries import find_entry
from appliance.tools.failures import ToolFailed
from appliance.tools.mcp import find_problem
from appliance.tools.registry import TOOLS_FILE
from appliance.tools.running import OUTCOME
from appliance.tools.sql import exists, list_columns, try_write
from appliance.tools.templates import find_unknown


def check_tools(registry: Registry) -> Iterator[Fault]:
    """What would go wrong; `registry.faults` are not among it."""
    for database in registry.databases.values():
        if not database.tables and not exists(database.path):
            yield _tell(f"database.{database.name}.file", f"{database.path} is not there")
    for server in registry.servers.values():
        if problem := find_problem(server):
            yield _tell(f"server.{server.name}", problem)
    for tool in registry.tools.values():
        try:
            yield from _check_tool(registry, tool)
        except ToolFailed as failed:
            yield _tell(f"tool.{tool.name}", f"cannot run: {str(failed).rstrip('.')}")


def _check_tool(registry: Registry, tool: Tool) -> Iterator[Fault]:
    names = _make_values(registry, tool)
    found: list[str] = []
    if tool.read is not None:
        found = list_columns(registry.databases[tool.read.database], tool.read, names)
    done = found
    if tool.write is not None and tool.receipt is not None:
        values = {**dict.fromkeys(found), **names}
        database = registry.databases[tool.write.database]
        done = try_write(database, tool.write, tool.receipt, values)
    if tool.entry:
        find_entry(tool.entry)
    if tool.request is not None:
        for variable in tool.request.secrets.values():
            if not os.environ.get(variable):
                yield _tell(f"tool.{tool.name}.secrets", f"{variable} is not in the environment")
    if tool.kind != "sql":
        # What they answer is known only once they are asked.
        return
    for outcome in tool.replies:
        columns = _choose_columns(outcome, found, done)
        if unknown := find_unknown(tool, columns, outcome):
            yield _tell(
                f"tool.{tool.name}.reply.{outcome}",
                f"has {{{unknown}}}, which is no column and no parameter; "
                f"known are {', '.join((*tool.parameters, *(c for c in columns if c != OUTCOME)))}",
            )


def _choose_columns(outcome: str, found: list[str], done: list[str]) -> list[str]:
    """An outcome that the shop named itself may be told by what was found or by the receipt."""
    if outcome == ERROR:
        return []
    if outcome == DONE:
        return done
    return found if outcome in (CONFIRM, FOUND, NONE, SEVERAL, ROW) else [*found, *done]


def _make_values(registry: Registry, tool: Tool) -> Mapping[str, Value]:
    values: dict[str, Value] = {}
    for name in tool.parameters:
        parameter = registry.parameters[name]
        is_number = parameter.schema.type == "integer"
        values[name] = int(parameter.example) if is_number else parameter.example or "check"
    return {**values, "key": "check", "now": "2026-11-21 12:00", "visitor": "check"}


def _tell(key: str, sentence: str) -> Fault:
    return Fault(TOOLS_FILE, f"{TOOLS_FILE}: {key}: {sentence}.")
