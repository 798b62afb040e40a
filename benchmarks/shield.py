"""The shield and the access check at full size: what they let through, and what they cost.

    .venv/bin/python -m benchmarks.shield                    prints the table
    .venv/bin/python -m benchmarks.shield --write            and keeps it in both READMEs
    .venv/bin/python -m benchmarks.shield --only forged crowd --write    these rows, the others stay
    .venv/bin/python -m benchmarks.shield --only fuzz tokens --quick     a tenth of them

All traffic stays on this machine's loopback addresses, and every part ends by itself. The tests
do a tenth of it.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

from appliance.engine.scripted import ScriptedEngine
from benchmarks.fault_report import Row, format_table, tell, tell_faults
from benchmarks.faults import describe_machine
from benchmarks.remote import measure_remote
from benchmarks.shield_cost import measure_cost
from benchmarks.shield_crowd import measure_crowd
from benchmarks.shield_tokens import QUICK_ROUNDS, measure_tokens
from tests.scripted_house import HouseServer, answer, choose_settings, serving
from tests.shield_attacks import (
    FOREIGN_HOSTS,
    OWN_HOSTS,
    answer_is_clean,
    ask_with_host,
    build_bad_requests,
    count_rows,
    forge_all,
    pry,
    send_raw,
    trickle,
)
from tests.shield_fuzz import fuzz

READY_S = 60.0
TRICKLERS, LONGEST_S, TRICKLE_PAUSE_S = 300, 15.0, 0.2
CLOSED_S = 11.0
CASES = 5_000
HANG_S = 2.0
COUNTED = re.compile(r"\d[\d,]*")
READMES = ("README.md", "README.zh-CN.md")
BEGIN, END = "<!-- shield:begin -->\n", "<!-- shield:end -->"


@contextmanager
def open_house(folder: Path) -> Iterator[HouseServer[ScriptedEngine]]:
    with serving(choose_settings(folder), ScriptedEngine(answer)) as house:
        house.wait_ready(READY_S)
        yield house


def get_port(house: HouseServer[ScriptedEngine]) -> int:
    return int(house.listener.getsockname()[1])


def measure_trickle(folder: Path) -> list[Row]:
    with open_house(folder) as house:
        story = trickle(get_port(house), TRICKLERS, LONGEST_S, TRICKLE_PAUSE_S)
    last_s = max(story.closed_after_s, default=LONGEST_S)
    asked = story.served + story.unserved
    return [
        Row(
            f"{TRICKLERS} trickling connections from one address",
            f"{len(story.closed_after_s)} closed, the last after {last_s:.1f} s; "
            f"another address: {story.served} of {asked} served",
            f"all closed in ≤ {CLOSED_S:.0f} s, every request of another address served",
            len(story.closed_after_s) == TRICKLERS and last_s <= CLOSED_S and not story.unserved,
        )
    ]


def measure_hosts(folder: Path) -> list[Row]:
    with open_house(folder) as house:
        port = get_port(house)
        wrong = [host for host in FOREIGN_HOSTS if ask_with_host(port, host) == 200]
        lost = [host for host in OWN_HOSTS if ask_with_host(port, host) != 200]
    tell_faults([*wrong, *lost])
    return [
        Row(
            f"{len(FOREIGN_HOSTS)} foreign spellings of Host, {len(OWN_HOSTS)} own ones",
            f"{len(wrong)} accepted wrongly, {len(lost)} refused wrongly",
            "0",
            not wrong and not lost,
        )
    ]


def measure_forged(folder: Path) -> list[Row]:
    with (
        open_house(folder) as house,
        httpx2.Client(base_url=house.url, timeout=30) as client,
    ):
        session_id = client.post("/sessions").json()["session_id"]
        before = count_rows(folder / "data")
        told = forge_all(client, house.house.application.routes, session_id)
        written = count_rows(folder / "data") != before
        is_taken = client.post("/chat", json={"message": "你好"}).is_success
    tell_faults(told.leaks)
    return [
        Row(
            f"{told.asked} forged requests on every route that changes something",
            f"{len(told.leaks)} accepted, {'rows' if written else 'no rows'} written; "
            f"curl's is {'taken' if is_taken else 'refused'}",
            "0 accepted, no rows; curl's is taken",
            not told.leaks and not written and is_taken,
        )
    ]


def measure_foreign(folder: Path) -> list[Row]:
    with (
        open_house(folder) as house,
        httpx2.Client(base_url=house.url, timeout=30) as client,
    ):
        told = pry(client, house.house.application.routes)
    tell_faults(told.leaks)
    return [
        Row(
            f"{told.asked} requests with ids of another conversation, on every route",
            f"{len(told.leaks)} with foreign bytes",
            "0",
            not told.leaks,
        )
    ]


def measure_bad(folder: Path) -> list[Row]:
    faults, slowest_s = [], 0.0
    requests = build_bad_requests()
    with open_house(folder) as house:
        for name, sent in requests.items():
            began_s = time.perf_counter()
            received = send_raw(get_port(house), sent, HANG_S)
            slowest_s = max(slowest_s, time.perf_counter() - began_s)
            if not answer_is_clean(received):
                faults.append(f"{name}: {received[:100]!r}")
    tell_faults(faults)
    return [
        Row(
            f"{len(requests)} bad requests",
            f"{len(faults)} without a clean 4xx",
            "0",
            not faults,
        )
    ]


def measure_fuzz(folder: Path, cases: int) -> list[Row]:
    told = fuzz(folder, cases)
    tell_faults(told.faults)
    statuses = ", ".join(f"{count} × {status}" for status, count in sorted(told.statuses.items()))
    tell(f"  {statuses}")
    return [
        Row(
            f"{told.cases} cases that schemathesis made of the contract, with and without a key",
            f"{len(told.faults)} server errors or answers without a shape",
            "0",
            not told.faults,
        )
    ]


PARTS: Mapping[str, Callable[[Path], list[Row]]] = {
    "trickle": measure_trickle,
    "hosts": measure_hosts,
    "forged": measure_forged,
    "foreign": measure_foreign,
    "bad": measure_bad,
    "fuzz": lambda folder: measure_fuzz(folder, CASES),
    "cost": lambda folder: asyncio.run(measure_cost(folder)),
    "tokens": lambda folder: asyncio.run(measure_tokens(folder)),
    "crowd": lambda folder: asyncio.run(measure_crowd(folder)),
    "remote": lambda folder: asyncio.run(measure_remote(folder)),
}
# The long ones, to see that they run; nothing of it is kept.
QUICK: Mapping[str, Callable[[Path], list[Row]]] = {
    "fuzz": lambda folder: measure_fuzz(folder, CASES // 10),
    "cost": lambda folder: asyncio.run(measure_cost(folder, is_quick=True)),
    "tokens": lambda folder: asyncio.run(measure_tokens(folder, QUICK_ROUNDS)),
}


def keep(rows: list[Row]) -> None:
    """In both READMEs; rows of parts that were not measured now stay as they are."""
    for name in READMES:
        path = Path(name)
        before, _, rest = path.read_text("utf-8").partition(BEGIN)
        kept, _, after = rest.partition(END)
        path.write_text(before + BEGIN + show(merge(read_rows(kept), rows)) + END + after, "utf-8")


def show(rows: list[Row]) -> str:
    where = [f"{describe_machine()}.", "Command: `.venv/bin/python -m benchmarks.shield`"]
    return format_table(rows, where).replace("| fault |", "| what was tried |", 1)


def read_rows(table: str) -> list[Row]:
    cells = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    told = [[cell.strip() for cell in line] for line in cells[2:]]
    return [Row(what, figure, bar, mark == "✓") for what, figure, bar, mark in told]


def merge(kept: list[Row], rows: list[Row]) -> list[Row]:
    """A row goes in the place of its earlier self, whatever it counted then."""
    merged = {COUNTED.sub("", row.fault): row for row in kept}
    return [*(merged | {COUNTED.sub("", row.fault): row for row in rows}).values()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true", help="a tenth, and no table kept")
    chosen = parser.parse_args()
    parts = {**PARTS, **QUICK} if chosen.quick else PARTS
    rows: list[Row] = []
    for name in chosen.only:
        tell(f"{name} …")
        began_s = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            rows += parts[name](Path(folder))
        tell(f"  {time.monotonic() - began_s:.0f} s")
        # Part by part: what was measured stays when a later one is cut off.
        if chosen.write and not chosen.quick:
            keep(rows)
    print(show(rows))
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
