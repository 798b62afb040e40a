"""The rung of the tools, put together: what the shop declared, the model that may be asked.

It decides nothing. The rule that must not break: no fault in `tools.toml` keeps the appliance from
starting; what could not be taken is left out and told.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from appliance.dialogue.pattern_parser import PatternRefused
from appliance.dialogue.patterns import read_pattern
from appliance.dialogue.tool_likeness import Likeness
from appliance.dialogue.tool_model import ToolModel
from appliance.dialogue.tool_throttle import Throttle
from appliance.dialogue.tooling import Tooling
from appliance.tools.declared import Registry
from appliance.tools.registry import read_tools
from appliance.tools.running import Tools

if TYPE_CHECKING:
    from appliance.dialogue.ladder import Ladder
    from appliance.engine.engine import Engine
    from appliance.knowledge.embedder import Embedder
    from appliance.store.calls import Calls

# Computed once, as those of the knowledge are.
VECTORS_FILE = "tool-vectors.db"


def build_tools(
    folder: Path,
    data: Path,
    engine: Engine,
    calls: Calls,
    ladder: Ladder,
    embedder: Embedder | None,
) -> Tooling:
    """For the shop in `folder`; without `embedder` no meanings are compared."""
    registry = read_registry(folder, data)
    log = structlog.get_logger(__name__)
    for fault in registry.faults:
        log.warning("fault", file=fault.file, fault=fault.message)
    return Tooling(
        Tools(registry),
        calls,
        ToolModel(engine, tuple(registry.tools.values())),
        lambda: ladder.charter.shop,
        Throttle(time.monotonic),
        ladder.memory.recall,
        Likeness(registry, embedder, data / VECTORS_FILE) if embedder is not None else None,
    )


def read_registry(folder: Path, data: Path) -> Registry:
    return read_tools(folder, data, find_problem)


def find_problem(pattern: str) -> str:
    """Why a pattern cannot be taken, or nothing."""
    try:
        read_pattern(pattern)
    except PatternRefused as refused:
        return str(refused)
    return ""
