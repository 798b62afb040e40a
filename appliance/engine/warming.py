"""The cells that every conversation shares, had before the first question: copied or computed.

It knows no conversation. While it reads the system prompt it times steps of many widths, which
costs next to nothing, because the prompt must be read anyway. The rule that must not break: a
copy is used only where its ids are the prefix's, to the last one.
"""

from __future__ import annotations

import time

from appliance.engine.backend import Backend, Entry
from appliance.engine.cells import Cells
from appliance.engine.prompt import TokenIds
from appliance.engine.sequences import PREFIX_SLOT
from appliance.engine.step_table import Probe, StepTable, plan_reading
from appliance.errors import ModelUnavailable


def read_prefix(backend: Backend, cells: Cells, table: StepTable, prefix: TokenIds) -> None:
    """Compute the cells of `prefix` and fill `table`. Raises ModelUnavailable where a step fails
    or is interrupted, because the engine stops."""
    timed_ms: dict[Probe, float] = {}
    start = 0
    for probe in plan_reading(len(prefix)):
        ids = prefix[start : start + probe.width]
        # Every step has one row of logits, and one that times the output layer has several.
        first_row = len(ids) - max(1, probe.rows)
        entries = [
            Entry(token, start + offset, PREFIX_SLOT, offset >= first_row)
            for offset, token in enumerate(ids)
        ]
        began_at = time.monotonic()
        result = backend.decode(entries, interruptible=True)
        if result != "done":
            raise ModelUnavailable(f"Reading the system prompt ended as {result!r}.")
        if probe.rows:
            timed_ms[probe] = (time.monotonic() - began_at) * 1000
        cells.extend(PREFIX_SLOT, ids)
        start += probe.width
    table.time(timed_ms)
