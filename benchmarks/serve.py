"""The appliance through HTTP against a bare llama.cpp decode loop, same file, same run.

    .venv/bin/python benchmarks/serve.py            prints the table
    .venv/bin/python benchmarks/serve.py --write    and keeps it in both READMEs

Server and bare loop take turns, five rounds; medians are printed with the bar each must meet.
Run it while the machine does nothing else.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from appliance.engine import models
from appliance.settings import Settings

ROUNDS = 5
FIRST_TOKEN_ROUNDS = 9
READMES = ("README.md", "README.zh-CN.md")
MARKS = re.compile(r"(<!-- measured:begin -->\n).*?(<!-- measured:end -->)", re.DOTALL)
LONG_QUESTION = "请详细介绍一下怎样挑选一双合适的跑鞋，写长一些。"
# Four questions that no rule answers, so that it is the model that is measured.
QUESTIONS = ("帮我写一封辞职信", "用 Python 读取 CSV 文件怎么写？", "雨伞怎么挑？", "怎么洗床单？")
SENTENCE_END = re.compile(r"[。！？!?\n]|：$")


@dataclass
class Answer:
    """One answer as a client saw it; times in milliseconds since the request."""

    text: str = ""
    arrivals_ms: list[float] = field(default_factory=list)
    first_sentence_ms: float = 0.0
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def ttft_ms(self) -> float:
        return self.arrivals_ms[0]

    @property
    def gaps_ms(self) -> list[float]:
        return [b - a for a, b in zip(self.arrivals_ms, self.arrivals_ms[1:], strict=False)]

    @property
    def tokens_per_s(self) -> float:
        decoded = self.last["usage"]["completion_tokens"] - 1
        return float(decoded / (self.arrivals_ms[-1] - self.arrivals_ms[0]) * 1000)


def ask(client: httpx2.Client, message: str) -> Answer:
    answer = Answer()
    started_at = time.perf_counter()
    with client.stream("POST", "/chat", json={"message": message}) as response:
        for line in response.iter_lines():
            if not line.startswith("data:"):
                continue
            now_ms = (time.perf_counter() - started_at) * 1000
            frame = json.loads(line[5:])
            if frame["done"]:
                answer.last = frame
                break
            answer.arrivals_ms.append(now_ms)
            answer.text += frame["token"]
            if not answer.first_sentence_ms and SENTENCE_END.search(answer.text.strip()):
                answer.first_sentence_ms = now_ms
    answer.first_sentence_ms = answer.first_sentence_ms or answer.arrivals_ms[-1]
    return answer


@dataclass
class Server:
    client: httpx2.Client
    process: subprocess.Popen[bytes]
    page_s: float
    ready_s: float

    @property
    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024


@contextmanager
def run_server() -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as empty_shop:
        command = [sys.executable, "-m", "appliance", "serve", "--host", "127.0.0.1"]
        started_at = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env={
                "APPLIANCE_DATA": data,
                "APPLIANCE_KNOWLEDGE": empty_shop,
                "PATH": "/usr/bin:/bin",
                "APPLIANCE_ADDRESS_ANSWERS": "0",
                "APPLIANCE_ADDRESS_PER_MINUTE": "0",
                "APPLIANCE_SESSION_PER_MINUTE": "0",
            },
            stdout=subprocess.DEVNULL,
        )
        client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=120)
        page_s = wait_for(client, "/", started_at)
        ready_s = wait_for(client, "/readyz", started_at)
        try:
            yield Server(client, process, page_s, ready_s)
        finally:
            client.close()
            process.terminate()
            process.wait(10)


def wait_for(client: httpx2.Client, path: str, started_at: float) -> float:
    """Seconds from `started_at` until `path` answers 200."""
    deadline = time.perf_counter() + 120
    while time.perf_counter() < deadline:
        try:
            if client.get(path).status_code == 200:
                return time.perf_counter() - started_at
        except httpx2.TransportError:
            pass
        time.sleep(0.02)
    raise TimeoutError(f"{path} did not answer in 120 s")


class BareLoop:
    """The loop of `bare_loop.py` as a process of its own."""

    def __init__(self, path: Path, threads: int, cells: int) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, str(Path(__file__).with_name("bare_loop.py")), str(path)),
                *("--threads", str(threads), "--cells", str(cells)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def run(self, cached_tokens: int, new_tokens: int, answer_tokens: int) -> dict[str, float]:
        assert self._process.stdin
        request = {
            "cached_tokens": cached_tokens,
            "new_tokens": new_tokens,
            "answer_tokens": answer_tokens,
        }
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._read()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> dict[str, float]:
        assert self._process.stdout
        result: dict[str, float] = json.loads(self._process.stdout.readline())
        return result


@dataclass(frozen=True)
class Row:
    what: str
    figure: str
    bar: str
    holds: bool


def measure() -> tuple[list[Row], list[str]]:
    """The table's rows and the lines that name machine, file and settings."""
    choice = models.resolve(Settings())
    with run_server() as server:
        ready = server.client.get("/readyz").json()["model"]
        bare = BareLoop(choice.path, ready["threads"], ready["context_tokens"])
        ask(server.client, LONG_QUESTION)
        served: list[Answer] = []
        loops: list[dict[str, float]] = []
        for _ in range(ROUNDS):
            served.append(ask(server.client, LONG_QUESTION))
            usage = served[-1].last["usage"]
            loops.append(
                bare.run(
                    usage["cached_tokens"],
                    usage["prompt_tokens"] - usage["cached_tokens"],
                    usage["completion_tokens"],
                )
            )
        greeted, prefills = _measure_first_tokens(server, bare)
        bare.close()
        questions = [(question, ask(server.client, question)) for question in QUESTIONS]
        rows = [
            *_compare(served, loops),
            _compare_first_tokens(greeted, prefills),
            *_describe_start(server),
            *_describe(questions),
        ]
    where = [
        f"{_read_cpu_name()}, {ready['threads']} threads; {choice.path.name}, "
        f"{ready['context_tokens']} cells, at most {Settings().max_new_tokens} new tokens; "
        f"prompt {served[0].last['usage']['prompt_tokens']} tokens of which "
        f"{served[0].last['usage']['cached_tokens']} are the shared system prompt; medians of "
        f"{ROUNDS} rounds.",
        "Command: `.venv/bin/python benchmarks/serve.py`",
    ]
    return rows, where


