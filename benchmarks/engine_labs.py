"""Contexts of `engine_lab.py` as processes that take turns, and their figures as lines of a table.

It asks them nothing by itself. A context that is not asked is stopped: one whose threads wait by
spinning would else take a core from the others. The rule that must not break: a variant is the base
but for what it names, its environment included, and no process outlives the block.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from benchmarks.engine_peers import ROOT, count_threads, find_model


@dataclass(frozen=True, slots=True)
class Variant:
    name: str
    options: Mapping[str, object] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


class LabProcess:
    def __init__(self, variant: Variant) -> None:
        options = {"threads": count_threads(), **variant.options}
        self._child = subprocess.Popen(
            [
                sys.executable, "-m", "benchmarks.engine_lab", str(find_model()),
                json.dumps(options),
            ],
            env={**os.environ, **variant.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._read()
        self._child.send_signal(signal.SIGSTOP)

    def ask(self, request: Mapping[str, object]) -> dict[str, Any]:
        assert self._child.stdin
        self._child.send_signal(signal.SIGCONT)
        print(json.dumps(request), file=self._child.stdin, flush=True)
        result = self._read()
        self._child.send_signal(signal.SIGSTOP)
        return result

    def close(self) -> None:
        self._child.kill()
        self._child.wait()

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the context's process ended")
        result: dict[str, Any] = json.loads(line)
        return result


@contextmanager
def opening(variants: Sequence[Variant]) -> Iterator[list[LabProcess]]:
    with ExitStack() as stack:
        labs = []
        for variant in variants:
            labs.append(LabProcess(variant))
            stack.callback(labs[-1].close)
        yield labs


def show(value: float, base: float, *, is_base: bool) -> str:
    digits = 2 if value < 10 else 1 if value < 1000 else 0
    text = f"{value:.{digits}f}"
    return text if is_base or not base else f"{text} ({value / base:.2f} ×)"


def format_lines(head: Sequence[str], names: Sequence[str], rows: Sequence[list[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    return lines + [
        f"| {' | '.join([name, *row])} |" for name, row in zip(names, rows, strict=True)
    ]
