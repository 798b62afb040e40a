"""The shield and the access check at full size: what they let through, and what they cost.

    .venv/bin/python -m benchmarks.shield                    prints the table
    .venv/bin/python -m benchmarks.shield --write            and keeps it in both READMEs
    .venv/bin/python -m benchmarks.shield --only forged crowd

All traffic stays on this machine's loopback addresses, and every part ends by itself. The tests
do a tenth of it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2

from appliance.engine.scripted import ScriptedEngine
from benchmarks.fault_report import Row, format_table, tell, tell_faults
from benchmarks.shield_cost import measure_cost
from benchmarks.shield_crowd import measure_crowd
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


def measure_fuzz(folder: Path) -> list[Row]:
    told = fuzz(folder, CASES)
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
    "fuzz": measure_fuzz,
    "cost": lambda folder: asyncio.run(measure_cost(folder)),
    "crowd": lambda folder: asyncio.run(measure_crowd(folder)),
}


def keep(table: str) -> None:
    for name in READMES:
        path = Path(name)
        text = path.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        path.write_text(before + BEGIN + table + END + rest.partition(END)[2], "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    rows: list[Row] = []
    for name in chosen.only:
        tell(f"{name} …")
        with tempfile.TemporaryDirectory() as folder:
            rows += PARTS[name](Path(folder))
    table = format_table(rows, ["Command: `.venv/bin/python -m benchmarks.shield`"])
    table = table.replace("| fault |", "| what was tried |", 1)
    print(table)
    if chosen.write:
        keep(table)
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