def _compare(served: list[Answer], loops: list[dict[str, float]]) -> list[Row]:
    speed = statistics.median(answer.tokens_per_s for answer in served)
    bare_speed = statistics.median(loop["tokens_per_s"] for loop in loops)
    # Round by round: the machine's speed drifts more between rounds than within one.
    ratio = statistics.median(
        answer.tokens_per_s / loop["tokens_per_s"]
        for answer, loop in zip(served, loops, strict=True)
    )
    gaps = sorted(gap for answer in served for gap in answer.gaps_ms)
    return [
        Row(
            "decode through HTTP / bare loop",
            f"{speed:.1f} / {bare_speed:.1f} tokens/s = {ratio:.3f}",
            "≥ 0.95",
            ratio >= 0.95,
        ),
        Row(
            "gap between two tokens, median / longest",
            f"{statistics.median(gaps):.1f} / {gaps[-1]:.1f} ms",
            "< 100 ms",
            gaps[-1] < 100,
        ),
    ]


def _measure_first_tokens(
    server: Server, bare: BareLoop
) -> tuple[list[Answer], list[dict[str, float]]]:
    """A short question in turns with the bare prefill of as many tokens."""
    greeted: list[Answer] = []
    prefills: list[dict[str, float]] = []
    for _ in range(FIRST_TOKEN_ROUNDS):
        greeted.append(ask(server.client, QUESTIONS[-1]))
        usage = greeted[-1].last["usage"]
        new_tokens = usage["prompt_tokens"] - usage["cached_tokens"]
        prefills.append(bare.run(usage["cached_tokens"], new_tokens, 2))
    return greeted, prefills


def _compare_first_tokens(greeted: list[Answer], prefills: list[dict[str, float]]) -> Row:
    added_ms = statistics.median(
        answer.ttft_ms - prefill["ttft_ms"]
        for answer, prefill in zip(greeted, prefills, strict=True)
    )
    whole_ms = statistics.median(answer.ttft_ms for answer in greeted)
    return Row(
        "time to first token, added to the bare prefill",
        f"{added_ms:.1f} ms (in all {whole_ms:.0f} ms; {FIRST_TOKEN_ROUNDS} rounds)",
        "≤ 30 ms",
        added_ms <= 30,
    )


def _describe_start(server: Server) -> list[Row]:
    resident_mb = server.resident_bytes / 1e6
    return [
        Row("start to page", f"{server.page_s:.2f} s", "≤ 1.5 s", server.page_s <= 1.5),
        Row("start to ready", f"{server.ready_s:.2f} s", "≤ 10 s", server.ready_s <= 10),
        Row(
            "resident memory after the run",
            f"{resident_mb:.0f} MB",
            "≤ 1000 MB",
            resident_mb <= 1000,
        ),
    ]


def _describe(questions: list[tuple[str, Answer]]) -> list[Row]:
    return [
        Row(
            f"「{question}」 first token / first sentence / whole",
            f"{answer.ttft_ms / 1000:.2f} / {answer.first_sentence_ms / 1000:.2f} / "
            f"{answer.last['timings']['total_ms'] / 1000:.2f} s",
            "first sentence ≤ 1.5 s",
            answer.first_sentence_ms <= 1500,
        )
        for question, answer in questions
    ]


def _read_cpu_name() -> str:
    found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else platform.machine()


def format_table(rows: list[Row], where: list[str]) -> str:
    lines = ["| what | measured | bar | |", "|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.figure} | {row.bar} | {'✓' if row.holds else '✗'} |" for row in rows
    ]
    return "\n".join([*lines, "", *where]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="keep the table in both READMEs")
    arguments = parser.parse_args()
    print("Measuring; this takes about a minute.", file=sys.stderr)
    rows, where = measure()
    table = format_table(rows, where)
    print(table)
    if arguments.write:
        for name in READMES:
            path = Path(name)
            path.write_text(MARKS.sub(lambda found: found[1] + table + found[2], path.read_text()))
    sys.exit(0 if all(row.holds for row in rows) else 1)


if __name__ == "__main__":
    main()
