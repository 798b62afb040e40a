"""The engine against llama-server and llama_cpp.server: the same file, the same machine, one run.

    .venv/bin/python -m benchmarks.llama_server             builds them, and says what to export
    .venv/bin/python -m benchmarks.engine                   all workloads, about an hour
    .venv/bin/python -m benchmarks.engine --only turns      one of them
    .venv/bin/python -m benchmarks.engine --quick           small sizes, some minutes
    .venv/bin/python -m benchmarks.engine --write           and keep the table in both READMEs

    .venv/bin/python -m benchmarks.engine --kept --write    what was measured before, no more

Figures are kept in build/engine.json, so the workloads may be measured one by one. Run it while
the machine does nothing else.
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

from appliance.settings import Settings
from benchmarks.engine_alone import measure_cpu, measure_one
from benchmarks.engine_crowd import measure_eight, measure_flood, measure_long
from benchmarks.engine_peers import (
    Setup,
    count_threads,
    find_model,
    has_llama_server,
    has_python_server,
)
from benchmarks.engine_quoting import measure_drafts
from benchmarks.engine_report import (
    FIRST_TOKEN,
    Measured,
    format_report,
    keep_report,
    load_json,
    save_json,
)
from benchmarks.engine_turns import measure_many, measure_restart, measure_turns
from benchmarks.fault_report import tell
from benchmarks.faults import describe_machine
from benchmarks.ladder_report import Part, Row


class Measure(Protocol):
    def __call__(self, folder: Path, *, is_quick: bool) -> Awaitable[Measured]: ...


MEASURES: dict[str, Measure] = {
    "one": measure_one,
    "turns": measure_turns,
    "many": measure_many,
    "restart": measure_restart,
    "eight": measure_eight,
    "long": measure_long,
    "flood": measure_flood,
    "drafts": measure_drafts,
    "cpu": measure_cpu,
}


def measure(name: str, *, is_quick: bool) -> Measured:
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            measured = asyncio.run(_measure(MEASURES[name], Path(folder), is_quick=is_quick))
        except (Exception, BaseExceptionGroup) as error:
            # One workload that cannot be measured does not take the others along.
            tell(f"  ✗ {name}: {error!r}")
            measured = Measured(Part((Row(name, f"broke off: {error!r}", "", False),)))
    tell(f"  {time.monotonic() - began_s:.0f} s")
    return measured


async def _measure(measure_one: Measure, folder: Path, *, is_quick: bool) -> Measured:
    return await measure_one(folder, is_quick=is_quick)


def describe(*, is_quick: bool) -> list[str]:
    peers = ["llama-server"] * has_llama_server() + ["llama_cpp.server"] * has_python_server()
    flags = " --quick" if is_quick else ""
    return [
        "",
        FIRST_TOKEN,
        "",
        f"{describe_machine()}, {count_threads()} threads; {find_model().name}, "
        f"{Setup().context_tokens} cells where nothing else is said, greedy, a system prompt of "
        f"{len(Settings().system_prompt)} characters; beside it: "
        f"{' and '.join(peers) or 'nobody'}, built from the same source.",
        f"Command: `.venv/bin/python -m benchmarks.engine{flags}`",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=MEASURES, action="append", help="these workloads alone")
    parser.add_argument("--quick", action="store_true", help="small sizes, some minutes")
    parser.add_argument("--write", action="store_true", help="keep the table in both READMEs")
    parser.add_argument("--kept", action="store_true", help="measure nothing, show what is kept")
    arguments = parser.parse_args()
    # The house says loudly what is done to it here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    where = describe(is_quick=arguments.quick)
    for name in () if arguments.kept else arguments.only or MEASURES:
        measured = measure(name, is_quick=arguments.quick)
        print(format_report({name: measured}, []), flush=True)
        if not arguments.quick:
            save_json({name: measured}, where)
    kept = {} if arguments.quick else load_json()
    ordered = {name: kept[name] for name in MEASURES if name in kept}
    report = format_report(ordered, where)
    if not arguments.quick:
        print(report)
    if arguments.write:
        keep_report(report)
    holds = [row.holds for one in ordered.values() for row in one.part.rows]
    sys.exit(0 if all(one is not False for one in holds) else 1)


if __name__ == "__main__":
    main()
