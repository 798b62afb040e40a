"""A declared tool is run with values that were checked: by SQL, by a request, by a function.

It chooses no tool, asks nobody and phrases nothing. The rules that must not break: a tool that
writes is run for a confirmed call alone, by a key that makes it one however often it is run; what
was begun to be written is never told as not done; and what goes wrong in a tool is the outcome
"error", never an exception of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from datetime import UTC, datetime

import structlog

from appliance.tools.declared import (
    CONFIRM,
    DONE,
    ERROR,
    FOUND,
    NONE,
    SEVERAL,
    Call,
    Database,
    Registry,
    Result,
    Row,
    Tool,
    Value,
)
from appliance.tools.entries import Entries
from appliance.tools.example_orders import make_orders
from appliance.tools.failures import ToolFailed, ToolUnsure
from appliance.tools.mcp import call_server
from appliance.tools.requests import send_request
from appliance.tools.sql import BeginWriting, exists, reading, rehearsing, run, writing

# A statement may name the outcome itself, in a column of this name.
OUTCOME = "outcome"
# A reading tool of kind "sql" has the result of `look`; so long at most, whatever its database.
PATIENCE_S = 3.0
ENTRY_PATIENCE_S = 10.0


class Tools:
    """One thread for all databases: a shop's is asked one question at a time."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tools")
        self._entries = Entries()
        self._log = structlog.get_logger(__name__)

    def with_registry(self, registry: Registry) -> Tools:
        """Others, on the same threads."""
        others = copy(self)
        others.registry = registry
        return others

    async def look(self, call: Call) -> Result:
        """What is found, and for a tool that writes whether it may: `confirm`, or why not."""
        return await self._attempt(call, is_looking=True)

    async def write(self, call: Call) -> Result:
        """Run a tool that writes; `done`, with what was written. Where that took too long it may
        have been written all the same: then it is to be run again, with the same key."""
        return await self._attempt(call, is_looking=False)

    async def attempt(self, call: Call) -> Result:
        """As `look`, for whoever wants to know what went wrong. Raises ToolFailed, TimeoutError."""
        return await self._run(self._find(call, is_looking=True), call, is_looking=True)

    def check(self, call: Call) -> None:
        """Whether the tool is there and its values can be. Raises ToolFailed."""
        self._find(call, is_looking=True)

    async def rehearse(self, call: Call) -> Result:
        """What a tool of SQL would write and tell; nothing of it stays. Raises ToolFailed,
        TimeoutError."""
        tool = self._find(call, is_looking=True)
        values = self._bind(tool, call)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            return await loop.run_in_executor(self._executor, self._write, tool, values, rehearsing)

    def prepare(self) -> None:
        """Make the example's order database where it is declared and missing. Raises ToolFailed."""
        for database in self.registry.databases.values():
            if database.is_example and not exists(database.path):
                make_orders(database.path, datetime.now(UTC).date())

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _attempt(self, call: Call, *, is_looking: bool) -> Result:
        try:
            tool = self._find(call, is_looking=is_looking)
            return await self._run(tool, call, is_looking=is_looking)
        except ToolFailed as failed:
            reason, may_be_done = str(failed), isinstance(failed, ToolUnsure)
        except TimeoutError:
            reason, may_be_done = "It took too long.", True
        self._log.warning("tool failed", tool=call.tool, reason=reason)
        return Result(ERROR, is_unsure=may_be_done and not is_looking)

    def _find(self, call: Call, *, is_looking: bool) -> Tool:
        """Whoever chose it, a value is what its schema allows. Raises ToolFailed."""
        tool = self.registry.tools.get(call.tool)
        if tool is None:
            raise ToolFailed(f"There is no tool {call.tool}.")
        for name in tool.parameters:
            value = call.arguments.get(name, "")
            if not value and call.visitor and name in tool.unless_signed:
                continue
            if not self.registry.parameters[name].schema.allows(value):
                raise ToolFailed(f"{name} is missing or not possible.")
        if unknown := sorted(set(call.arguments) - set(tool.parameters)):
            raise ToolFailed(f"{unknown[0]} is no parameter of {tool.name}.")
        if not is_looking and not (tool.is_writing and call.is_confirmed and call.key):
            raise ToolFailed(f"{tool.name} writes nothing that was not confirmed.")
        return tool

    async def _run(self, tool: Tool, call: Call, *, is_looking: bool) -> Result:
        values = self._bind(tool, call)
        if tool.is_writing and is_looking and tool.read is None:
            return Result(CONFIRM)
        if tool.kind == "sql":
            if not is_looking:
                return await self._write_to_the_end(tool, values)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(PATIENCE_S):
                return await loop.run_in_executor(self._executor, self._look_up, tool, values)
        if tool.request is not None:
            rows = await send_request(tool.request, values)
        elif tool.server_call is not None:
            server = self.registry.servers[tool.server_call.server]
            rows = await call_server(server, tool.server_call, values)
        else:
            async with asyncio.timeout(ENTRY_PATIENCE_S):
                names = (*tool.parameters, *(["key"] if tool.is_writing else []))
                rows = await self._entries.run(tool.entry, values, names)
        return name_outcome(tool, rows, is_looking=is_looking)

    def _bind(self, tool: Tool, call: Call) -> Mapping[str, Value]:
        """What was not said is NULL, which is equal to nothing."""
        values: dict[str, Value] = dict.fromkeys(tool.unless_signed)
        for name, value in call.arguments.items():
            is_number = self.registry.parameters[name].schema.type == "integer"
            values[name] = int(value) if is_number else value
        now = f"{datetime.now().astimezone():%Y-%m-%d %H:%M}"
        return {**values, "key": call.key, "now": now, "visitor": call.visitor or None}

    def _look_up(self, tool: Tool, values: Mapping[str, Value]) -> Result:
        assert tool.read is not None
        with reading(self._find_database(tool.read.database)) as connection:
            rows = run(connection, tool.read, values, tool.max_rows + 1)
        return name_outcome(tool, rows, is_looking=True)

    async def _write_to_the_end(self, tool: Tool, values: Mapping[str, Value]) -> Result:
        """Patience ends for what still waits for its turn alone: no deadline takes back what the
        thread is at. Raises ToolFailed."""
        work = self._executor.submit(self._write, tool, values)
        ended = asyncio.wrap_future(work)
        await asyncio.wait((ended,), timeout=PATIENCE_S)
        if work.cancel():
            raise ToolFailed("The databases had no time for it.")
        return await ended

    def _write(
        self, tool: Tool, values: Mapping[str, Value], begin: BeginWriting = writing
    ) -> Result:
        """What allowed it a minute ago must allow it still."""
        assert tool.write is not None and tool.receipt is not None
        if tool.read is not None:
            looked = self._look_up(tool, values)
            if looked.outcome != CONFIRM:
                return looked
            values = {**looked.rows[0], **values}
        with begin(self._find_database(tool.write.database)) as connection:
            run(connection, tool.write, values, 0)
            rows = run(connection, tool.receipt, values, tool.max_rows)
        return name_outcome(tool, rows, is_looking=False)

    def _find_database(self, name: str) -> Database:
        database = self.registry.databases[name]
        if database.is_example and not exists(database.path):
            self.prepare()
        return database


def name_outcome(tool: Tool, rows: tuple[Row, ...], *, is_looking: bool) -> Result:
    """Which reply the rows are told by; rows themselves may say it in the column `outcome`."""
    shown = rows[: tool.max_rows]
    if not rows:
        return Result(NONE if is_looking else ERROR)
    named = rows[0].get(OUTCOME)
    if isinstance(named, str) and named and named != FOUND:
        return Result(named if named in tool.replies else ERROR, shown)
    if tool.is_writing:
        return Result(CONFIRM if is_looking else DONE, shown)
    if len(rows) > 1 and SEVERAL in tool.replies:
        return Result(SEVERAL, shown, is_cut=len(rows) > tool.max_rows)
    return Result(FOUND, shown[:1])
