"""How a tool fails: one error that every kind of tool raises, and nothing else; and one kind of it.

It says nothing to a customer; the shop's reply for "error" does. The rule that must not break: its
sentence is for the log and the command line and holds no value of a customer's.
"""

from __future__ import annotations

from appliance.errors import ApplianceError


class ToolFailed(ApplianceError):
    """A tool could not be run."""

    code = "tool_failed"


class ToolUnsure(ToolFailed):
    """It was begun, and what came of it was not told: a write may have been done."""
