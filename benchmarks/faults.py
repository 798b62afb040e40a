"""Every fault the appliance is built to survive, at full size, with the bar each must meet.

    .venv/bin/python -m benchmarks.faults                    all of them, about an hour
    .venv/bin/python -m benchmarks.faults --only power       one of them
    .venv/bin/python -m benchmarks.faults --quick            the sizes of `make test`
    .venv/bin/python -m benchmarks.faults --write            and keep the table in both READMEs

    .venv/bin/python -m benchmarks.faults --kept --write     what was measured before, no more

Figures are kept in build/faults.json, so the faults may be measured one by one. Run it while the
machine does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

import structlog

from benchmarks.fault_disk import measure_damage, measure_full
from benchmarks.fault_kill import measure_crashes, measure_kills, measure_model_kills
from benchmarks.fault_load import measure_idle, measure_overload, measure_watchers
from benchmarks.fault_mixed import measure_mixed
from benchmarks.fault_power import measure_io, measure_power
from benchmarks.fault_report import (
    Row,
    format_table,
    keep_table,
    load_rows,
    save_rows,
    tell,
)


class Measure(Protocol):
    def __call__(self, folder: Path, *, is_quick: bool) -> Awaitable[list[Row]]: ...


MEASURES: dict[str, tuple[Measure, ...]] = {
    "kill": (measure_kills,),
    "kill-model": (measure_model_kills,),
    "power": (measure_power,),
    "io": (measure_io,),
    "disk": (measure_full, measure_damage),
    "watchers": (measure_watchers,),
    "crash": (measure_crashes,),
    "idle": (measure_idle,),
    "overload": (measure_overload,),
    "mixed": (measure_mixed,),
}


def measure(measure_one: Measure, *, is_quick: bool) -> list[Row]:
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = asyncio.run(_collect(measure_one, Path(folder), is_quick=is_quick))
        except (Exception, BaseExceptionGroup) as error:
            # One fault that cannot be measured does not take the others along.
            name = getattr(measure_one, "__name__", "")
            tell(f"  ✗ {name}: {error!r}")
            rows = [Row(name.removeprefix("measure_"), f"broke off: {error!r}", "", False)]
    tell(f"  {time.monotonic() - began_s:.0f} s")
    return rows


async def _collect(measure_one: Measure, folder: Path, *, is_quick: bool) -> list[Row]:
    return await measure_one(folder, is_quick=is_quick)


def describe_machine() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return f"{found[1].strip() if found else platform.machine()}, {os.cpu_count()} cores"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=MEASURES, action="append", help="these faults alone")
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--write", action="store_true", help="keep the table in both READMEs")
    parser.add_argument("--kept", action="store_true", help="measure nothing, show what is kept")
    arguments = parser.parse_args()
    # The house says loudly what is done to it here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    flags = " --quick" if arguments.quick else ""
    where = [f"{describe_machine()}.", f"Command: `.venv/bin/python -m benchmarks.faults{flags}`"]
    known = {} if arguments.quick else dict(load_rows())
    for name in () if arguments.kept else arguments.only or MEASURES:
        known[name] = [
            row
            for measure_one in MEASURES[name]
            for row in measure(measure_one, is_quick=arguments.quick)
        ]
        print(format_table(known[name], []), flush=True)
        if not arguments.quick:
            save_rows(name, known[name])
    rows = [row for name in MEASURES for row in known.get(name, ())]
    table = format_table(rows, where)
    print(table)
    if arguments.write:
        keep_table(table)
    sys.exit(0 if all(row.holds for row in rows) else 1)


if __name__ == "__main__":
    main()
