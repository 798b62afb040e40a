"""The experiments that need more than one figure of a context: drift, drafts, another build.

A draft is what followed the last three tokens where they stood before; the model verifies it in one
step. The rule that must not break: every token that counts is the one the verifying step chose.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from appliance.settings import Settings
from benchmarks.engine_answer import median
from benchmarks.engine_labs import LabProcess, Variant, format_lines, opening, show
from benchmarks.engine_peers import count_threads, find_model
from benchmarks.engine_quoting import OTHERS, QUOTING
from benchmarks.engine_words import ask_new


def write_prompt(question: str) -> str:
    return (
        f"<|im_start|>system\n{Settings().system_prompt}<|im_end|>\n"
        f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
    )


def run_drift(rounds: int) -> list[str]:
    """How far greedy answers of another KV type go the same way, and of another batch."""
    prompts, tokens = (10, 48) if rounds > 1 else (2, 4)
    base, *others = variants = (
        Variant("f16"),
        Variant("f16, ubatch 64", {"ubatch": 64}),
        Variant("f16, flash attention off", {"flash": 0}),
        Variant("q8_0", {"kv": "q8_0"}),
    )
    said: dict[str, list[list[int]]] = {variant.name: [] for variant in variants}
    with opening(variants) as labs:
        for number in range(prompts):
            text = write_prompt(ask_new(number * 31))
            for variant, lab in zip(variants, labs, strict=True):
                result = lab.ask({"do": "answer", "text": text, "tokens": tokens, "draft": 0})
                said[variant.name].append(result["ids"])
    rows = []
    for variant in others:
        pairs = list(zip(said[base.name], said[variant.name], strict=True))
        common = [count_common(one, other) for one, other in pairs]
        equal = sum(one == other for one, other in pairs)
        rows.append([f"{equal} of {prompts}", f"{median(common):.0f} of {tokens}"])
    head = ["against f16", "answers equal", "tokens until they differ, median"]
    return format_lines(head, [variant.name for variant in others], rows)


def count_common(one: Sequence[int], other: Sequence[int]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def run_drafts(rounds: int) -> list[str]:
    """Answers that quote a passage and answers that do not, with and without drafts."""
    tokens = 96 if rounds > 1 else 6
    rows = []
    with opening([Variant("base")]) as (lab,):
        for asked in (QUOTING, OTHERS):
            found = [compare_draft(lab, asked, draft, tokens, rounds) for draft in (3, 7)]
            rows.append(
                [
                    text
                    for ratio, accepted in found
                    for text in (f"{ratio:.2f} ×", f"{100 * accepted:.0f} %")
                ]
            )
    head = [
        "answers",
        *(f"K={draft}, {what}" for draft in (3, 7) for what in ("speed", "accepted")),
    ]
    return format_lines(head, ["quoting a passage", "quoting nothing"], rows)


def compare_draft(
    lab: LabProcess, questions: Sequence[str], draft: int, tokens: int, rounds: int
) -> tuple[float, float]:
    """Tokens per second with drafts by those without, and the share of drafts accepted."""
    ratios: list[float] = []
    drafted = accepted = 0
    for _ in range(rounds):
        for question in questions:
            request = {"do": "answer", "text": write_prompt(question), "tokens": tokens}
            plain = lab.ask({**request, "draft": 0})
            guessed = lab.ask({**request, "draft": draft})
            if plain["tokens_per_s"]:
                ratios.append(guessed["tokens_per_s"] / plain["tokens_per_s"])
            drafted, accepted = drafted + guessed["drafted"], accepted + guessed["accepted"]
    return median(ratios), accepted / drafted if drafted else 0.0


def run_blas(rounds: int) -> list[str]:
    """llama-bench beside each of two servers; left out where there is no second build."""
    binaries = [os.environ.get(name) for name in ("LLAMA_SERVER", "LLAMA_SERVER_BLAS")]
    if not all(binaries):
        return ["Not measured: no second build with BLAS (LLAMA_SERVER_BLAS)."]
    sizes = (128, 512)
    found: dict[tuple[int, int], list[float]] = {}
    for _ in range(rounds):
        for at, binary in enumerate(map(str, binaries)):
            for size, speed in run_bench(Path(binary).with_name("llama-bench"), sizes).items():
                found.setdefault((at, size), []).append(speed)
    rows = [
        [show(median(found[at, size]), median(found[0, size]), is_base=not at) for size in sizes]
        for at in range(2)
    ]
    head = ["build", *(f"prefill {size}, tokens/s" for size in sizes)]
    return format_lines(head, ["without BLAS", "OpenBLAS"], rows)


def run_bench(binary: Path, sizes: Sequence[int]) -> dict[int, float]:
    lengths = ",".join(map(str, sizes))
    done = subprocess.run(
        [
            str(binary), "-m", str(find_model()), "-t", str(count_threads()),
            "-p", lengths, "-n", "0", "-r", "1", "-o", "json",
        ],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {one["n_prompt"]: float(one["avg_ts"]) for one in json.loads(done.stdout)}
