"""What a turn waits longer while the console sums up 100,000 questions.

    .venv/bin/python -m benchmarks.insight      about 2 minutes

The server is a process of its own with scripted answers; its rows are copies of one ended turn, so
that the span is as long as one can be. A turn that a rule answers is timed from the call to the end
of its answer, by turns with nobody at the console and while the figures are asked for without end.
"""

from __future__ import annotations

import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx2

from benchmarks.console import Operator, find_p95, serve

QUESTIONS, ROUNDS, TURNS, DAYS = 100_000, 6, 40, 30
RULE = "你是谁"
DAY_MS = 86_400_000
COLUMNS = "session_key, state, ended_ms, model_id, source, finish_reason, usage, timings, rule"
COPY = f"""
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
INSERT INTO turns (run_id, accepted_ms, {COLUMNS})
SELECT 'copy' || n, accepted_ms - n * ? / ?, {COLUMNS}
FROM numbers, (SELECT * FROM turns WHERE state = 'done' LIMIT 1)
"""
COPY_MESSAGES = """
INSERT INTO messages (session_key, position, run_id, role, text, created_ms)
SELECT session_key, position + turns.rowid, turns.run_id, role, text, created_ms
FROM turns JOIN (SELECT position, role, text, created_ms FROM messages WHERE role = 'customer')
WHERE turns.run_id LIKE 'copy%'
"""


def ask(client: httpx2.Client) -> float:
    """Milliseconds until the whole answer is there."""
    began_s = time.perf_counter()
    answer = client.post("/chat", json={"message": RULE}, headers={"Accept": "application/json"})
    answer.raise_for_status()
    return (time.perf_counter() - began_s) * 1000


def fill(data: Path) -> None:
    """The server is not there meanwhile."""
    with closing(sqlite3.connect(data / "appliance.db")) as connection, connection:
        connection.execute(COPY, (QUESTIONS, DAYS * DAY_MS, QUESTIONS))
        connection.execute(COPY_MESSAGES)


@contextmanager
def looking(operator: Operator, took_s: list[float]) -> Iterator[None]:
    """Somebody asks for the figures of the whole span, again and again."""
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            began_s, now_ms = time.perf_counter(), int(time.time() * 1000)
            span = f"from_ms={now_ms - 2 * DAYS * DAY_MS}&to_ms={now_ms}"
            answer = operator.client.get(f"/console/figures?{span}")
            assert answer.json()["totals"]["questions"] >= QUESTIONS, answer.text[:200]
            took_s.append(time.perf_counter() - began_s)

    worker = threading.Thread(target=look)
    worker.start()
    try:
        yield
    finally:
        is_over.set()
        worker.join()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with serve(data, is_demo=True) as box, httpx2.Client(base_url=box.url) as client:
            ask(client)
        fill(data)
        took_ms: dict[bool, list[float]] = {False: [], True: []}
        took_s: list[float] = []
        with serve(data, is_demo=True) as box, httpx2.Client(base_url=box.url) as client:
            operator = Operator(box.url, "op0")
            ask(client)
            for number in range(2 * ROUNDS):
                is_busy = bool(number % 2)
                with looking(operator, took_s) if is_busy else ExitStack():
                    took_ms[is_busy] += [ask(client) for _ in range(TURNS)]
    for is_busy, name in ((False, "nobody looks"), (True, "somebody looks")):
        times = took_ms[is_busy]
        told = f"median {statistics.median(times):.0f} ms, p95 {find_p95(times):.0f} ms"
        print(f"{name}: {told}, longest {max(times):.0f} ms")
    print(f"the figures of {QUESTIONS:,} questions: median {statistics.median(took_s):.1f} s")


if __name__ == "__main__":
    main()
