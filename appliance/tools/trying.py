"""A tool tried by its owner: what it was asked, what came of it, how long it took.

It tells no customer anything. The rules that must not break: a tool that writes is only rehearsed,
whatever its kind, and no secret stands in what is shown.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from appliance.tools.declared import CONFIRM, Call, Registry, Result, Statement, Tool, Value
from appliance.tools.failures import ToolFailed
from appliance.tools.requests import build_address
from appliance.tools.running import Tools
from appliance.tools.templates import PLACEHOLDER

# Its key is one of its own, so that it is never taken for a customer's.
TRIAL = "tools-test"
NAMED = re.compile(r":([A-Za-z_]\w*)")
HIDDEN = "…"
LATE = "It took too long."


@dataclass(frozen=True, slots=True)
class Tried:
    """`asked` is the exact SQL, request or call, of a tool that writes what it would be. `refused`
    says what went wrong; then there is no result. `is_dry`: nothing was written or sent."""

    asked: tuple[str, ...]
    took_ms: float
    result: Result | None = None
    refused: str = ""
    is_dry: bool = False


async def try_tool(registry: Registry, tool: Tool, arguments: Mapping[str, str]) -> Tried:
    """Also of one that is switched off."""
    given = dict(arguments)
    for name in tool.parameters:
        if "session" in registry.parameters[name].origins:
            given[name] = TRIAL
    call = Call(tool.name, given, TRIAL)
    made = Tools(replace(registry, tools={tool.name: tool}))
    began_s = time.perf_counter()
    result: Result | None = None
    refused = ""
    try:
        made.prepare()
        result = await _run(made, tool, call)
    except ToolFailed as failed:
        refused = str(failed)
    except TimeoutError:
        refused = LATE
    finally:
        made.close()
    took_ms = (time.perf_counter() - began_s) * 1000
    asked = describe_request(registry, tool, given)
    return Tried(asked, took_ms, result, refused, is_dry=tool.is_writing)


async def _run(made: Tools, tool: Tool, call: Call) -> Result:
    if tool.is_writing and tool.kind != "sql":
        # Who answers elsewhere knows no rehearsal: the values are looked at, and nothing leaves.
        made.check(call)
        return Result(CONFIRM)
    looked = await made.attempt(call)
    return await made.rehearse(call) if looked.outcome == CONFIRM else looked


def describe_request(registry: Registry, tool: Tool, given: Mapping[str, str]) -> tuple[str, ...]:
    """What leaves for the database, the service, the function or the server, without secrets."""
    values: Mapping[str, Value] = {
        **dict.fromkeys(tool.parameters, ""),
        **given,
        "key": TRIAL,
        "now": HIDDEN,
    }
    if tool.request is not None:
        return (_describe_http(tool, values),)
    if tool.server_call is not None:
        call = tool.server_call
        arguments = {name: _fill(text, values) for name, text in call.arguments.items()}
        told = json.dumps(arguments, ensure_ascii=False)
        return (f"{call.server}: {call.tool} {told}",)
    if tool.entry:
        names = (*tool.parameters, *(["key"] if tool.is_writing else []))
        return (f"{tool.entry}({', '.join(f'{name}={values[name]!r}' for name in names)})",)
    statements = (tool.read, tool.write, tool.receipt)
    return tuple(_describe_sql(one, values) for one in statements if one is not None)


def _describe_sql(statement: Statement, values: Mapping[str, Value]) -> str:
    named = [name for name in dict.fromkeys(NAMED.findall(statement.text)) if name in values]
    bound = [f":{name} = {values[name]!r}" for name in named]
    return "\n".join((f"[{statement.database}] {statement.text}", *bound))


def _describe_http(tool: Tool, values: Mapping[str, Value]) -> str:
    assert tool.request is not None
    try:
        address = build_address(tool.request, values)
    except ToolFailed:
        # It is refused before it leaves; what was declared is shown.
        address = tool.request.url
    head = [
        f"{tool.request.method} {address}",
        *(f"{one}: {HIDDEN}" for one in tool.request.secrets),
    ]
    body = {name: _fill(text, values) for name, text in tool.request.body.items()}
    return "\n".join((*head, *([json.dumps(body, ensure_ascii=False)] if body else [])))


def _fill(text: str, values: Mapping[str, Value]) -> str:
    return PLACEHOLDER.sub(lambda found: str(values.get(found[1], "")), text)
