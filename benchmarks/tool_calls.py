"""The same model's own function calling, through llama-server's tools, on the shop's tool cases.

    LLAMA_SERVER=…/llama-server .venv/bin/python -m benchmarks.tool_calls [--limit 30]

What it is beside: `appliance tools eval` on the same file. Every doubt is decided for the bare
model: an argument is compared as ours are, and where one is missing it is right if it calls
nothing. The rule that must not break: it gets the same descriptions, parameters and patterns as
declared in `tools.toml`, the whole conversation, and greedy choice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from appliance.eval_figures import Figure
from appliance.eval_report import tell_figures
from appliance.eval_tools import ToolCase, is_quoted, read_tool_cases
from appliance.knowledge.folders import EXAMPLES
from appliance.settings import Settings
from appliance.toolbox import read_registry
from appliance.tools.declared import Registry, Tool
from benchmarks.engine_peers import count_threads, find_model
from benchmarks.engine_process import ServerProcess, WrongAnswer
from benchmarks.engine_wire import post

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "evals" / "tools" / "cases.toml"
CONTEXT_TOKENS = 8192
MOST_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Came:
    """The first call of the answer to the last message, if there was one."""

    case: ToolCase
    tool: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_tool(self) -> bool:
        return self.tool == self.case.tool

    @property
    def has_arguments(self) -> bool:
        return {k: squeeze(v) for k, v in self.arguments.items()} == {
            k: squeeze(v) for k, v in self.case.arguments.items()
        }

    @property
    def has_invented(self) -> bool:
        return any(not is_quoted(value, self.case.said) for value in self.arguments.values())


def squeeze(text: str) -> str:
    return "".join(text.split()).casefold()


def describe_tool(registry: Registry, tool: Tool) -> dict[str, Any]:
    """As OpenAI's API takes it; what the house fills in itself is left out."""
    names = [name for name in tool.parameters if registry.parameters[name].ask["zh"]]
    properties = {
        name: {
            "type": "string",
            "description": f"{registry.parameters[name].title['zh']} / "
            f"{registry.parameters[name].title['en']}, e.g. {registry.parameters[name].example}",
        }
        for name in names
    }
    parameters = {"type": "object", "properties": properties, "required": names}
    told = f"{tool.description['zh']} / {tool.description['en']}"
    function = {"name": tool.name, "description": told, "parameters": parameters}
    return {"type": "function", "function": function}


async def ask(port: int, tools: Sequence[object], case: ToolCase) -> Came:
    messages: list[dict[str, object]] = [{"role": "system", "content": Settings().system_prompt}]
    came = Came(case)
    for said in case.said:
        messages.append({"role": "user", "content": said})
        body = {
            "messages": messages,
            "tools": tools,
            "max_tokens": MOST_TOKENS,
            "temperature": 0,
            "cache_prompt": True,
        }
        heard = await post(port, "/v1/chat/completions", body)
        if heard.status != 200:
            raise WrongAnswer(f"{said!r}: {heard.status} {heard.body[:200]!r}")
        message = json.loads(heard.body)["choices"][0]["message"]
        messages.append({"role": "assistant", **message})
        came = read_call(case, message)
        messages += [
            {"role": "tool", "tool_call_id": call.get("id", ""), "content": "{}"}
            for call in message.get("tool_calls") or ()
        ]
    return came


def read_call(case: ToolCase, message: Mapping[str, Any]) -> Came:
    for call in message.get("tool_calls") or ():
        function = call["function"]
        try:
            given = json.loads(function["arguments"] or "{}")
        except ValueError:
            given = {}
        items = given.items() if isinstance(given, dict) else ()
        return Came(case, function["name"], {k: str(v) for k, v in items if v not in ("", None)})
    return Came(case)


def count(seen: Sequence[Came]) -> list[Figure]:
    calls = [one for one in seen if one.case.kind == "call"]
    right = [one for one in calls if one.has_tool]
    asked = [one for one in seen if one.case.kind == "ask"]
    none = [one for one in seen if one.case.kind == "none"]
    called = [one for one in seen if one.tool]
    return [
        Figure("tool chosen rightly, where all is said", len(right), len(calls)),
        Figure(
            "arguments exactly right, of those", sum(o.has_arguments for o in right), len(right)
        ),
        Figure("no call where none fits", sum(not o.tool for o in none), len(none)),
        Figure("no call where an argument is missing", sum(not o.tool for o in asked), len(asked)),
        Figure(
            "calls with an argument that is no quote",
            sum(o.has_invented for o in called),
            len(called),
        ),
    ]


def choose(cases: Sequence[ToolCase], limit: int) -> list[ToolCase]:
    """Kinds and languages in turn, the first of each."""
    groups: dict[tuple[str, str], list[ToolCase]] = {}
    for case in cases:
        groups.setdefault((case.kind, case.language), []).append(case)
    in_turn = [one for row in zip_longest(*groups.values()) for one in row if one is not None]
    return in_turn[:limit] if limit else in_turn


async def measure(folder: Path, limit: int) -> None:
    registry = read_registry(EXAMPLES[-1], folder)
    tools = [describe_tool(registry, tool) for tool in registry.tools.values()]
    cases = choose([one for one in read_tool_cases([CASES]) if one.split == "report"], limit)
    threads = str(count_threads())
    server = ServerProcess(folder / "server.log")
    await server.begin(
        [
            os.environ["LLAMA_SERVER"], "--jinja", "--model", str(find_model()),
            "--host", "127.0.0.1", "--port", str(server.port),
            "--ctx-size", str(CONTEXT_TOKENS), "--parallel", "1",
            "--threads", threads, "--threads-batch", threads,
        ],
        {},
        "/health",
    )  # fmt: skip
    try:
        seen = [await ask(server.port, tools, case) for case in cases]
    finally:
        await server.end()
    for line in tell_figures(count(seen)):
        sys.stdout.write(f"{line}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=0, help="at most so many cases; 0 is all")
    limit = parser.parse_args().limit
    if not os.environ.get("LLAMA_SERVER"):
        sys.stderr.write(
            "LLAMA_SERVER names no llama-server; benchmarks.llama_server builds one.\n"
        )
        return 1
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), limit))
    return 0


if __name__ == "__main__":
    sys.exit(main())
