"""The answer ladder at full size: speed, quality, hostile models, and what the screen delays.

    .venv/bin/python -m benchmarks.ladder                    all parts
    .venv/bin/python -m benchmarks.ladder --only quality     one of them
    .venv/bin/python -m benchmarks.ladder --quick            small sizes, a few minutes
    .venv/bin/python -m benchmarks.ladder --without-model    what needs no model file
    .venv/bin/python -m benchmarks.ladder --write            and keep the tables in both READMEs

    .venv/bin/python -m benchmarks.ladder --kept --write     what was measured before, no more

Figures are kept in build/ladder.json, so the parts may be measured one by one. Run it while the
machine does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Protocol

import structlog

from benchmarks.fault_report import tell
from benchmarks.faults import describe_machine
from benchmarks.ladder_delay import measure_delay
from benchmarks.ladder_hostile import measure_hostile
from benchmarks.ladder_quality import measure_everyday, measure_quality
from benchmarks.ladder_report import (
    Part,
    Row,
    Sizes,
    format_parts,
    keep_parts,
    load_parts,
    save_part,
)
from benchmarks.ladder_speed import measure_saturated, measure_speed


class Measure(Protocol):
    def __call__(self, folder: Path, sizes: Sizes, /) -> Awaitable[Part]: ...


MEASURES: dict[str, Measure] = {
    "speed": measure_speed,
    "saturated": measure_saturated,
    "quality": measure_quality,
    "everyday": measure_everyday,
    "hostile": measure_hostile,
    "delay": measure_delay,
}


def measure(name: str, sizes: Sizes) -> Part:
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            part = asyncio.run(_measure(MEASURES[name], Path(folder), sizes))
        except (Exception, BaseExceptionGroup) as error:
            # One part that cannot be measured does not take the others along.
            tell(f"  ✗ {name}: {error!r}")
            part = Part((Row(name, f"broke off: {error!r}", "", False),))
    tell(f"  {time.monotonic() - began_s:.0f} s")
    return part


async def _measure(measure_one: Measure, folder: Path, sizes: Sizes) -> Part:
    return await measure_one(folder, sizes)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=MEASURES, action="append", help="these parts alone")
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--without-model", action="store_true", help="what needs no model file")
    parser.add_argument("--kept", action="store_true", help="measure nothing, show what is kept")
    parser.add_argument("--write", action="store_true", help="keep the tables in both READMEs")
    arguments = parser.parse_args()
    # The house says loudly what is done to it here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sizes = Sizes(is_quick=arguments.quick, has_model=not arguments.without_model)
    flags = " --quick" if arguments.quick else ""
    flags += " --without-model" if arguments.without_model else ""
    where = [f"{describe_machine()}.", f"Command: `.venv/bin/python -m benchmarks.ladder{flags}`"]
    parts: dict[str, Part] = {}
    for name in () if arguments.kept else arguments.only or MEASURES:
        parts[name] = measure(name, sizes)
        print(format_parts([parts[name]], []), flush=True)
        if not flags:
            save_part(name, parts[name])
    kept = parts if flags else load_parts()
    ordered = [kept[name] for name in MEASURES if name in kept]
    text = format_parts(ordered, where)
    if not flags:
        print(text)
    if arguments.write:
        keep_parts(text)
    sys.exit(0 if all(row.holds is not False for part in ordered for row in part.rows) else 1)


if __name__ == "__main__":
    main()
