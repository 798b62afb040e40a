"""Secrets of the services that tools ask: named in `tools.toml`, held by the environment.

It keeps none. The rule that must not break: a secret never stands in a file of the shop's, nor in a
sentence that says it is missing.
"""

from __future__ import annotations

import os

from appliance.tools.failures import ToolFailed


def read_secret(variable: str) -> str:
    """Raises ToolFailed where the environment does not hold it."""
    value = os.environ.get(variable, "")
    if not value:
        raise ToolFailed(f"The environment variable {variable} is not set.")
    return value
