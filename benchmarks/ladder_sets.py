"""The evaluation sets and the example shop as the parts of `ladder.py` use them."""

from __future__ import annotations

from pathlib import Path

from appliance.eval_cases import Case, read_cases

ROOT = Path(__file__).parents[1]
EVALS = ROOT / "evals"
SHOP = ROOT / "examples" / "shop"


def read_set() -> tuple[Case, ...]:
    return read_cases(sorted(EVALS.glob("*.toml")))


def read_everyday() -> tuple[Case, ...]:
    return read_cases([EVALS / "everyday" / "cases.toml"])
