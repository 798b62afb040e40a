"""Pairs of a question and a text, and whether the text answers: what the reranker is fitted to.

`pairs/` holds records that were written for this project from general knowledge, by people who saw
neither the evaluation sets nor the example shop; `intents.txt` holds sentences by what customers
come for. The rule that must not break: nothing of `evals/` or `examples/` is a pair.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from appliance.knowledge.embedder import Matrix
from appliance.knowledge.reranker import ANSWER, cut
from appliance.knowledge.semantic import scale
from benchmarks.intents import read_sentences

PAIRS = Path(__file__).with_name("pairs")
Kind: TypeAlias = Literal["entry", "line"]
Record: TypeAlias = dict[str, Any]
Embed: TypeAlias = Callable[[Sequence[str]], Matrix]

# Between phrasings; the appliance shows one of them and less of the answer.
OTHERWISE = " / "
SHOWN_CHARS = {"zh": 40, "en": 100}
# How many of the likest other lines, entries and wishes the wrong texts are drawn from.
LIKE_LINES, LIKE_ENTRIES, LIKE_WISHES = 8, 6, 25
WRONG_TEXTS = 2
FEWEST_SENTENCES = 4


class Pair(NamedTuple):
    kind: Kind
    question: str
    text: str
    answers: bool


def list_pairs(embed: Embed, chance: random.Random) -> list[Pair]:
    """Those of all records, twice as many wrong ones as right ones."""
    lines, entries = read_all("line"), read_all("entry")
    return [*pair_lines(lines, embed, chance), *pair_entries(entries, embed, chance)]


def read_all(kind: Kind) -> list[Record]:
    return [record for file in sorted(PAIRS.glob(f"{kind}*.jsonl")) for record in read(file)]


def read(file: Path) -> Iterator[Record]:
    return map(json.loads, file.read_text("utf-8").splitlines())


def pair_lines(records: Sequence[Record], embed: Embed, chance: random.Random) -> Iterator[Pair]:
    """The line with its questions and with those it does not answer, and its questions with
    other lines of the same trade."""
    texts = embed([f"{record['heading']}: {record['line']}" for record in records])
    asked = iter(embed([question for record in records for question in record["yes"]]))
    trades = np.array([record["trade"] for record in records])
    for place, record in enumerate(records):
        for question in record["yes"]:
            yield Pair("line", question, show_line(record, chance), True)
            near = list_near(texts @ next(asked), trades == record["trade"], place, LIKE_LINES)
            for other in chance.sample(near, min(WRONG_TEXTS, len(near))):
                yield Pair("line", question, show_line(records[other], chance), False)
        for question in record["no"]:
            yield Pair("line", question, show_line(record, chance), False)


def show_line(record: Record, chance: random.Random) -> str:
    """As some documents have headings above their lines and others have not."""
    return chance.choice(
        (
            record["line"],
            f"{record['heading']}: {record['line']}",
            f"{record['title']} {record['heading']}: {record['line']}",
        )
    )


def pair_entries(records: Sequence[Record], embed: Embed, chance: random.Random) -> Iterator[Pair]:
    rows = embed([record["question"] for record in records])
    trades = np.array([record["trade"] for record in records])
    for place, record in enumerate(records):
        near = list_near(rows @ rows[place], trades == record["trade"], place, LIKE_ENTRIES)
        for question in record["same"]:
            yield Pair("entry", question, show_entry(record, chance), True)
            for other in chance.sample(near, min(WRONG_TEXTS, len(near))):
                yield Pair("entry", question, show_entry(records[other], chance), False)
        for question in record["near"]:
            yield Pair("entry", question, show_entry(record, chance), False)


def show_entry(record: Record, chance: random.Random) -> str:
    """One to three phrasings; the answer is left out of every other one."""
    phrasings = [record["question"], *record["phrasings"]]
    chance.shuffle(phrasings)
    text = OTHERWISE.join(phrasings[: chance.choice((1, 2, 2, 3))])
    return text + ANSWER + cut(record["answer"], SHOWN_CHARS) if chance.random() < 0.5 else text


def pair_wishes(embed: Embed, chance: random.Random) -> Iterator[Pair]:
    """A sentence with others of its wish, and with those of a wish that lies near."""
    for is_ascii in (False, True):
        spoken = read_wishes(is_ascii)
        rows = [embed(wish) for wish in spoken]
        middles = np.stack([each.mean(axis=0) for each in rows])
        middles = scale(middles - middles.mean(axis=0))
        for place, wish in enumerate(spoken):
            near = np.argsort(-(middles @ middles[place]))[1 : LIKE_WISHES + 1]
            for at, question in enumerate(wish):
                others = [one for one in wish if one != question]
                yield Pair("entry", question, _join(others, chance), True)
                # The nearer the oftener.
                rival = int(near[int(len(near) * chance.random() ** 1.5)])
                likest = np.argsort(-(rows[rival] @ rows[place][at]))[: 4 if at % 2 else None]
                some = [spoken[rival][one] for one in likest]
                yield Pair("entry", question, _join(some, chance), False)


def read_wishes(is_ascii: bool) -> list[list[str]]:
    """Those of one language that are said in enough ways."""
    spoken = [[one for one in wish if one.isascii() == is_ascii] for wish in read_sentences()]
    return [wish for wish in spoken if len(wish) >= FEWEST_SENTENCES]


def _join(texts: Sequence[str], chance: random.Random) -> str:
    return OTHERWISE.join(chance.sample(texts, min(len(texts), chance.choice((1, 1, 2, 3)))))


def list_near(likeness: Matrix, is_same: Any, place: int, most: int) -> list[int]:
    """The likest others of the same trade."""
    order = np.argsort(-np.where(is_same, likeness, -np.inf))
    return [int(one) for one in order[: most + 1] if one != place and is_same[one]][:most]
