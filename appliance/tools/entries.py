"""A tool of kind "python": a function of the shop's own, named by module and name.

It installs nothing and checks no types but those of the answer. The rule that must not break:
only the entry point that stands in `tools.toml` is ever imported, and whatever it raises, or that
it never comes back, is one failure of the tool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import date, time
from decimal import Decimal
from importlib import import_module
from threading import BoundedSemaphore, Thread
from typing import Any

import structlog

from appliance.tools.declared import Row, Value
from appliance.tools.failures import ToolFailed, ToolUnsure

MOST_ROWS = 100
MOST_AT_ONCE = 4


class Entries:
    """Each call on a thread of its own: one that never comes back holds up neither another tool
    nor the end of the process."""

    def __init__(self) -> None:
        self._free = BoundedSemaphore(MOST_AT_ONCE)

    async def run(
        self, entry: str, values: Mapping[str, Value], names: Sequence[str]
    ) -> tuple[Row, ...]:
        """Whoever waits no longer leaves it running. Raises ToolFailed."""
        if not self._free.acquire(blocking=False):
            raise ToolFailed(f"{MOST_AT_ONCE} functions have not come back yet.")
        work: Future[tuple[Row, ...]] = Future()
        # So that nobody can cancel it: it is being done.
        work.set_running_or_notify_cancel()

        def live() -> None:
            try:
                work.set_result(run_entry(entry, values, names))
            except ToolFailed as failed:
                work.set_exception(failed)
            finally:
                self._free.release()

        Thread(target=live, name=f"entry {entry}", daemon=True).start()
        return await asyncio.wrap_future(work)


def find_entry(entry: str) -> Callable[..., Any]:
    """Raises ToolFailed."""
    module, _, name = entry.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:
        structlog.get_logger(__name__).error(
            "a tool's module cannot be imported", entry=entry, error=type(error).__name__
        )
        raise ToolFailed(f"{entry} cannot be imported: {error}.") from None
    if not callable(found):
        raise ToolFailed(f"{entry} is no function.")
    called: Callable[..., Any] = found
    return called


def run_entry(entry: str, values: Mapping[str, Value], names: Sequence[str]) -> tuple[Row, ...]:
    """Its answer is a list of objects. Raises ToolFailed."""
    function = find_entry(entry)
    try:
        answer = function(**{name: values[name] for name in names})
    except (Exception, SystemExit) as error:
        # By its name alone: what it says may be a customer's.
        structlog.get_logger(__name__).error(
            "a tool's function raised", entry=entry, error=type(error).__name__
        )
        raise ToolFailed(f"{entry} raised {type(error).__name__}.") from None
    return read_rows(answer)


def read_rows(answer: object) -> tuple[Row, ...]:
    """One object or a list of them, of plain values. Raises ToolFailed."""
    rows = [answer] if isinstance(answer, Mapping) else answer
    if rows is None:
        return ()
    if not isinstance(rows, list | tuple) or not all(isinstance(row, Mapping) for row in rows):
        raise ToolUnsure("The answer is no list of objects.")
    return tuple(
        {str(key): read_value(value) for key, value in row.items()} for row in rows[:MOST_ROWS]
    )


def read_value(value: object) -> Value:
    """A price and a day as they are written; what has no one way to be written is left empty."""
    if value is None or isinstance(value, str | int | float):
        return value
    return str(value) if isinstance(value, Decimal | date | time) else ""
