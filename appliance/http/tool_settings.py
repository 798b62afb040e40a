"""The console's calls on the tools: which there are, switched on and off, tried; for owners.

It runs nothing itself. The rule that must not break: every trial is a row of the audit log before
it begins, and neither its values nor its rows stand there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from appliance.errors import InvalidField, NotOffered, PublishRefused
from appliance.http.answers import JsonAnswer
from appliance.http.body import clean_text, read_body
from appliance.http.console import DENIED
from appliance.http.openapi import Operation, Reply
from appliance.http.policies import Policy, get_access
from appliance.http.settings_shapes import ShownCheck
from appliance.http.shop_files import show_check
from appliance.http.tool_shapes import (
    ShownParameter,
    ShownTool,
    ShownTools,
    ShownTrial,
    ShownWordings,
    SwitchWish,
    TrialWish,
)
from appliance.tools.declared import LANGUAGES, Registry, Tool, Wordings
from appliance.tools.templates import render

MAX_VALUE_CHARS = 2000
TOOLS = "/console/settings/tools"


class Bench(Protocol):
    """What `appliance/tool_desk.py` is."""

    def read(self) -> Awaitable[Registry]: ...
    def find(self, name: str) -> Awaitable[tuple[Registry, Tool]]: ...
    def begin_switch(self, name: str, *, is_on: bool) -> Awaitable[Any]: ...
    def attempt(self, name: str, arguments: Mapping[str, str]) -> Awaitable[Any]: ...


class ToolSettings:
    def __init__(
        self, bench: Bench, note_act: Callable[[str, str], Awaitable[None]], *, is_example: bool
    ) -> None:
        self._bench = bench
        self._note_act = note_act
        self._is_example = is_example

    async def list_all(self, _request: Request) -> Response:
        registry = await self._bench.read()
        every = sorted((*registry.tools.values(), *registry.off.values()), key=lambda one: one.name)
        tools: ShownTools = {
            "tools": [_show_tool(registry, one) for one in every],
            "faults": [one.message for one in registry.faults],
            "is_example": self._is_example,
        }
        return JsonAnswer(tools)

    async def switch(self, request: Request) -> Response:
        wish = await read_body(request, SwitchWish)
        name = request.path_params["name"]
        return JsonAnswer(show_check(await self._bench.begin_switch(name, is_on=wish.on)))

    async def attempt(self, request: Request) -> Response:
        wish = await read_body(request, TrialWish)
        _, tool = await self._bench.find(request.path_params["name"])
        given = {
            name: clean_text(f"arguments.{name}", value, MAX_VALUE_CHARS)
            for name, value in wish.arguments.items()
            if value.strip()
        }
        if unknown := sorted(set(given) - set(tool.parameters)):
            raise InvalidField("arguments", f"{unknown[0]!r} is no parameter of {tool.name}.")
        await self._note_act(get_access(request.scope).who, f"tool {tool.name} tried")
        return JsonAnswer(_show_trial(await self._bench.attempt(tool.name, given), given))


def _show_tool(registry: Registry, tool: Tool) -> ShownTool:
    parameters: list[ShownParameter] = []
    for name in tool.parameters:
        parameter = registry.parameters[name]
        parameters.append(
            {
                "name": name,
                "title": _show_wordings(parameter.title),
                "example": parameter.example,
                "is_own": "session" in parameter.origins,
            }
        )
    return {
        "name": tool.name,
        "kind": tool.kind,
        "description": _show_wordings(tool.description),
        "is_on": not tool.is_off,
        "is_writing": tool.is_writing,
        "parameters": parameters,
    }


def _show_trial(attempted: Any, given: Mapping[str, str]) -> ShownTrial:
    tried = attempted.tried
    result = tried.result
    told = {one: render(attempted.tool, result, given, one) if result else "" for one in LANGUAGES}
    return {
        "asked": list(tried.asked),
        "took_ms": round(tried.took_ms, 1),
        "is_dry": tried.is_dry,
        "refused": tried.refused,
        "outcome": result.outcome if result else "error",
        "rows": [dict(row) for row in result.rows] if result else [],
        "is_cut": bool(result and result.is_cut),
        "reply": _show_wordings(told),
    }


def _show_wordings(wordings: Wordings) -> ShownWordings:
    return {"zh": wordings["zh"], "en": wordings["en"]}


def list_tool_routes(settings: ToolSettings) -> list[Operation]:
    """The lines of the surface by which owners look after the tools."""
    refusing = (*DENIED, NotOffered, PublishRefused)
    return [
        Operation(
            "GET",
            TOOLS,
            settings.list_all,
            "The tools that the shop declares; for owners.",
            (Reply(200, "The tools", ShownTools),),
            policy=Policy.ADMIN,
            note="tools looked at",
            errors=DENIED,
        ),
        Operation(
            "POST",
            f"{TOOLS}/{{name}}/switch",
            settings.switch,
            "Begin to check the file with one tool switched on or off; for owners.",
            (Reply(200, "The check", ShownCheck),),
            policy=Policy.ADMIN,
            body=SwitchWish,
            errors=refusing,
        ),
        Operation(
            "POST",
            f"{TOOLS}/{{name}}/test",
            settings.attempt,
            "Try one tool; one that writes is only rehearsed; for owners.",
            (Reply(200, "What came of it", ShownTrial),),
            policy=Policy.ADMIN,
            body=TrialWish,
            errors=(*refusing, InvalidField),
        ),
    ]
