"""How many customers a day which machines carry: the table of docs/growing.md, by stated formulas.

    .venv/bin/python -m benchmarks.growing            print the table
    .venv/bin/python -m benchmarks.growing --write    put it into docs/growing.md

It measures nothing. Each figure names where it was measured, each assumption is the reader's to
change. The rule that must not break: no figure stands here that stands in none of its sources.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "growing.md"
BETWEEN = re.compile(r"(<!-- growing:begin -->\n).*?(<!-- growing:end -->)", re.DOTALL)
CUSTOMERS = (10, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
# More boxes than these are more work than one server with a graphics card.
MOST_BOXES_ALONE = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """`written` is how it stands in `source`: a file of this project, or an address."""

    value: float
    written: str
    source: str


# The README's box answering alone; one answer at a time, what batching adds is reserve.
BOX_TOKENS_PER_S = Figure(23.3, "23.3 / 24.2 tokens/s", "README.md")
BOX_FIRST_WORD_S = Figure(0.132, "in all 132 ms", "README.md")
ANSWER_TOKENS = Figure(128, "at most 128 new tokens", "README.md")
# What a box spends on each token that another machine computes: way through, log, stream.
PASSED_TOKEN_S = Figure(0.00064, "0.59 to 0.64 ms", "docs/lab-notes.md")
# One RTX 4090, a 7B model, 256 tokens read and 128 said, 16 answers at the same time.
CARD_ANSWERS_PER_S = Figure(
    6.44,
    "6.44",
    "https://mushfiqrahman.dev/benchmarking-mistral-7b-on-rtx-4090-vllm-concurrency-latency-and-capacity-planning/",
)
FIGURES = (
    BOX_TOKENS_PER_S,
    BOX_FIRST_WORD_S,
    ANSWER_TOKENS,
    PASSED_TOKEN_S,
    CARD_ANSWERS_PER_S,
)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What nobody measured for your shop. `load` is the share of the time in which a machine is
    busy: at one half who comes waits on average for one answer (an M/M/1 queue)."""

    questions: float = 4.0
    busiest_hour: float = 0.15
    by_model: float = 1.0
    load: float = 0.5


@dataclass(frozen=True, slots=True)
class Need:
    """For so many customers a day: questions to the model in the busiest second, and machines."""

    customers: int
    per_hour: float
    boxes_alone: int
    cards: int
    boxes_before_cards: int


def count_box_answers_per_s() -> float:
    return 1 / (BOX_FIRST_WORD_S.value + ANSWER_TOKENS.value / BOX_TOKENS_PER_S.value)


def count_passed_answers_per_s() -> float:
    return 1 / (PASSED_TOKEN_S.value * ANSWER_TOKENS.value)


def compute(customers: int, assumed: Assumed) -> Need:
    per_hour = customers * assumed.questions * assumed.busiest_hour
    per_s = per_hour * assumed.by_model / 3600

    def count(answers_per_s: float) -> int:
        return max(1, math.ceil(per_s / (answers_per_s * assumed.load)))

    return Need(
        customers,
        per_hour,
        count(count_box_answers_per_s()),
        count(CARD_ANSWERS_PER_S.value),
        count(count_passed_answers_per_s()),
    )


def find_limit(answers_per_s: float, assumed: Assumed) -> int:
    """Customers a day that one machine with this rate carries."""
    per_customer = assumed.questions * assumed.busiest_hour * assumed.by_model / 3600
    return math.floor(answers_per_s * assumed.load / per_customer)


def name_step(need: Need) -> str:
    if need.boxes_alone == 1:
        return "one box"
    if need.cards > 1:
        return f"a fleet of {need.cards:,} cards, {count_boxes(need.boxes_before_cards)} before it"
    if need.boxes_alone <= MOST_BOXES_ALONE:
        return f"{need.boxes_alone} boxes, or a box and a GPU server"
    return f"a GPU server, {count_boxes(need.boxes_before_cards)} before it"


def count_boxes(boxes: int) -> str:
    return "one box" if boxes == 1 else f"{boxes} boxes"


def build_table() -> str:
    whole, half = Assumed(), Assumed(by_model=0.5)
    rows = [
        "| customers a day | questions in the busiest hour | every one needs the model | every "
        "second one does |",
        "|---|---|---|---|",
    ]
    for customers in CUSTOMERS:
        needs = compute(customers, whole), compute(customers, half)
        steps = " | ".join(map(name_step, needs))
        rows.append(f"| {customers:,} | {needs[0].per_hour:,.0f} | {steps} |")
    rates = (
        ("one box alone", count_box_answers_per_s()),
        ("one card behind a box", CARD_ANSWERS_PER_S.value),
        ("one box before any number of cards", count_passed_answers_per_s()),
    )
    rows += ["", "| what | answers a second | customers a day | every second question |"]
    rows.append("|---|---|---|---|")
    for name, rate in rates:
        limits = " | ".join(f"{find_limit(rate, assumed):,}" for assumed in (whole, half))
        rows.append(f"| {name} | {rate:.2f} | {limits} |")
    return "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--write", action="store_true", help="put the table into docs/growing.md")
    if not parser.parse_args(arguments).write:
        print(build_table())
        return
    text = PAGE.read_text("utf-8")
    PAGE.write_text(BETWEEN.sub(lambda at: f"{at[1]}{build_table()}{at[2]}", text), "utf-8")


if __name__ == "__main__":
    main()
