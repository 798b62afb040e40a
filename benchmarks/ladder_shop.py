"""A shop of any size, made up by rule: the same entries, phrasings and questions every time.

It is for speed and memory alone and says nothing about quality: real questions stand in `evals/`.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

THINGS = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, slots=True)
class Row:
    question: str
    phrasings: tuple[str, ...]
    answer: str
    language: str
    unseen: str


def make_rows(count: int) -> list[Row]:
    """Half of them Chinese, each with its question and four phrasings besides."""
    table = tomllib.loads(THINGS.read_text("utf-8"))
    chinese, english = (list(_make_rows(name, table[name])) for name in ("zh", "en"))
    rows = [*chinese[: count - count // 2], *english[: count // 2]]
    assert len(rows) == count, f"only {len(chinese) + len(english)} entries can be made"
    return rows


def _make_rows(language: str, table: Mapping[str, list[Any]]) -> Iterator[Row]:
    between = " " if language == "en" else ""
    made = product(table["kinds"], table["nouns"], table["aspects"])
    for number, (kind, noun, wordings) in enumerate(made):
        thing = f"{kind}{between}{noun}"
        question, *phrasings, unseen = (wording.format(thing) for wording in wordings)
        answer = f"{thing}: {number} 元 / yuan, {number % 30 + 1} 天 / days."
        yield Row(question, tuple(phrasings), answer, language, unseen)


def write_shop(folder: Path, rows: list[Row]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "faq.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("question", "phrasings", "answer", "language"))
        for row in rows:
            writer.writerow((row.question, "|".join(row.phrasings), row.answer, row.language))


def choose_questions(rows: list[Row], count: int) -> list[str]:
    """Half of them stand in the shop, half are asked in words that stand nowhere."""
    random = Random(5)
    return [
        row.unseen if number % 2 else random.choice((row.question, *row.phrasings))
        for number, row in enumerate(random.sample(rows, min(count, len(rows))))
    ]
