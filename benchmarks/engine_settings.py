"""What llama.cpp can be set to, each setting against a base in one run: a table for the lab notes.

    .venv/bin/python -m benchmarks.engine_settings                all experiments, half an hour
    .venv/bin/python -m benchmarks.engine_settings --only flash   one of them
    .venv/bin/python -m benchmarks.engine_settings --quick        does it work at all

Prefill with BLAS needs a second build, beside the first one:

    apt-get install libopenblas-dev
    .venv/bin/python -m benchmarks.llama_server FOLDER --flag=-DGGML_BLAS=ON \\
        --flag=-DGGML_BLAS_VENDOR=OpenBLAS
    LLAMA_SERVER=… LLAMA_SERVER_BLAS=… .venv/bin/python -m benchmarks.engine_settings \\
        --only blas

It changes nothing and decides nothing. The rule that must not break: base and variants take turns,
and every figure of a variant stands beside the base's of the same run.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.engine_answer import median
from benchmarks.engine_drafts import run_blas, run_drafts, run_drift
from benchmarks.engine_labs import Variant, format_lines, opening, show
from benchmarks.engine_peers import count_threads, find_model
from benchmarks.fault_report import tell
from benchmarks.faults import describe_machine

ROUNDS = 5
DEPTHS = (0, 512, 1536)


@dataclass(frozen=True, slots=True)
class Ask:
    """One figure: what a context is asked, and the key of its result."""

    what: str
    key: str
    request: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Experiment:
    """The first variant is the base."""

    variants: tuple[Variant, ...]
    asks: tuple[Ask, ...]


def ask_step(depth: int, width: int = 1, key: str = "ms", steps: int = 24) -> Ask:
    unit = "ms" if key == "ms" else "wake-up late, p99 ms"
    what = f"step of {width} at {depth}, {unit}"
    return Ask(what, key, {"do": "step", "depth": depth, "width": width, "steps": steps})


def ask_prefill(tokens: int, depth: int = 0) -> Ask:
    request = {"do": "prefill", "depth": depth, "tokens": tokens}
    return Ask(f"prefill {tokens} at {depth}, tokens/s", "tokens_per_s", request)


def ask_state(what: str, key: str) -> Ask:
    return Ask(what, key, {"do": "state", "tokens": 512})


AT_DEPTHS = tuple(one for depth in DEPTHS for one in (ask_step(max(1, depth)),
                                                      ask_prefill(256, depth)))  # fmt: skip
ALONE_AND_TOGETHER = (ask_step(256), ask_step(256, 4), ask_step(256, 8), ask_prefill(512))
RESIDENT = ask_state("resident MB", "resident_mb")
EXPERIMENTS: dict[str, Experiment] = {
    "layout": Experiment(
        (Variant("unified"), Variant("split", {"unified": False})),
        (*ALONE_AND_TOGETHER, RESIDENT),
    ),
    "kv": Experiment(
        (Variant("f16"), Variant("q8_0", {"kv": "q8_0"})),
        (*AT_DEPTHS, ask_state("bytes a token", "bytes"), RESIDENT),
    ),
    "flash": Experiment(
        (Variant("auto"), Variant("on", {"flash": 1}), Variant("off", {"flash": 0})),
        (*AT_DEPTHS, ask_step(256, 4), ask_step(256, 8)),
    ),
    "ubatch": Experiment(
        tuple(Variant(f"{size}", {"ubatch": size}) for size in (512, 128, 64)),
        (ask_prefill(512), ask_step(256), ask_step(256, 4), RESIDENT),
    ),
    "wait": Experiment(
        (
            Variant("as it is"),
            Variant("OMP_WAIT_POLICY=passive", environ={"OMP_WAIT_POLICY": "passive"}),
            Variant("OMP_WAIT_POLICY=active", environ={"OMP_WAIT_POLICY": "active"}),
            Variant("GOMP_SPINCOUNT=0", environ={"GOMP_SPINCOUNT": "0"}),
            Variant("GOMP_SPINCOUNT=10000", environ={"GOMP_SPINCOUNT": "10000"}),
        ),
        (ask_step(256), ask_step(256, key="late_ms"), ask_step(256, 4), ask_prefill(256)),
    ),
    "threads": Experiment(
        tuple(Variant(f"{count}", {"threads": count}) for count in (2, 1)),
        (*ALONE_AND_TOGETHER, ask_step(256, key="late_ms")),
    ),
    "memory": Experiment(
        (
            Variant("read into memory"),
            Variant("mapped", {"load_mode": 1}),
            Variant("mapped and locked", {"load_mode": 3}),
            Variant("huge pages", environ={"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}),
        ),
        (ask_step(256), ask_prefill(512), ask_state("load s", "load_s"), RESIDENT),
    ),
}  # fmt: skip


def run_experiment(experiment: Experiment, rounds: int) -> list[str]:
    """A table: a row for each variant, a column for each figure, ratios to the base."""
    found: dict[tuple[int, str], list[float]] = {}
    with opening(experiment.variants) as labs:
        for ask in experiment.asks:
            for _ in range(rounds):
                for at, lab in enumerate(labs):
                    value = float(lab.ask(ask.request)[ask.key])
                    found.setdefault((at, ask.what), []).append(value)
    whats = [ask.what for ask in experiment.asks]
    names = [variant.name for variant in experiment.variants]
    rows = [
        [show(median(found[at, what]), median(found[0, what]), is_base=not at) for what in whats]
        for at in range(len(names))
    ]
    return format_lines(["setting", *whats], names, rows)


MORE: dict[str, Callable[[int], list[str]]] = {
    "drift": run_drift,
    "drafts": run_drafts,
    "blas": run_blas,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    names = [*EXPERIMENTS, *MORE]
    parser.add_argument("--only", choices=names, action="append", help="these experiments alone")
    parser.add_argument("--quick", action="store_true", help="one round: does it work at all")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"so many, not {ROUNDS}")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    print(f"{describe_machine()}, {count_threads()} threads, {find_model().name}; medians of ")
    print(f"{rounds} rounds in turns; in brackets the ratio to the first row.")
    for name in arguments.only or names:
        tell(f"{name} …")
        try:
            run = MORE.get(name)
            lines = run(rounds) if run else run_experiment(EXPERIMENTS[name], rounds)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
            lines = [f"Broke off: {error!r}"]
        print("\n".join(["", f"### {name}", "", *lines]), flush=True)


if __name__ == "__main__":
    main()
